/*
 * Streams that come and go, and what else is destroyed: what the driver refuses to destroy is
 * waited for as before, what it does destroy leaves nothing behind, and nothing of that is a
 * question that would spoil another thread's capture. usage: sim_streams [CASE]; prints the
 * cases without one.
 */
#include "program.h"

#include "../sim/sim_control.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 16 /* of one block of 2 MiB: more than the cap has room for */
#define BYTES (2 * MIB)
#define ROUNDS 8

static CUdeviceptr pieces[PIECES];

static uint64_t counted(const char *name)
{
	uint64_t (*ask)(const char *) =
	    __extension__(uint64_t(*)(const char *)) dlsym(RTLD_DEFAULT, "lowtide_sim_counted");

	if (!ask)
		wrong("this is not the simulated driver");
	return ask(name);
}

static void fails_next(const char *function)
{
	int (*fail)(const char *, uint64_t, CUresult) =
	    __extension__(int (*)(const char *, uint64_t, CUresult))
		dlsym(RTLD_DEFAULT, "lowtide_sim_fail");

	if (!fail || !fail(function, 1, CUDA_ERROR_UNKNOWN))
		wrong("the simulated driver does not fail when told to");
}

static void spin(CUstream stream, double ns)
{
	void *params[] = {&ns};

	MUST(cuLaunchKernel(function("spin"), 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

static void fill_pieces(CUstream stream)
{
	for (unsigned int i = 0; i < PIECES; i++) {
		if (!pieces[i])
			MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], 100 * i, BYTES, stream);
	}
	MUST(cuStreamSynchronize(stream));
}

/* More than the cap has room for, long before each use: what moves beside it is seen. */
static void go_round(CUstream stream)
{
	for (int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 0; i < PIECES; i++) {
			spin(stream, 2e5);
			increment(pieces[i], 1, BYTES, stream);
		}
	MUST(cuStreamSynchronize(stream));
}

static void check_pieces(unsigned int by)
{
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], 100 * i + by, BYTES);
}

/* --- what the driver refuses to destroy */

static void refused(int version, bool is_busy)
{
	CUresult (*destroy)(CUstream) =
	    (CUresult(*)(CUstream))driver_function("cuStreamDestroy", version, 0);
	CUstream stream;

	start();
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	fill_pieces(stream);
	if (is_busy)
		spin(stream, 1e6);
	fails_next("cuStreamDestroy_v2"); /* so it is counted, by either name */
	MUST_FAIL(CUDA_ERROR_UNKNOWN, destroy(stream));
	go_round(stream);
	check_pieces(ROUNDS);
	/* What may be destroyed then is. */
	spin(stream, 1e6);
	MUST(destroy(stream));
	go_round(NULL);
	check_pieces(2 * ROUNDS);
}

static void refused_idle(void)
{
	refused(4000, false);
}

static void refused_busy(void)
{
	refused(4000, true);
}

static void refused_of_2_0(void)
{
	refused(2000, true);
}

/* Its event cannot be made, or not be recorded, besides. */
static void refused_twice(void)
{
	static const char *const besides[] = {"cuEventCreate", "cuEventRecord",
					      "cuThreadExchangeStreamCaptureMode"};
	CUstream stream;

	start();
	for (size_t i = 0; i < sizeof(besides) / sizeof(besides[0]); i++) {
		MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
		fill_pieces(stream);
		spin(stream, 1e6);
		fails_next(besides[i]);
		fails_next("cuStreamDestroy_v2");
		MUST_FAIL(CUDA_ERROR_UNKNOWN, cuStreamDestroy(stream));
		go_round(stream);
		check_pieces(ROUNDS);
		MUST(cuStreamDestroy(stream));
	}
}

/* A graph that is launched again after its end was refused still names what it names. */
static void refused_graph(void)
{
	CUstream stream, other;
	CUgraphExec exec;
	CUgraph graph;

	start();
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
	fill_pieces(stream);
	MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	spin(stream, 3e6);
	for (unsigned int i = 0; i < 4; i++)
		increment(pieces[i], 1, BYTES, stream);
	MUST(cuStreamEndCapture(stream, &graph));
	MUST(cuGraphInstantiate(&exec, graph, 0));
	MUST(cuGraphDestroy(graph));
	fails_next("cuGraphExecDestroy");
	MUST_FAIL(CUDA_ERROR_UNKNOWN, cuGraphExecDestroy(exec));
	for (int round = 0; round < ROUNDS; round++) {
		MUST(cuGraphLaunch(exec, stream));
		for (unsigned int i = 4; i < PIECES; i++) {
			increment(pieces[i], 1, BYTES, other);
			MUST(cuStreamSynchronize(other));
		}
		MUST(cuStreamSynchronize(stream));
	}
	check_pieces(ROUNDS);
	MUST(cuGraphExecDestroy(exec));
}

/* What lies in a pool that lives on stays charged. */
static void refused_pool(void)
{
	CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
	cuuint64_t all = UINT64_MAX;
	CUmemoryPool pool;
	CUdeviceptr at[4];

	start();
	fill_pieces(NULL);
	MUST(cuMemPoolCreate(&pool, &props));
	MUST(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &all));
	for (int i = 0; i < 4; i++)
		MUST(cuMemAllocFromPoolAsync(&at[i], BYTES, pool, NULL));
	for (int i = 0; i < 4; i++)
		MUST(cuMemFreeAsync(at[i], NULL));
	MUST(cuStreamSynchronize(NULL));
	fails_next("cuMemPoolDestroy");
	MUST_FAIL(CUDA_ERROR_UNKNOWN, cuMemPoolDestroy(pool));
	go_round(NULL);
	check_pieces(ROUNDS);
	MUST(cuMemPoolDestroy(pool));
}

/* --- what is destroyed */

#define FENCES 4096 /* events that are made as work names memory, and kept */
#define STORM 200
#define ROUND_CALLS 40 /* pairs of an allocation and its end */

static uint64_t events_alive(void)
{
	return counted("cuEventCreate") - counted("cuEventDestroy_v2");
}

/* What an allocation and its end ask of the driver, all together. */
static uint64_t calls_of_a_round(void)
{
	uint64_t before = counted("calls");

	for (int i = 0; i < ROUND_CALLS; i++) {
		CUdeviceptr at;

		MUST(cuMemAlloc(&at, BYTES));
		MUST(cuMemFree(at));
	}
	return counted("calls") - before;
}

static void storm(void (*come_and_go)(void), uint64_t pending)
{
	const char *safety = getenv("LOWTIDE_SAFETY");
	uint64_t before, flat;

	if (safety && !strcmp(safety, "overlap"))
		pending += FENCES;
	start();
	MUST(cuMemAlloc(&pieces[0], BYTES));
	fill(pieces[0], 1, BYTES, NULL);
	come_and_go();
	MUST(cuCtxSynchronize());
	calls_of_a_round();
	before = events_alive();
	flat = calls_of_a_round();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < STORM; i++) {
			come_and_go();
			if (events_alive() > before + pending) {
				fprintf(stderr, "%llu events\n",
					(unsigned long long)(events_alive() - before));
				wrong("events pile up");
			}
		}
		MUST(cuCtxSynchronize());
		calls_of_a_round(); /* may find what the storm left */
		if (events_alive() > before + pending)
			wrong("events are left");
		if (calls_of_a_round() > flat + flat / 10)
			wrong("a free asks the driver more than before");
	}
}

static void busy_stream(void)
{
	static unsigned int count;
	CUstream stream;

	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	spin(stream, 1e5);
	MUST(cuStreamDestroy(stream));
	if (++count % 50 == 0)
		MUST(cuCtxSynchronize());
}

static void *work_once(void *unused)
{
	(void)unused;
	MUST(cuCtxSetCurrent(context));
	fill(pieces[0], 2, 4096, CU_STREAM_PER_THREAD);
	MUST(cuStreamSynchronize(CU_STREAM_PER_THREAD));
	return NULL;
}

static void short_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, work_once, NULL))
		wrong("no thread");
	pthread_join(thread, NULL);
}

static void stream_storm(void)
{
	storm(busy_stream, 60);
}

static void thread_storm(void)
{
	storm(short_thread, 4);
}

/* Work that a thread left behind in its own stream is waited for. */
static void *leave_work(void *piece)
{
	MUST(cuCtxSetCurrent(context));
	spin(CU_STREAM_PER_THREAD, 5e6);
	increment(pieces[(uintptr_t)piece], 1, BYTES, CU_STREAM_PER_THREAD);
	return NULL;
}

static void thread_gone(void)
{
	pthread_t thread;

	start();
	fill_pieces(NULL);
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (uintptr_t i = 0; i < PIECES; i++) {
			if (pthread_create(&thread, NULL, leave_work, (void *)i))
				wrong("no thread");
			pthread_join(thread, NULL);
		}
	MUST(cuCtxSynchronize());
	check_pieces(ROUNDS);
}

/* So is what was in a stream when it was destroyed. */
static void destroyed_busy(void)
{
	CUstream stream;

	start();
	fill_pieces(NULL);
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 0; i < PIECES; i++) {
			MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
			spin(stream, 5e6);
			increment(pieces[i], 1, BYTES, stream);
			MUST(cuStreamDestroy(stream));
		}
	MUST(cuCtxSynchronize());
	check_pieces(ROUNDS);
}

/* --- beside a capture */

static pthread_t beside(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, argument))
		wrong("no thread");
	pthread_join(thread, NULL);
	return thread;
}

static void *destroy_busy(void *stream)
{
	MUST(cuCtxSetCurrent(context));
	spin(stream, 1e6);
	MUST(cuStreamDestroy(stream));
	return NULL;
}

static void *destroy_idle(void *stream)
{
	MUST(cuCtxSetCurrent(context));
	MUST(cuStreamDestroy(stream));
	return NULL;
}

static void *work_in_own_stream(void *unused)
{
	(void)unused;
	MUST(cuCtxSetCurrent(context));
	fill(pieces[1], 2, 4096, CU_STREAM_PER_THREAD);
	fill(pieces[2], 2, 4096, CU_STREAM_PER_THREAD);
	return NULL;
}

static void *work_in_all(void *stream)
{
	MUST(cuCtxSetCurrent(context));
	for (int round = 0; round < 8; round++)
		for (unsigned int i = 0; i < PIECES; i++)
			increment(pieces[i], 0, BYTES, stream);
	return NULL;
}

static void *wait_for_stream(void *stream)
{
	CUevent event;

	MUST(cuCtxSetCurrent(context));
	spin(stream, 1e6);
	MUST(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
	MUST(cuEventRecord(event, stream));
	MUST(cuEventSynchronize(event));
	MUST(cuStreamSynchronize(stream));
	MUST(cuEventDestroy(event));
	return NULL;
}

static void beside_capture(void)
{
	static void *(*const runs[])(void *) = {destroy_busy, destroy_idle, work_in_own_stream,
						work_in_all, wait_for_stream};
	CUstream captured, other;
	CUgraphExec exec;
	CUgraph graph;

	start();
	MUST(cuStreamCreate(&captured, CU_STREAM_NON_BLOCKING));
	fill_pieces(NULL);
	go_round(NULL);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		MUST(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
		/* Events of its own, and of threads that have gone, are there to be asked. */
		beside(work_in_own_stream, NULL);
		MUST(cuStreamBeginCapture(captured, CU_STREAM_CAPTURE_MODE_GLOBAL));
		increment(pieces[0], 1, BYTES, captured);
		beside(runs[i], other);
		if (cuStreamEndCapture(captured, &graph) != CUDA_SUCCESS) {
			fprintf(stderr, "beside %zu: ", i);
			wrong("a capture was spoilt");
		}
		MUST(cuGraphInstantiate(&exec, graph, 0));
		MUST(cuGraphLaunch(exec, captured));
		MUST(cuStreamSynchronize(captured));
		MUST(cuGraphExecDestroy(exec));
		MUST(cuGraphDestroy(graph));
	}
}

/* An end without a beginning is no end of another capture, and does not stop paging. */
static void ended_without_beginning(void)
{
	CUstream captured, other;
	CUgraph graph, none;
	unsigned int cold = 0;

	start();
	MUST(cuStreamCreate(&captured, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
	fill_pieces(NULL);
	for (int i = 0; i < 3; i++) {
		if (cuStreamEndCapture(other, &none) == CUDA_SUCCESS)
			wrong("a capture ended that had not begun");
		fails_next("cuStreamEndCapture");
		MUST_FAIL(CUDA_ERROR_UNKNOWN, cuStreamEndCapture(other, &none));
	}
	MUST(cuStreamBeginCapture(captured, CU_STREAM_CAPTURE_MODE_RELAXED));
	increment(pieces[0], 1, BYTES, captured);
	fails_next("cuStreamEndCapture");
	MUST_FAIL(CUDA_ERROR_UNKNOWN, cuStreamEndCapture(other, &none));
	/* Nothing may move while it goes on, or the capture would be spoilt by what asks. */
	for (int round = 0; round < 4; round++)
		for (unsigned int i = 0; i < PIECES; i++)
			increment(pieces[i], 1, BYTES, other);
	MUST(cuStreamEndCapture(captured, &graph));
	MUST(cuGraphDestroy(graph));
	MUST(cuStreamSynchronize(other));
	check_pieces(4);
	go_round(NULL);
	check_pieces(4 + ROUNDS);
	for (unsigned int i = 0; i < PIECES; i++)
		cold += in_vram(pieces[i]) == 0;
	fprintf(stderr, "%s", cold || !getenv("LD_PRELOAD") ? "" : "nothing moved\n");
}

static const struct program_case cases[] = {
    CASE(refused_idle),	  CASE(refused_busy),	CASE(refused_of_2_0),
    CASE(refused_twice),  CASE(refused_graph),	CASE(refused_pool),
    CASE(stream_storm),	  CASE(thread_storm),	CASE(thread_gone),
    CASE(destroyed_busy), CASE(beside_capture), CASE(ended_without_beginning)};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
