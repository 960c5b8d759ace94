/*
 * What only shows where cold memory has no mapping (LOWTIDE_COLD=unmapped), under a cap that
 * about half of it fits. usage: sim_unmapped CASE, with SIM_IMAGE naming the test kernels. Each
 * case holds its memory against what it should be, and exits 0 if all is well. Those of
 * "refusals" want an error where memory cannot be brought to VRAM; without the library, or with
 * cold memory mapped, they fail.
 */
#include "program.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define PIECES 6
#define BYTES (6 * UNIT) /* three blocks */
#define LARGE (14 * UNIT)

/* More than the cap holds; the last ones begin in RAM. */
static void make_pieces(CUdeviceptr *pieces)
{
	for (unsigned int i = 0; i < PIECES; i++)
		MUST(cuMemAlloc(&pieces[i], BYTES));
	for (unsigned int i = 0; i < PIECES; i++)
		fill(pieces[i], 100 * i, BYTES, NULL);
	MUST(cuCtxSynchronize());
}

/* --- both want more than half of the cap, at the same time
 * ---------------------------------------------------- */

struct rival {
	CUdeviceptr at;
	CUstream stream;
};

#define ROUNDS 40

static void *rival_run(void *of)
{
	const struct rival *rival = of;

	MUST(cuCtxSetCurrent(context));
	for (int i = 0; i < ROUNDS; i++) {
		increment(rival->at, 1, LARGE, rival->stream);
		if (i % 8 == 7)
			MUST(cuStreamSynchronize(rival->stream));
	}
	MUST(cuStreamSynchronize(rival->stream));
	return NULL;
}

static void rivals(void)
{
	struct rival rival[2];
	pthread_t threads[2];

	start();
	for (unsigned int i = 0; i < 2; i++) {
		MUST(cuMemAlloc(&rival[i].at, LARGE));
		MUST(cuStreamCreate(&rival[i].stream, CU_STREAM_NON_BLOCKING));
		fill(rival[i].at, 1000 * i, LARGE, rival[i].stream);
	}
	MUST(cuCtxSynchronize());
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, rival_run, &rival[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < 2; i++)
		check(rival[i].at, 1000 * i + ROUNDS, LARGE);
}

/* --- copies and fills where part is in RAM
 * ----------------------------------------------------------------- */

/* Fills the part that is in RAM and the rest alike, and moves it about. */
static void copies(void)
{
	CUdeviceptr pieces[PIECES];
	unsigned int *pinned;
	CUstream stream;

	start();
	make_pieces(pieces);
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuMemAllocHost((void **)&pinned, BYTES));
	for (unsigned int i = 0; i < PIECES; i++) {
		CUdeviceptr next = pieces[(i + 1) % PIECES];
		CUDA_MEMCPY2D rows = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
				      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
				      .srcDevice = pieces[i],
				      .dstDevice = next,
				      .srcPitch = 1 * UNIT,
				      .dstPitch = 1 * UNIT,
				      .WidthInBytes = 1 * UNIT,
				      .Height = 6};

		for (unsigned int w = 0; w < BYTES / 4; w++)
			pinned[w] = 7 * i + w;
		MUST(cuMemcpyHtoDAsync(pieces[i], pinned, BYTES, stream));
		MUST(cuMemsetD32Async(next, 5, BYTES / 4, stream));
		MUST(cuMemcpyDtoDAsync(next, pieces[i], BYTES / 2, stream));
		MUST(cuStreamSynchronize(stream));
		check(next, 7 * i, BYTES / 2);
		MUST(cuMemcpy2D(&rows));
		check(next, 7 * i, BYTES);
		MUST(cuMemsetD8(next, 0, BYTES));
		MUST(cuCtxSynchronize());
		memset(pinned, 1, BYTES);
		MUST(cuMemcpyDtoHAsync(pinned, next, BYTES, stream));
		MUST(cuStreamSynchronize(stream));
		for (unsigned int w = 0; w < BYTES / 4; w++)
			if (pinned[w])
				wrong("a fill");
		increment(pieces[i], 1, BYTES, stream);
		MUST(cuStreamSynchronize(stream));
		check(pieces[i], 7 * i + 1, BYTES);
	}
}

/* --- copies and fills go into a graph while what they name is in RAM
 * ----------------------------------------- */

static void captured(void)
{
	CUdeviceptr pieces[PIECES];
	CUdeviceptr cold;
	unsigned int *pinned;
	CUgraphExec executable;
	CUstream stream;
	CUgraph graph;

	start();
	make_pieces(pieces);
	cold = pieces[0]; /* used longest ago */
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuMemAllocHost((void **)&pinned, BYTES));
	for (unsigned int w = 0; w < BYTES / 4; w++)
		pinned[w] = 9 + w;
	MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	MUST(cuMemcpyHtoDAsync(cold, pinned, BYTES, stream));
	MUST(cuMemcpyDtoDAsync(pieces[1], cold, BYTES, stream));
	increment(pieces[1], 2, BYTES, stream);
	MUST(cuStreamEndCapture(stream, &graph));
	MUST(cuGraphInstantiate(&executable, graph, 0));
	for (unsigned int round = 0; round < 3; round++) {
		MUST(cuGraphLaunch(executable, stream));
		MUST(cuStreamSynchronize(stream));
		check(cold, 9, BYTES);
		check(pieces[1], 11, BYTES);
		/* Whatever may leave does. */
		for (unsigned int i = 2; i < PIECES; i++)
			increment(pieces[i], 1, BYTES, NULL);
		MUST(cuCtxSynchronize());
	}
	for (unsigned int i = 2; i < PIECES; i++)
		check(pieces[i], 100 * i + 3, BYTES);
}

/* --- what was freed in stream order has VRAM that is wanted
 * ---------------------------------------------------------------------------------------------
 */

static void freed(void)
{
	CUdeviceptr pieces[2], table;
	CUstream stream;
	unsigned int by = 1;
	unsigned long words = LARGE / 4;
	double ns = 1e6;

	start();
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuMemAlloc(&table, 4096));
	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < 2; i++) {
			MUST(cuMemAlloc(&pieces[i], LARGE));
			fill(pieces[i], 10 * i, LARGE, NULL);
		}
		increment(pieces[0], 1, LARGE, NULL);
		MUST(cuLaunchKernel(function("increment_slowly"), 8, 1, 1, 1, 1, 1, 0, stream,
				    (void *[]){&pieces[0], &by, &words, &ns}, NULL));
		/* Any kernel may use both then, which is too much until the first has gone. */
		if (round % 2)
			MUST(cuMemcpyHtoD(table, pieces, sizeof(pieces)));
		MUST(cuMemFreeAsync(pieces[0], stream));
		increment(pieces[1], 1, LARGE, NULL);
		check(pieces[1], 11, LARGE);
		MUST(cuMemFree(pieces[1]));
	}
}

/* --- refusals
 * ---------------------------------------------------------------------------------------------------
 */

static void too_large(void)
{
	CUdeviceptr whole, piece;

	start();
	MUST(cuMemAlloc(&whole, 30 * UNIT));
	MUST(cuMemAlloc(&piece, BYTES));
	MUST(cuMemsetD32(whole, 3, 30 * UNIT / 4));
	MUST_FAIL(CUDA_ERROR_OUT_OF_MEMORY, launch("fill", whole, 0, BYTES, NULL));
	/* Nothing is lost by it: neither bytes nor the context. */
	fill(piece, 8, BYTES, NULL);
	check(piece, 8, BYTES);
	for (size_t at = 0; at < 30 * UNIT; at += UNIT) {
		unsigned int word = 0;

		MUST(cuMemcpyDtoH(&word, whole + at, 4));
		if (word != 3)
			wrong("a word of what was refused");
	}
	MUST(cuMemFree(whole));
	increment(piece, 1, BYTES, NULL);
	check(piece, 9, BYTES);
}

/* Addresses that are uploaded as data may be used by any kernel, until what they name is freed.
 */
static void tables(void)
{
	CUdeviceptr pieces[PIECES], table;

	start();
	make_pieces(pieces);
	MUST(cuMemAlloc(&table, 4096));
	MUST(cuMemcpyHtoD(table, pieces, 2 * sizeof(*pieces)));
	for (unsigned int i = 0; i < PIECES; i++) /* two, and one more: they fit */
		increment(pieces[i], 1, BYTES, NULL);
	MUST(cuMemcpyHtoD(table, pieces, sizeof(pieces)));
	MUST_FAIL(CUDA_ERROR_OUT_OF_MEMORY, launch("increment", pieces[0], 1, BYTES, NULL));
	for (unsigned int i = 3; i < PIECES; i++)
		MUST(cuMemFree(pieces[i]));
	increment(pieces[0], 1, BYTES, NULL);
	check(pieces[0], 2, BYTES);
	check(pieces[1], 101, BYTES);
}

static atomic_bool may_end;

static void CUDA_CB wait_for_it(void *unused)
{
	/* Idle meanwhile: what refuses the launch waits for long. */
	const struct timespec nap = {.tv_nsec = 1000000};

	(void)unused;
	while (!atomic_load(&may_end))
		nanosleep(&nap, NULL);
}

/* Work under way waits for what this thread will do only after its next launch. */
static void late(void)
{
	CUdeviceptr pieces[PIECES];
	CUstream stream;

	start();
	make_pieces(pieces);
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuLaunchHostFunc(stream, wait_for_it, NULL));
	MUST_FAIL(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
		  launch("increment", pieces[0], 1, BYTES, NULL));
	atomic_store(&may_end, true);
	increment(pieces[0], 1, BYTES, NULL);
	check(pieces[0], 1, BYTES);
}

static void beside_a_capture(void)
{
	CUdeviceptr pieces[PIECES];
	CUstream stream, other;
	CUgraph graph;

	start();
	make_pieces(pieces);
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	increment(pieces[0], 1, BYTES, stream); /* does not run */
	MUST_FAIL(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
		  launch("increment", pieces[0], 1, BYTES, other));
	MUST(cuStreamEndCapture(stream, &graph));
	increment(pieces[0], 1, BYTES, other);
	MUST(cuStreamSynchronize(other));
	check(pieces[0], 1, BYTES);
}

/* Of whose parameters nobody tells: it may use anything there is. */
static void unknown(void)
{
	CUdeviceptr pieces[PIECES];

	start();
	for (unsigned int i = 0; i < 3; i++) {
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], i, BYTES, NULL);
	}
	MUST(cuMemAlloc(&pieces[3], BYTES));
	MUST_FAIL(CUDA_ERROR_OUT_OF_MEMORY, launch("fill", pieces[0], 7, BYTES, NULL));
	MUST(cuMemFree(pieces[3]));
	fill(pieces[0], 7, BYTES, NULL);
	check(pieces[0], 7, BYTES);
	check(pieces[2], 2, BYTES);
}

static const struct program_case cases[] = {
    CASE(rivals), CASE(copies), CASE(captured),		CASE(freed),   CASE(too_large),
    CASE(tables), CASE(late),	CASE(beside_a_capture), CASE(unknown),
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
