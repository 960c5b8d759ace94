/* A driver that goes wrong as BROKEN says: cuInit hangs, crashes, ends the process, or answers
 * that this is the toolkit's stub; else it starts, and knows of no device. */
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
	*count = 0;
	return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char **name)
{
	*name = error == CUDA_ERROR_STUB_LIBRARY ? "CUDA_ERROR_STUB_LIBRARY" : "CUDA_SUCCESS";
	return CUDA_SUCCESS;
}

/* What every driver has. Without a device none of it is reached, so the types do not matter;
 * the assembler's names keep them from those of the header. */
#define NEVER(symbol)                                                                          \
	void never_##symbol(void) __asm__(#symbol);                                            \
	void never_##symbol(void)                                                              \
	{                                                                                      \
		abort();                                                                       \
	}
NEVER(cuDeviceGet)
NEVER(cuDeviceGetName)
NEVER(cuDeviceTotalMem_v2)
NEVER(cuDeviceGetAttribute)
NEVER(cuDeviceGetPCIBusId)
NEVER(cuDevicePrimaryCtxRetain)
NEVER(cuCtxSetCurrent)
NEVER(cuMemGetInfo_v2)
NEVER(cuModuleLoadData)
NEVER(cuModuleGetFunction)
NEVER(cuLaunchKernel)
NEVER(cuMemcpyHtoD_v2)
NEVER(cuMemcpyDtoH_v2)
NEVER(cuMemsetD8_v2)
NEVER(cuCtxSynchronize)
