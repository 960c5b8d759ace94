#include "pager/array_charge.h"

#include "door/driver.h"
#include "pager/admission.h"
#include "pager/holding.h"
#include "pager/ledger.h"
#include "pager/small.h"

CUresult array_charge_ask(struct array_charge *charge, uint64_t least_bytes)
{
	CUresult result;

	*charge = (struct array_charge){.least_bytes = least_bytes};
	/* A size of 0 asks for nothing. */
	result = admission_current_device(1, &charge->device);
	if (charge->device < 0)
		return result;
	charge->charged_bytes = ledger_charge_bytes(least_bytes);
	/* The last page is rarely full, and a small one may need a new page. */
	if (charge->charged_bytes <= UINT64_MAX / 2)
		charge->charged_bytes += LEDGER_PAGE_BYTES;
	if (!admission_ask_pages(charge->device, charge->charged_bytes)) {
		admission_say_refused(charge->device, least_bytes);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	small_measuring();
	return CUDA_SUCCESS;
}

/* Others may free meanwhile: never less than the texels need in whole pages. */
static uint64_t taken(const struct array_charge *charge, uint64_t measured_bytes)
{
	uint64_t least = charge->least_bytes / LEDGER_PAGE_BYTES * LEDGER_PAGE_BYTES;

	return measured_bytes > least ? measured_bytes : least;
}

CUresult array_charge_settle(const struct array_charge *charge, CUresult result,
			     uint64_t handle, CUresult (*destroy)(CUdeviceptr))
{
	CUcontext context = NULL;
	uint64_t bytes;
	bool shares;

	if (charge->device < 0)
		return result;
	if (real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS)
		context = NULL;
	bytes = small_measured();
	/* It may lie in a page with others, which its end does not give back. */
	shares = result == CUDA_SUCCESS && small_is(charge->least_bytes) &&
		 bytes <= LEDGER_PAGE_BYTES;
	bytes = result == CUDA_SUCCESS ? taken(charge, bytes) : 0;
	if (shares)
		small_keep(charge->device, (uintptr_t)context, bytes);
	small_measured_done();
	if (bytes > charge->charged_bytes &&
	    !admission_ask_pages(charge->device, bytes - charge->charged_bytes)) {
		admission_say_refused(charge->device, bytes);
		destroy(handle);
		ledger_give_back(charge->device, charge->charged_bytes);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (bytes < charge->charged_bytes)
		ledger_give_back(charge->device, charge->charged_bytes - bytes);
	if (result != CUDA_SUCCESS)
		return result;
	if (shares)
		holding_remember_measured(handle, charge->device, (uintptr_t)context,
					  charge->least_bytes);
	else
		holding_remember(handle, charge->device, (uintptr_t)context, bytes);
	return result;
}
