/*
 * Work that is still to come: an operation on a piece of memory waits in a stream behind a long
 * kernel, while launches on another stream go round all other pieces, so that what may move
 * does. The piece must hold, and give, what it would without the library. usage: sim_pending
 * [OPERATION]; prints the operations without one. The first two are tried in every kind of
 * stream, the others in three; each on the piece that was used last, and on the one that was
 * used longest ago.
 */
#include "program.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 6
#define BYTES (6 * UNIT) /* three blocks */
#define WORDS (BYTES / 4)
#define ROUNDS 2
#define LONG_NS 40e6 /* of virtual time: longer than the rounds beside it */

static CUdeviceptr pieces[PIECES], beside; /* beside: outside the rounds */
static unsigned int *pinned;
static unsigned int values[PIECES]; /* piece i holds values[i] + word */

/* --- operations: what the piece holds afterwards is told by `*value` */

static void by_kernel(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	unsigned int by = 7;
	unsigned long n = WORDS;
	double ns = LONG_NS;

	MUST(cuLaunchKernel(function("increment_slowly"), 8, 1, 1, 1, 1, 1, 0, stream,
			    (void *[]){&at, &by, &n, &ns}, NULL));
	*value += by;
}

static void copy_out(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	(void)value;
	memset(pinned, 0, BYTES);
	MUST(cuMemcpyDtoHAsync(pinned, at, BYTES, stream));
}

static void after_copy_out(unsigned int value)
{
	for (unsigned int i = 0; i < WORDS; i++)
		if (pinned[i] != value + i)
			wrong("what was copied out");
}

static void put(unsigned int value)
{
	for (unsigned int i = 0; i < WORDS; i++)
		pinned[i] = value + i;
}

static void copy_in(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	*value += 5000;
	put(*value);
	MUST(cuMemcpyHtoDAsync(at, pinned, BYTES, stream));
}

static void copy_any(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	*value += 6000;
	put(*value);
	MUST(cuMemcpyAsync(at, (CUdeviceptr)(size_t)pinned, BYTES, stream));
}

static void copy_rows_in(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST,
			      .srcHost = pinned,
			      .srcPitch = UNIT,
			      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			      .dstDevice = at,
			      .dstPitch = UNIT,
			      .WidthInBytes = UNIT,
			      .Height = BYTES / UNIT};

	*value += 7000;
	put(*value);
	MUST(cuMemcpy2DAsync(&copy, stream));
}

static void copy_rows_out(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			      .srcDevice = at,
			      .srcPitch = UNIT,
			      .dstMemoryType = CU_MEMORYTYPE_HOST,
			      .dstHost = pinned,
			      .dstPitch = UNIT,
			      .WidthInBytes = UNIT,
			      .Height = BYTES / UNIT};

	(void)value;
	memset(pinned, 0, BYTES);
	MUST(cuMemcpy2DAsync(&copy, stream));
}

static void copy_from_beside(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	*value += 8000;
	fill(beside, *value, BYTES, stream);
	MUST(cuMemcpyDtoDAsync(at, beside, BYTES, stream));
}

static void copy_to_beside(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	(void)value;
	MUST(cuMemcpyDtoDAsync(beside, at, BYTES, stream));
}

static void after_copy_to_beside(unsigned int value)
{
	check(beside, value, BYTES);
}

/* Each word its own value, so that check() knows it again: a fill of one word, then a kernel.
 */
static void fill_words(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	unsigned long n = WORDS;
	CUdeviceptr out = at;
	unsigned int one = 1;
	void *params[] = {&out, &one, &n};

	*value = 0x01010101;
	MUST(cuMemsetD32Async(at, *value, WORDS, stream));
	MUST(cuLaunchKernel(function("increment"), 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

static void fill_bytes(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	*value = 0x05050505;
	MUST(cuMemsetD8Async(at, 5, BYTES, stream));
}

static void fill_rows(CUdeviceptr at, unsigned int *value, CUstream stream)
{
	*value = 0x06060606;
	MUST(cuMemsetD2D8Async(at, UNIT, 6, UNIT, BYTES / UNIT, stream));
}

struct operation {
	const char *name;
	void (*begin)(CUdeviceptr at, unsigned int *value, CUstream stream);
	void (*after)(unsigned int value); /* NULL: nothing besides the piece to look at */
	unsigned int even; /* all words become *value + even - 1; 0: they differ */
};
static const struct operation operations[] = {
    {"by_kernel", by_kernel, NULL, 0},
    {"copy_out", copy_out, after_copy_out, 0},
    {"copy_in", copy_in, NULL, 0},
    {"copy_any", copy_any, NULL, 0},
    {"copy_rows_in", copy_rows_in, NULL, 0},
    {"copy_rows_out", copy_rows_out, after_copy_out, 0},
    {"copy_from_beside", copy_from_beside, NULL, 0},
    {"copy_to_beside", copy_to_beside, after_copy_to_beside, 0},
    {"fill_words", fill_words, NULL, 2},
    {"fill_bytes", fill_bytes, NULL, 1},
    {"fill_rows", fill_rows, NULL, 1},
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* --- streams */

enum kind {
	PLAIN,
	LEGACY,
	DESTROYED,
	SOME_KINDS,
	BLOCKING = SOME_KINDS,
	WITH_PRIORITY,
	PER_THREAD,
	KINDS
};

static CUstream stream_of(enum kind kind)
{
	CUstream stream = NULL;

	switch (kind) {
	case LEGACY:
		return CU_STREAM_LEGACY;
	case PER_THREAD:
		return CU_STREAM_PER_THREAD;
	case WITH_PRIORITY:
		MUST(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, -1));
		return stream;
	default:
		MUST(cuStreamCreate(&stream, kind == BLOCKING ? CU_STREAM_DEFAULT
							      : CU_STREAM_NON_BLOCKING));
		return stream;
	}
}

/* --- a round */

static void go_round(unsigned int except, CUstream stream)
{
	for (unsigned int i = 0; i < PIECES; i++) {
		if (i == except)
			continue;
		increment(pieces[i], 3, BYTES, stream);
		values[i] += 3;
	}
}

static void check_even(CUdeviceptr at, unsigned int value)
{
	MUST(cuMemcpyDtoH(pinned, at, BYTES));
	for (unsigned int i = 0; i < WORDS; i++)
		if (pinned[i] != value)
			wrong("a word");
}

/* `behind`: the operation waits behind a long kernel; else it is long itself (copies are, where
 * the bus is slow). */
static void try(const struct operation *operation, enum kind kind, unsigned int piece,
		bool behind, CUstream rounds)
{
	CUstream stream = stream_of(kind);
	double pending_ns = LONG_NS;
	unsigned int value;

	/* The piece comes first or last in the rounds before. */
	for (int i = 0; i < ROUNDS; i++) {
		go_round(PIECES, rounds);
		MUST(cuStreamSynchronize(rounds));
	}
	value = values[piece];
	if (behind)
		MUST(cuLaunchKernel(function("spin"), 1, 1, 1, 1, 1, 1, 0, stream,
				    (void *[]){&pending_ns}, NULL));
	operation->begin(pieces[piece], &values[piece], stream);
	if (kind == DESTROYED)
		MUST(cuStreamDestroy(stream));
	for (int i = 0; i < ROUNDS; i++) {
		go_round(piece, rounds);
		MUST(cuStreamSynchronize(rounds));
	}
	MUST(cuCtxSynchronize());
	if (operation->after)
		operation->after(value);
	if (operation->even) {
		check_even(pieces[piece], values[piece] + operation->even - 1);
		fill(pieces[piece], values[piece], BYTES, NULL);
		MUST(cuCtxSynchronize());
	}
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], values[i], BYTES);
	if (kind != LEGACY && kind != PER_THREAD && kind != DESTROYED)
		MUST(cuStreamDestroy(stream));
}

int main(int argc, char **argv)
{
	CUstream rounds;
	enum kind kinds;

	if (argc == 1)
		for (size_t i = 0; i < OPERATIONS; i++)
			puts(operations[i].name);
	if (argc != 2)
		return argc == 1 ? 0 : 2;
	start();
	MUST(cuStreamCreate(&rounds, CU_STREAM_NON_BLOCKING));
	MUST(cuMemHostAlloc((void **)&pinned, BYTES, 0));
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&pieces[i], BYTES));
		values[i] = 1000 * i;
		fill(pieces[i], values[i], BYTES, NULL);
	}
	MUST(cuMemAlloc(&beside, BYTES));
	fill(beside, 1, BYTES, NULL);
	MUST(cuCtxSynchronize());
	/* What is to move beside other work must have been named a few times. */
	for (int i = 0; i < 3; i++)
		go_round(PIECES, rounds);
	MUST(cuCtxSynchronize());
	for (size_t i = 0; i < OPERATIONS; i++) {
		if (strcmp(operations[i].name, argv[1]) != 0)
			continue;
		kinds = i < 2 ? KINDS : SOME_KINDS;
		for (enum kind kind = 0; kind < kinds; kind++) {
			try(&operations[i], kind, 0, true, rounds);
			try(&operations[i], kind, PIECES - 1, true, rounds);
			try(&operations[i], kind, 0, false, rounds);
			try(&operations[i], kind, PIECES - 1, false, rounds);
		}
		return 0;
	}
	return 2;
}
