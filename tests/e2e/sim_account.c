/*
 * What is taken, what is given back, and what is said of it. usage: sim_account CASE, with
 * SIM_IMAGE naming the test kernels; account_test.sh has the settings of each.
 */
#include "program.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 24
#define PIECE_BYTES (2 * UNIT)

/* What only the simulated GPU tells, in MiB: what of its memory, and of RAM, is taken now. */
static unsigned int taken(const char *where)
{
	uint64_t (*ask)(const char *) =
	    __extension__(uint64_t(*)(const char *)) dlsym(RTLD_DEFAULT, "lowtide_sim_counted");

	return ask ? (unsigned int)(ask(where) / MIB) : 0;
}

static unsigned int free_mib(void)
{
	size_t free_bytes, total_bytes;

	MUST(cuMemGetInfo(&free_bytes, &total_bytes));
	return (unsigned int)(free_bytes / MIB);
}

static unsigned int allocate(CUdeviceptr *pieces, unsigned int count)
{
	unsigned int made = 0;

	while (made < count && cuMemAlloc(&pieces[made], PIECE_BYTES) == CUDA_SUCCESS) {
		fill(pieces[made], made, PIECE_BYTES, NULL);
		made++;
	}
	return made;
}

static void use(const CUdeviceptr *pieces, unsigned int count, unsigned int rounds)
{
	for (unsigned int round = 0; round < rounds; round++) {
		for (unsigned int i = 0; i < count; i++)
			increment(pieces[i], 1, PIECE_BYTES, NULL);
		MUST(cuCtxSynchronize());
	}
}

static void free_all(const CUdeviceptr *pieces, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		MUST(cuMemFree(pieces[i]));
}

static void at_most(const char *where, unsigned int mib)
{
	if (taken(where) <= mib)
		return;
	fprintf(stderr, "wrong: %s is %u MiB, more than %u\n", where, taken(where), mib);
	exit(1);
}

/* Nothing is left but what the pager works with. */
static void all_freed(void)
{
	CUdeviceptr pieces[PIECES];

	start();
	for (int round = 0; round < 3; round++) {
		free_all(pieces, 0, allocate(pieces, PIECES));
		at_most("vram_now", 2);
		at_most("host_now", 2);
	}
	use(pieces, allocate(pieces, PIECES), 8);
	for (unsigned int i = 0; i < PIECES; i++) {
		check(pieces[i], i + 8, PIECE_BYTES);
		MUST(cuMemFreeAsync(pieces[i], NULL));
	}
	MUST(cuCtxSynchronize());
	at_most("vram_now", 2);
	at_most("host_now", 2);
}

/* Most is freed, and the rest fits: after a while there are no more frames than that. */
static void most_freed(void)
{
	CUdeviceptr pieces[PIECES];

	start();
	use(pieces, allocate(pieces, PIECES), 8);
	free_all(pieces, 4, PIECES);
	use(pieces, 4, 64);
	at_most("vram_now", 2 + 4 * PIECE_BYTES / MIB);
	at_most("host_now", 2 + 4 * PIECE_BYTES / MIB);
	for (unsigned int i = 0; i < 4; i++)
		check(pieces[i], i + 72, PIECE_BYTES);
}

/* What is spare is free: after everything was freed there is as much as before. */
static void spare_is_free(void)
{
	CUdeviceptr pieces[PIECES];
	unsigned int before, made;

	start();
	MUST(cuMemAlloc(&pieces[0], PIECE_BYTES));
	before = free_mib();
	made = 1 + allocate(pieces + 1, 7);
	if (before - free_mib() != 7 * PIECE_BYTES / MIB)
		wrong("what is free beside what was allocated");
	free_all(pieces, 1, made);
	if (free_mib() != before)
		wrong("what is free after the rest was freed");
	MUST(cuMemFree(pieces[0]));
	if (free_mib() != before + PIECE_BYTES / MIB)
		wrong("what is free after everything was freed");
}

/* Until there is neither VRAM nor RAM; and a probe for far too much before. */
static void refused(void)
{
	CUdeviceptr pieces[PIECES], probe;
	unsigned int made, first = 0;

	start();
	MUST_FAIL(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&probe, (size_t)40 << 30));
	for (int round = 0; round < 2; round++) {
		made = allocate(pieces, PIECES);
		if (made == PIECES)
			wrong("nothing was refused");
		if (round && made != first)
			wrong("another number fits than before");
		first = made;
		/* In parts it would: the part that is had goes back. */
		MUST_FAIL(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&probe, 8 * UNIT));
		MUST(cuMemFree(pieces[--made]));
		MUST_FAIL(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&probe, 8 * UNIT));
		MUST(cuMemAlloc(&pieces[made], PIECE_BYTES));
		fill(pieces[made], made, PIECE_BYTES, NULL);
		made++;
		use(pieces, made, 3);
		for (unsigned int i = 0; i < made; i++)
			check(pieces[i], i + 3, PIECE_BYTES);
		free_all(pieces, 0, made);
	}
}

/* The card has less than the cap: others hold the rest. */
static void short_card(void)
{
	CUdeviceptr pieces[PIECES];

	start();
	if (allocate(pieces, PIECES) != PIECES)
		wrong("refused");
	use(pieces, PIECES, 40);
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], i + 40, PIECE_BYTES);
	free_all(pieces, 0, PIECES);
}

/* The same with blocks of two sizes, whose frames cannot stand in for each other. */
static void short_card_of_sizes(void)
{
	CUdeviceptr pieces[12];
	size_t bytes[12];

	start();
	for (unsigned int i = 0; i < 12; i++) {
		bytes[i] = i % 2 ? 2 * UNIT : 4 * UNIT;
		MUST(cuMemAlloc(&pieces[i], bytes[i]));
		fill(pieces[i], i, bytes[i], NULL);
	}
	for (unsigned int round = 0; round < 40; round++) {
		for (unsigned int i = 0; i < 12; i++)
			increment(pieces[i], 1, bytes[i], NULL);
		MUST(cuCtxSynchronize());
	}
	for (unsigned int i = 0; i < 12; i++)
		check(pieces[i], i + 40, bytes[i]);
}

/* A second context is there from the beginning, comes later, or has gone again. */
static void second_context(void)
{
	const char *when = getenv("WHEN");
	CUdeviceptr pieces[PIECES];
	CUcontext other;

	start();
	if (strcmp(when, "later") != 0) {
		MUST(cuCtxCreate(&other, NULL, 0, 0));
		MUST(cuCtxPopCurrent(&other));
	}
	if (!strcmp(when, "gone"))
		MUST(cuCtxDestroy(other));
	use(pieces, allocate(pieces, PIECES), 2);
	if (!strcmp(when, "later")) {
		MUST(cuCtxCreate(&other, NULL, 0, 0));
		MUST(cuCtxPopCurrent(&other));
	}
	use(pieces, PIECES, 10);
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], i + 12, PIECE_BYTES);
}

/* Slow work of a second context on what the first one's would push out. */
static void second_context_works(void)
{
	unsigned long words = PIECE_BYTES / 4;
	unsigned int by = 1;
	double ns = 1e6;
	CUdeviceptr pieces[PIECES];
	CUcontext other;
	CUmodule theirs;
	CUfunction slowly;
	CUstream stream;

	start();
	allocate(pieces, PIECES);
	use(pieces, PIECES, 2);
	MUST(cuCtxCreate(&other, NULL, 0, 0));
	MUST(cuModuleLoad(&theirs, getenv("SIM_IMAGE")));
	MUST(cuModuleGetFunction(&slowly, theirs, "increment_slowly"));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (int i = 0; i < PIECES; i++) {
		void *params[] = {&pieces[i], &by, &words, &ns};

		MUST(cuCtxSetCurrent(other));
		MUST(cuLaunchKernel(slowly, 8, 1, 1, 1, 1, 1, 0, stream, params, NULL));
		for (int j = 0; j < 100; j++) /* until it runs */
			cuStreamQuery(stream);
		MUST(cuCtxSetCurrent(context));
		for (int j = PIECES / 2; j < PIECES / 2 + PIECES;
		     j++) /* first what is in RAM */
			if (j % PIECES)
				increment(pieces[(i + j) % PIECES], 1, PIECE_BYTES, NULL);
		MUST(cuCtxSynchronize());
		MUST(cuCtxSetCurrent(other));
		MUST(cuStreamSynchronize(stream));
		MUST(cuCtxSetCurrent(context));
	}
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], i + 2 + PIECES, PIECE_BYTES);
}

/* Which call made it and which frees it is all one: rounds without end. */
static void crosswise(void)
{
	CUdeviceptr keep, at;
	CUstream stream;

	start();
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuMemAlloc(&keep, 600000));
	for (int round = 0; round < 40; round++) {
		MUST(cuMemAlloc(&at, 900000));
		MUST(cuMemFreeAsync(at, stream));
		MUST(cuMemAlloc(&at, 900000));
		MUST(cuStreamSynchronize(stream));
		MUST(cuMemFreeAsync(at, NULL));
		MUST(cuMemAlloc(&at, PIECE_BYTES));
		MUST(cuMemFreeAsync(at, stream));
		MUST(cuMemAllocAsync(&at, 3 * MIB, stream));
		MUST(cuStreamSynchronize(stream));
		MUST(cuMemFree(at));
	}
}

/* Contexts that end with memory of every kind alive, while another keeps a small one. */
static void contexts_end(void)
{
	CUDA_ARRAY_DESCRIPTOR texels = {512, 512, CU_AD_FORMAT_FLOAT, 1},
			      few = {64, 64, CU_AD_FORMAT_FLOAT, 1};
	CUdeviceptr keep, at;
	CUarray array;
	CUcontext second;

	start();
	MUST(cuMemAlloc(&keep, 600000));
	for (int round = 0; round < 40; round++) {
		MUST(cuCtxCreate(&second, NULL, 0, 0));
		for (int i = 0; i < 3; i++)
			MUST(cuMemAlloc(&at, 900000));
		MUST(cuMemAlloc(&at, PIECE_BYTES));
		MUST(cuMemAllocAsync(&at, MIB, NULL));
		MUST(cuArrayCreate(&array, &texels));
		MUST(cuArrayCreate(&array, &few));
		MUST(cuMemAllocManaged(&at, MIB, CU_MEM_ATTACH_GLOBAL));
		MUST(cuCtxDestroy(second));
		MUST(cuCtxSetCurrent(context));
	}
	MUST(cuMemFree(keep));
}

/* The same with the primary context, and with a pool of the program's own. */
static void resets(void)
{
	CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
	CUmemoryPool pool;
	CUdeviceptr at;

	for (int round = 0; round < 40; round++) {
		start();
		MUST(cuMemAlloc(&at, 5000));
		MUST(cuMemAlloc(&at, PIECE_BYTES));
		MUST(cuMemAllocAsync(&at, MIB, NULL));
		MUST(cuMemPoolCreate(&pool, &props));
		MUST(cuMemAllocFromPoolAsync(&at, MIB, pool, NULL));
		if (round % 2)
			MUST(cuDevicePrimaryCtxReset(0));
		else
			MUST(cuDevicePrimaryCtxRelease(0));
	}
}

/* Managed memory counts as if all of it were on the card. */
static void managed(void)
{
	CUdeviceptr at[PIECES];
	int made = 0;

	start();
	while (made < PIECES &&
	       cuMemAllocManaged(&at[made], PIECE_BYTES, CU_MEM_ATTACH_GLOBAL) == CUDA_SUCCESS)
		made++;
	if (made == PIECES)
		wrong("more managed memory than the cap");
	while (made--)
		MUST(cuMemFree(at[made]));
}

/* What ends where it begins is nobody's: a pointer one past the end names nothing else. */
static void gap(void)
{
	CUdeviceptr pieces[PIECES], end, found;
	size_t bytes;

	start();
	for (int i = 0; i < 8; i++)
		MUST(cuMemAlloc(&pieces[i], i % 2 ? PIECE_BYTES : PIECE_BYTES / 2));
	for (int i = 0; i < 8; i++)
		for (int j = 0; j < 8; j++) {
			MUST(cuMemGetAddressRange(&found, &bytes, pieces[i]));
			end = pieces[i] + bytes;
			if (end == pieces[j])
				wrong("two that adjoin");
		}
}

/* Memory is freed that work uses which has not ended, at once and in stream order. */
static void free_under_work(void)
{
	unsigned long words = PIECE_BYTES / 4;
	CUfunction slowly;
	CUstream stream;
	unsigned int by = 1;
	double ns = 1e7;

	start();
	slowly = function("increment_slowly");
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (int round = 0; round < 6; round++) {
		CUdeviceptr at;
		void *params[] = {&at, &by, &words, &ns};

		MUST(cuMemAlloc(&at, PIECE_BYTES));
		MUST(cuLaunchKernel(slowly, 8, 1, 1, 1, 1, 1, 0, stream, params, NULL));
		if (round % 2)
			MUST(cuMemFree(at));
		else
			MUST(cuMemFreeAsync(at, stream));
		MUST(cuStreamSynchronize(stream));
	}
}

/* Until there is no more: what the driver takes for them, and not what their texels need. */
static void arrays(void)
{
	CUDA_ARRAY_DESCRIPTOR texels = {1000, 1000, CU_AD_FORMAT_FLOAT, 1};
	CUarray made[32];
	unsigned int count = 0;

	start();
	for (int round = 0; round < 2; round++) {
		for (count = 0; count < 32; count++)
			if (cuArrayCreate(&made[count], &texels) != CUDA_SUCCESS)
				break;
		if (count != 5)
			wrong("how many arrays of 4 MiB fit into 22");
		while (count--)
			MUST(cuArrayDestroy(made[count]));
	}
	at_most("vram_now", 0);
}

static const struct program_case cases[] = {CASE(all_freed),	  CASE(most_freed),
					    CASE(spare_is_free),  CASE(refused),
					    CASE(short_card),	  CASE(short_card_of_sizes),
					    CASE(second_context), CASE(second_context_works),
					    CASE(crosswise),	  CASE(contexts_end),
					    CASE(resets),	  CASE(free_under_work),
					    CASE(managed),	  CASE(gap),
					    CASE(arrays)};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
