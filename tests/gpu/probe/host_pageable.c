/*
 * Question 1: copies between memory that the program got from malloc and host frames to which
 * the CPU was given no access: the driver may copy such memory by its own hands, and then they
 * would fault. Each size and way, synchronous and not; bytes checked. Whether such a call waits
 * for earlier work, `blocking` asks.
 */
#include "frame.h"
#include "trials.h"

#include <stdlib.h>
#include <string.h>

enum { ASYNCHRONOUS, SYNCHRONOUS };

static CUresult copy(const struct gpu *g, int how, bool in, CUdeviceptr at, void *host,
		     size_t bytes)
{
	if (how == SYNCHRONOUS)
		return in ? cu(cuMemcpyHtoD_v2)(at, host, bytes)
			  : cu(cuMemcpyDtoH_v2)(host, at, bytes);
	return in ? cu(cuMemcpyHtoDAsync_v2)(at, host, bytes, g->stream)
		  : cu(cuMemcpyDtoHAsync_v2)(host, at, bytes, g->stream);
}

/* In, then out to other memory. False: refused, or the context is lost. */
static bool both_ways(const struct gpu *g, int how, CUdeviceptr at, size_t bytes,
		      const char *name)
{
	unsigned char *from = malloc(bytes), *to = malloc(bytes);
	CUresult result;

	if (!from || !to)
		answer_failed("out of memory");
	for (size_t i = 0; i < bytes; i++)
		from[i] = (unsigned char)(gpu_word(bytes, i / 8) >> 8 * (i % 8));
	memset(to, 0, bytes);
	answer_step("copying %zu bytes in, %s", bytes, name);
	result = copy(g, how, true, at, from, bytes);
	if (result == CUDA_SUCCESS)
		result = cu(cuCtxSynchronize)();
	answer_result(result, "%s/in/%zuKiB", name, bytes >> 10);
	if (result == CUDA_SUCCESS) {
		answer_step("copying %zu bytes out, %s", bytes, name);
		result = copy(g, how, false, at, to, bytes);
		if (result == CUDA_SUCCESS)
			result = cu(cuCtxSynchronize)();
		answer_result(result, "%s/out/%zuKiB", name, bytes >> 10);
	}
	if (result == CUDA_SUCCESS)
		answer_check(!memcmp(from, to, bytes), "bytes differ",
			     "%s, %zu KiB: what went in comes out", name, bytes >> 10);
	free(from);
	free(to);
	return result == CUDA_SUCCESS;
}

void trial_host_pageable(struct gpu *g)
{
	/* Around the size up to which a driver copies through a buffer of its own (64 KiB). */
	static const size_t sizes[] = {(size_t)4 << 10, (size_t)60 << 10, (size_t)68 << 10, MIB,
				       8 * MIB};
	static const char *const names[] = {"async", "sync"};
	struct places places = places_need_host(g);
	CUmemGenericAllocationHandle frame;
	CUdeviceptr at = range_reserve(8 * MIB);

	TRY(range_back(g, at, 8 * MIB, &places.of[ON_HOST], &frame));
	for (int how = ASYNCHRONOUS; how <= SYNCHRONOUS; how++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			if (!both_ways(g, how, at, sizes[i], names[how]))
				return;
}
