#include "pager/access.h"

#include "clock.h"
#include "door/driver.h"
#include "settings.h"

#include <time.h>

#define FIRST_NAP_NS 20000
#define LONGEST_NAP_NS 500000

/* cuMemSetAccess may say NOT_READY while work runs (seen on Windows drivers). That work ends,
 * and more does not come without bound: whoever launches what could matter waits for the lock
 * that the caller holds, or at the gate. */
CUresult access_allow(CUdeviceptr start, size_t bytes, int device)
{
	const CUmemAccessDesc desc = {
	    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
	    .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
	};
	CUresult result = real(cuMemSetAccess)(start, bytes, &desc, 1);
	struct timespec nap = {0, FIRST_NAP_NS};
	uint64_t until_ns;

	if (result != CUDA_ERROR_NOT_READY)
		return result;
	until_ns = clock_now_ns() + settings_get()->patience_ns;
	while (result == CUDA_ERROR_NOT_READY && clock_now_ns() < until_ns) {
		nanosleep(&nap, NULL);
		nap.tv_nsec = nap.tv_nsec < LONGEST_NAP_NS ? 2 * nap.tv_nsec : LONGEST_NAP_NS;
		result = real(cuMemSetAccess)(start, bytes, &desc, 1);
	}
	return result;
}
