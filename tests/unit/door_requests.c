/*
 * Replays what the CUDA 13.0 runtime asks cuGetProcAddress for. Each hooked name must come back
 * as the wrapper of the right version and stream flavour, everything else must be left to the
 * driver. The expectations are written by hand, not taken from the hook table.
 */
#include "driver/driver.h"
#include "door/resolve.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#define REQUESTS "tests/golden/cudart-13.0-requests.tsv"

static const struct {
	const char *name;
	int version, flags;
	const char *symbol;
} expected[] = {
    {"cuGetProcAddress", 11030, 0, "cuGetProcAddress"},
    {"cuGetProcAddress", 12000, 0, "cuGetProcAddress_v2"},
    {"cuDeviceTotalMem", 3020, 0, "cuDeviceTotalMem_v2"},
    {"cuArrayCreate", 3020, 0, "cuArrayCreate_v2"},
    {"cuArray3DCreate", 3020, 0, "cuArray3DCreate_v2"},
    {"cuArrayDestroy", 2000, 0, "cuArrayDestroy"},
    {"cuMipmappedArrayCreate", 5000, 0, "cuMipmappedArrayCreate"},
    {"cuMipmappedArrayDestroy", 5000, 0, "cuMipmappedArrayDestroy"},
    {"cuTexObjectCreate", 5000, 0, "cuTexObjectCreate"},
    {"cuSurfObjectCreate", 5000, 0, "cuSurfObjectCreate"},
    {"cuDevicePrimaryCtxRetain", 7000, 0, "cuDevicePrimaryCtxRetain"},
    {"cuDevicePrimaryCtxRelease", 7000, 0, "cuDevicePrimaryCtxRelease"},
    {"cuDevicePrimaryCtxReset", 7000, 0, "cuDevicePrimaryCtxReset"},
    {"cuCtxCreate", 3020, 0, "cuCtxCreate_v2"},
    {"cuCtxDetach", 2000, 0, "cuCtxDetach"},
    {"cuCtxEnablePeerAccess", 4000, 0, "cuCtxEnablePeerAccess"},
    {"cuStreamWaitValue32", 8000, 0, "cuStreamWaitValue32"},
    {"cuStreamWaitValue32", 8000, 2, "cuStreamWaitValue32_ptsz"},
    {"cuStreamWriteValue32", 8000, 0, "cuStreamWriteValue32"},
    {"cuStreamWriteValue32", 8000, 2, "cuStreamWriteValue32_ptsz"},
    {"cuStreamWaitValue64", 9000, 0, "cuStreamWaitValue64"},
    {"cuStreamWaitValue64", 9000, 2, "cuStreamWaitValue64_ptsz"},
    {"cuStreamWriteValue64", 9000, 0, "cuStreamWriteValue64"},
    {"cuStreamWriteValue64", 9000, 2, "cuStreamWriteValue64_ptsz"},
    {"cuStreamBatchMemOp", 8000, 0, "cuStreamBatchMemOp"},
    {"cuStreamBatchMemOp", 8000, 2, "cuStreamBatchMemOp_ptsz"},
    {"cuGraphInstantiate", 10000, 0, "cuGraphInstantiate"},
    {"cuGraphInstantiate", 11000, 0, "cuGraphInstantiate_v2"},
    {"cuGraphExecChildGraphNodeSetParams", 11010, 0, "cuGraphExecChildGraphNodeSetParams"},
    {"cuGraphExecNodeSetParams", 12020, 0, "cuGraphExecNodeSetParams"},
    {"cuCtxSynchronize", 2000, 0, "cuCtxSynchronize"},
    {"cuCtxSynchronize", 13000, 0, "cuCtxSynchronize_v2"},
    {"cuModuleLoad", 2000, 0, "cuModuleLoad"},
    {"cuModuleLoadData", 2000, 0, "cuModuleLoadData"},
    {"cuModuleLoadFatBinary", 2000, 0, "cuModuleLoadFatBinary"},
    {"cuModuleGetFunction", 2000, 0, "cuModuleGetFunction"},
    {"cuModuleUnload", 2000, 0, "cuModuleUnload"},
    {"cuLibraryLoadData", 12000, 0, "cuLibraryLoadData"},
    {"cuLibraryLoadFromFile", 12000, 0, "cuLibraryLoadFromFile"},
    {"cuLibraryGetKernel", 12000, 0, "cuLibraryGetKernel"},
    {"cuLibraryGetModule", 12000, 0, "cuLibraryGetModule"},
    {"cuKernelGetFunction", 12000, 0, "cuKernelGetFunction"},
    {"cuLibraryUnload", 12000, 0, "cuLibraryUnload"},
    {"cuMemGetInfo", 3020, 0, "cuMemGetInfo_v2"},
    {"cuMemAllocManaged", 6000, 0, "cuMemAllocManaged"},
    {"cuMemAlloc", 3020, 0, "cuMemAlloc_v2"},
    {"cuMemAllocPitch", 3020, 0, "cuMemAllocPitch_v2"},
    {"cuMemFree", 3020, 0, "cuMemFree_v2"},
    {"cuMemGetAddressRange", 3020, 0, "cuMemGetAddressRange_v2"},
    {"cuPointerGetAttribute", 4000, 0, "cuPointerGetAttribute"},
    {"cuPointerGetAttributes", 7000, 0, "cuPointerGetAttributes"},
    {"cuMemPoolTrimTo", 11020, 0, "cuMemPoolTrimTo"},
    {"cuMemPoolDestroy", 11020, 0, "cuMemPoolDestroy"},
    {"cuMemAllocAsync", 11020, 0, "cuMemAllocAsync"},
    {"cuMemAllocAsync", 11020, 2, "cuMemAllocAsync_ptsz"},
    {"cuMemAllocFromPoolAsync", 11020, 0, "cuMemAllocFromPoolAsync"},
    {"cuMemAllocFromPoolAsync", 11020, 2, "cuMemAllocFromPoolAsync_ptsz"},
    {"cuMemFreeAsync", 11020, 0, "cuMemFreeAsync"},
    {"cuMemFreeAsync", 11020, 2, "cuMemFreeAsync_ptsz"},
    {"cuMemcpy", 4000, 0, "cuMemcpy"},
    {"cuMemcpy", 7000, 2, "cuMemcpy_ptds"},
    {"cuMemcpyAsync", 4000, 0, "cuMemcpyAsync"},
    {"cuMemcpyAsync", 7000, 2, "cuMemcpyAsync_ptsz"},
    {"cuMemcpyPeer", 4000, 0, "cuMemcpyPeer"},
    {"cuMemcpyPeer", 7000, 2, "cuMemcpyPeer_ptds"},
    {"cuMemcpyPeerAsync", 4000, 0, "cuMemcpyPeerAsync"},
    {"cuMemcpyPeerAsync", 7000, 2, "cuMemcpyPeerAsync_ptsz"},
    {"cuMemcpyHtoD", 3020, 0, "cuMemcpyHtoD_v2"},
    {"cuMemcpyHtoD", 7000, 2, "cuMemcpyHtoD_v2_ptds"},
    {"cuMemcpyHtoDAsync", 3020, 0, "cuMemcpyHtoDAsync_v2"},
    {"cuMemcpyHtoDAsync", 7000, 2, "cuMemcpyHtoDAsync_v2_ptsz"},
    {"cuMemcpyDtoH", 3020, 0, "cuMemcpyDtoH_v2"},
    {"cuMemcpyDtoH", 7000, 2, "cuMemcpyDtoH_v2_ptds"},
    {"cuMemcpyDtoHAsync", 3020, 0, "cuMemcpyDtoHAsync_v2"},
    {"cuMemcpyDtoHAsync", 7000, 2, "cuMemcpyDtoHAsync_v2_ptsz"},
    {"cuMemcpyDtoD", 3020, 0, "cuMemcpyDtoD_v2"},
    {"cuMemcpyDtoD", 7000, 2, "cuMemcpyDtoD_v2_ptds"},
    {"cuMemcpyDtoDAsync", 3020, 0, "cuMemcpyDtoDAsync_v2"},
    {"cuMemcpyDtoDAsync", 7000, 2, "cuMemcpyDtoDAsync_v2_ptsz"},
    {"cuMemcpy2DUnaligned", 3020, 0, "cuMemcpy2DUnaligned_v2"},
    {"cuMemcpy2DUnaligned", 7000, 2, "cuMemcpy2DUnaligned_v2_ptds"},
    {"cuMemcpy2DAsync", 3020, 0, "cuMemcpy2DAsync_v2"},
    {"cuMemcpy2DAsync", 7000, 2, "cuMemcpy2DAsync_v2_ptsz"},
    {"cuMemcpy3D", 3020, 0, "cuMemcpy3D_v2"},
    {"cuMemcpy3D", 7000, 2, "cuMemcpy3D_v2_ptds"},
    {"cuMemcpy3DAsync", 3020, 0, "cuMemcpy3DAsync_v2"},
    {"cuMemcpy3DAsync", 7000, 2, "cuMemcpy3DAsync_v2_ptsz"},
    {"cuMemcpy3DPeer", 4000, 0, "cuMemcpy3DPeer"},
    {"cuMemcpy3DPeer", 7000, 2, "cuMemcpy3DPeer_ptds"},
    {"cuMemcpy3DPeerAsync", 4000, 0, "cuMemcpy3DPeerAsync"},
    {"cuMemcpy3DPeerAsync", 7000, 2, "cuMemcpy3DPeerAsync_ptsz"},
    {"cuMemcpyBatchAsync", 13000, 0, "cuMemcpyBatchAsync_v2"},
    {"cuMemcpyBatchAsync", 13000, 2, "cuMemcpyBatchAsync_v2_ptsz"},
    {"cuMemcpy3DBatchAsync", 13000, 0, "cuMemcpy3DBatchAsync_v2"},
    {"cuMemcpy3DBatchAsync", 13000, 2, "cuMemcpy3DBatchAsync_v2_ptsz"},
    {"cuMemcpyBatchAsync", 12080, 0, "cuMemcpyBatchAsync"},
    {"cuMemcpyBatchAsync", 12080, 2, "cuMemcpyBatchAsync_ptsz"},
    {"cuMemcpy3DBatchAsync", 12080, 0, "cuMemcpy3DBatchAsync"},
    {"cuMemcpy3DBatchAsync", 12080, 2, "cuMemcpy3DBatchAsync_ptsz"},
    {"cuMemsetD8", 3020, 0, "cuMemsetD8_v2"},
    {"cuMemsetD8", 7000, 2, "cuMemsetD8_v2_ptds"},
    {"cuMemsetD8Async", 3020, 0, "cuMemsetD8Async"},
    {"cuMemsetD8Async", 7000, 2, "cuMemsetD8Async_ptsz"},
    {"cuMemsetD2D8", 3020, 0, "cuMemsetD2D8_v2"},
    {"cuMemsetD2D8", 7000, 2, "cuMemsetD2D8_v2_ptds"},
    {"cuMemsetD2D8Async", 3020, 0, "cuMemsetD2D8Async"},
    {"cuMemsetD2D8Async", 7000, 2, "cuMemsetD2D8Async_ptsz"},
    {"cuLaunchKernel", 4000, 0, "cuLaunchKernel"},
    {"cuLaunchKernel", 7000, 2, "cuLaunchKernel_ptsz"},
    {"cuLaunchCooperativeKernel", 9000, 0, "cuLaunchCooperativeKernel"},
    {"cuLaunchCooperativeKernel", 9000, 2, "cuLaunchCooperativeKernel_ptsz"},
    {"cuLaunchKernelEx", 11060, 0, "cuLaunchKernelEx"},
    {"cuLaunchKernelEx", 11060, 2, "cuLaunchKernelEx_ptsz"},
    {"cuEventSynchronize", 2000, 0, "cuEventSynchronize"},
    {"cuStreamCreate", 2000, 0, "cuStreamCreate"},
    {"cuStreamCreateWithPriority", 5050, 0, "cuStreamCreateWithPriority"},
    {"cuStreamDestroy", 4000, 0, "cuStreamDestroy_v2"},
    {"cuStreamSynchronize", 2000, 0, "cuStreamSynchronize"},
    {"cuStreamSynchronize", 7000, 2, "cuStreamSynchronize_ptsz"},
    {"cuIpcGetMemHandle", 4010, 0, "cuIpcGetMemHandle"},
    {"cuMemPrefetchAsync", 8000, 0, "cuMemPrefetchAsync"},
    {"cuMemPrefetchAsync", 8000, 2, "cuMemPrefetchAsync_ptsz"},
    {"cuMemPrefetchAsync", 12020, 0, "cuMemPrefetchAsync_v2"},
    {"cuMemPrefetchAsync", 12020, 2, "cuMemPrefetchAsync_v2_ptsz"},
    {"cuGraphInstantiateWithFlags", 11040, 0, "cuGraphInstantiateWithFlags"},
    {"cuGraphLaunch", 10000, 0, "cuGraphLaunch"},
    {"cuGraphLaunch", 10000, 2, "cuGraphLaunch_ptsz"},
    {"cuGraphExecDestroy", 10000, 0, "cuGraphExecDestroy"},
    {"cuStreamBeginCapture", 10000, 0, "cuStreamBeginCapture"},
    {"cuStreamBeginCapture", 10000, 2, "cuStreamBeginCapture_ptsz"},
    {"cuStreamBeginCapture", 10010, 0, "cuStreamBeginCapture_v2"},
    {"cuStreamBeginCapture", 10010, 2, "cuStreamBeginCapture_v2_ptsz"},
    {"cuStreamBeginCaptureToGraph", 12030, 0, "cuStreamBeginCaptureToGraph"},
    {"cuStreamBeginCaptureToGraph", 12030, 2, "cuStreamBeginCaptureToGraph_ptsz"},
    {"cuStreamEndCapture", 10000, 0, "cuStreamEndCapture"},
    {"cuStreamEndCapture", 10000, 2, "cuStreamEndCapture_ptsz"},
    {"cuGraphExecKernelNodeSetParams", 12000, 0, "cuGraphExecKernelNodeSetParams_v2"},
    {"cuGraphExecMemcpyNodeSetParams", 10020, 0, "cuGraphExecMemcpyNodeSetParams"},
    {"cuGraphExecMemsetNodeSetParams", 10020, 0, "cuGraphExecMemsetNodeSetParams"},
    {"cuGraphExecUpdate", 12000, 0, "cuGraphExecUpdate_v2"},
    {"cuGraphInstantiateWithParams", 12000, 0, "cuGraphInstantiateWithParams"},
    {"cuGraphInstantiateWithParams", 12000, 2, "cuGraphInstantiateWithParams_ptsz"},
};

#define EXPECTED (sizeof(expected) / sizeof(expected[0]))

static const char *expected_symbol(const char *name, int version, int flags)
{
	for (size_t i = 0; i < EXPECTED; i++)
		if (!strcmp(expected[i].name, name) && expected[i].version == version &&
		    expected[i].flags == flags)
			return expected[i].symbol;
	return NULL;
}

Test(requests, of_the_runtime_get_our_wrapper_or_the_drivers_own)
{
	FILE *file = fopen(REQUESTS, "r");
	char line[256], name[128];
	int version, flags, asked = 0, ours = 0;

	cr_assert(ne(ptr, file, NULL), "%s is here", REQUESTS);
	while (fgets(line, sizeof(line), file)) {
		const char *symbol;
		void *wrapper;

		if (line[0] == '#' || sscanf(line, "%127s %d %d", name, &version, &flags) != 3)
			continue;
		asked++;
		wrapper = resolve_base(name, version, flags == 2);
		symbol = expected_symbol(name, version, flags);
		if (!symbol) {
			cr_assert(zero(ptr, wrapper), "%s %d %d is the driver's to answer",
				  name, version, flags);
			continue;
		}
		ours++;
		cr_assert(eq(ptr, wrapper, resolve_symbol(symbol)), "%s %d %d is %s", name,
			  version, flags, symbol);
		cr_assert(ne(ptr, wrapper, NULL), "%s has a wrapper", symbol);
	}
	fclose(file);
	cr_assert(ge(int, asked, 439), "the file has every request");
	cr_assert(eq(int, ours, (int)EXPECTED), "each is asked for, once");
}

Test(resolve, knows_only_exact_names)
{
	static const char *const strangers[] = {
	    "cu", "cuMem", "cuMemAlloc", "cuMemAlloc_v", "cudnnCreate", "cuMemAlloc_v22", ""};

	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		cr_assert(zero(ptr, resolve_symbol(strangers[i])), "\"%s\"", strangers[i]);
}

Test(resolve, leaves_a_version_older_than_any_it_hooks_to_the_driver)
{
	cr_assert(zero(ptr, resolve_base("cuMemAlloc", 2000, false)));
	cr_assert(zero(ptr, resolve_base("cuGetProcAddress", 11020, false)));
}

Test(resolve, gives_the_plain_flavour_where_no_per_thread_one_exists)
{
	cr_assert(
	    eq(ptr, resolve_base("cuMemAlloc", 12000, true), resolve_symbol("cuMemAlloc_v2")));
}

/* A driver that has nothing, and says so in either way. */
static CUresult CUDAAPI has_nothing(const char *symbol, void **pfn, int version,
				    cuuint64_t flags, CUdriverProcAddressQueryResult *status)
{
	(void)symbol, (void)version;
	*pfn = NULL;
	if (status)
		*status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	return flags ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

Test(requests, for_what_the_driver_has_not_get_nothing)
{
	CUdriverProcAddressQueryResult status;
	void *pfn = (void *)1;

	cr_assert(eq(int, driver_load(), CUDA_SUCCESS));
	lt_driver.cuGetProcAddress_v2 = has_nothing;
	cr_assert(eq(int, cuGetProcAddress_v2("cuMemAlloc", &pfn, 12000, 0, &status),
		     CUDA_ERROR_NOT_FOUND));
	cr_assert(zero(ptr, pfn));
	cr_assert(
	    eq(int, cuGetProcAddress_v2("cuMemAlloc", &pfn, 12000, 2, &status), CUDA_SUCCESS));
	cr_assert(zero(ptr, pfn));
	cr_assert(eq(int, status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND));
}
