/*
 * Launches. What the parameters name is made known to the pager, which may move memory first;
 * then the driver launches, between work_begin and work_end.
 */
#include "door/driver.h"
#include "door/export.h"
#include "hook/params.h"
#include "hook/work.h"

static CUresult before(CUfunction function, void **params, void **extra, struct pager_use *use)
{
	uint64_t addresses[PARAMS_NAMED_MAX];
	size_t count;

	*use = (struct pager_use){NULL, 0};
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return CUDA_SUCCESS;
	count = params_named(function, params, extra, addresses);
	return pager_use(addresses, count, use);
}

LT_EXPORT CUresult CUDAAPI cuLaunchKernel(CUfunction f, unsigned int gridDimX,
					  unsigned int gridDimY, unsigned int gridDimZ,
					  unsigned int blockDimX, unsigned int blockDimY,
					  unsigned int blockDimZ, unsigned int sharedMemBytes,
					  CUstream hStream, void **kernelParams, void **extra)
{
	struct pager_use use;
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchKernel))
		return CUDA_ERROR_NOT_FOUND;
	result = before(f, kernelParams, extra, &use);
	if (result != CUDA_SUCCESS)
		return result;
	begun = work_begin();
	result = real(cuLaunchKernel)(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY,
				      blockDimZ, sharedMemBytes, hStream, kernelParams, extra);
	pager_used(&use, work_legacy(hStream), result != CUDA_SUCCESS);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchKernel_ptsz(CUfunction f, unsigned int gridDimX,
					       unsigned int gridDimY, unsigned int gridDimZ,
					       unsigned int blockDimX, unsigned int blockDimY,
					       unsigned int blockDimZ,
					       unsigned int sharedMemBytes, CUstream hStream,
					       void **kernelParams, void **extra)
{
	struct pager_use use;
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchKernel_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = before(f, kernelParams, extra, &use);
	if (result != CUDA_SUCCESS)
		return result;
	begun = work_begin();
	result =
	    real(cuLaunchKernel_ptsz)(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY,
				      blockDimZ, sharedMemBytes, hStream, kernelParams, extra);
	pager_used(&use, work_per_thread(hStream), result != CUDA_SUCCESS);
	return work_end(begun, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f,
					    void **kernelParams, void **extra)
{
	struct pager_use use;
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchKernelEx))
		return CUDA_ERROR_NOT_FOUND;
	result = before(f, kernelParams, extra, &use);
	if (result != CUDA_SUCCESS)
		return result;
	begun = work_begin();
	result = real(cuLaunchKernelEx)(config, f, kernelParams, extra);
	pager_used(&use, work_legacy(config ? config->hStream : NULL), result != CUDA_SUCCESS);
	return work_end(begun, work_legacy(config ? config->hStream : NULL), result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchKernelEx_ptsz(const CUlaunchConfig *config, CUfunction f,
						 void **kernelParams, void **extra)
{
	struct pager_use use;
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchKernelEx_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = before(f, kernelParams, extra, &use);
	if (result != CUDA_SUCCESS)
		return result;
	begun = work_begin();
	result = real(cuLaunchKernelEx_ptsz)(config, f, kernelParams, extra);
	pager_used(&use, work_per_thread(config ? config->hStream : NULL),
		   result != CUDA_SUCCESS);
	return work_end(begun, work_per_thread(config ? config->hStream : NULL), result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchCooperativeKernel(
    CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
    unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
    unsigned int sharedMemBytes, CUstream hStream, void **kernelParams)
{
	struct pager_use use;
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchCooperativeKernel))
		return CUDA_ERROR_NOT_FOUND;
	result = before(f, kernelParams, NULL, &use);
	if (result != CUDA_SUCCESS)
		return result;
	begun = work_begin();
	result = real(cuLaunchCooperativeKernel)(f, gridDimX, gridDimY, gridDimZ, blockDimX,
						 blockDimY, blockDimZ, sharedMemBytes, hStream,
						 kernelParams);
	pager_used(&use, work_legacy(hStream), result != CUDA_SUCCESS);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchCooperativeKernel_ptsz(
    CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
    unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
    unsigned int sharedMemBytes, CUstream hStream, void **kernelParams)
{
	struct pager_use use;
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchCooperativeKernel_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = before(f, kernelParams, NULL, &use);
	if (result != CUDA_SUCCESS)
		return result;
	begun = work_begin();
	result = real(cuLaunchCooperativeKernel_ptsz)(f, gridDimX, gridDimY, gridDimZ,
						      blockDimX, blockDimY, blockDimZ,
						      sharedMemBytes, hStream, kernelParams);
	pager_used(&use, work_per_thread(hStream), result != CUDA_SUCCESS);
	return work_end(begun, work_per_thread(hStream), result);
}

/* Functions may go with their module, and their handles come again for others. */
LT_EXPORT CUresult CUDAAPI cuModuleUnload(CUmodule hmod)
{
	CUresult result;

	if (!driver_has(cuModuleUnload))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuModuleUnload)(hmod);
	params_forget();
	return result;
}

LT_EXPORT CUresult CUDAAPI cuLibraryUnload(CUlibrary library)
{
	CUresult result;

	if (!driver_has(cuLibraryUnload))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuLibraryUnload)(library);
	params_forget();
	return result;
}
