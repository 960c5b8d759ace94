/*
 * One call of those that the driver is handed whole, amid rounds of kernels that page: what it
 * names stays where it is meanwhile, and everything else goes on moving beside the work.
 */
#include "program.h"

#include <stdlib.h>

#define PIECES 12
#define BYTES (4 * UNIT)
#define ROUNDS 30

static CUdeviceptr pieces[PIECES];
static CUstream stream, beside;

static void foreign_write(void)
{
	CUdeviceptr at;
	unsigned int *flag;

	MUST(cuMemHostAlloc((void **)&flag, 4096, CU_MEMHOSTALLOC_DEVICEMAP));
	MUST(cuMemHostGetDevicePointer(&at, flag, 0));
	MUST(cuStreamWriteValue32(stream, at, 1, 0));
	MUST(cuStreamWriteValue64(stream, at + 8, 1, 0));
	MUST(cuStreamWaitValue32(stream, at, 1, CU_STREAM_WAIT_VALUE_EQ));
	MUST(cuStreamWaitValue64(stream, at + 8, 1, CU_STREAM_WAIT_VALUE_EQ));
}

/* The value comes only when everything else has been used many times. */
static void own_write(void)
{
	unsigned int was, found;

	MUST(cuStreamSynchronize(stream));
	MUST(cuMemcpyDtoH(&was, pieces[0], 4));
	MUST(cuStreamWaitValue32(beside, pieces[0], 0xABCDEF01, CU_STREAM_WAIT_VALUE_EQ));
	for (int i = 1; i < 3 * PIECES; i++)
		if (i % PIECES)
			increment(pieces[i % PIECES], 0, BYTES, stream);
	MUST(cuStreamSynchronize(stream));
	if (cuStreamQuery(beside) != CUDA_ERROR_NOT_READY)
		wrong("a stream did not wait");
	MUST(cuStreamWriteValue32(stream, pieces[0], 0xABCDEF01, 0));
	MUST(cuStreamSynchronize(beside));
	MUST(cuMemcpyDtoH(&found, pieces[0], 4));
	if (found != 0xABCDEF01)
		wrong("a value");
	MUST(cuStreamWriteValue32(stream, pieces[0], was, 0));
	MUST(cuStreamSynchronize(stream));
}

static void peer(void)
{
	MUST(cuMemcpyPeerAsync(pieces[1], context, pieces[1] + BYTES / 2, context, 0, stream));
	MUST(cuMemcpyPeerAsync(pieces[2], context, pieces[2] + BYTES / 2, context, 4096,
			       stream));
	fill(pieces[2], 102, BYTES, stream);
}

static void through_array(void)
{
	CUDA_ARRAY_DESCRIPTOR line = {4096, 0, CU_AD_FORMAT_UNSIGNED_INT32, 4};
	CUarray array;

	MUST(cuArrayCreate(&array, &line));
	MUST(cuStreamSynchronize(stream));
	MUST(cuMemcpyDtoA(array, 0, pieces[3], 65536));
	MUST(cuMemcpyAtoD(pieces[3], array, 0, 65536));
	MUST(cuCtxSynchronize());
	MUST(cuArrayDestroy(array));
}

/* Of managed memory, in both versions. */
static void prefetch(void)
{
	CUresult (*older)(CUdeviceptr, size_t, CUdevice, CUstream) =
	    (CUresult(*)(CUdeviceptr, size_t, CUdevice, CUstream))driver_function(
		"cuMemPrefetchAsync", 8000, 0);
	const CUmemLocation there = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
	CUdeviceptr managed;

	MUST(cuMemAllocManaged(&managed, 65536, CU_MEM_ATTACH_GLOBAL));
	MUST(older(managed, 65536, 0, stream));
	MUST(cuMemPrefetchAsync(managed, 65536, there, 0, stream));
	MUST(cuStreamSynchronize(stream));
	MUST(cuMemFree(managed));
}

static void rounds(void (*call)(void))
{
	start();
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&beside, CU_STREAM_NON_BLOCKING));
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], 100 + i, BYTES, stream);
	}
	fill(pieces[2], 102, BYTES, stream);
	for (unsigned int r = 0; r < ROUNDS; r++) {
		if (r == ROUNDS / 3) {
			for (unsigned int i = 0; i < PIECES; i++)
				increment(pieces[i], (unsigned int)-(int)r, BYTES, stream);
			call();
			for (unsigned int i = 0; i < PIECES; i++)
				increment(pieces[i], r, BYTES, stream);
		}
		for (unsigned int i = 0; i < PIECES; i++)
			increment(pieces[i], 1, BYTES, stream);
	}
	MUST(cuCtxSynchronize());
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], 100 + i + ROUNDS, BYTES);
}

#define ROUNDS_OF(call)                                                                        \
	static void with_##call(void)                                                          \
	{                                                                                      \
		rounds(call);                                                                  \
	}
ROUNDS_OF(foreign_write)
ROUNDS_OF(own_write)
ROUNDS_OF(peer)
ROUNDS_OF(through_array)
ROUNDS_OF(prefetch)

static const struct program_case cases[] = {CASE(with_foreign_write), CASE(with_own_write),
					    CASE(with_peer), CASE(with_through_array),
					    CASE(with_prefetch)};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
