/*
 * What a program may do to a preloaded library: threads, forks, contexts that end, work that
 * never ends, captures. usage: sim_life CASE, with SIM_IMAGE naming the test kernels. Each case
 * holds its own memory against what it should be, and exits 0 if all is well, with or without
 * the library.
 */
#include "program.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECES 12
#define PIECE_BYTES (2 * UNIT)
#define WORDS (PIECE_BYTES / 4)

/* Twice what the cap holds: filled, incremented in turn, checked. */
static void work(CUstream stream, unsigned int seed)
{
	CUdeviceptr piece[PIECES];

	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&piece[i], PIECE_BYTES));
		fill(piece[i], seed + i, PIECE_BYTES, stream);
	}
	for (unsigned int round = 1; round <= 3; round++)
		for (unsigned int i = 0; i < PIECES; i++)
			increment(piece[i], round, PIECE_BYTES, stream);
	MUST(cuStreamSynchronize(stream));
	for (unsigned int i = 0; i < PIECES; i++)
		check(piece[i], seed + i + 6, PIECE_BYTES);
	for (unsigned int i = 0; i < PIECES; i++)
		MUST(cuMemFree(piece[i]));
}

static void *work_in_a_thread(void *seed)
{
	CUstream stream;

	MUST(cuCtxSetCurrent(context));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	work(stream, (unsigned int)(uintptr_t)seed);
	MUST(cuStreamDestroy(stream));
	return NULL;
}

static void threads(void)
{
	pthread_t thread[4];

	start();
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, work_in_a_thread, (void *)(1000 * i));
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}

static void forks(void)
{
	start();
	work(NULL, 1);
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();
		int status;

		if (child == 0)
			_exit(0);
		waitpid(child, &status, 0);
		if (status)
			wrong("a forked child's end");
	}
	work(NULL, 2);
}

static CUdeviceptr shared_piece;
static CUgraphExec shared_exec;
static CUgraphNode shared_node;
static atomic_bool forked_enough;

/* Most of its time inside the calls that guard what graphs name. */
static void *update_a_graph(void *function)
{
	unsigned int by = 0;
	unsigned long n = 1;
	void *params[] = {&shared_piece, &by, &n};
	CUDA_KERNEL_NODE_PARAMS node = {.func = function,
					.gridDimX = 1,
					.gridDimY = 1,
					.gridDimZ = 1,
					.blockDimX = 1,
					.blockDimY = 1,
					.blockDimZ = 1,
					.kernelParams = params};

	MUST(cuCtxSetCurrent(context));
	while (!atomic_load(&forked_enough))
		MUST(cuGraphExecKernelNodeSetParams(shared_exec, shared_node, &node));
	return NULL;
}

/* A child finds no lock held by a thread that stayed behind. It has no CUDA, and is told so. */
static void graph_forks(void)
{
	CUDA_KERNEL_NODE_PARAMS node = {.gridDimX = 1,
					.gridDimY = 1,
					.gridDimZ = 1,
					.blockDimX = 1,
					.blockDimY = 1,
					.blockDimZ = 1};
	unsigned int by = 0;
	unsigned long n = 1;
	void *params[] = {&shared_piece, &by, &n};
	CUfunction function;
	pthread_t thread;
	CUgraph graph;

	start();
	MUST(cuMemAlloc(&shared_piece, PIECE_BYTES));
	MUST(cuModuleGetFunction(&function, module, "increment"));
	node.func = function;
	node.kernelParams = params;
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddKernelNode(&shared_node, graph, NULL, 0, &node));
	MUST(cuGraphInstantiate(&shared_exec, graph, 0));
	pthread_create(&thread, NULL, update_a_graph, function);
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			alarm(5);
			_exit(cuGraphExecDestroy(shared_exec) != CUDA_ERROR_NOT_INITIALIZED);
		}
		waitpid(child, &status, 0);
		if (status)
			wrong("a forked child's end");
	}
	atomic_store(&forked_enough, true);
	pthread_join(thread, NULL);
	MUST(cuGraphExecDestroy(shared_exec));
}

static size_t free_bytes(void)
{
	size_t bytes, total;

	MUST(cuMemGetInfo(&bytes, &total));
	return bytes;
}

static void contexts(void)
{
	size_t before = 0;

	MUST(cuInit(0));
	for (unsigned int round = 0; round < 4; round++) {
		CUdeviceptr left[PIECES]; /* they go with the context */

		MUST(cuCtxCreate(&context, NULL, 0, 0));
		MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
		if (!before)
			before = free_bytes();
		work(NULL, round);
		for (unsigned int i = 0; i < PIECES; i++) {
			MUST(cuMemAlloc(&left[i], PIECE_BYTES));
			fill(left[i], i, PIECE_BYTES, NULL);
		}
		/* What is used next is on its way when they do. */
		for (unsigned int i = 0; i < 4 * PIECES + round; i++)
			increment(left[i % PIECES], 1, PIECE_BYTES, NULL);
		MUST(cuCtxDestroy(context));
	}
	MUST(cuCtxCreate(&context, NULL, 0, 0));
	if (free_bytes() != before)
		wrong("memory of contexts that ended");
	MUST(cuCtxDestroy(context));
}

static void primary(void)
{
	for (unsigned int round = 0; round < 3; round++) {
		CUdeviceptr left;

		start();
		work(NULL, round);
		MUST(cuMemAlloc(&left, 6 * UNIT));
		if (round == 1)
			MUST(cuDevicePrimaryCtxReset(0));
		else
			MUST(cuDevicePrimaryCtxRelease(0));
	}
}

static atomic_bool first_has_ended;

/* Wants room on the card again and again, which may be refused. */
static void *ask_for_room(void *unused)
{
	CUcontext own;
	CUdeviceptr at;

	MUST(cuCtxCreate(&own, NULL, 0, 0));
	while (!atomic_load(&first_has_ended))
		if (cuMemAlloc(&at, 10 * UNIT) == CUDA_SUCCESS)
			MUST(cuMemFree(at));
	MUST(cuCtxDestroy(own));
	return unused;
}

/* Passes its kernel an address that it does not touch, and that may be nobody's any more. */
static void *pass_what_ends(void *stale)
{
	CUdeviceptr at = *(CUdeviceptr *)stale;
	unsigned int value = 0;
	unsigned long words = 0;
	void *params[] = {&at, &value, &words};
	CUcontext own;
	CUmodule code;
	CUfunction fill_nothing;

	MUST(cuCtxCreate(&own, NULL, 0, 0));
	MUST(cuModuleLoad(&code, getenv("SIM_IMAGE")));
	MUST(cuModuleGetFunction(&fill_nothing, code, "fill"));
	while (!atomic_load(&first_has_ended))
		MUST(cuLaunchKernel(fill_nothing, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	MUST(cuCtxDestroy(own));
	return NULL;
}

/* What pages ends while another context's thread asks it for room, or names what was its. */
static void ends_beside_another(void)
{
	pthread_t other;

	MUST(cuInit(0));
	for (unsigned int round = 0; round < 24; round++) {
		CUdeviceptr piece[4];

		MUST(cuCtxCreate(&context, NULL, 0, 0));
		MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
		for (int i = 0; i < 4; i++)
			MUST(cuMemAlloc(&piece[i], 2 * UNIT));
		atomic_store(&first_has_ended, false);
		if (pthread_create(&other, NULL, round % 2 ? ask_for_room : pass_what_ends,
				   &piece[0]))
			wrong("no thread");
		for (unsigned int i = 0; i < 4; i++)
			fill(piece[i], i, 2 * UNIT, NULL);
		for (unsigned int i = 0; i < 4; i++)
			check(piece[i], i, 2 * UNIT);
		MUST(cuCtxDestroy(context));
		atomic_store(&first_has_ended, true);
		pthread_join(other, NULL);
	}
}

static void two_contexts(void)
{
	CUcontext second;
	CUmodule first_module;

	start();
	first_module = module;
	work(NULL, 1);
	MUST(cuCtxCreate(&second, NULL, 0, 0));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
	MUST(cuCtxSetCurrent(context));
	module = first_module;
	work(NULL, 2);
	MUST(cuCtxDestroy(second));
	work(NULL, 3);
}

static void leave_busy(void)
{
	CUdeviceptr piece[PIECES];
	double ns = 1e9;
	void *params[] = {&ns};

	start();
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&piece[i], PIECE_BYTES));
		fill(piece[i], i, PIECE_BYTES, NULL);
	}
	MUST(cuLaunchKernel(function("spin"), 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
}

/* Work in one blocking stream waits for what the host does only after work in another has
 * ended: a drain that put an event into the legacy stream would order the two, and nobody would
 * ever go on. */
static void trap(void)
{
	CUstream waits, goes_on;
	unsigned int *flag;

	start();
	MUST(cuMemHostAlloc((void **)&flag, 4096, 0));
	*flag = 0;
	MUST(cuStreamCreate(&waits, CU_STREAM_DEFAULT));
	MUST(cuStreamCreate(&goes_on, CU_STREAM_DEFAULT));
	MUST(cuStreamWaitValue32(waits, (CUdeviceptr)(uintptr_t)flag, 1,
				 CU_STREAM_WAIT_VALUE_EQ));
	for (unsigned int i = 0; i < 3; i++) {
		CUdeviceptr piece[PIECES];

		/* No allocation is freed here: a free waits for everything, with or without the
		 * library. */
		for (unsigned int p = 0; p < PIECES; p++) {
			MUST(cuMemAlloc(&piece[p], PIECE_BYTES));
			fill(piece[p], i + p, PIECE_BYTES, goes_on);
		}
		for (unsigned int p = 0; p < PIECES; p++)
			increment(piece[p], 5, PIECE_BYTES, goes_on);
		MUST(cuStreamSynchronize(goes_on));
	}
	__atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
	MUST(cuStreamSynchronize(waits));
	work(goes_on, 7);
}

static void destroyed_stream(void)
{
	CUstream stream;
	CUdeviceptr kept;
	double ns = 1e7;
	void *params[] = {&ns};

	start();
	MUST(cuMemAlloc(&kept, PIECE_BYTES));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuLaunchKernel(function("spin"), 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
	fill(kept, 77, PIECE_BYTES, stream);
	MUST(cuStreamDestroy(stream));
	work(NULL, 5);
	check(kept, 77, PIECE_BYTES);
}

typedef CUresult (*launch_fn)(CUfunction, unsigned int, unsigned int, unsigned int,
			      unsigned int, unsigned int, unsigned int, unsigned int, CUstream,
			      void **, void **);

static void *per_thread_work(void *seed)
{
	unsigned int value = (unsigned int)(uintptr_t)seed;
	CUdeviceptr piece[PIECES];
	unsigned long n = WORDS;
	launch_fn call = (launch_fn)driver_function(
	    "cuLaunchKernel", 13000, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);

	MUST(cuCtxSetCurrent(context));
	for (unsigned int i = 0; i < PIECES; i++) {
		void *params[] = {&piece[i], &value, &n};

		MUST(cuMemAlloc(&piece[i], PIECE_BYTES));
		MUST(call(function("fill"), 4, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
		MUST(call(function("increment"), 4, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	}
	MUST(cuStreamSynchronize(CU_STREAM_PER_THREAD));
	for (unsigned int i = 0; i < PIECES; i++)
		check(piece[i], 2 * value, PIECE_BYTES);
	return NULL;
}

static void per_thread(void)
{
	pthread_t thread[3];

	start();
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, per_thread_work, (void *)(i + 1));
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
}

static atomic_bool captured;

static void *work_until_captured(void *unused)
{
	(void)unused;
	MUST(cuCtxSetCurrent(context));
	while (!atomic_load(&captured))
		work(CU_STREAM_PER_THREAD, 3);
	return NULL;
}

/* A capture in one thread while another allocates and launches past the cap. */
static void capture(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr target;
	CUgraphExec exec;
	CUgraph graph;
	CUstream stream;
	pthread_t thread;

	start();
	MUST(cuMemAlloc(&target, PIECE_BYTES));
	fill(target, 0, PIECE_BYTES, NULL);
	MUST(cuCtxSynchronize());
	MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	pthread_create(&thread, NULL, work_until_captured, NULL);
	for (int round = 0; round < 5; round++) {
		MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		for (int i = 0; i < 10; i++)
			increment(target, 1, PIECE_BYTES, stream);
		MUST(cuStreamEndCapture(stream, &graph));
		MUST(cuGraphInstantiate(&exec, graph, 0));
		MUST(cuGraphLaunch(exec, stream));
		MUST(cuStreamSynchronize(stream));
		MUST(cuGraphExecDestroy(exec));
		MUST(cuGraphDestroy(graph));
	}
	atomic_store(&captured, true);
	pthread_join(thread, NULL);
	check(target, 50, PIECE_BYTES);
}

static void sizes(void)
{
	static const size_t sizes[] = {
	    1, 511, 65535, 65536, 1 << 20, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, 5 << 20};
	CUdeviceptr piece[9], too_much;
	size_t before, bytes;
	CUdeviceptr base;

	start();
	before = free_bytes();
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 9; i++) {
			MUST(cuMemAlloc(&piece[i], sizes[i]));
			MUST(cuMemsetD8(piece[i], (unsigned char)round, sizes[i]));
			MUST(cuMemGetAddressRange(&base, &bytes, piece[i] + sizes[i] / 2));
			if (base != piece[i] || bytes != sizes[i])
				wrong("an address range");
		}
		for (int i = 0; i < 9; i++) {
			unsigned char last;

			MUST(cuMemcpyDtoH(&last, piece[i] + sizes[i] - 1, 1));
			if (last != (unsigned char)round)
				wrong("a last byte");
			MUST(cuMemFree(piece[i]));
		}
	}
	if (free_bytes() != before)
		wrong("free memory after 1,800 allocations and frees");
	if (cuMemAlloc(&too_much, (size_t)1 << 40) != CUDA_ERROR_OUT_OF_MEMORY)
		wrong("an allocation of a tebibyte");
	if (cuMemFree(piece[0]) != CUDA_ERROR_INVALID_VALUE)
		wrong("a second free");
	work(NULL, 9);
}

static void questions(void)
{
	CUdeviceptr piece[PIECES], device_pointer;
	unsigned int type;
	CUcontext owner;
	void *answers[] = {&type, &owner, &device_pointer};
	CUpointer_attribute asked[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
				       CU_POINTER_ATTRIBUTE_CONTEXT,
				       CU_POINTER_ATTRIBUTE_DEVICE_POINTER};

	start();
	for (unsigned int i = 0; i < PIECES; i++) {
		void *host;

		MUST(cuMemAlloc(&piece[i], PIECE_BYTES));
		fill(piece[i], i, PIECE_BYTES, NULL);
		MUST(cuPointerGetAttributes(3, asked, answers, piece[i] + 100));
		if (type != CU_MEMORYTYPE_DEVICE || owner != context ||
		    device_pointer != piece[i] + 100)
			wrong("the attributes of a pointer");
		if (cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, piece[i]) ==
		    CUDA_SUCCESS)
			wrong("a host pointer to device memory");
	}
}

static const struct program_case cases[] = {
    CASE(threads),
    CASE(forks),
    CASE(graph_forks),
    CASE(contexts),
    CASE(ends_beside_another),
    CASE(primary),
    CASE(two_contexts),
    CASE(leave_busy),
    CASE(trap),
    CASE(destroyed_stream),
    CASE(per_thread),
    CASE(capture),
    CASE(sizes),
    CASE(questions),
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
