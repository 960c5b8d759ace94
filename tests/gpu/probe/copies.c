/* Question 5: how fast copies are, and whether they may cross from one home to the other. */
#include "frame.h"
#include "nvml.h"
#include "speed.h"
#include "trials.h"

#include <string.h>

struct buffers {
	size_t bytes;
	char *pinned[2];
	CUdeviceptr device[2];
};

static struct buffers prepare(const struct gpu *g)
{
	struct buffers b = {.bytes = gpu_fitting((g->quick ? 64 : 256) * MIB)};

	answer_step("making buffers");
	for (int i = 0; i < 2; i++) {
		TRY(cu(cuMemHostAlloc)((void **)&b.pinned[i], b.bytes, 0));
		memset(b.pinned[i], i, b.bytes);
		TRY(cu(cuMemAlloc_v2)(&b.device[i], b.bytes));
	}
	return b;
}

static void one_way(const struct gpu *g, enum direction direction, CUdeviceptr to,
		    CUdeviceptr from, size_t bytes, const char *name)
{
	struct samples gbps;

	answer_step("timing %s", name);
	samples_init(&gbps);
	speed_of_copy(g, direction, to, from, bytes, &gbps);
	answer_figure(&gbps, "GB/s", "%s", name);
	samples_finish(&gbps);
}

/* Each way its own stream; both are kept full. */
static void both_ways(const struct gpu *g, const struct buffers *b)
{
	static const char *const names[] = {"both_h2d", "both_d2h"};
	struct rounds rounds = {.least = 2, .most = 10, .budget_ms = g->quick ? 100 : 800};
	struct stopwatch watches[2] = {gpu_stopwatch(), gpu_stopwatch()};
	CUdeviceptr pinned[2] = {(CUdeviceptr)(uintptr_t)b->pinned[0],
				 (CUdeviceptr)(uintptr_t)b->pinned[1]};
	CUdeviceptr to[2] = {b->device[0], pinned[1]}, from[2] = {pinned[0], b->device[1]};
	struct samples gbps[2];
	CUstream streams[2];
	enum { COPIES = 4 };

	answer_step("timing copies both ways at once");
	for (int i = 0; i < 2; i++) {
		samples_init(&gbps[i]);
		TRY(cu(cuStreamCreate)(&streams[i], CU_STREAM_NON_BLOCKING));
	}
	while (rounds_more(&rounds)) {
		for (int i = 0; i < 2; i++)
			gpu_start_watch(g, &watches[i], streams[i]);
		for (int copy = 0; copy < COPIES; copy++)
			for (int i = 0; i < 2; i++)
				TRY(copy_start(i ? COPY_OUT : COPY_IN, to[i], from[i], b->bytes,
					       streams[i]));
		for (int i = 0; i < 2; i++)
			samples_add(&gbps[i],
				    rate_gbps((double)b->bytes * COPIES,
					      gpu_stop_watch_us(&watches[i], streams[i])));
	}
	for (int i = 0; i < 2; i++) {
		answer_figure(&gbps[i], "GB/s", "%s", names[i]);
		samples_finish(&gbps[i]);
	}
}

/* Half of the range is in VRAM, half in RAM. */
struct across {
	CUdeviceptr range;
	size_t half;
	uint64_t *pattern, *back; /* pinned, as many bytes as the range */
};

/* By a call for each half, which every driver takes. */
static void write_halves(const struct across *x, const uint64_t *from)
{
	for (size_t i = 0; i < 2; i++)
		TRY(cu(cuMemcpyHtoD_v2)(x->range + i * x->half, from + i * x->half / 8,
					x->half));
}

static void read_halves(const struct across *x, uint64_t *to)
{
	for (size_t i = 0; i < 2; i++)
		TRY(cu(cuMemcpyDtoH_v2)(to + i * x->half / 8, x->range + i * x->half, x->half));
}

static bool allowed(CUresult result, const char *what)
{
	answer_result(result, "across/%s", what);
	return result == CUDA_SUCCESS;
}

static void copy_out(const struct across *x)
{
	write_halves(x, x->pattern);
	memset(x->back, 0, 2 * x->half);
	answer_step("copying from a range of two homes");
	if (allowed(cu(cuMemcpyDtoH_v2)(x->back, x->range, 2 * x->half), "copy_out"))
		answer_check(!memcmp(x->back, x->pattern, 2 * x->half), "bytes differ",
			     "a copy out of a range of two homes arrives");
}

static void copy_in(const struct across *x)
{
	memset(x->back, 0, 2 * x->half);
	write_halves(x, x->back);
	answer_step("copying to a range of two homes");
	if (!allowed(cu(cuMemcpyHtoD_v2)(x->range, x->pattern, 2 * x->half), "copy_in"))
		return;
	read_halves(x, x->back);
	answer_check(!memcmp(x->back, x->pattern, 2 * x->half), "bytes differ",
		     "a copy into a range of two homes arrives");
}

/* The middle: a quarter of the range on either side of the border. */
static void fill(const struct across *x)
{
	size_t words = 2 * x->half / 8;
	bool same = true;

	write_halves(x, x->pattern);
	answer_step("filling a range of two homes");
	if (!allowed(cu(cuMemsetD32_v2)(x->range + x->half / 2, 0xA5A5A5A5u, x->half / 4),
		     "fill"))
		return;
	read_halves(x, x->back);
	for (size_t i = 0; i < words; i++) {
		bool filled = i >= words / 4 && i < words / 4 * 3;

		same = same && x->back[i] == (filled ? 0xA5A5A5A5A5A5A5A5ull : x->pattern[i]);
	}
	answer_check(same, "words differ", "a fill over two homes fills that, and only that");
}

static void across_homes(const struct gpu *g, struct places *places, const struct buffers *b)
{
	struct across x = {.half = b->bytes < 16 * MIB ? 2 * MIB : b->bytes / 8,
			   .pattern = (uint64_t *)(uintptr_t)b->pinned[0],
			   .back = (uint64_t *)(uintptr_t)b->pinned[1]};
	CUmemGenericAllocationHandle frames[2];

	x.range = range_reserve(2 * x.half);
	for (int home = 0; home < HOMES; home++)
		TRY(range_back(g, x.range + (size_t)home * x.half, x.half, &places->of[home],
			       &frames[home]));
	for (size_t i = 0; i < 2 * x.half / 8; i++)
		x.pattern[i] = gpu_word(31, i);
	copy_out(&x);
	copy_in(&x);
	fill(&x);
}

/* The pager copies between aliases: device calls, one of whose sides is RAM. */
static void through_aliases(const struct gpu *g, struct places *places, size_t bytes)
{
	struct block block;
	unsigned long not_ready = 0;

	blocks_make(g, places, bytes, 1, &block);
	one_way(g, COPY_ON_DEVICE, block.alias[ON_DEVICE], block.alias[ON_HOST], bytes,
		"alias/in");
	one_way(g, COPY_ON_DEVICE, block.alias[ON_HOST], block.alias[ON_DEVICE], bytes,
		"alias/out");
	TRY(block_switch(g, &block, ON_HOST, &not_ready));
	one_way(g, COPY_ON_DEVICE, block.alias[ON_DEVICE], block.at, bytes, "mapped/in");
	one_way(g, COPY_ON_DEVICE, block.at, block.alias[ON_DEVICE], bytes, "mapped/out");
}

/* An idle link is a slow one: what it does while a copy runs is what counts. */
static void link_under_load(const struct gpu *g, const struct buffers *b)
{
	unsigned int generation, width;

	if (!nvml_start(g))
		return;
	for (int i = 0; i < 8; i++)
		TRY(copy_start(COPY_IN, b->device[0], (CUdeviceptr)(uintptr_t)b->pinned[0],
			       b->bytes, g->stream));
	if (nvml_link(&generation, &width, true)) {
		answer_number(generation, "pcie_generation_under_load");
		answer_number(width, "pcie_width_under_load");
	}
	TRY(cu(cuStreamSynchronize)(g->stream));
}

void trial_copies(struct gpu *g)
{
	struct buffers b = prepare(g);
	struct places places;

	link_under_load(g, &b);
	one_way(g, COPY_IN, b.device[0], (CUdeviceptr)(uintptr_t)b.pinned[0], b.bytes, "h2d");
	one_way(g, COPY_OUT, (CUdeviceptr)(uintptr_t)b.pinned[1], b.device[1], b.bytes, "d2h");
	one_way(g, COPY_ON_DEVICE, b.device[0], b.device[1], b.bytes, "d2d");
	both_ways(g, &b);
	places = places_find(g);
	answer_result(places.host_answer, "host_frames");
	if (!places.granularity[ON_HOST])
		return;
	through_aliases(g, &places, b.bytes / 2);
	across_homes(g, &places, &b);
}
