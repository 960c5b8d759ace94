/*
 * The less travelled roads into the driver, over memory that lies partly in VRAM and partly in
 * RAM. usage: sim_edges CASE, with SIM_IMAGE naming the test kernels. Each case holds its own
 * memory against what it should be, and exits 0 if all is well, with or without the library.
 */
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)
#define PIECES 8
#define BYTES (6 * MIB) /* three blocks */
#define WORDS (BYTES / 4)

static CUcontext context;
static CUmodule module;

static void must_(CUresult result, const char *what, int line)
{
	const char *name = "?";

	if (result == CUDA_SUCCESS)
		return;
	cuGetErrorName(result, &name);
	fprintf(stderr, "line %d: %s: %s\n", line, what, name);
	exit(3);
}
#define MUST(call) must_((call), #call, __LINE__)

static void wrong(const char *what)
{
	fprintf(stderr, "wrong: %s\n", what);
	exit(1);
}

static CUfunction function(const char *name)
{
	CUfunction f;

	MUST(cuModuleGetFunction(&f, module, name));
	return f;
}

/* A driver function that no header names any more, by its name and version. */
typedef void (*any_function)(void);
static any_function older(const char *name, int version)
{
	CUdriverProcAddressQueryResult why;
	void *found = NULL;
	any_function callable;

	MUST(cuGetProcAddress(name, &found, version, 0, &why));
	if (!found)
		wrong(name);
	memcpy(&callable, &found, sizeof(callable));
	return callable;
}

static void start(void)
{
	MUST(cuInit(0));
	MUST(cuDevicePrimaryCtxRetain(&context, 0));
	MUST(cuCtxSetCurrent(context));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
}

static void fill(CUdeviceptr out, unsigned int value, CUstream stream)
{
	unsigned long n = WORDS;
	void *params[] = {&out, &value, &n};

	MUST(cuLaunchKernel(function("fill"), 8, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

static void increment(CUdeviceptr out, unsigned int by, CUstream stream)
{
	unsigned long n = WORDS;
	void *params[] = {&out, &by, &n};

	MUST(cuLaunchKernel(function("increment"), 8, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

static void check(CUdeviceptr at, unsigned int value)
{
	unsigned int *host = malloc(BYTES);

	MUST(cuMemcpyDtoH(host, at, BYTES));
	for (unsigned int i = 0; i < WORDS; i++)
		if (host[i] != value + i)
			wrong("a word");
	free(host);
}

/* More than the cap holds, in pieces of three blocks: one of them lies in both homes. */
static void fill_pieces(CUdeviceptr *pieces)
{
	for (unsigned int i = 0; i < PIECES; i++)
		MUST(cuMemAlloc(&pieces[i], BYTES));
	for (unsigned int i = 0; i < PIECES; i++)
		fill(pieces[i], 100 * i, NULL);
	MUST(cuCtxSynchronize());
}

/* Everything is used in turn: what may move does. */
static void stir(CUdeviceptr *pieces, CUstream stream)
{
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < PIECES; i++)
			increment(pieces[i], 1, stream);
	MUST(cuStreamSynchronize(stream));
}

static void peer_copies(void)
{
	CUdeviceptr pieces[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i + 1 < PIECES; i += 2) {
		MUST(cuMemcpyPeer(pieces[i], context, pieces[i + 1], context, BYTES));
		MUST(cuCtxSynchronize());
		check(pieces[i], 100 * (i + 1));
		stir(pieces, NULL);
		check(pieces[i], 100 * (i + 1) + 3);
		for (unsigned int p = 0; p < PIECES; p++)
			fill(pieces[p], 100 * p, NULL);
	}
}

typedef CUresult (*instantiate_fn)(CUgraphExec *, CUgraph, CUgraphNode *, char *, size_t);

static CUgraphExec instantiate(CUgraph graph, int version)
{
	CUgraphExec exec;

	if (version < 11040) {
		instantiate_fn made = (instantiate_fn)older("cuGraphInstantiate", version);

		MUST(made(&exec, graph, NULL, NULL, 0));
	} else {
		MUST(cuGraphInstantiate(&exec, graph, 0));
	}
	return exec;
}

/* Copies and fills of a graph know where their memory lies from when it became executable. */
static void graph_nodes(int version)
{
	CUdeviceptr pieces[PIECES];
	CUgraph graph;
	CUgraphExec exec[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i < PIECES; i += 2) {
		CUDA_MEMCPY3D copy = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
				      .srcDevice = pieces[i + 1],
				      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
				      .dstDevice = pieces[i],
				      .WidthInBytes = BYTES,
				      .Height = 1,
				      .Depth = 1};
		CUDA_MEMSET_NODE_PARAMS set = {pieces[i + 1], 0, 7, 4, WORDS, 1};
		CUgraphNode node, after;

		MUST(cuGraphCreate(&graph, 0));
		MUST(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context));
		MUST(cuGraphAddMemsetNode(&after, graph, &node, 1, &set, context));
		exec[i] = instantiate(graph, version);
		MUST(cuGraphDestroy(graph));
	}
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < PIECES; i++)
			fill(pieces[i], 100 * i, NULL);
		stir(pieces, NULL);
		for (unsigned int i = 0; i < PIECES; i += 2)
			MUST(cuGraphLaunch(exec[i], NULL));
		MUST(cuCtxSynchronize());
		for (unsigned int i = 0; i < PIECES; i += 2)
			check(pieces[i], 100 * (i + 1) + 3);
	}
	for (unsigned int i = 0; i < PIECES; i += 2)
		MUST(cuGraphExecDestroy(exec[i]));
	stir(pieces, NULL);
}

static void graph(void)
{
	graph_nodes(13000);
}

static void graph_of_10_0(void)
{
	graph_nodes(10000);
}

static void graph_of_11_0(void)
{
	graph_nodes(11000);
}

static CUDA_MEMCPY3D flat_copy(CUdeviceptr dst, CUdeviceptr src)
{
	return (CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			       .srcDevice = src,
			       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			       .dstDevice = dst,
			       .WidthInBytes = BYTES,
			       .Height = 1,
			       .Depth = 1};
}

/* An executable that is made before anything is paged, then updated to name what is: as a
 * whole, and node by node. */
static void graph_updates(void)
{
	CUdeviceptr pieces[PIECES], small[2];
	CUgraphExecUpdateResultInfo info;
	CUgraphNode copy_node, set_node;
	CUgraphExec exec;
	CUgraph graph;

	start();
	for (int i = 0; i < 2; i++)
		MUST(cuMemAlloc(&small[i], 4096));
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddMemcpyNode(&copy_node, graph, NULL, 0,
				  &(CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
						   .srcDevice = small[0],
						   .dstMemoryType = CU_MEMORYTYPE_DEVICE,
						   .dstDevice = small[1],
						   .WidthInBytes = 4096,
						   .Height = 1,
						   .Depth = 1},
				  context));
	MUST(cuGraphAddMemsetNode(&set_node, graph, &copy_node, 1,
				  &(CUDA_MEMSET_NODE_PARAMS){small[0], 0, 7, 4, 1024, 1},
				  context));
	MUST(cuGraphInstantiate(&exec, graph, 0));
	fill_pieces(pieces);
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int from = i * 5 % PIECES, to = (from + 3) % PIECES;
		CUDA_MEMCPY3D copy = flat_copy(pieces[to], pieces[from]);
		CUDA_MEMSET_NODE_PARAMS set = {pieces[from], 0, i, 4, WORDS, 1};

		if (i % 2) {
			MUST(cuGraphExecMemcpyNodeSetParams(exec, copy_node, &copy, context));
			MUST(cuGraphExecMemsetNodeSetParams(exec, set_node, &set, context));
		} else {
			MUST(cuGraphMemcpyNodeSetParams(copy_node, &copy));
			MUST(cuGraphMemsetNodeSetParams(set_node, &set));
			MUST(cuGraphExecUpdate(exec, graph, &info));
		}
		for (unsigned int p = 0; p < PIECES; p++)
			fill(pieces[p], 100 * p, NULL);
		if (i % 4 == 0)
			stir(pieces, NULL);
		MUST(cuGraphLaunch(exec, NULL));
		MUST(cuCtxSynchronize());
		check(pieces[to], 100 * from + (i % 4 == 0 ? 3 : 0));
	}
	MUST(cuGraphExecDestroy(exec));
	MUST(cuGraphDestroy(graph));
	stir(pieces, NULL);
}

/* Memory of cuMemAlloc has no handle, wherever it lies. */
static void handles(void)
{
	CUmemGenericAllocationHandle handle;
	CUdeviceptr pieces[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i < PIECES; i++)
		for (size_t at = 0; at < BYTES; at += 2 * MIB)
			if (cuMemRetainAllocationHandle(&handle,
							(void *)(uintptr_t)(pieces[i] + at)) !=
			    CUDA_ERROR_INVALID_VALUE)
				wrong("a handle of memory that has none");
}

/* The stream's end by the name that programs of before CUDA 4 know. */
static void stream_of_2_0(void)
{
	CUresult (*destroy)(CUstream);
	CUdeviceptr pieces[PIECES];
	CUstream stream;

	start();
	destroy = (CUresult(*)(CUstream))older("cuStreamDestroy", 2000);
	fill_pieces(pieces);
	for (unsigned int i = 0; i < 3; i++) {
		MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
		stir(pieces, stream);
		MUST(destroy(stream));
		stir(pieces, NULL);
	}
	check(pieces[1], 100 + 18);
}

/* A pool keeps what is freed: that is VRAM too, until the pool is trimmed. */
static void pool_keeps(void)
{
	cuuint64_t threshold = UINT64_MAX;
	CUdeviceptr pieces[PIECES], pooled[4];
	CUmemoryPool pool;

	start();
	MUST(cuDeviceGetDefaultMemPool(&pool, 0));
	MUST(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
	for (unsigned int round = 0; round < 2; round++) {
		for (int i = 0; i < 4; i++)
			MUST(cuMemAllocAsync(&pooled[i], 3 * MIB, NULL));
		for (int i = 0; i < 4; i++)
			MUST(cuMemsetD8Async(pooled[i], 1, 3 * MIB, NULL));
		for (int i = 0; i < 4; i++)
			MUST(cuMemFreeAsync(pooled[i], NULL));
		MUST(cuCtxSynchronize());
		fill_pieces(pieces);
		stir(pieces, NULL);
		check(pieces[3], 303);
		for (unsigned int i = 0; i < PIECES; i++)
			MUST(cuMemFree(pieces[i]));
		if (round == 0)
			MUST(cuMemPoolTrimTo(pool, 0));
	}
}

static CUdeviceptr shared_pieces[PIECES];
static atomic_int stage;

/* Gives its own default stream much to do while another stream is captured. */
static void *work_beside_a_capture(void *unused)
{
	MUST(cuCtxSetCurrent(context));
	for (unsigned int i = 0; i < 4; i++) {
		unsigned long n = WORDS;
		unsigned int by = 5;
		void *params[] = {&shared_pieces[0], &by, &n};

		MUST(cuLaunchKernel(function("increment"), 1024, 1, 1, 1, 1, 1, 0,
				    CU_STREAM_PER_THREAD, params, NULL));
	}
	atomic_store(&stage, 1);
	while (atomic_load(&stage) != 2)
		sched_yield();
	MUST(cuStreamSynchronize(CU_STREAM_PER_THREAD));
	return unused;
}

/* The thread does not come again after the capture has ended; its work must still be waited for
 * before anything moves. */
static void capture_beside_a_thread(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	pthread_t thread;
	CUstream stream;
	CUgraph captured;

	start();
	MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	fill_pieces(shared_pieces);
	for (unsigned int round = 1; round <= 4; round++) {
		atomic_store(&stage, 0);
		for (unsigned int i = 0; i < 2; i++) /* resident from now on, if anything is */
			increment(shared_pieces[0], 10, stream);
		MUST(cuStreamSynchronize(stream));
		MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		pthread_create(&thread, NULL, work_beside_a_capture, NULL);
		while (atomic_load(&stage) != 1)
			sched_yield();
		MUST(cuStreamEndCapture(stream, &captured));
		MUST(cuGraphDestroy(captured));
		for (unsigned int i = 1; i < PIECES; i++)
			increment(shared_pieces[i], 1, stream);
		MUST(cuStreamSynchronize(stream));
		atomic_store(&stage, 2);
		pthread_join(thread, NULL);
		for (unsigned int i = 0; i < PIECES; i++)
			check(shared_pieces[i], 100 * i + round * (i ? 1 : 40));
	}
}

/* A stream ends, with much to do, while another is captured. */
static void destroy_beside_a_capture(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr pieces[PIECES];
	CUstream stream, ends;
	CUgraph captured;

	start();
	MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	fill_pieces(pieces);
	for (unsigned int round = 1; round <= 3; round++) {
		MUST(cuStreamCreate(&ends, CU_STREAM_NON_BLOCKING));
		increment(pieces[0], 10, stream);
		MUST(cuStreamSynchronize(stream));
		MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		for (unsigned int i = 0; i < 10; i++)
			increment(pieces[0], 1, ends);
		MUST(cuStreamDestroy(ends));
		MUST(cuStreamEndCapture(stream, &captured));
		MUST(cuGraphDestroy(captured));
		for (unsigned int i = 1; i < PIECES; i++)
			increment(pieces[i], 1, stream);
		MUST(cuCtxSynchronize());
		for (unsigned int i = 0; i < PIECES; i++)
			check(pieces[i], 100 * i + round * (i ? 1 : 20));
	}
}

/* An attribute of memory stays, whatever else moves; and goes when the program says so. */
static void attribute_stays(void)
{
	int (*syncs)(CUdeviceptr) =
	    __extension__(int (*)(CUdeviceptr)) dlsym(RTLD_DEFAULT, "sim_syncs");
	CUdeviceptr pieces[PIECES];
	unsigned int on = 1, off = 0, told;

	start();
	fill_pieces(pieces);
	for (unsigned int round = 0; round < 3; round++) {
		CUdeviceptr at = pieces[round * 2];

		MUST(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at));
		MUST(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at + 64));
		stir(pieces, NULL);
		for (size_t offset = 0; offset < BYTES; offset += 2 * MIB) {
			MUST(cuPointerGetAttribute(&told, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS,
						   at + offset));
			if (!told || !syncs(at + offset))
				wrong("the attribute was lost");
		}
		MUST(cuPointerSetAttribute(&off, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at));
		stir(pieces, NULL);
		MUST(cuPointerGetAttribute(&told, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at));
		if (told || syncs(at))
			wrong("the attribute stayed");
	}
	check(pieces[1], 100 + 18);
}

/* Arrays take VRAM, in tiles: none may pass the cap, and what one took is there again when it
 * has gone. With what is paged beside them, which makes room. */
static void arrays(void)
{
	CUDA_ARRAY3D_DESCRIPTOR wide = {1024, 1024, 0, CU_AD_FORMAT_FLOAT, 1, 0},
				thin = {16, 100, 40, CU_AD_FORMAT_UNSIGNED_INT8, 1, 0},
				small = {64, 64, 0, CU_AD_FORMAT_UNSIGNED_INT8, 4, 0};
	CUDA_ARRAY_DESCRIPTOR flat = {1024, 512, CU_AD_FORMAT_FLOAT, 1},
			      narrow = {1, 100000, CU_AD_FORMAT_UNSIGNED_INT8, 1};
	int most = -1, made;
	CUdeviceptr pieces[PIECES];
	CUarray array[64];
	CUmipmappedArray levels;

	start();
	fill_pieces(pieces);
	for (int round = 0; round < 3; round++) {
		CUresult result = CUDA_SUCCESS;

		for (made = 0; made < 64; made++) {
			result =
			    made % 4 == 0   ? cuArray3DCreate(&array[made], &wide)
			    : made % 4 == 1 ? cuArray3DCreate(&array[made], &thin)
			    : made % 4 == 2
				? cuArray3DCreate(&array[made], &small)
				: cuArrayCreate(&array[made], made % 8 == 3 ? &narrow : &flat);
			if (result != CUDA_SUCCESS)
				break;
		}
		if (result != CUDA_SUCCESS && result != CUDA_ERROR_OUT_OF_MEMORY)
			MUST(result);
		if (made < 3 || (most >= 0 && made != most))
			wrong("fewer arrays than before");
		most = made;
		stir(pieces, NULL);
		while (made--)
			MUST(cuArrayDestroy(array[made]));
		MUST(cuMipmappedArrayCreate(&levels, &wide, 11));
		stir(pieces, NULL);
		MUST(cuMipmappedArrayDestroy(levels));
	}
	check(pieces[2], 200 + 18);
	MUST(cuArray3DCreate(&array[0], &wide));
	MUST(cuDevicePrimaryCtxReset(0));
}

/* It is no memory of the program's any more. */
static void is_freed(CUdeviceptr at)
{
	CUpointer_attribute start = CU_POINTER_ATTRIBUTE_RANGE_START_ADDR;
	CUdeviceptr base = 1;
	void *out = &base;
	unsigned int type;
	size_t bytes;

	if (cuMemFree(at) != CUDA_ERROR_INVALID_VALUE)
		wrong("memory was freed twice");
	if (cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at) !=
	    CUDA_ERROR_INVALID_VALUE)
		wrong("freed memory has a type");
	if (cuMemGetAddressRange(&base, &bytes, at) != CUDA_ERROR_NOT_FOUND)
		wrong("freed memory has a range");
	MUST(cuPointerGetAttributes(1, &start, &out, at));
	if (base)
		wrong("freed memory starts somewhere");
}

/* A relaxed capture forbids nobody to free. */
static void free_beside_a_capture(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr pieces[PIECES], again;
	CUstream stream, beside;
	CUgraph captured;
	CUgraphExec exec;

	start();
	MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&beside, CU_STREAM_NON_BLOCKING));
	fill_pieces(pieces);
	for (unsigned int round = 0; round < 20; round++) {
		MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		increment(pieces[0], 1, stream);
		/* Work that is under way may still use it. */
		increment(pieces[PIECES - 1], 1, beside);
		MUST(cuMemFree(pieces[PIECES - 1]));
		is_freed(pieces[PIECES - 1]);
		MUST(cuMemAlloc(&again, BYTES));
		MUST(cuMemFree(again));
		is_freed(again);
		increment(pieces[0], 1, stream);
		MUST(cuStreamEndCapture(stream, &captured));
		MUST(cuGraphInstantiate(&exec, captured, 0));
		MUST(cuGraphDestroy(captured));
		MUST(cuGraphLaunch(exec, stream));
		MUST(cuStreamSynchronize(stream));
		MUST(cuGraphExecDestroy(exec));
		MUST(cuMemAlloc(&pieces[PIECES - 1], BYTES));
		fill(pieces[PIECES - 1], 100 * (PIECES - 1), stream);
		MUST(cuStreamSynchronize(stream));
	}
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], 100 * i + (i ? 0 : 40));
}

/* A free in stream order waits for nothing, and leaves the memory to what comes before it. */
static void free_in_stream_order(void)
{
	CUdeviceptr pieces[PIECES];
	CUstream stream;
	CUevent last;

	start();
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuEventCreate(&last, CU_EVENT_DISABLE_TIMING));
	fill_pieces(pieces);
	for (unsigned int round = 0; round < 20; round++) {
		unsigned int i = round % PIECES;

		for (unsigned int n = 0; n < 20; n++)
			increment(pieces[i], 1, stream);
		MUST(cuMemcpyAsync(pieces[(i + 1) % PIECES], pieces[i], BYTES, stream));
		MUST(cuEventRecord(last, stream));
		MUST(cuMemFreeAsync(pieces[i], stream));
		if (cuEventQuery(last) != CUDA_ERROR_NOT_READY)
			wrong("it waited for the stream");
		if (cuMemFreeAsync(pieces[i], stream) != CUDA_ERROR_INVALID_VALUE)
			wrong("memory was freed twice in stream order");
		/* What was freed and this one together are more RAM than there may be. */
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], 100 * i, NULL);
		MUST(cuCtxSynchronize());
		check(pieces[(i + 1) % PIECES], 100 * i + 20);
		fill(pieces[(i + 1) % PIECES], 100 * ((i + 1) % PIECES), NULL);
		MUST(cuCtxSynchronize());
	}
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], 100 * i);
}

/* A graph frees only what a graph allocated. */
static void free_in_a_capture(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr pieces[PIECES];
	CUstream stream, beside;
	CUgraph captured;

	start();
	MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&beside, CU_STREAM_NON_BLOCKING));
	fill_pieces(pieces);
	MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	if (cuMemFreeAsync(pieces[0], stream) != CUDA_ERROR_INVALID_VALUE)
		wrong("memory of cuMemAlloc was freed by a graph");
	MUST(cuMemFreeAsync(pieces[1], beside));
	increment(pieces[0], 1, stream);
	MUST(cuStreamEndCapture(stream, &captured));
	MUST(cuGraphDestroy(captured));
	check(pieces[0], 0);
	MUST(cuMemFree(pieces[0]));
}

/* What is freed when the context ends, and nothing waits for any more, goes with it. */
static void end_with_freed(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr pieces[PIECES];
	CUstream stream;
	CUgraph captured;

	for (unsigned int round = 0; round < 4; round++) {
		start();
		if (!round)
			MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
		MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
		fill_pieces(pieces);
		MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		for (unsigned int i = 0; i < PIECES; i += 2)
			MUST(cuMemFree(pieces[i]));
		MUST(cuStreamEndCapture(stream, &captured));
		MUST(cuGraphDestroy(captured));
		check(pieces[1], 100);
		MUST(cuDevicePrimaryCtxReset(0));
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
    {"peer_copies", peer_copies},
    {"graph", graph},
    {"graph_of_10_0", graph_of_10_0},
    {"graph_of_11_0", graph_of_11_0},
    {"graph_updates", graph_updates},
    {"handles", handles},
    {"stream_of_2_0", stream_of_2_0},
    {"pool_keeps", pool_keeps},
    {"capture_beside_a_thread", capture_beside_a_thread},
    {"arrays", arrays},
    {"attribute_stays", attribute_stays},
    {"free_beside_a_capture", free_beside_a_capture},
    {"end_with_freed", end_with_freed},
    {"free_in_stream_order", free_in_stream_order},
    {"free_in_a_capture", free_in_a_capture},
    {"destroy_beside_a_capture", destroy_beside_a_capture},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc == 2 && !strcmp(cases[i].name, argv[1])) {
			cases[i].run();
			return 0;
		}
		if (argc == 1)
			puts(cases[i].name);
	}
	return argc == 1 ? 0 : 2;
}
