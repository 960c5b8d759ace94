/*
 * Launches. What the parameters name is made known to the pager, which may move memory first;
 * then the driver launches, between work_begin and work_end.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/launch_params.h"
#include "hook/work.h"

#include <stdlib.h>

/* Success: as after work_begin. */
static CUresult name(const uint64_t *addresses, size_t count, bool unknown, CUstream stream,
		     struct pager_use *use, bool *begun)
{
	CUresult result = pager_use(addresses, count, use);

	return result == CUDA_SUCCESS
		   ? work_begin_kernel(addresses, count, unknown, stream, begun)
		   : result;
}

/* More than fits on the stack: PyTorch's foreach kernels name hundreds of tensors. */
static CUresult before_many(CUfunction function, void **params, void **extra, CUstream stream,
			    struct pager_use *use, bool *begun)
{
	uint64_t *addresses = malloc(LAUNCH_PARAMS_MOST * sizeof(*addresses));
	bool unknown = true;
	size_t count = 0;
	CUresult result;

	if (addresses)
		count = launch_params_named(function, params, extra, addresses,
					    LAUNCH_PARAMS_MOST, &unknown);
	if (unknown)
		pager_unknown_work("a kernel of unknown parameters");
	result = name(addresses, count, unknown, stream, use, begun);
	free(addresses);
	return result;
}

static CUresult before(CUfunction function, void **params, void **extra, CUstream stream,
		       struct pager_use *use, bool *begun)
{
	uint64_t addresses[LAUNCH_PARAMS_FEW];
	bool unknown;
	size_t count;

	use->count = 0;
	*begun = false;
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return CUDA_SUCCESS;
	count = launch_params_named(function, params, extra, addresses, LAUNCH_PARAMS_FEW,
				    &unknown);
	if (unknown && count == LAUNCH_PARAMS_FEW)
		return before_many(function, params, extra, stream, use, begun);
	if (unknown)
		pager_unknown_work("a kernel of unknown parameters");
	return name(addresses, count, unknown, stream, use, begun);
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
	result = before(f, kernelParams, extra, work_legacy(hStream), &use, &begun);
	if (result != CUDA_SUCCESS)
		return result;
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
	result = before(f, kernelParams, extra, work_per_thread(hStream), &use, &begun);
	if (result != CUDA_SUCCESS)
		return result;
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
	result = before(f, kernelParams, extra, work_legacy(config ? config->hStream : NULL),
			&use, &begun);
	if (result != CUDA_SUCCESS)
		return result;
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
	result = before(f, kernelParams, extra,
			work_per_thread(config ? config->hStream : NULL), &use, &begun);
	if (result != CUDA_SUCCESS)
		return result;
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
	result = before(f, kernelParams, NULL, work_legacy(hStream), &use, &begun);
	if (result != CUDA_SUCCESS)
		return result;
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
	result = before(f, kernelParams, NULL, work_per_thread(hStream), &use, &begun);
	if (result != CUDA_SUCCESS)
		return result;
	result = real(cuLaunchCooperativeKernel_ptsz)(f, gridDimX, gridDimY, gridDimZ,
						      blockDimX, blockDimY, blockDimZ,
						      sharedMemBytes, hStream, kernelParams);
	pager_used(&use, work_per_thread(hStream), result != CUDA_SUCCESS);
	return work_end(begun, work_per_thread(hStream), result);
}

/* One launch on each of several devices: all are named before any is launched. */
#define MULTI_DEVICES 64
#define MULTI_TRIES 16

/* Inside the gate. */
static bool all_there(const CUDA_LAUNCH_PARAMS *list, unsigned int count)
{
	uint64_t addresses[LAUNCH_PARAMS_FEW];
	bool there = true;

	for (unsigned int i = 0; i < count && there; i++) {
		bool unknown;
		size_t named = launch_params_named(list[i].function, list[i].kernelParams, NULL,
						   addresses, LAUNCH_PARAMS_FEW, &unknown);

		there =
		    unmapped_all_resident(addresses, named, unknown ? REACH_ALL : REACH_TABLED);
	}
	return there;
}

LT_EXPORT CUresult CUDAAPI cuLaunchCooperativeKernelMultiDevice(
    CUDA_LAUNCH_PARAMS *launchParamsList, unsigned int numDevices, unsigned int flags)
{
	unsigned int count = launchParamsList ? numDevices : 0;
	struct pager_use *uses = NULL; /* too large for a small stack */
	CUresult result = CUDA_SUCCESS;
	bool begun = false, unknown = false;

	if (!driver_has(cuLaunchCooperativeKernelMultiDevice))
		return CUDA_ERROR_NOT_FOUND;
	if (count && count <= MULTI_DEVICES)
		uses = calloc(count, sizeof(*uses));
	if (count && !uses) {
		pager_unknown_work("cuLaunchCooperativeKernelMultiDevice");
		unknown = true;
		count = 0;
	}
	/* By the time the last is in VRAM, the first may have left. */
	for (int tries = 0; tries < MULTI_TRIES && result == CUDA_SUCCESS; tries++) {
		for (unsigned int i = 0; i < count && result == CUDA_SUCCESS; i++) {
			pager_used(&uses[i], NULL, true);
			result = before(
			    launchParamsList[i].function, launchParamsList[i].kernelParams,
			    NULL, work_legacy(launchParamsList[i].hStream), &uses[i], &begun);
			/* Nobody waits inside the gate. */
			if (begun)
				gate_leave();
		}
		if (result != CUDA_SUCCESS)
			break;
		if (!work_needs_residence() || unknown) {
			result = work_begin_kernel(NULL, 0, unknown, CU_STREAM_LEGACY, &begun);
			break;
		}
		begun = work_begin();
		if (all_there(launchParamsList, count))
			break;
		work_end(begun, NULL, result);
		begun = false;
		if (tries + 1 == MULTI_TRIES)
			result = CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	}
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchCooperativeKernelMultiDevice)(launchParamsList,
								    numDevices, flags);
	for (unsigned int i = 0; i < count; i++)
		pager_used(&uses[i], work_legacy(launchParamsList[i].hStream),
			   result != CUDA_SUCCESS);
	free(uses);
	return work_end(begun, CU_STREAM_LEGACY, result);
}
