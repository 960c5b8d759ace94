/*
 * Memory that is used again for something else without a word, as a caching allocator's
 * segments are: what an earlier use taught of it must not slow the later one down. usage:
 * sim_extents CASE, with SIM_IMAGE naming the test kernels; BEFORE=n: what came before (0:
 * nothing, which the others are compared with).
 */
#include "program.h"

#include <stdlib.h>

#define TENSORS 8

static int before;
static void *zeros;

static void upload(CUdeviceptr at, size_t bytes)
{
	MUST(cuMemcpyHtoD(at, zeros, bytes));
}

static void begin(void)
{
	before = getenv("BEFORE") ? atoi(getenv("BEFORE")) : 0;
	zeros = calloc(1, 32 * UNIT);
	start();
}

/* What fills the cap and is not used again. */
static void something_else(void)
{
	CUdeviceptr other;

	MUST(cuMemAlloc(&other, 16 * UNIT));
	fill(other, 1, 16 * UNIT, NULL);
}

/* All of it holds one activation, after uploads of parts. */
static void activation(void)
{
	CUdeviceptr segment;

	begin();
	something_else();
	MUST(cuMemAlloc(&segment, 16 * UNIT));
	if (before == 1) /* a small input at its start */
		upload(segment, UNIT);
	if (before == 2) /* at its end */
		upload(segment + 15 * UNIT, UNIT);
	for (unsigned int round = 0; round < 100; round++) {
		fill(segment, round, 16 * UNIT, NULL);
		increment(segment, 1, 16 * UNIT, NULL);
		MUST(cuCtxSynchronize());
	}
	check(segment, 100, 16 * UNIT);
}

/* Tensors that come and go; then one activation over all of them, which their pointers do not
 * tell of: it is seen after a while that it changes more. */
static void unseen(void)
{
	CUdeviceptr segment, other;

	begin();
	something_else();
	MUST(cuMemAlloc(&segment, 16 * UNIT));
	for (size_t i = 0; i < 4; i++)
		upload(segment + i * 4 * UNIT, UNIT);
	for (unsigned int round = 0; round < 100; round++) {
		fill(segment, round, 16 * UNIT, NULL);
		MUST(cuCtxSynchronize());
	}
	for (size_t at = 0; getenv("LD_PRELOAD") && at < 16 * UNIT; at += 2 * UNIT)
		if (!in_vram(segment + at))
			wrong("a part of the activation is in RAM");
	check(segment, 99, 16 * UNIT);
	/* Now tensors again, which are known by their uploads, and none is changed unseen. */
	MUST(cuMemAlloc(&other, 16 * UNIT));
	for (size_t i = 0; i < 4; i++)
		upload(segment + i * 4 * UNIT, 4 * UNIT);
	fill(other, 1, 16 * UNIT, NULL);
	for (unsigned int round = 0; round < 100; round++) {
		increment(segment, 1, 4 * UNIT, NULL);
		MUST(cuCtxSynchronize());
	}
}

/* A second model, a tensor an upload, in the place of a first. */
static void model(void)
{
	size_t each = 4 * UNIT;
	CUdeviceptr segment, other;

	begin();
	MUST(cuMemAlloc(&other, 16 * UNIT));
	fill(other, 1, 16 * UNIT, NULL);
	MUST(cuMemAlloc(&segment, TENSORS * each));
	if (before == 1) /* one tensor */
		upload(segment, TENSORS * each);
	for (size_t i = 0; before == 2 && i < TENSORS; i++) /* each shorter than what follows */
		upload(segment + i * each, UNIT);
	for (size_t i = 0; before == 3 && i < TENSORS - 1; i++) /* each across two */
		upload(segment + i * each + each / 2, each);
	if (before) /* that was the first model: it was used */
		for (size_t i = 0; i < TENSORS; i++)
			increment(segment + i * each, 1, each, NULL);
	for (size_t i = 0; i < TENSORS; i++)
		upload(segment + i * each, each);
	for (unsigned int round = 0; round < 30; round++)
		for (size_t i = 0; i < TENSORS; i++) {
			increment(segment + i * each, 1, each, NULL);
			increment(other, 1, 4096, NULL);
		}
	MUST(cuCtxSynchronize());
}

static const struct program_case cases[] = {CASE(activation), CASE(unseen), CASE(model)};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
