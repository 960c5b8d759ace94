/*
 * Question 1: copies between memory that the program got from malloc and host frames to which
 * the CPU was given no access: the driver may copy such memory by its own hands, and then they
 * would fault. Each size and way, synchronous and not; bytes checked. Each call is asked
 * whether it waited for earlier work, beside the same call at a device frame and at pinned
 * memory: cold blocks must not change what the program sees of that.
 */
#include "frame.h"
#include "trials.h"

#include <stdlib.h>
#include <string.h>

#define BUSY_MS 20.0

enum { ASYNCHRONOUS, SYNCHRONOUS, HOWS };
static const char *const hows[HOWS] = {"async", "sync"};

struct call {
	const struct gpu *g;
	int how;
	bool in; /* to the frame; else out of it */
	size_t bytes;
};

static CUresult run(const struct call *c, CUdeviceptr at, void *host)
{
	if (c->how == SYNCHRONOUS)
		return c->in ? cu(cuMemcpyHtoD_v2)(at, host, c->bytes)
			     : cu(cuMemcpyDtoH_v2)(host, at, c->bytes);
	return c->in ? cu(cuMemcpyHtoDAsync_v2)(at, host, c->bytes, c->g->stream)
		     : cu(cuMemcpyDtoHAsync_v2)(host, at, c->bytes, c->g->stream);
}

/* --- are the bytes right? -----------------------------------------------------------------
 * By way of a device frame and a kernel there, so that this asks for nothing but the copy. */

static bool frame_is_right(const struct gpu *g, CUdeviceptr at, CUdeviceptr beside,
			   size_t bytes, uint64_t key)
{
	TRY(cu(cuMemcpyDtoDAsync_v2)(beside, at, bytes, g->stream));
	gpu_forget_wrong(g, g->stream);
	TRY(gpu_check(g, beside, bytes, key, 0, 0, g->stream));
	return !gpu_wrong(g, g->stream);
}

static bool memory_is_right(const uint64_t *words, size_t bytes, uint64_t key)
{
	for (size_t i = 0; i < bytes / 8; i++)
		if (words[i] != gpu_word(key, i))
			return false;
	return true;
}

static void fill_frame(const struct gpu *g, CUdeviceptr at, CUdeviceptr beside, size_t bytes,
		       uint64_t key)
{
	gpu_fill(g, beside, bytes, key, g->stream);
	TRY(cu(cuMemcpyDtoDAsync_v2)(at, beside, bytes, g->stream));
	TRY(cu(cuStreamSynchronize)(g->stream));
}

/* False: the context is lost. A call that is refused leaves it alive. */
static bool ask(const struct call *c, CUdeviceptr at, CUdeviceptr beside)
{
	const char *name = hows[c->how], *way = c->in ? "in" : "out";
	uint64_t *words = malloc(c->bytes), key = 2 * c->bytes + c->in;
	CUresult result, after;

	if (!words)
		answer_failed("out of memory");
	for (size_t i = 0; i < c->bytes / 8; i++)
		words[i] = c->in ? gpu_word(key, i) : 0;
	fill_frame(c->g, at, beside, c->bytes, c->in ? key + 2 : key);
	answer_step("copying %zu bytes %s, %s", c->bytes, way, name);
	result = run(c, at, words);
	after = cu(cuCtxSynchronize)();
	if (result == CUDA_SUCCESS)
		result = after;
	answer_result(result, "%s/%s/%zuKiB", name, way, c->bytes >> 10);
	if (after != CUDA_SUCCESS)
		answer_text("the rest: the context is lost", "not_asked");
	else if (result == CUDA_SUCCESS)
		answer_check(c->in ? frame_is_right(c->g, at, beside, c->bytes, key)
				   : memory_is_right(words, c->bytes, key),
			     "bytes differ", "%s/%s, %zu KiB: what is copied is right", name,
			     way, c->bytes >> 10);
	free(words);
	return after == CUDA_SUCCESS;
}

/* --- does it wait? ------------------------------------------------------------------------ */

/* In the legacy stream, where synchronous copies work, or in the trial's own. */
static const char *manner(const struct call *c, CUdeviceptr at, void *host)
{
	CUstream in = c->how == SYNCHRONOUS ? NULL : c->g->stream;
	CUresult result, over;
	CUevent before;
	double from, us;

	TRY(cu(cuEventCreate)(&before, CU_EVENT_DISABLE_TIMING));
	gpu_spin(c->g, BUSY_MS, in);
	TRY(cu(cuEventRecord)(before, in));
	from = gpu_now_us();
	result = run(c, at, host);
	us = gpu_now_us() - from;
	over = cu(cuEventQuery)(before);
	TRY(cu(cuCtxSynchronize)());
	TRY(cu(cuEventDestroy_v2)(before));
	if (result != CUDA_SUCCESS)
		return driver_error_name(result);
	return over == CUDA_SUCCESS && us > BUSY_MS * 1e3 / 2 ? "waits" : "returns at once";
}

static void compare_manners(const struct gpu *g, CUdeviceptr host, CUdeviceptr device,
			    size_t bytes)
{
	static const char *const names[] = {"host", "device", "pinned"};
	CUdeviceptr places[] = {host, device, 0};
	void *memory = malloc(bytes), *pinned;

	if (!memory)
		answer_failed("out of memory");
	memset(memory, 1, bytes);
	TRY(cu(cuMemHostAlloc)(&pinned, bytes, CU_MEMHOSTALLOC_DEVICEMAP));
	TRY(cu(cuMemHostGetDevicePointer_v2)(&places[2], pinned, 0));
	for (int how = ASYNCHRONOUS; how < HOWS; how++)
		for (int in = 0; in < 2; in++)
			for (int i = 0; i < 3; i++) {
				struct call c = {g, how, in != 0, bytes};

				answer_step("whether a copy at %s memory waits", names[i]);
				answer_text(manner(&c, places[i], memory), "%s/%s/%s",
					    hows[how], in ? "in" : "out", names[i]);
			}
	TRY(cu(cuMemFreeHost)(pinned));
	free(memory);
}

void trial_host_pageable(struct gpu *g)
{
	/* Around the size up to which a driver copies through a buffer of its own (64 KiB). */
	static const size_t sizes[] = {(size_t)4 << 10, (size_t)60 << 10, (size_t)68 << 10, MIB,
				       8 * MIB};
	const size_t largest = 8 * MIB;
	struct places places = places_need_host(g);
	CUmemGenericAllocationHandle frame;
	CUdeviceptr at = range_reserve(largest), beside = range_reserve(largest);

	TRY(range_back(g, at, largest, &places.of[ON_HOST], &frame));
	TRY(range_back(g, beside, largest, &places.of[ON_DEVICE], &frame));
	for (int how = ASYNCHRONOUS; how < HOWS; how++)
		for (int in = 1; in >= 0; in--)
			for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
				struct call c = {g, how, in != 0, sizes[i]};

				if (!ask(&c, at, beside))
					return;
			}
	compare_manners(g, at, beside, largest);
}
