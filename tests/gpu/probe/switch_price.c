/* Question 2: what each mapping call takes. */
#include "frame.h"
#include "trials.h"

#include <stdio.h>

enum call { CREATE, MAP, SET_ACCESS, UNMAP, RELEASE, CALLS };
static const char *const call_names[CALLS] = {"create", "map", "set_access", "unmap",
					      "release"};
static const char *const home_names[HOMES] = {"device", "host"};

/* Does it leave three quarters of what is free? */
static bool fits(enum home home, size_t bytes)
{
	uint64_t available = home == ON_DEVICE ? gpu_free_bytes() : host_free_bytes();

	return !available || bytes <= available / 4;
}

#define TIMED(us, call)                                                                        \
	do {                                                                                   \
		double timed_from = gpu_now_us();                                              \
		TRY(call);                                                                     \
		(us) = gpu_now_us() - timed_from;                                              \
	} while (0)

static void one_life(const struct gpu *g, CUdeviceptr at, size_t bytes,
		     const CUmemLocation *place, bool writable, double us[CALLS])
{
	CUmemGenericAllocationHandle frame;

	TIMED(us[CREATE], frame_make(place, bytes, &frame));
	TIMED(us[MAP], cu(cuMemMap)(at, bytes, 0, frame, 0));
	TIMED(us[SET_ACCESS], range_open(g, at, bytes, writable));
	TIMED(us[UNMAP], cu(cuMemUnmap)(at, bytes));
	TIMED(us[RELEASE], cu(cuMemRelease)(frame));
}

static void lives(const struct gpu *g, const struct places *places, enum home home, size_t mib,
		  bool writable, double pause_ms, const char *manner)
{
	struct rounds rounds = {
	    .least = 3, .most = g->quick ? 25 : 60, .budget_ms = g->quick ? 50 : 700};
	CUdeviceptr at = range_reserve(mib * MIB);
	struct samples s[CALLS];
	double us[CALLS];

	answer_step("a %s frame of %zu MiB%s", home_names[home], mib, manner);
	for (int i = 0; i < CALLS; i++)
		samples_init(&s[i]);
	one_life(g, at, mib * MIB, &places->of[home], writable, us); /* warm-up */
	while (rounds_more(&rounds)) {
		if (pause_ms > 0)
			gpu_sleep_ms(pause_ms);
		one_life(g, at, mib * MIB, &places->of[home], writable, us);
		for (int i = 0; i < CALLS; i++)
			samples_add(&s[i], us[i]);
	}
	for (int i = 0; i < CALLS; i++) {
		answer_figure(&s[i], "us", "%s/%zuMiB%s/%s", home_names[home], mib, manner,
			      call_names[i]);
		samples_finish(&s[i]);
	}
	TRY(cu(cuMemAddressFree)(at, mib * MIB));
}

enum { BLOCKS = 16 };
static const char *const range_names[] = {"set_access_one_call", "set_access_each",
					  "unmap_one_call", "unmap_each"};

/* One call over a range of blocks against a call for each. */
static void range(const struct gpu *g, const struct places *places, enum home home, size_t mib)
{
	size_t bytes = mib * MIB, all = bytes * BLOCKS;
	struct rounds rounds = {.least = 2, .most = 15, .budget_ms = g->quick ? 40 : 500};
	CUmemGenericAllocationHandle frames[BLOCKS];
	CUdeviceptr at = range_reserve(all);
	struct samples s[4];
	CUresult unmapped = CUDA_SUCCESS;
	double us;

	answer_step("a range of %d %s frames of %zu MiB", BLOCKS, home_names[home], mib);
	for (int i = 0; i < 4; i++)
		samples_init(&s[i]);
	for (int i = 0; i < BLOCKS; i++)
		TRY(frame_make(&places->of[home], bytes, &frames[i]));
	while (rounds_more(&rounds)) {
		for (int each = 0; each < 2; each++) {
			double from;

			for (size_t i = 0; i < BLOCKS; i++)
				TRY(cu(cuMemMap)(at + i * bytes, bytes, 0, frames[i], 0));
			from = gpu_now_us();
			for (size_t i = 0; i < (each ? BLOCKS : 1); i++)
				TRY(range_open(g, at + i * bytes, each ? bytes : all, true));
			samples_add(&s[each], gpu_now_us() - from);
			from = gpu_now_us();
			if (!each)
				unmapped = cu(cuMemUnmap)(at, all);
			us = gpu_now_us() - from;
			if (!each && unmapped == CUDA_SUCCESS) {
				samples_add(&s[2], us);
				continue;
			}
			from = gpu_now_us();
			for (size_t i = 0; i < BLOCKS; i++)
				TRY(cu(cuMemUnmap)(at + i * bytes, bytes));
			samples_add(&s[3], gpu_now_us() - from);
		}
	}
	answer_result(unmapped, "%s/unmap_of_many_in_one_call", home_names[home]);
	for (int i = 0; i < 4; i++) {
		answer_figure(&s[i], "us", "range/%s/%dx%zuMiB/%s", home_names[home], BLOCKS,
			      mib, range_names[i]);
		samples_finish(&s[i]);
	}
	for (int i = 0; i < BLOCKS; i++)
		TRY(cu(cuMemRelease)(frames[i]));
}

void trial_switch_price(struct gpu *g)
{
	static const size_t sizes[] = {2, 8, 32, 128, 512}, quick_sizes[] = {2, 32};
	struct places places = places_find(g);
	const size_t *mib = g->quick ? quick_sizes : sizes;
	size_t count = g->quick ? 2 : 5;

	for (int home = 0; home < HOMES; home++) {
		if (!places.granularity[home]) {
			answer_result(places.host_answer, "host_frames");
			continue;
		}
		for (size_t i = 0; i < count; i++) {
			if (!fits((enum home)home, mib[i] * MIB)) {
				answer_text("too little memory is free", "%s/%zuMiB",
					    home_names[home], mib[i]);
				continue;
			}
			lives(g, &places, (enum home)home, mib[i], true, 0, "");
		}
		if (fits((enum home)home, 32 * MIB)) {
			lives(g, &places, (enum home)home, 32, true, 2, "/spaced");
			lives(g, &places, (enum home)home, 32, false, 0, "/read_only");
		}
		if (fits((enum home)home, (g->quick ? 2 : 32) * MIB * BLOCKS))
			range(g, &places, (enum home)home, g->quick ? 2 : 32);
	}
}
