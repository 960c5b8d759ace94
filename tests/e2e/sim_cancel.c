/*
 * Threads that are cancelled while they use CUDA. No call of the driver's is a cancellation
 * point on the simulated GPU, so a cancelled thread gets to the end of the call it is in, with
 * the library too; and whoever uses CUDA afterwards is served as ever. Cases: `pending`: each
 * operation by a thread that has been cancelled before, while a long operation makes the
 * library wait; `first`: so is the very first thread; `random`: threads that work in a storm of
 * cancellations. usage: sim_cancel CASE [SEED]; a program that hangs ends by SIGALRM.
 */
#include "program.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECES 16 /* of one block of 2 MiB: more than the cap has room for */
#define BYTES (2 * MIB)
#define BUSY_MS 30 /* what the library waits for: longer than it only polls */
#define WORKERS 4
#define CANCELLED 16 /* by turns */

static CUdeviceptr pieces[PIECES];
static unsigned int values[PIECES];
static CUstream busy;
static unsigned long seed = 1;
static bool in_storm; /* others work too */

static unsigned int roll(uint64_t *dice, unsigned int n)
{
	*dice = *dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(*dice >> 33) % n;
}

static void be_long(void *unused)
{
	(void)unused;
	usleep(BUSY_MS * 1000);
}

static void everything_goes_on(void)
{
	for (int i = 0; i < PIECES; i++) {
		increment(pieces[i], 1, BYTES, NULL);
		values[i]++;
	}
	for (int i = 0; i < PIECES; i++)
		check(pieces[i], values[i], BYTES);
}

static void make_pieces(void)
{
	MUST(cuStreamCreate(&busy, CU_STREAM_NON_BLOCKING));
	for (int i = 0; i < PIECES; i++) {
		values[i] = 100 * (unsigned int)i;
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], values[i], BYTES, NULL);
	}
	everything_goes_on();
}

/* --- what a thread may do: in memory of its own, or on the pieces without changing them */

struct own {
	CUdeviceptr at;
	unsigned int *ram, *pinned;
	CUstream stream;
	CUevent event;
	CUgraphExec exec;
	CUmodule loaded;
	CUmemGenericAllocationHandle handle;
};

static void allocate(struct own *own)
{
	MUST(cuMemAlloc(&own->at, 2 * BYTES));
}

static void launch_own(struct own *own)
{
	fill(own->at, 5, 2 * BYTES, own->stream);
}

static void launch_all(struct own *own)
{
	CUdeviceptr none = own->at;

	for (int i = 0; i < PIECES; i++) {
		unsigned long n = 0;
		unsigned int by = 0;
		void *params[] = {&pieces[i], &by, &n};

		MUST(cuLaunchKernel(function("increment"), 1, 1, 1, 1, 1, 1, 0, own->stream,
				    params, NULL));
	}
	fill(none, 6, BYTES, own->stream);
}

static void copy_in(struct own *own)
{
	MUST(cuMemcpyHtoD(own->at, own->ram, BYTES));
}

static void copy_out(struct own *own)
{
	for (int i = 0; i < PIECES; i++)
		MUST(cuMemcpyDtoH(own->ram, pieces[i], BYTES));
}

static void copy_async(struct own *own)
{
	MUST(cuMemcpyDtoHAsync(own->pinned, own->at, BYTES, own->stream));
	MUST(cuMemcpyDtoDAsync(own->at, own->at + BYTES, BYTES, own->stream));
}

static void set(struct own *own)
{
	MUST(cuMemsetD8(own->at, 1, BYTES));
	MUST(cuMemsetD32Async(own->at, 1, BYTES / 4, own->stream));
}

static void change_stream(struct own *own)
{
	MUST(cuStreamDestroy(own->stream));
	MUST(cuStreamCreate(&own->stream, CU_STREAM_NON_BLOCKING));
}

static void per_thread(struct own *own)
{
	fill(own->at, 7, BYTES, CU_STREAM_PER_THREAD);
}

static void events(struct own *own)
{
	MUST(cuEventRecord(own->event, own->stream));
	MUST(cuEventSynchronize(own->event));
	MUST(cuStreamSynchronize(own->stream));
}

static void everything_over(struct own *own)
{
	(void)own;
	if (!in_storm) /* an error, and the end of others' captures */
		MUST(cuCtxSynchronize());
}

static void capture(struct own *own)
{
	CUgraph graph;

	MUST(cuStreamBeginCapture(own->stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	fill(own->at, 8, BYTES, own->stream);
	MUST(cuStreamEndCapture(own->stream, &graph));
	MUST(cuGraphInstantiate(&own->exec, graph, 0));
	MUST(cuGraphDestroy(graph));
	MUST(cuGraphLaunch(own->exec, own->stream));
	MUST(cuGraphExecDestroy(own->exec));
}

static void load(struct own *own)
{
	MUST(cuModuleLoad(&own->loaded, getenv("SIM_IMAGE")));
	MUST(cuModuleUnload(own->loaded));
}

/* What cannot page finds no room where much of the rest is in use. */
static bool refused(CUresult result)
{
	if (in_storm && result == CUDA_ERROR_OUT_OF_MEMORY)
		return true;
	MUST(result);
	return false;
}

static void handles(struct own *own)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};

	if (!refused(cuMemCreate(&own->handle, BYTES, &prop, 0)))
		MUST(cuMemRelease(own->handle));
}

static void stream_ordered(struct own *own)
{
	CUdeviceptr at;

	if (!refused(cuMemAllocAsync(&at, BYTES, own->stream)))
		MUST(cuMemFreeAsync(at, own->stream));
}

static void ask(struct own *own)
{
	CUcontext owner;
	size_t free_bytes, bytes;

	MUST(cuMemGetInfo(&free_bytes, &bytes));
	MUST(cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, own->at));
}

/* The library says, in its log, why not. */
static void share(struct own *own)
{
	CUipcMemHandle handle;

	cuIpcGetMemHandle(&handle, own->at);
}

static void release(struct own *own)
{
	MUST(cuMemFree(own->at));
	MUST(cuMemAlloc(&own->at, 2 * BYTES));
}

static const struct operation {
	const char *name;
	void (*run)(struct own *own);
} operations[] = {
    {"launch_own", launch_own},
    {"launch_all", launch_all},
    {"copy_in", copy_in},
    {"copy_out", copy_out},
    {"copy_async", copy_async},
    {"set", set},
    {"change_stream", change_stream},
    {"per_thread", per_thread},
    {"events", events},
    {"everything_over", everything_over},
    {"capture", capture},
    {"load", load},
    {"handles", handles},
    {"stream_ordered", stream_ordered},
    {"ask", ask},
    {"share", share},
    {"release", release},
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void own_init(struct own *own)
{
	memset(own, 0, sizeof(*own));
	MUST(cuCtxSetCurrent(context));
	own->ram = calloc(1, 2 * BYTES);
	MUST(cuMemHostAlloc((void **)&own->pinned, BYTES, 0));
	MUST(cuStreamCreate(&own->stream, CU_STREAM_NON_BLOCKING));
	MUST(cuEventCreate(&own->event, CU_EVENT_DISABLE_TIMING));
	allocate(own);
}

static void own_finish(void *argument)
{
	struct own *own = argument;

	MUST(cuStreamSynchronize(own->stream));
	MUST(cuMemFree(own->at));
	MUST(cuEventDestroy(own->event));
	MUST(cuStreamDestroy(own->stream));
	MUST(cuMemFreeHost(own->pinned));
	free(own->ram);
}

/* --- cases */

static atomic_bool came_back;

static void *cancelled_before(void *argument)
{
	const struct operation *operation = argument;
	struct own own;

	own_init(&own);
	MUST(cuLaunchHostFunc(busy, be_long, NULL));
	pthread_cleanup_push(own_finish, &own);
	pthread_cancel(pthread_self());
	operation->run(&own);
	atomic_store(&came_back, true);
	pthread_testcancel();
	pthread_cleanup_pop(1);
	return NULL;
}

static void is_cancelled(pthread_t thread, const char *what)
{
	void *end;

	pthread_join(thread, &end);
	if (end != PTHREAD_CANCELED)
		wrong("a thread that was to be cancelled was not");
	if (!atomic_exchange(&came_back, false)) {
		fprintf(stderr, "%s: the thread was cancelled inside\n", what);
		exit(1);
	}
}

static void pending(void)
{
	start();
	make_pieces();
	for (size_t i = 0; i < OPERATIONS; i++) {
		pthread_t thread;

		alarm(60);
		pthread_create(&thread, NULL, cancelled_before, (void *)&operations[i]);
		is_cancelled(thread, operations[i].name);
		everything_goes_on();
	}
}

static void *begin(void *unused)
{
	(void)unused;
	pthread_cancel(pthread_self());
	start();
	make_pieces();
	atomic_store(&came_back, true);
	pthread_testcancel();
	return NULL;
}

static void first(void)
{
	pthread_t thread;

	alarm(60);
	pthread_create(&thread, NULL, begin, NULL);
	is_cancelled(thread, "the first use");
	MUST(cuCtxSetCurrent(context));
	everything_goes_on();
}

static atomic_uint turns;

/* Cancelled by another; whatever it had is given back by it. */
static void *work(void *argument)
{
	uint64_t *dice = argument;
	struct own own;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &(int){0});
	own_init(&own);
	pthread_cleanup_push(own_finish, &own);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &(int){0});
	for (;;) {
		const struct operation *operation = &operations[roll(dice, OPERATIONS)];

		operation->run(&own);
		atomic_fetch_add(&turns, 1);
		pthread_testcancel();
	}
	pthread_cleanup_pop(1);
	return NULL;
}

static void wait_for_turns(unsigned int count)
{
	unsigned int from = atomic_load(&turns);

	while (atomic_load(&turns) - from < count)
		usleep(100);
}

static void random_order(void)
{
	uint64_t dice = seed;
	pthread_t threads[WORKERS];
	uint64_t own_dice[WORKERS];

	in_storm = true;
	start();
	make_pieces();
	for (int i = 0; i < WORKERS; i++) {
		own_dice[i] = seed * 31 + (uint64_t)i;
		pthread_create(&threads[i], NULL, work, &own_dice[i]);
	}
	for (int i = 0; i < CANCELLED + WORKERS; i++) {
		pthread_t *thread = &threads[i % WORKERS];
		void *end;

		alarm(120);
		if (i < CANCELLED) {
			wait_for_turns(roll(&dice, 8));
			usleep(roll(&dice, 1000));
		}
		pthread_cancel(*thread);
		pthread_join(*thread, &end);
		if (end != PTHREAD_CANCELED)
			wrong("a thread that was to be cancelled was not");
		if (i < CANCELLED)
			pthread_create(thread, NULL, work, &own_dice[i % WORKERS]);
		if (i % WORKERS == 0)
			everything_goes_on();
	}
	everything_goes_on();
}

static const struct program_case cases[] = {
    CASE(pending), CASE(first), {"random", random_order}};

int main(int argc, char **argv)
{
	if (argc == 3)
		seed = strtoul(argv[2], NULL, 10);
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc > 2 ? 2 : argc, argv);
}
