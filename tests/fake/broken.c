/*
 * A driver that goes wrong as BROKEN says: cuInit hangs, crashes, ends the process, or answers
 * that this is the toolkit's stub. wrong: all succeeds on one device, but what is read back
 * depends on where it lay. bare: that device, without virtual memory management. Else it
 * starts, and knows of no device.
 */
#include <cuda.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is(const char *what)
{
	const char *broken = getenv("BROKEN");

	return broken && !strcmp(broken, what);
}

CUresult cuInit(unsigned int flags)
{
	(void)flags;
	if (is("crash"))
		abort();
	if (is("end"))
		_exit(0);
	while (is("hang"))
		sleep(1);
	return is("stub") ? CUDA_ERROR_STUB_LIBRARY : CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version)
{
	*version = 12080;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count)
{
	*count = is("wrong") || is("bare");
	return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char **name)
{
	*name = error == CUDA_ERROR_STUB_LIBRARY ? "CUDA_ERROR_STUB_LIBRARY" : "CUDA_SUCCESS";
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int room, CUdevice device)
{
	(void)device;
	strncpy(name, "Broken GPU", (size_t)room);
	return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
	(void)device;
	*bytes = (size_t)1 << 30;
	return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes)
{
	memset(to, (int)(from >> 20), bytes);
	return CUDA_SUCCESS;
}

/* What else is called. The types do not matter to a body that looks at no argument; the
 * assembler's names keep them from those of the header. */
#define NOTHING(symbol)                                                                        \
	CUresult nothing_##symbol(void) __asm__(#symbol);                                      \
	CUresult nothing_##symbol(void)                                                        \
	{                                                                                      \
		return CUDA_SUCCESS;                                                           \
	}
NOTHING(cuDeviceGet)
NOTHING(cuDeviceGetAttribute)
NOTHING(cuDeviceGetPCIBusId)
NOTHING(cuDevicePrimaryCtxRetain)
NOTHING(cuCtxSetCurrent)
NOTHING(cuCtxSynchronize)
NOTHING(cuMemGetInfo_v2)
NOTHING(cuModuleLoadData)
NOTHING(cuModuleGetFunction)
NOTHING(cuModuleUnload)
NOTHING(cuLaunchKernel)
NOTHING(cuMemcpyHtoD_v2)
NOTHING(cuMemsetD8_v2)
#ifndef BARE
NOTHING(cuMemAddressFree)
NOTHING(cuMemCreate)
NOTHING(cuMemRelease)
NOTHING(cuMemMap)
NOTHING(cuMemUnmap)
NOTHING(cuMemSetAccess)

CUresult cuMemAddressReserve(CUdeviceptr *base, size_t bytes, size_t alignment,
			     CUdeviceptr hint, unsigned long long flags)
{
	(void)bytes, (void)alignment, (void)hint, (void)flags;
	*base = 0x300000000; /* low, whatever was asked for */
	return CUDA_SUCCESS;
}
#endif
