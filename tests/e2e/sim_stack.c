/*
 * Threads with stacks of 16 KiB, the least that the C library gives. `first`: such a thread's
 * is the first use of CUDA, so that the library begins there; `work`: everything else there;
 * `images`: an image is read for its kernels' parameters there. usage: sim_stack CASE
 */
#include "program.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define STACK_BYTES ((size_t)16 << 10)
#define PIECES 16 /* of one block of 2 MiB: more than the cap has room for */
#define BYTES (2 * MIB)
#define ROUNDS 3

static CUdeviceptr pieces[PIECES];
static char line[64];

static void on_a_small_stack(void *(*run)(void *))
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	if (pthread_attr_setstacksize(&small, STACK_BYTES) ||
	    pthread_create(&thread, &small, run, NULL))
		wrong("no thread of so small a stack");
	pthread_join(thread, NULL);
	pthread_attr_destroy(&small);
}

static void *make_all(void *unused)
{
	start();
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], 1000 * i, BYTES, NULL);
	}
	MUST(cuCtxSynchronize());
	return unused;
}

static void launch_with_all_parameters(CUdeviceptr at)
{
	unsigned long n = 1;
	unsigned int by = 1;
	void *params[] = {&at, &by, &n};
	struct {
		CUdeviceptr at;
		unsigned int by;
		unsigned long n;
	} packed = {at, (unsigned int)-1, 1};
	size_t bytes = sizeof(packed);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE,
			 &bytes, CU_LAUNCH_PARAM_END};
	CUlaunchConfig config = {.gridDimX = 1,
				 .gridDimY = 1,
				 .gridDimZ = 1,
				 .blockDimX = 1,
				 .blockDimY = 1,
				 .blockDimZ = 1};

	MUST(cuLaunchKernelEx(&config, function("increment"), params, NULL));
	MUST(cuLaunchKernel(function("increment"), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra));
}

static void in_a_graph(CUdeviceptr at)
{
	CUgraphExec exec;
	CUstream stream;
	CUgraph graph;

	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	increment(at, 1, BYTES, stream);
	MUST(cuStreamEndCapture(stream, &graph));
	MUST(cuGraphInstantiate(&exec, graph, 0));
	MUST(cuGraphLaunch(exec, stream));
	MUST(cuStreamSynchronize(stream));
	increment(at, (unsigned int)-1, BYTES, stream);
	MUST(cuStreamSynchronize(stream));
	MUST(cuGraphExecDestroy(exec));
	MUST(cuGraphDestroy(graph));
	MUST(cuStreamDestroy(stream));
}

static void copy_and_set(CUdeviceptr at)
{
	CUDA_MEMCPY2D box = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			     .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			     .srcDevice = at,
			     .dstDevice = at + BYTES / 2,
			     .srcPitch = 2048,
			     .dstPitch = 2048,
			     .WidthInBytes = 16,
			     .Height = 500};

	MUST(cuMemcpy2D(&box));
	MUST(cuMemcpyHtoD(at, line, sizeof(line)));
	MUST(cuMemcpyDtoD(at + 4096, at, 4096));
	MUST(cuMemcpyDtoH(line, at, sizeof(line)));
	MUST(cuMemsetD32(at, 3, 9));
	MUST(cuMemsetD2D8(at, 4096, 1, 16, 100));
}

static void *work_on_all(void *unused)
{
	CUdeviceptr other;
	size_t free_bytes, bytes;

	MUST(cuCtxSetCurrent(context));
	for (int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 0; i < PIECES; i++) {
			increment(pieces[i], 1, BYTES, CU_STREAM_PER_THREAD);
			MUST(cuStreamSynchronize(CU_STREAM_PER_THREAD));
			launch_with_all_parameters(pieces[i]);
			in_a_graph(pieces[i]);
		}
	MUST(cuMemAlloc(&other, 2 * BYTES));
	fill(other, 5, 2 * BYTES, NULL);
	copy_and_set(other);
	MUST(cuMemFree(other));
	MUST(cuMemAllocAsync(&other, BYTES, NULL));
	MUST(cuMemFreeAsync(other, NULL));
	MUST(cuCtxSynchronize());
	MUST(cuMemGetInfo(&free_bytes, &bytes));
	return unused;
}

static void *check_all(void *unused)
{
	MUST(cuCtxSetCurrent(context));
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], 1000 * i + ROUNDS, BYTES);
	return unused;
}

static void first(void)
{
	on_a_small_stack(make_all);
	on_a_small_stack(work_on_all);
	check_all(NULL);
}

static void work(void)
{
	make_all(NULL);
	on_a_small_stack(work_on_all);
	check_all(NULL);
}

static void *load(void *unused)
{
	CUmodule loaded;

	MUST(cuCtxSetCurrent(context));
	MUST(cuModuleLoad(&loaded, getenv("SIM_IMAGE")));
	MUST(cuModuleUnload(loaded));
	return unused;
}

static void images(void)
{
	make_all(NULL);
	on_a_small_stack(load);
	on_a_small_stack(work_on_all);
	check_all(NULL);
}

static const struct program_case cases[] = {CASE(first), CASE(work), CASE(images)};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
