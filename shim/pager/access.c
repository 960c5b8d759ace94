#include "pager/access.h"

#include "door/driver.h"

#include <time.h>

/* cuMemSetAccess may say NOT_READY for a moment (seen on Windows drivers). */
#define TRIES 20

CUresult access_allow(CUdeviceptr start, size_t bytes, int device)
{
	const CUmemAccessDesc desc = {
	    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
	    .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
	};
	const struct timespec moment = {0, 500000};
	CUresult result;

	for (int i = 0;; i++) {
		result = real(cuMemSetAccess)(start, bytes, &desc, 1);
		if (result != CUDA_ERROR_NOT_READY || i == TRIES)
			return result;
		nanosleep(&moment, NULL);
	}
}
