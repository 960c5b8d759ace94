/*
 * Programs that need twice the cap, on devices where paging does not begin at once or at all.
 * usage: sim_start at_last|never|captured
 */
#include "program.h"

#include <time.h>
#include <unistd.h>

#define PIECES 12
#define PIECE (4 * MIB) /* all of them: twice the cap of 24 MiB */

static CUdeviceptr piece[PIECES];

static int all_fit(void)
{
	int count = 0;
	CUresult result = CUDA_SUCCESS;

	while (count < PIECES && (result = cuMemAlloc(&piece[count], PIECE)) == CUDA_SUCCESS) {
		fill(piece[count], (unsigned int)count, PIECE, NULL);
		count++;
	}
	for (int i = 0; i < count; i++)
		check(piece[i], (unsigned int)i, PIECE);
	for (int i = 0; i < count; i++)
		MUST(cuMemFree(piece[i]));
	if (result != CUDA_SUCCESS && result != CUDA_ERROR_OUT_OF_MEMORY)
		wrong("another error than out of memory");
	return count == PIECES;
}

/* Ends as soon as it does; a minute is more than any machine needs. */
static void at_last(void)
{
	time_t end = time(NULL) + 60;

	start();
	while (!all_fit()) {
		if (time(NULL) >= end)
			wrong("it never pages");
		usleep(2000);
	}
}

static void never(void)
{
	start();
	for (int i = 0; i < 40; i++) {
		if (all_fit())
			wrong("it pages");
		usleep(2000);
	}
}

static void refuse_managed(size_t bytes)
{
	CUdeviceptr at;

	MUST_FAIL(CUDA_ERROR_OUT_OF_MEMORY,
		  cuMemAllocManaged(&at, bytes, CU_MEM_ATTACH_GLOBAL));
}

/* What others hold goes to RAM for what cannot be paged; but not while a stream is captured. */
static void captured(void)
{
	CUdeviceptr at;
	CUstream stream;
	CUgraph graph;

	start();
	refuse_managed(40 * PIECE); /* a probe */
	for (int i = 0; i < 5; i++) {
		MUST(cuMemAlloc(&piece[i], PIECE));
		fill(piece[i], (unsigned int)i, PIECE, NULL);
	}
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	refuse_managed(2 * PIECE);
	refuse_managed(2 * PIECE);
	MUST(cuStreamEndCapture(stream, &graph));
	MUST(cuMemAllocManaged(&at, 5 * PIECE, CU_MEM_ATTACH_GLOBAL));
	refuse_managed(PIECE);
	refuse_managed(PIECE);
	for (int i = 0; i < 5; i++)
		check(piece[i], (unsigned int)i, PIECE);
}

int main(int argc, char **argv)
{
	static const struct program_case cases[] = {CASE(at_last), CASE(never), CASE(captured)};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
