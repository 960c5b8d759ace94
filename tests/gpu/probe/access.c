/*
 * Question 1: do host frames take every way that kernels have to reach memory? Each way is a
 * trial, and so a process, of its own: one that a card cannot take may cost its context. What
 * is asked of a host frame is asked of a device frame first: a way that fails there too says
 * nothing of host frames.
 */
#include "frame.h"
#include "tile_map.h"
#include "trials.h"

#include <stdio.h>
#include <stdlib.h>

extern const char probe_access_ptx[], probe_access_sm80_ptx[], probe_access_sm90_ptx[];

static const char *const home_names[HOMES] = {"device", "host"};

/* A frame in each home, mapped, and a device frame besides to copy to and from. */
struct frames {
	const struct gpu *g;
	CUdeviceptr of[HOMES], beside;
	uint64_t bytes;
};

/* Skips the trial where the card is older than the way. */
static CUfunction kernel_of(const struct gpu *g, int least_major, const char *ptx,
			    const char *name)
{
	int major = gpu_attribute(g, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
	CUfunction kernel;
	CUresult result;

	if (major < least_major)
		answer_skipped("not on this card: compute capability %d.x, %d.0 is needed",
			       major, least_major);
	answer_step("loading %s", name);
	result = gpu_kernel(ptx, name, &kernel);
	answer_result(result, "load");
	if (result != CUDA_SUCCESS)
		answer_done(); /* a driver without its compiler, or too old for this text */
	return kernel;
}

static struct frames frames_make(const struct gpu *g)
{
	struct places places = places_need_host(g);
	struct frames f = {.g = g, .bytes = gpu_fitting((g->quick ? 16 : 64) * MIB)};
	CUmemGenericAllocationHandle handle;

	for (int home = 0; home < HOMES; home++) {
		f.of[home] = range_reserve(f.bytes);
		TRY(range_back(g, f.of[home], f.bytes, &places.of[home], &handle));
	}
	f.beside = range_reserve(f.bytes);
	TRY(range_back(g, f.beside, f.bytes, &places.of[ON_DEVICE], &handle));
	return f;
}

/* False: the context is lost; that is the answer. */
static bool ended_well(const struct gpu *g, const char *what, const char *home)
{
	CUresult result = cu(cuStreamSynchronize)(g->stream);

	answer_result(result, "%s/%s", home, what);
	if (result != CUDA_SUCCESS)
		answer_text("the rest: the context is lost", "not_asked");
	return result == CUDA_SUCCESS;
}

/* --- copies ---------------------------------------------------------------------------------
 */

typedef CUresult (*copying)(const struct frames *f, CUfunction kernel, CUdeviceptr to,
			    CUdeviceptr from);

static CUresult copy_plainly(const struct frames *f, CUfunction kernel, CUdeviceptr to,
			     CUdeviceptr from)
{
	uint64_t words = f->bytes / 8;

	return cu(cuLaunchKernel)(kernel, f->g->blocks, 1, 1, 256, 1, 1, 0, f->g->stream,
				  (void *[]){&to, &from, &words}, NULL);
}

static CUresult copy_by_map(const struct frames *f, CUfunction kernel, CUdeviceptr to,
			    CUdeviceptr from)
{
	uint64_t words = f->bytes / 8;
	CUtensorMap map;

	TRY(tile_map_encode(&map, from, f->bytes));
	return cu(cuLaunchKernel)(kernel, f->g->blocks, 1, 1, 256, 1, 1, 0, f->g->stream,
				  (void *[]){&map, &to, &words}, NULL);
}

static void time_copy(const struct frames *f, copying copy, CUfunction kernel, CUdeviceptr to,
		      CUdeviceptr from, const char *name)
{
	struct rounds rounds = {.least = 2, .most = 20, .budget_ms = f->g->quick ? 40 : 300};
	struct stopwatch watch = gpu_stopwatch();
	struct samples gbps;

	samples_init(&gbps);
	while (rounds_more(&rounds)) {
		gpu_start_watch(f->g, &watch, f->g->stream);
		TRY(copy(f, kernel, to, from));
		samples_add(&gbps, rate_gbps((double)f->bytes,
					     gpu_stop_watch_us(&watch, f->g->stream)));
	}
	answer_figure(&gbps, "GB/s", "%s", name);
	samples_finish(&gbps);
}

/* From the frame, checked, then timed. `writes`: to it as well. */
static bool copies_with(const struct frames *f, copying copy, CUfunction kernel, enum home home,
			bool writes)
{
	const char *name = home_names[home];
	char figure[64];

	answer_step("reading a frame of the %s", name);
	gpu_fill(f->g, f->of[home], f->bytes, 31 + home, f->g->stream);
	TRY(copy(f, kernel, f->beside, f->of[home]));
	if (!ended_well(f->g, "read", name))
		return false;
	gpu_forget_wrong(f->g, f->g->stream);
	TRY(gpu_check(f->g, f->beside, f->bytes, 31 + home, 0, 0, f->g->stream));
	answer_check(!gpu_wrong(f->g, f->g->stream), "words differ",
		     "%s: what is read is right", name);
	snprintf(figure, sizeof(figure), "%s/read", name);
	time_copy(f, copy, kernel, f->beside, f->of[home], figure);
	if (!writes)
		return true;
	answer_step("writing a frame of the %s", name);
	gpu_fill(f->g, f->beside, f->bytes, 41 + home, f->g->stream);
	TRY(copy(f, kernel, f->of[home], f->beside));
	if (!ended_well(f->g, "write", name))
		return false;
	gpu_forget_wrong(f->g, f->g->stream);
	TRY(gpu_check(f->g, f->of[home], f->bytes, 41 + home, 0, 0, f->g->stream));
	answer_check(!gpu_wrong(f->g, f->g->stream), "words differ",
		     "%s: what is written is right", name);
	snprintf(figure, sizeof(figure), "%s/write", name);
	time_copy(f, copy, kernel, f->of[home], f->beside, figure);
	return true;
}

static void copies_in_both(struct gpu *g, copying copy, CUfunction kernel, bool writes)
{
	struct frames f = frames_make(g);

	if (copies_with(&f, copy, kernel, ON_DEVICE, writes))
		copies_with(&f, copy, kernel, ON_HOST, writes);
}

void trial_host_read_only(struct gpu *g)
{
	copies_in_both(g, copy_plainly, kernel_of(g, 6, probe_access_ptx, "probe_copy_nc"),
		       false);
}

void trial_host_vectors(struct gpu *g)
{
	copies_in_both(g, copy_plainly, kernel_of(g, 6, probe_access_ptx, "probe_copy_v4"),
		       true);
}

void trial_host_async_copy(struct gpu *g)
{
	copies_in_both(g, copy_plainly,
		       kernel_of(g, 8, probe_access_sm80_ptx, "probe_copy_async"), false);
}

void trial_host_bulk_copy(struct gpu *g)
{
	copies_in_both(g, copy_plainly,
		       kernel_of(g, 9, probe_access_sm90_ptx, "probe_copy_bulk"), false);
}

void trial_host_tma(struct gpu *g)
{
	CUfunction kernel;

	if (!cu(cuTensorMapEncodeTiled))
		answer_skipped("cuTensorMapEncodeTiled: not offered by this driver");
	kernel = kernel_of(g, 9, probe_access_sm90_ptx, "probe_copy_tensor");
	copies_in_both(g, copy_by_map, kernel, false);
}

/* --- atomics ---------------------------------------------------------------------------------
 */

/* 32 bits in the first half of what is used, 64 in the second. */
static bool system_atomics(const struct frames *f, CUfunction kernel, enum home home)
{
	uint64_t words = MIB / 4, good = 0;
	CUdeviceptr at = f->of[home];
	uint32_t *host = malloc(2 * MIB);

	if (!host)
		answer_failed("out of memory");
	for (size_t i = 0; i < words; i++)
		host[i] = 5;
	for (size_t i = 0; i < words / 2; i++)
		((uint64_t *)(void *)(host + words))[i] = 5;
	/* By way of a device frame: whether copies from malloc's memory can go to host frames
	 * is another question. */
	TRY(cu(cuMemcpyHtoD_v2)(f->beside, host, 2 * MIB));
	TRY(cu(cuMemcpyDtoD_v2)(at, f->beside, 2 * MIB));
	TRY(cu(cuCtxSynchronize)());
	TRY(cu(cuLaunchKernel)(kernel, f->g->blocks, 1, 1, 256, 1, 1, 0, f->g->stream,
			       (void *[]){&at, &words}, NULL));
	if (!ended_well(f->g, "atomics", home_names[home])) {
		free(host);
		return false;
	}
	TRY(cu(cuMemcpyDtoD_v2)(f->beside, at, 2 * MIB));
	TRY(cu(cuMemcpyDtoH_v2)(host, f->beside, 2 * MIB));
	for (size_t i = 0; i < words; i++)
		good += host[i] == 10;
	for (size_t i = 0; i < words / 2; i++)
		good += ((const uint64_t *)(const void *)(host + words))[i] == 10;
	free(host);
	answer_check(good == words + words / 2, "other values",
		     "%s: additions and exchanges of system scope do what they say",
		     home_names[home]);
	return true;
}

void trial_host_system_atomics(struct gpu *g)
{
	CUfunction kernel = kernel_of(g, 6, probe_access_ptx, "probe_atomics_system");
	struct frames f = frames_make(g);

	if (system_atomics(&f, kernel, ON_DEVICE))
		system_atomics(&f, kernel, ON_HOST);
}

static bool vector_atomics(const struct frames *f, CUfunction kernel, enum home home)
{
	enum { ROUNDS = 3 };
	uint64_t numbers = MIB / 4, good = 0;
	CUdeviceptr at = f->of[home];
	float *host = malloc(MIB);

	if (!host)
		answer_failed("out of memory");
	TRY(cu(cuMemsetD32Async)(at, 0, numbers, f->g->stream));
	for (int i = 0; i < ROUNDS; i++)
		TRY(cu(cuLaunchKernel)(kernel, f->g->blocks, 1, 1, 256, 1, 1, 0, f->g->stream,
				       (void *[]){&at, &numbers}, NULL));
	if (!ended_well(f->g, "atomics", home_names[home])) {
		free(host);
		return false;
	}
	TRY(cu(cuMemcpyDtoD_v2)(f->beside, at, MIB));
	TRY(cu(cuMemcpyDtoH_v2)(host, f->beside, MIB));
	for (size_t i = 0; i < numbers; i++)
		good += host[i] == (float)(ROUNDS * (i % 4 + 1));
	free(host);
	answer_check(good == numbers, "other sums", "%s: sums of vectors add up",
		     home_names[home]);
	return true;
}

void trial_host_vector_atomics(struct gpu *g)
{
	CUfunction kernel = kernel_of(g, 9, probe_access_sm90_ptx, "probe_atomics_vector");
	struct frames f = frames_make(g);

	if (vector_atomics(&f, kernel, ON_DEVICE))
		vector_atomics(&f, kernel, ON_HOST);
}
