/*
 * Small allocations: to the program they are as the driver's own, wherever they lie and
 * whatever becomes of the memory beside them. usage: sim_small CASE, with SIM_IMAGE naming the
 * test kernels; small_test.sh has the settings of each.
 */
#include "program.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 600

static const size_t sizes[] = {4,     256,    512,    516,    4096,   20000,
			       65536, 100000, 300000, 524288, 700000, 1048572};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static CUdeviceptr small_ones[PIECES];

static size_t size_of(unsigned int i)
{
	return sizes[i % SIZES];
}

static unsigned int allocate(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		MUST(cuMemAlloc(&small_ones[i], size_of(i)));
		if (small_ones[i] % 256)
			wrong("an address is not aligned");
		fill(small_ones[i], 1000 * i, size_of(i), NULL);
	}
	return count;
}

static void check_all(unsigned int count, unsigned int more)
{
	for (unsigned int i = 0; i < count; i++)
		check(small_ones[i], 1000 * i + more, size_of(i));
}

static void free_all(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		MUST(cuMemFree(small_ones[i]));
}

/* More than the cap holds, used in turns, freed and made again. */
static void cycle(void)
{
	unsigned int count;

	start();
	for (int round = 0; round < 3; round++) {
		count = allocate(100);
		for (unsigned int i = 0; i < count; i++)
			increment(small_ones[i], 1, size_of(i), NULL);
		check_all(count, 1);
		for (unsigned int i = count; i-- > 0;)
			increment(small_ones[i], 6, size_of(i), NULL);
		check_all(count, 7);
		free_all(count);
	}
}

/* One block, or some; where all is for blocks of 8 MiB, two of them are one of 32. */
static size_t large_size_of(unsigned int i)
{
	return (i % 4 ? 2 : 8) * UNIT;
}

/* Beside large ones, which want the same room. */
static void beside_large(void)
{
	CUdeviceptr large[8];

	start();
	for (unsigned int i = 0; i < 8; i++) {
		MUST(cuMemAlloc(&large[i], large_size_of(i)));
		fill(large[i], i, large_size_of(i), NULL);
		allocate(24);
	}
	for (unsigned int round = 1; round < 4; round++) {
		for (unsigned int i = 0; i < 8; i++) {
			increment(large[i], 1, large_size_of(i), NULL);
			increment(small_ones[i], 1, size_of(i), NULL);
		}
		for (unsigned int i = 0; i < 8; i++) {
			check(large[i], i + round, large_size_of(i));
			check(small_ones[i], 1000 * i + round, size_of(i));
		}
	}
}

static void expect_range(CUdeviceptr at, CUdeviceptr start, size_t bytes)
{
	CUdeviceptr base = 0, start_told = 0;
	size_t size = 0, size_told = 0;
	unsigned int type = 0;
	CUcontext in = NULL;
	CUpointer_attribute what[] = {
	    CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, CU_POINTER_ATTRIBUTE_RANGE_SIZE,
	    CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_CONTEXT};
	void *answers[] = {&start_told, &size_told, &type, &in};

	MUST(cuMemGetAddressRange(&base, &size, at));
	MUST(cuPointerGetAttributes(4, what, answers, at));
	if (base != start || size != bytes || start_told != start || size_told != bytes)
		wrong("a range");
	if (type != CU_MEMORYTYPE_DEVICE || in != context)
		wrong("an attribute");
}

static unsigned long long id_of(CUdeviceptr at)
{
	unsigned long long id = 0;

	MUST(cuPointerGetAttribute(&id, CU_POINTER_ATTRIBUTE_BUFFER_ID, at));
	return id;
}

/* Each is answered for as itself, and what was freed is nobody's. */
static void questions(void)
{
	unsigned long long first, again;
	CUdeviceptr base;
	size_t size;

	start();
	allocate(60);
	for (unsigned int i = 0; i < 60; i++) {
		expect_range(small_ones[i], small_ones[i], size_of(i));
		expect_range(small_ones[i] + size_of(i) - 1, small_ones[i], size_of(i));
		if (i && id_of(small_ones[i]) == id_of(small_ones[i - 1]))
			wrong("two allocations have one name");
	}
	first = id_of(small_ones[3]);
	MUST(cuMemFree(small_ones[3]));
	if (cuMemGetAddressRange(&base, &size, small_ones[3]) == CUDA_SUCCESS)
		wrong("what was freed has a range");
	if (cuPointerGetAttribute(&again, CU_POINTER_ATTRIBUTE_BUFFER_ID, small_ones[3]) ==
	    CUDA_SUCCESS)
		wrong("what was freed has a name");
	MUST(cuMemAlloc(&small_ones[3], size_of(3)));
	again = id_of(small_ones[3]);
	if (again == first)
		wrong("a new allocation has an old one's name");
	expect_range(small_ones[3], small_ones[3], size_of(3));
}

/* What the driver refuses, and goes on after. */
static void misuse(void)
{
	CUdeviceptr at;

	start();
	allocate(24);
	MUST_FAIL(CUDA_ERROR_INVALID_VALUE, cuMemAlloc(&at, 0));
	MUST_FAIL(CUDA_ERROR_INVALID_VALUE, cuMemFree(small_ones[4] + 256));
	MUST(cuMemFree(small_ones[4]));
	MUST_FAIL(CUDA_ERROR_INVALID_VALUE, cuMemFree(small_ones[4]));
	MUST(cuMemAlloc(&small_ones[4], size_of(4)));
	fill(small_ones[4], 4000, size_of(4), NULL);
	check_all(24, 0);
}

/* A copy that goes past the end of what was asked for; it may end the context. */
static void past_the_end(void)
{
	unsigned char host[8192];

	start();
	allocate(36);
	MUST(cuMemcpyDtoH(host, small_ones[16] + 1, size_of(16) - 1));
	if (cuMemcpyDtoH(host, small_ones[16] + 4, size_of(16)) == CUDA_SUCCESS)
		wrong("a copy went past the end");
}

static unsigned int synced(CUdeviceptr at)
{
	unsigned int on = 2;

	MUST(cuPointerGetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at));
	return on;
}

/* Of one allocation, not of those beside it; and it goes with it. */
static void sync_memops(void)
{
	unsigned int on = 1, off = 0;

	start();
	allocate(60);
	MUST(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, small_ones[3]));
	MUST(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, small_ones[15]));
	if (!synced(small_ones[3]) || !synced(small_ones[15]) || synced(small_ones[27]))
		wrong("who has it");
	MUST(cuPointerSetAttribute(&off, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, small_ones[15]));
	if (!synced(small_ones[3]) || synced(small_ones[15]))
		wrong("who has it still");
	MUST(cuMemFree(small_ones[3]));
	MUST(cuMemAlloc(&small_ones[3], size_of(3)));
	if (synced(small_ones[3]))
		wrong("a new one has what a freed one had");
	fill(small_ones[3], 3000, size_of(3), NULL);
	for (unsigned int round = 0; round < 2; round++)
		for (unsigned int i = 0; i < 60; i++)
			increment(small_ones[i], 1, size_of(i), NULL);
	check_all(60, 2);
}

/* In the order of a stream whose work uses it still. */
static void freed_in_order(void)
{
	CUstream stream;

	start();
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (int round = 0; round < 4; round++) {
		allocate(48);
		MUST(cuCtxSynchronize());
		for (unsigned int i = 0; i < 24; i++) {
			increment(small_ones[i], 1, size_of(i), stream);
			MUST(cuMemFreeAsync(small_ones[i], stream));
		}
		/* They must not get memory that the stream's work still writes. */
		for (unsigned int i = 0; i < 24; i++) {
			MUST(cuMemAlloc(&small_ones[i], size_of(i)));
			fill(small_ones[i], 1000 * i + 5, size_of(i), NULL);
		}
		MUST(cuCtxSynchronize());
		for (unsigned int i = 0; i < 24; i++)
			check(small_ones[i], 1000 * i + 5, size_of(i));
		for (unsigned int i = 24; i < 48; i++)
			check(small_ones[i], 1000 * i, size_of(i));
		free_all(48);
	}
}

/* While a stream is captured nothing may be asked of the device. */
static void freed_in_capture(void)
{
	CUstream stream;
	CUgraph graph;

	start();
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	allocate(24);
	MUST(cuCtxSynchronize());
	MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	increment(small_ones[0], 1, size_of(0), stream);
	MUST(cuMemFree(small_ones[12]));
	MUST(cuMemFree(small_ones[13]));
	MUST(cuStreamEndCapture(stream, &graph));
	MUST(cuGraphDestroy(graph));
	for (unsigned int i = 12; i < 14; i++) {
		MUST(cuMemAlloc(&small_ones[i], size_of(i)));
		fill(small_ones[i], 1000 * i, size_of(i), NULL);
	}
	check_all(24, 0);
	free_all(24);
}

/* A second context has small ones of its own, which go with it. */
static void second_context(void)
{
	size_t free_before, free_after, total;
	CUcontext first, second;
	CUdeviceptr at[12];

	start();
	first = context;
	allocate(24);
	MUST(cuMemGetInfo(&free_before, &total));
	for (int round = 0; round < 3; round++) {
		MUST(cuCtxCreate(&second, NULL, 0, 0));
		for (unsigned int i = 0; i < 12; i++)
			MUST(cuMemAlloc(&at[i], size_of(i)));
		context = second;
		for (unsigned int i = 0; i < 12; i++) {
			MUST(cuMemsetD8(at[i], (unsigned char)i, size_of(i)));
			expect_range(at[i] + size_of(i) / 2, at[i], size_of(i));
		}
		for (unsigned int i = 0; i < 12; i++) {
			unsigned char last;

			MUST(cuMemcpyDtoH(&last, at[i] + size_of(i) - 1, 1));
			if (last != i)
				wrong("a byte in the second context");
		}
		MUST(cuMemFree(at[0]));
		MUST_FAIL(CUDA_ERROR_INVALID_VALUE, cuMemFree(at[0]));
		MUST(cuMemFreeAsync(at[1], NULL));
		for (unsigned int i = 2; i < 8; i++)
			MUST(cuMemFree(at[i]));
		MUST(cuCtxDestroy(second));
		context = first;
		MUST(cuCtxSetCurrent(first));
		MUST(cuMemGetInfo(&free_after, &total));
		if (free_after != free_before)
			wrong("what is free once the second context has gone");
		check_all(24, 0);
	}
}

/* Several threads, each with its own. */
static void *churn(void *argument)
{
	unsigned int seed = (unsigned int)(uintptr_t)argument;
	CUdeviceptr mine[32] = {0};
	CUstream stream;

	MUST(cuCtxSetCurrent(context));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (unsigned int round = 0; round < 160; round++) {
		unsigned int i = (seed = seed * 1103515245 + 12345) >> 16 & 31;

		if (mine[i]) {
			increment(mine[i], 1, size_of(i), stream);
			MUST(cuStreamSynchronize(stream));
			check(mine[i], 77 * i + 1, size_of(i));
			MUST(cuMemFree(mine[i]));
			mine[i] = 0;
		} else {
			MUST(cuMemAlloc(&mine[i], size_of(i)));
			fill(mine[i], 77 * i, size_of(i), stream);
		}
	}
	MUST(cuStreamSynchronize(stream));
	for (unsigned int i = 0; i < 32; i++)
		if (mine[i])
			check(mine[i], 77 * i, size_of(i));
	MUST(cuStreamDestroy(stream));
	return NULL;
}

static void threads(void)
{
	pthread_t others[4];

	start();
	for (uintptr_t i = 0; i < 4; i++)
		if (pthread_create(&others[i], NULL, churn, (void *)(i + 1)))
			wrong("no thread");
	for (int i = 0; i < 4; i++)
		pthread_join(others[i], NULL);
}

/* Everything that allocates goes on where the card has less than the cap would allow. */
static void card_is_full(void)
{
	CUDA_ARRAY_DESCRIPTOR texels = {512, 512, CU_AD_FORMAT_FLOAT, 1};
	CUdeviceptr large[12], at[8], in_order;
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
	CUmemGenericAllocationHandle handle;
	CUarray array[3];

	start();
	for (unsigned int i = 0; i < 12; i++) {
		MUST(cuMemAlloc(&large[i], 2 * UNIT));
		fill(large[i], i, 2 * UNIT, NULL);
	}
	for (unsigned int i = 0; i < 8; i++) {
		MUST(cuMemAlloc(&at[i], i % 2 ? 65536 : 524288));
		fill(at[i], 50 * i, 65536, NULL);
	}
	for (int i = 0; i < 3; i++)
		MUST(cuArrayCreate(&array[i], &texels));
	MUST(cuMemAllocAsync(&in_order, 4 * MIB, NULL));
	fill(in_order, 9, 4 * MIB, NULL);
	MUST(cuMemCreate(&handle, 4 * MIB, &prop, 0));
	for (unsigned int i = 0; i < 12; i++)
		check(large[i], i, 2 * UNIT);
	for (unsigned int i = 0; i < 8; i++)
		check(at[i], 50 * i, 65536);
	check(in_order, 9, 4 * MIB);
	MUST(cuMemRelease(handle));
	for (int i = 0; i < 3; i++)
		MUST(cuArrayDestroy(array[i]));
}

static const struct program_case cases[] = {
    CASE(cycle),	  CASE(beside_large),	  CASE(questions),	CASE(misuse),
    CASE(freed_in_order), CASE(freed_in_capture), CASE(second_context), CASE(threads),
    CASE(card_is_full),	  CASE(past_the_end),	  CASE(sync_memops)};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
