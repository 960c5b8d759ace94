#include "pager/report.h"

#include "account/ledger.h"
#include "base/settings.h"
#include "driver/driver.h"
#include "pager/driver_slabs.h"
#include "pager/pager.h"

#include <string.h>

/* Bytes of RAM that LOWTIDE_REPORT=virtual counts as the card's. */
static uint64_t lent_bytes(const struct settings *settings)
{
	return settings->report == REPORT_VIRTUAL && strcmp(settings->policy, "none")
		   ? settings_host_bytes(settings)
		   : 0;
}

size_t report_total(int device, size_t total_bytes)
{
	const struct settings *settings = settings_get();
	uint64_t shown_bytes;

	if (settings->disable || settings->report == REPORT_PHYSICAL)
		return total_bytes;
	shown_bytes = settings_cap_bytes(settings, device, total_bytes);
	if (shown_bytes > total_bytes)
		shown_bytes = total_bytes;
	return (size_t)(shown_bytes + lent_bytes(settings));
}

static size_t less(size_t bytes, uint64_t taken)
{
	return taken < bytes ? bytes - (size_t)taken : 0;
}

/* As if nothing were paged: what the program allocated is taken, wherever it lies. */
void report_memory(size_t *free_bytes, size_t *total_bytes)
{
	uint64_t managed_bytes, cold_bytes, taken_bytes;
	uint64_t spare_bytes;
	CUdevice device;
	size_t shown_bytes, card_bytes;

	if (!real(cuCtxGetDevice) || real(cuCtxGetDevice)(&device) != CUDA_SUCCESS)
		return;
	pager_residency(device, &managed_bytes, &cold_bytes);
	spare_bytes = pager_frame_bytes(device) + driver_slabs_empty_bytes(device);
	if (settings_get()->disable || settings_get()->report == REPORT_PHYSICAL) {
		/* Frames that are spare, or our own, are free to it. */
		*free_bytes = less(*free_bytes + spare_bytes, managed_bytes);
		return;
	}
	/* What is charged includes the resident part of what is managed, and spare frames,
	 * which are free to it. */
	taken_bytes = ledger_taken_bytes(device);
	taken_bytes -= spare_bytes < taken_bytes ? spare_bytes : taken_bytes;
	shown_bytes = less(report_total(device, *total_bytes), taken_bytes + managed_bytes);
	/* What other processes hold of the card is not ours to give either. */
	card_bytes = less(*free_bytes + spare_bytes, managed_bytes);
	if (settings_get()->report == REPORT_CAP && shown_bytes > card_bytes && !cold_bytes)
		shown_bytes = card_bytes;
	*total_bytes = report_total(device, *total_bytes);
	*free_bytes = shown_bytes;
}
