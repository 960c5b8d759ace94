/*
 * Each hooked call with outputs and inputs left out, as the driver answers it: prints a line a
 * call, which must be the same with and without the library. The memory named lies partly in
 * VRAM and partly in RAM.
 */
#include "program.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECES 8
#define BYTES (6 * UNIT)
#define TOLD(what) printf("%s: told\n", (what) ? "yes, " #what : "NO, " #what)

/* The name first, and at once: the call may be the last. */
#define SAY(call)                                                                              \
	do {                                                                                   \
		printf("%s: ", #call);                                                         \
		fflush(stdout);                                                                \
		printf("%d\n", (int)(call));                                                   \
	} while (0)

static CUdeviceptr pieces[PIECES];

static void sizes(void)
{
	size_t free_bytes = 7, total_bytes = 7;

	SAY(cuMemGetInfo(NULL, &total_bytes));
	TOLD(total_bytes > 7);
	SAY(cuMemGetInfo(&free_bytes, NULL));
	TOLD(free_bytes != 7 && free_bytes <= total_bytes);
	SAY(cuMemGetInfo(NULL, NULL));
	SAY(cuDeviceTotalMem(NULL, 0));
	SAY(cuDeviceTotalMem(NULL, 99));
	SAY(cuDeviceTotalMem(&total_bytes, 99));
}

static void pointers(CUdeviceptr at)
{
	CUpointer_attribute what[2] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
				       CU_POINTER_ATTRIBUTE_HOST_POINTER};
	unsigned int type = 7;
	void *host = &type, *data[2] = {&type, &host};
	CUdeviceptr start = 7;
	size_t bytes = 7;

	SAY(cuMemGetAddressRange(NULL, &bytes, at));
	TOLD(bytes == BYTES);
	SAY(cuMemGetAddressRange(&start, NULL, at));
	TOLD(start == at);
	SAY(cuMemGetAddressRange(NULL, NULL, at));
	SAY(cuMemGetAddressRange(NULL, NULL, 0));
	SAY(cuPointerGetAttribute(NULL, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at));
	SAY(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 0));
	SAY(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_ACCESS_FLAGS, at));
	TOLD(type == CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE);
	SAY(cuPointerGetAttributes(0, what, data, at));
	SAY(cuPointerGetAttributes(2, NULL, data, at));
	SAY(cuPointerGetAttributes(2, what, NULL, at));
	SAY(cuPointerGetAttributes(2, what, data, 0));
	SAY(cuPointerGetAttributes(2, what, data, at));
	TOLD(type == CU_MEMORYTYPE_DEVICE && !host);
	data[0] = NULL;
	host = &type;
	SAY(cuPointerGetAttributes(2, what, data, at));
	TOLD(!host);
	data[1] = NULL;
	SAY(cuPointerGetAttributes(2, what, data, at));
	SAY(cuPointerSetAttribute(NULL, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at));
	SAY(cuIpcGetMemHandle(NULL, at));
	SAY(cuMemRetainAllocationHandle(NULL, (void *)at));
	SAY(cuMemRetainAllocationHandle(NULL, NULL));
}

static void freed(CUdeviceptr at)
{
	CUmemGenericAllocationHandle handle;
	CUipcMemHandle shared;
	unsigned int type;

	MUST(cuMemFree(at));
	SAY(cuIpcGetMemHandle(&shared, at));
	SAY(cuMemRetainAllocationHandle(&handle, (void *)at));
	SAY(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at));
	SAY(cuMemGetAddressRange(NULL, NULL, at));
	SAY(cuMemFree(at));
}

static void allocations(void)
{
	const CUmemAllocationProp prop = {
	    .type = CU_MEM_ALLOCATION_TYPE_PINNED,
	    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
	CUmemGenericAllocationHandle handle;
	CUdeviceptr made = 0;
	size_t pitch = 0;

	SAY(cuMemAlloc(NULL, 4096));
	SAY(cuMemAlloc(NULL, BYTES));
	SAY(cuMemAlloc(NULL, 400 * BYTES));
	SAY(cuMemAlloc(NULL, 0));
	SAY(cuMemAlloc(&made, 0));
	SAY(cuMemAllocPitch(NULL, &pitch, 4096, 1024, 4));
	SAY(cuMemAllocPitch(&made, NULL, 4096, 1024, 4));
	SAY(cuMemAllocPitch(NULL, NULL, 4096, 1 << 20, 4));
	SAY(cuMemAllocPitch(&made, &pitch, 0, 1024, 4));
	SAY(cuMemAllocPitch(&made, &pitch, 4096, 0, 4));
	SAY(cuMemAllocPitch(&made, &pitch, 4096, 1024, 5));
	SAY(cuMemAllocPitch(&made, &pitch, 4096, (size_t)1 << 60, 5));
	SAY(cuMemAllocPitch(&made, &pitch, SIZE_MAX, 1, 4));
	SAY(cuMemAllocPitch(&made, &pitch, SIZE_MAX / 2, 2, 4));
	SAY(cuMemAllocPitch(&made, &pitch, 4096, SIZE_MAX, 4));
	SAY(cuMemAlloc(&made, SIZE_MAX));
	SAY(cuMemAllocManaged(NULL, BYTES, CU_MEM_ATTACH_GLOBAL));
	SAY(cuMemAllocManaged(&made, BYTES, 0));
	SAY(cuMemAllocManaged(&made, 0, CU_MEM_ATTACH_GLOBAL));
	SAY(cuMemAllocManaged(NULL, 400 * BYTES, CU_MEM_ATTACH_GLOBAL));
	SAY(cuMemAllocAsync(NULL, BYTES, NULL));
	SAY(cuMemAllocAsync(NULL, 400 * BYTES, NULL));
	SAY(cuMemAllocFromPoolAsync(NULL, BYTES, NULL, NULL));
	SAY(cuMemAllocFromPoolAsync(&made, BYTES, NULL, NULL));
	SAY(cuMemAllocFromPoolAsync(&made, 400 * BYTES, NULL, NULL));
	SAY(cuMemFree(0));
	SAY(cuMemFreeAsync(0, NULL));
	SAY(cuMemPoolTrimTo(NULL, 0));
	SAY(cuMemPoolDestroy(NULL));
	SAY(cuMemCreate(NULL, BYTES, &prop, 0));
	SAY(cuMemCreate(NULL, 400 * BYTES, &prop, 0));
	SAY(cuMemCreate(&handle, BYTES, NULL, 0));
	SAY(cuMemCreate(NULL, BYTES, NULL, 0));
	SAY(cuMemRelease(0));
	SAY(cuMemMap(0, 0, 0, 0, 0));
	SAY(cuMemUnmap(0, 0));
}

static void arrays(void)
{
	const CUDA_ARRAY_DESCRIPTOR flat = {64, 64, CU_AD_FORMAT_FLOAT, 1};
	const CUDA_ARRAY3D_DESCRIPTOR deep = {64, 64, 2, CU_AD_FORMAT_FLOAT, 1, 0};
	CUmipmappedArray levels;
	CUarray array;

	SAY(cuArrayCreate(NULL, &flat));
	SAY(cuArrayCreate(&array, NULL));
	SAY(cuArray3DCreate(NULL, &deep));
	SAY(cuArray3DCreate(&array, NULL));
	SAY(cuMipmappedArrayCreate(NULL, &deep, 1));
	SAY(cuMipmappedArrayCreate(&levels, NULL, 1));
	SAY(cuArrayDestroy(NULL));
	SAY(cuMipmappedArrayDestroy(NULL));
}

static void handles(CUdeviceptr at)
{
	CUDA_RESOURCE_DESC linear = {.resType = CU_RESOURCE_TYPE_LINEAR,
				     .res.linear = {at, CU_AD_FORMAT_FLOAT, 1, 4096}};
	CUDA_TEXTURE_DESC manner = {0};
	CUtexObject texture;
	CUsurfObject surface;
	CUtensorMap map;
	CUfunction made;
	CUmodule loaded;

	SAY(cuTexObjectCreate(NULL, &linear, &manner, NULL));
	SAY(cuTexObjectCreate(&texture, NULL, &manner, NULL));
	SAY(cuTexObjectCreate(&texture, &linear, NULL, NULL));
	SAY(cuSurfObjectCreate(NULL, &linear));
	SAY(cuSurfObjectCreate(&surface, NULL));
	SAY(cuTensorMapEncodeTiled(NULL, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 1, (void *)at, NULL,
				   NULL, NULL, NULL, 0, 0, 0, 0));
	SAY(cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 1, NULL, NULL, NULL,
				   NULL, NULL, 0, 0, 0, 0));
	SAY(cuTensorMapReplaceAddress(NULL, (void *)at));
	SAY(cuModuleLoad(NULL, getenv("SIM_IMAGE")));
	SAY(cuModuleLoad(&loaded, NULL));
	SAY(cuModuleLoadData(NULL, NULL));
	SAY(cuModuleLoadData(&loaded, NULL));
	SAY(cuModuleLoadDataEx(&loaded, NULL, 0, NULL, NULL));
	SAY(cuModuleLoadFatBinary(&loaded, NULL));
	SAY(cuModuleGetFunction(NULL, module, "fill"));
	SAY(cuModuleGetFunction(&made, NULL, "fill"));
	SAY(cuModuleGetFunction(&made, module, NULL));
	SAY(cuModuleUnload(NULL));
	SAY(cuLibraryUnload(NULL));
	SAY(cuLibraryGetKernel(NULL, NULL, "fill"));
	SAY(cuLibraryGetModule(NULL, NULL));
	SAY(cuKernelGetFunction(NULL, NULL));
}

static void contexts(void)
{
	CUcontext made;

	SAY(cuCtxCreate(NULL, NULL, 0, 0));
	SAY(cuCtxCreate(&made, NULL, 0, 99));
	SAY(cuCtxDestroy(NULL));
	SAY(cuDevicePrimaryCtxRetain(NULL, 0));
	SAY(cuDevicePrimaryCtxRetain(&made, 99));
	SAY(cuDevicePrimaryCtxRelease(99));
	SAY(cuDevicePrimaryCtxReset(99));
	SAY(cuCtxEnablePeerAccess(NULL, 0));
	SAY(cuStreamCreate(NULL, 0));
	SAY(cuStreamCreateWithPriority(NULL, 0, 0));
	SAY(cuStreamDestroy(NULL));
	SAY(cuStreamSynchronize(NULL));
	SAY(cuEventSynchronize(NULL));
}

static void graphs(CUdeviceptr at)
{
	unsigned int value = 1;
	unsigned long words = 16;
	CUDA_KERNEL_NODE_PARAMS kernel = {
	    .func = function("fill"),
	    .gridDimX = 1,
	    .gridDimY = 1,
	    .gridDimZ = 1,
	    .blockDimX = 1,
	    .blockDimY = 1,
	    .blockDimZ = 1,
	    .kernelParams = (void *[]){&at, &value, &words},
	};
	CUgraphExec executable;
	CUgraphNode node;
	CUstream stream;
	CUgraph graph;

	SAY(cuStreamBeginCapture(NULL, CU_STREAM_CAPTURE_MODE_GLOBAL));
	SAY(cuStreamEndCapture(NULL, NULL));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	SAY(cuStreamEndCapture(stream, NULL));
	SAY(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	SAY(cuStreamEndCapture(stream, &graph));
	MUST(cuGraphDestroy(graph));
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddKernelNode(&node, graph, NULL, 0, &kernel));
	SAY(cuGraphInstantiate(NULL, graph, 0));
	SAY(cuGraphInstantiate(&executable, NULL, 0));
	SAY(cuGraphInstantiate(NULL, NULL, 0));
	SAY(cuGraphInstantiate(&executable, graph, 0));
	SAY(cuGraphExecKernelNodeSetParams(executable, node, NULL));
	SAY(cuGraphExecKernelNodeSetParams(NULL, node, &kernel));
	SAY(cuGraphExecMemcpyNodeSetParams(executable, node, NULL, NULL));
	SAY(cuGraphExecMemsetNodeSetParams(executable, node, NULL, NULL));
	SAY(cuGraphExecUpdate(NULL, graph, NULL));
	SAY(cuGraphExecUpdate(executable, NULL, NULL));
	SAY(cuGraphLaunch(NULL, NULL));
	SAY(cuGraphLaunch(executable, NULL));
	SAY(cuGraphExecDestroy(NULL));
	SAY(cuGraphExecDestroy(executable));
}

static void work(CUdeviceptr at)
{
	CUDA_MEMCPY2D flat = {.srcMemoryType = CU_MEMORYTYPE_HOST,
			      .srcPitch = 64,
			      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			      .dstDevice = at,
			      .dstPitch = 64,
			      .WidthInBytes = 64,
			      .Height = 2};
	unsigned int value = 1;
	unsigned long words = 16;
	void *params[] = {&at, &value, &words};
	char host[64] = {0};

	SAY(cuMemcpy2D(NULL));
	SAY(cuMemcpy2DUnaligned(NULL));
	SAY(cuMemcpy2DAsync(NULL, NULL));
	SAY(cuMemcpy3D(NULL));
	SAY(cuMemcpy3DAsync(NULL, NULL));
	SAY(cuMemcpy3DPeer(NULL));
	SAY(cuMemcpy3DPeerAsync(NULL, NULL));
	SAY(cuMemcpyPeer(at, NULL, at + 4096, NULL, 64));
	SAY(cuMemcpyPeerAsync(at, NULL, at + 4096, NULL, 64, NULL));
	SAY(cuMemcpy2D(&flat));
	flat.WidthInBytes = 0;
	SAY(cuMemcpy2D(&flat));
	SAY(cuMemcpyHtoD(at, NULL, 64));
	SAY(cuMemcpyHtoDAsync(at, NULL, 64, NULL));
	SAY(cuMemcpyHtoD(0, host, 64));
	SAY(cuMemcpyDtoH(NULL, at, 64));
	SAY(cuMemcpyDtoHAsync(NULL, at, 64, NULL));
	SAY(cuMemcpy(at, 0, 64));
	SAY(cuMemcpy(0, at, 64));
	SAY(cuMemcpyHtoD(at, NULL, 0));
	SAY(cuMemcpyDtoH(NULL, at, 0));
	SAY(cuMemcpyDtoD(at, 0, 64));
	SAY(cuMemcpyDtoD(0, at, 64));
	SAY(cuMemsetD8(0, 1, 64));
	SAY(cuMemsetD8(at, 1, 0));
	SAY(cuMemsetD2D8(at, 0, 1, 64, 0));
	SAY(cuMemsetD2D32(at, 64, 1, 0, 2));
	SAY(cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	SAY(cuLaunchKernelEx(NULL, function("fill"), params, NULL));
	SAY(cuLaunchCooperativeKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, params));
	SAY(cuStreamWriteValue32(NULL, 0, 1, 0));
	SAY(cuStreamWriteValue64(NULL, 0, 1, 0));
	SAY(cuStreamWaitValue32(NULL, 0, 1, 0));
	SAY(cuStreamWaitValue64(NULL, 0, 1, 0));
	SAY(cuCtxSynchronize());
}

static void resolving(void)
{
	CUdriverProcAddressQueryResult why;
	void *found;

	SAY(cuGetProcAddress(NULL, &found, 13000, 0, &why));
	SAY(cuGetProcAddress("cuMemAlloc", NULL, 13000, 0, &why));
	SAY(cuGetProcAddress("cuMemAlloc", &found, 13000, 0, NULL));
}

int main(void)
{
	start();
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], 100 * i, BYTES, NULL);
	}
	sizes();
	/* The first lies in VRAM, the last in RAM. */
	for (unsigned int i = 0; i < PIECES; i += PIECES - 1) {
		pointers(pieces[i]);
		work(pieces[i]);
		handles(pieces[i]);
		graphs(pieces[i]);
	}
	freed(pieces[1]);
	allocations();
	arrays();
	contexts();
	resolving();
	return 0;
}
