/* Streams that wait for a value in paged memory, and streams that write one. */
#include "edges.h"

#define TURNS 20

typedef CUresult (*value_32_fn)(CUstream, CUdeviceptr, cuuint32_t, unsigned int);
typedef CUresult (*value_64_fn)(CUstream, CUdeviceptr, cuuint64_t, unsigned int);

/* The driver writes and polls where the program said: nothing may move there meanwhile. */
static void values_with(cuuint64_t flags)
{
	value_32_fn wait_32 = (value_32_fn)driver_function("cuStreamWaitValue32", 13000, flags);
	value_32_fn write_32 =
	    (value_32_fn)driver_function("cuStreamWriteValue32", 13000, flags);
	value_64_fn wait_64 = (value_64_fn)driver_function("cuStreamWaitValue64", 13000, flags);
	value_64_fn write_64 =
	    (value_64_fn)driver_function("cuStreamWriteValue64", 13000, flags);
	CUdeviceptr pieces[PIECES];
	CUstream waits, beside;
	cuuint64_t *found;

	fill_pieces(pieces);
	stir(pieces, NULL);
	for (unsigned int i = 0; i < PIECES; i++)
		fill(pieces[i], 100 * i, BYTES, NULL);
	MUST(cuCtxSynchronize());
	MUST(cuMemAllocHost((void **)&found, 2 * sizeof(*found)));
	MUST(cuStreamCreate(&waits, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&beside, CU_STREAM_NON_BLOCKING));
	for (unsigned int i = 0; i < PIECES; i += 2) {
		CUdeviceptr at = pieces[i] + i % 3 * 2 * UNIT;
		cuuint64_t wide = (cuuint64_t)i << 32 | 0x12345678;

		MUST(wait_32(waits, at, 0xABCD0000 + i, CU_STREAM_WAIT_VALUE_EQ));
		MUST(wait_64(waits, at + 8, wide, CU_STREAM_WAIT_VALUE_EQ));
		MUST(cuMemcpyDtoHAsync(found, at, 2 * sizeof(*found), waits));
		/* Of the others, each is used again and again. */
		for (unsigned int p = 1; p < TURNS * PIECES; p++) {
			if (p % PIECES)
				increment(pieces[(i + p) % PIECES], 0, 4096, beside);
			MUST(cuStreamSynchronize(beside));
		}
		if (cuStreamQuery(waits) != CUDA_ERROR_NOT_READY)
			wrong("a stream did not wait");
		MUST(write_32(NULL, at, 0xABCD0000 + i, 0));
		MUST(write_64(NULL, at + 8, wide, 0));
		MUST(cuStreamSynchronize(waits));
		if ((unsigned int)found[0] != 0xABCD0000 + i || found[1] != wide)
			wrong("a value");
		fill(pieces[i], 100 * i, BYTES, NULL);
		MUST(cuCtxSynchronize());
	}
	for (unsigned int i = 0; i < PIECES; i++) {
		check(pieces[i], 100 * i, BYTES);
		MUST(cuMemFree(pieces[i]));
	}
}

void values(void)
{
	start();
	values_with(0);
	values_with(CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
}

/* Fewer where each moves more. */
#define TURNS_AT_ONCE (BLOCK_MIB > 2 ? PIECES / 2 : 2 * PIECES)

/* What is written, and waited for when it is there, wherever it lies. */
void values_at_once(void)
{
	CUdeviceptr pieces[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i < TURNS_AT_ONCE; i++) {
		cuuint64_t flags = i % 2 ? CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM : 0;
		value_32_fn write =
		    (value_32_fn)driver_function("cuStreamWriteValue32", 13000, flags);
		value_32_fn wait =
		    (value_32_fn)driver_function("cuStreamWaitValue32", 13000, flags);
		CUdeviceptr at = pieces[i / 2] + i % 3 * 2 * UNIT;
		unsigned int was, found;

		MUST(cuMemcpyDtoH(&was, at, sizeof(was)));
		stir(pieces, NULL);
		MUST(write(NULL, at, ~i, 0));
		MUST(wait(NULL, at, ~i, CU_STREAM_WAIT_VALUE_EQ));
		MUST(cuCtxSynchronize());
		MUST(cuMemcpyDtoH(&found, at, sizeof(found)));
		if (found != ~i)
			wrong("a value");
		MUST(write(NULL, at, was + 3, 0));
		MUST(cuCtxSynchronize());
	}
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], 100 * i + 3 * TURNS_AT_ONCE, BYTES);
}
