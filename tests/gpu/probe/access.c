/*
 * Question 1: do host frames take every way that kernels have to reach memory? Each way is a
 * trial, and so a process, of its own: one that a card cannot take may cost its context. What
 * is asked of a host frame is asked of a device frame first: a way that fails there too says
 * nothing of host frames.
 */
#include "frame.h"
#include "tile_map.h"
#include "trials.h"

#include <stdlib.h>
#include <string.h>

extern const char probe_access_ptx[], probe_access_sm80_ptx[], probe_access_sm90_ptx[],
    probe_access_sm100_ptx[];

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

static bool words_are_right(const struct frames *f, CUdeviceptr at, uint64_t key)
{
	gpu_forget_wrong(f->g, f->g->stream);
	TRY(gpu_check(f->g, at, f->bytes, key, 0, 0, f->g->stream));
	return !gpu_wrong(f->g, f->g->stream);
}

static struct rounds rounds_of(const struct frames *f)
{
	return (struct rounds){.least = 2, .most = 20, .budget_ms = f->g->quick ? 30 : 300};
}

/* --- copies ---------------------------------------------------------------------------------
 */

typedef CUresult (*copying)(const struct frames *f, CUfunction kernel, CUdeviceptr to,
			    CUdeviceptr from);

/* A way to read a frame and perhaps one to write it. `writer` may be the same kernel. */
struct way {
	CUfunction reader, writer; /* writer: NULL if this way only reads */
	copying read, write;
};

static CUresult copy_plainly(const struct frames *f, CUfunction kernel, CUdeviceptr to,
			     CUdeviceptr from)
{
	uint64_t words = f->bytes / 8;

	return cu(cuLaunchKernel)(kernel, f->g->blocks, 1, 1, 256, 1, 1, 0, f->g->stream,
				  (void *[]){&to, &from, &words}, NULL);
}

static CUresult with_map(const struct frames *f, CUfunction kernel, CUdeviceptr mapped,
			 CUdeviceptr other)
{
	uint64_t words = f->bytes / 8;
	CUtensorMap map;

	TRY(tile_map_encode(&map, mapped, f->bytes));
	return cu(cuLaunchKernel)(kernel, f->g->blocks, 1, 1, 256, 1, 1, 0, f->g->stream,
				  (void *[]){&map, &other, &words}, NULL);
}

static CUresult read_by_map(const struct frames *f, CUfunction kernel, CUdeviceptr to,
			    CUdeviceptr from)
{
	return with_map(f, kernel, from, to);
}

static CUresult write_by_map(const struct frames *f, CUfunction kernel, CUdeviceptr to,
			     CUdeviceptr from)
{
	return with_map(f, kernel, to, from);
}

static void time_copy(const struct frames *f, copying copy, CUfunction kernel, CUdeviceptr to,
		      CUdeviceptr from, const char *home, const char *what)
{
	struct rounds rounds = rounds_of(f);
	struct stopwatch watch = gpu_stopwatch();
	struct samples gbps;

	samples_init(&gbps);
	while (rounds_more(&rounds)) {
		gpu_start_watch(f->g, &watch, f->g->stream);
		TRY(copy(f, kernel, to, from));
		samples_add(&gbps, rate_gbps((double)f->bytes,
					     gpu_stop_watch_us(&watch, f->g->stream)));
	}
	answer_figure(&gbps, "GB/s", "%s/%s", home, what);
	samples_finish(&gbps);
}

/* Once, checked, then timed. */
static bool reads(const struct frames *f, const struct way *way, enum home home)
{
	const char *name = home_names[home];

	answer_step("reading a frame of the %s", name);
	gpu_fill(f->g, f->of[home], f->bytes, 31 + home, f->g->stream);
	TRY(way->read(f, way->reader, f->beside, f->of[home]));
	if (!ended_well(f->g, "read", name))
		return false;
	answer_check(words_are_right(f, f->beside, 31 + home), "words differ",
		     "%s: what is read is right", name);
	time_copy(f, way->read, way->reader, f->beside, f->of[home], name, "read");
	return true;
}

static bool writes(const struct frames *f, const struct way *way, enum home home)
{
	const char *name = home_names[home];

	answer_step("writing a frame of the %s", name);
	gpu_fill(f->g, f->beside, f->bytes, 41 + home, f->g->stream);
	TRY(way->write(f, way->writer, f->of[home], f->beside));
	if (!ended_well(f->g, "write", name))
		return false;
	answer_check(words_are_right(f, f->of[home], 41 + home), "words differ",
		     "%s: what is written is right", name);
	time_copy(f, way->write, way->writer, f->of[home], f->beside, name, "write");
	return true;
}

static void copies_in_both(const struct gpu *g, const struct way *way)
{
	struct frames f = frames_make(g);
	bool context_lives = true;

	for (int home = 0; home < HOMES && context_lives; home++)
		context_lives = reads(&f, way, (enum home)home) &&
				(!way->writer || writes(&f, way, (enum home)home));
}

static void by_one_kernel(const struct gpu *g, CUfunction kernel, bool writes_too)
{
	struct way way = {.reader = kernel,
			  .writer = writes_too ? kernel : NULL,
			  .read = copy_plainly,
			  .write = copy_plainly};

	copies_in_both(g, &way);
}

void trial_host_read_only(struct gpu *g)
{
	by_one_kernel(g, kernel_of(g, 6, probe_access_ptx, "probe_copy_nc"), false);
}

void trial_host_vectors(struct gpu *g)
{
	by_one_kernel(g, kernel_of(g, 6, probe_access_ptx, "probe_copy_v4"), true);
}

void trial_host_wide_vectors(struct gpu *g)
{
	by_one_kernel(g, kernel_of(g, 10, probe_access_sm100_ptx, "probe_copy_v8"), true);
}

void trial_host_async_copy(struct gpu *g)
{
	by_one_kernel(g, kernel_of(g, 8, probe_access_sm80_ptx, "probe_copy_async"), false);
}

void trial_host_bulk_copy(struct gpu *g)
{
	struct way way = {.read = copy_plainly, .write = copy_plainly};

	way.reader = kernel_of(g, 9, probe_access_sm90_ptx, "probe_copy_bulk");
	way.writer = kernel_of(g, 9, probe_access_sm90_ptx, "probe_store_bulk");
	copies_in_both(g, &way);
}

void trial_host_tma(struct gpu *g)
{
	struct way way = {.read = read_by_map, .write = write_by_map};

	if (!cu(cuTensorMapEncodeTiled))
		answer_skipped("cuTensorMapEncodeTiled: not offered by this driver");
	way.reader = kernel_of(g, 9, probe_access_sm90_ptx, "probe_copy_tensor");
	way.writer = kernel_of(g, 9, probe_access_sm90_ptx, "probe_store_tensor");
	copies_in_both(g, &way);
}

/* --- atomics ---------------------------------------------------------------------------------
 */

/* What a kernel of atomics is given each time, and what it must make of that. */
struct atomics {
	const char *promise;
	uint64_t count; /* its parameter */
	size_t bytes;	/* of what it changes */
	unsigned char *before, *after;
};

static CUresult change(const struct frames *f, CUfunction kernel, const struct atomics *a,
		       enum home home)
{
	CUdeviceptr at = f->of[home];
	uint64_t count = a->count;

	return cu(cuLaunchKernel)(kernel, f->g->blocks, 1, 1, 256, 1, 1, 0, f->g->stream,
				  (void *[]){&at, &count}, NULL);
}

static void time_atomics(const struct frames *f, CUfunction kernel, const struct atomics *a,
			 enum home home)
{
	struct rounds rounds = rounds_of(f);
	struct stopwatch watch = gpu_stopwatch();
	struct samples gbps;

	samples_init(&gbps);
	while (rounds_more(&rounds)) {
		TRY(cu(cuMemcpyDtoDAsync_v2)(f->of[home], f->beside, a->bytes, f->g->stream));
		gpu_start_watch(f->g, &watch, f->g->stream);
		TRY(change(f, kernel, a, home));
		samples_add(&gbps, rate_gbps((double)a->bytes,
					     gpu_stop_watch_us(&watch, f->g->stream)));
	}
	answer_figure(&gbps, "GB/s", "%s/atomics", home_names[home]);
	samples_finish(&gbps);
}

/* Bytes go and come by way of a device frame: whether copies between malloc's memory and host
 * frames work is another question. */
static bool atomics_at(const struct frames *f, CUfunction kernel, const struct atomics *a,
		       enum home home)
{
	unsigned char *seen = malloc(a->bytes);

	if (!seen)
		answer_failed("out of memory");
	answer_step("atomics on a frame of the %s", home_names[home]);
	TRY(cu(cuMemcpyHtoD_v2)(f->beside, a->before, a->bytes));
	TRY(cu(cuMemcpyDtoD_v2)(f->of[home], f->beside, a->bytes));
	TRY(cu(cuCtxSynchronize)());
	TRY(change(f, kernel, a, home));
	if (!ended_well(f->g, "atomics", home_names[home])) {
		free(seen);
		return false;
	}
	TRY(cu(cuMemcpyDtoD_v2)(f->beside, f->of[home], a->bytes));
	TRY(cu(cuMemcpyDtoH_v2)(seen, f->beside, a->bytes));
	answer_check(!memcmp(seen, a->after, a->bytes), "other values", "%s: %s",
		     home_names[home], a->promise);
	free(seen);
	TRY(cu(cuMemcpyHtoD_v2)(f->beside, a->before, a->bytes));
	TRY(cu(cuCtxSynchronize)());
	time_atomics(f, kernel, a, home);
	return true;
}

static void atomics_in_both(const struct gpu *g, CUfunction kernel, const struct atomics *a)
{
	struct frames f = frames_make(g);

	if (atomics_at(&f, kernel, a, ON_DEVICE))
		atomics_at(&f, kernel, a, ON_HOST);
}

static struct atomics atomics_make(uint64_t count, size_t bytes, const char *promise)
{
	struct atomics a = {.promise = promise,
			    .count = count,
			    .bytes = bytes,
			    .before = malloc(bytes),
			    .after = malloc(bytes)};

	if (!a.before || !a.after)
		answer_failed("out of memory");
	return a;
}

/* 32 bits in the first half of what is used, 64 in the second. */
void trial_host_system_atomics(struct gpu *g)
{
	CUfunction kernel = kernel_of(g, 6, probe_access_ptx, "probe_atomics_system");
	struct atomics a = atomics_make(
	    MIB / 4, 2 * MIB, "additions and exchanges of system scope do what they say");

	for (uint64_t i = 0; i < a.count; i++) {
		((uint32_t *)(void *)a.before)[i] = 5;
		((uint32_t *)(void *)a.after)[i] = 10;
	}
	for (uint64_t i = a.count / 2; i < a.count; i++) {
		((uint64_t *)(void *)a.before)[i] = 5;
		((uint64_t *)(void *)a.after)[i] = 10;
	}
	atomics_in_both(g, kernel, &a);
	free(a.before);
	free(a.after);
}

void trial_host_vector_atomics(struct gpu *g)
{
	CUfunction kernel = kernel_of(g, 9, probe_access_sm90_ptx, "probe_atomics_vector");
	struct atomics a = atomics_make(MIB / 4, MIB, "sums of vectors add up");

	for (uint64_t i = 0; i < a.count; i++) {
		((float *)(void *)a.before)[i] = (float)(i % 3);
		((float *)(void *)a.after)[i] = (float)(i % 3 + i % 4 + 1);
	}
	atomics_in_both(g, kernel, &a);
	free(a.before);
	free(a.after);
}
