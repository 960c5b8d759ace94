#include "pager/admission.h"

#include "door/driver.h"
#include "log.h"
#include "pager/holding.h"
#include "pager/ledger.h"
#include "settings.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

/* A user who set a cap expects paging; this version has none, and a silent out-of-memory would
 * puzzle. */
static void say_there_is_no_paging(const struct settings *settings)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!strcmp(settings->policy, "none") || atomic_flag_test_and_set(&said))
		return;
	log_warn(
	    "LOWTIDE_POLICY=%s: this version enforces the cap but does not page yet, as under "
	    "LOWTIDE_POLICY=none (set that to silence this line)",
	    settings->policy);
}

static void account_open(int device)
{
	size_t total_bytes;
	uint64_t cap_bytes;

	if (ledger_is_open(device))
		return;
	if (!real(cuDeviceTotalMem_v2) ||
	    real(cuDeviceTotalMem_v2)(&total_bytes, device) != CUDA_SUCCESS)
		return;
	cap_bytes = settings_cap_bytes(settings_get(), device, total_bytes);
	if (cap_bytes > total_bytes)
		cap_bytes = total_bytes;
	log_info("device %d: cap %" PRIu64 " MiB of %zu MiB", device, cap_bytes / MIB,
		 total_bytes / (size_t)MIB);
	say_there_is_no_paging(settings_get());
	ledger_open(device, cap_bytes);
}

bool admission_in_force(void)
{
	return !settings_get()->disable;
}

bool admission_ask_device(int device, size_t bytes)
{
	static atomic_flag said[LEDGER_DEVICES];

	account_open(device);
	if (holding_charge(device, bytes))
		return true;
	if (device >= 0 && device < LEDGER_DEVICES && !atomic_flag_test_and_set(&said[device]))
		log_warn("device %d: %zu bytes refused as out of memory: %" PRIu64
			 " of the cap's %" PRIu64
			 " MiB are taken (raise LOWTIDE_VRAM to allow more; said once)",
			 device, bytes, ledger_taken_bytes(device) / MIB,
			 ledger_cap_bytes(device) / MIB);
	return false;
}

bool admission_ask(size_t bytes, int *device)
{
	CUdevice current;

	*device = -1;
	if (!bytes || !admission_in_force() || !real(cuCtxGetDevice) ||
	    real(cuCtxGetDevice)(&current) != CUDA_SUCCESS)
		return true;
	if (!admission_ask_device(current, bytes))
		return false;
	*device = current;
	return true;
}

static CUresult settle(CUresult result, int device, size_t bytes, CUdeviceptr address,
		       CUcontext context)
{
	if (device < 0)
		return result;
	if (result == CUDA_SUCCESS)
		holding_remember(address, device, (uintptr_t)context, bytes);
	else
		holding_uncharge(device, bytes);
	return result;
}

CUresult admission_settle(CUresult result, int device, size_t bytes, CUdeviceptr address)
{
	CUcontext context = NULL;

	if (real(cuCtxGetCurrent) && real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS)
		context = NULL;
	return settle(result, device, bytes, address, context);
}

CUresult admission_settle_pooled(CUresult result, int device, size_t bytes, CUdeviceptr address)
{
	return settle(result, device, bytes, address, NULL);
}

size_t admission_report_total(int device, size_t total_bytes)
{
	const struct settings *settings = settings_get();
	uint64_t shown_bytes;

	if (settings->disable || settings->report == REPORT_PHYSICAL)
		return total_bytes;
	shown_bytes = settings_cap_bytes(settings, device, total_bytes);
	return shown_bytes < total_bytes ? (size_t)shown_bytes : total_bytes;
}

void admission_report(size_t *free_bytes, size_t *total_bytes)
{
	CUdevice device;
	size_t shown_bytes;
	uint64_t taken_bytes;

	if (!real(cuCtxGetDevice) || real(cuCtxGetDevice)(&device) != CUDA_SUCCESS)
		return;
	shown_bytes = admission_report_total(device, *total_bytes);
	if (shown_bytes == *total_bytes)
		return;
	taken_bytes = ledger_taken_bytes(device);
	*total_bytes = shown_bytes;
	/* What other processes hold is not ours to give either. */
	shown_bytes = taken_bytes < shown_bytes ? shown_bytes - (size_t)taken_bytes : 0;
	if (shown_bytes < *free_bytes)
		*free_bytes = shown_bytes;
}
