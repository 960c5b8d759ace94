/* Question 8: the two ranges of addresses that the library reserves on each device, what they
 * cost, and how much can be reserved in all. */
#include "frame.h"
#include "nvml.h"
#include "taken.h"
#include "trials.h"

#include <stdio.h>

#define TIB ((size_t)1 << 40)
#define RANGE (4 * TIB)

/* As shim/memory/block.c and frame.c ask for them. */
enum { ARENA, ALIASES, RANGES };
static const struct {
	const char *name;
	CUdeviceptr hint;
} ranges[RANGES] = {{"arena", 0x500000000000}, {"aliases", 0x580000000000}};

static CUdeviceptr hint_of(const struct gpu *g, int range)
{
	return ranges[range].hint + (CUdeviceptr)g->ordinal * RANGE;
}

/* --- one, of several sizes ---------------------------------------------------------------- */

static void by_size(void)
{
	static const size_t gib[] = {1, 1024, 8192};

	for (int i = 0; i < 3; i++) {
		struct taken before = taken_look();
		double from = gpu_now_us();
		CUdeviceptr at;
		CUresult result;
		char what[32];

		answer_step("reserving %zu GiB", gib[i]);
		result = cu(cuMemAddressReserve)(&at, gib[i] * GIB, 0, 0, 0);
		snprintf(what, sizeof(what), "reserve/%zuGiB", gib[i]);
		answer_value(gpu_now_us() - from, "us", "%s", what);
		answer_result(result, "%s", what);
		if (result != CUDA_SUCCESS)
			continue;
		taken_say(&before, "%s", what);
		TRY(cu(cuMemAddressFree)(at, gib[i] * GIB));
	}
}

/* --- the library's two -------------------------------------------------------------------- */

static bool reserve_both(const struct gpu *g, CUdeviceptr at[RANGES],
			 struct samples reserve[RANGES], CUresult results[RANGES])
{
	for (int i = 0; i < RANGES; i++) {
		double from = gpu_now_us();

		results[i] = cu(cuMemAddressReserve)(&at[i], RANGE, 2 * MIB, hint_of(g, i), 0);
		samples_add(&reserve[i], gpu_now_us() - from);
		if (results[i] == CUDA_SUCCESS)
			continue;
		if (i)
			TRY(cu(cuMemAddressFree)(at[0], RANGE));
		return false;
	}
	return true;
}

static void free_both(const CUdeviceptr at[RANGES], struct samples *us)
{
	for (int i = 0; i < RANGES; i++) {
		double from = gpu_now_us();

		TRY(cu(cuMemAddressFree)(at[i], RANGE));
		samples_add(us, gpu_now_us() - from);
	}
}

/* Tables come with what is mapped: a frame at each end of each range brings as many levels of
 * them as can be. What is taken beside the frames themselves is told. */
static void with_frames(const struct gpu *g, const CUdeviceptr at[RANGES])
{
	CUmemLocation device = place_device(g);
	CUmemGenericAllocationHandle frames[2 * RANGES];
	struct taken before;

	answer_step("mapping a frame at each end");
	for (int i = 0; i < 2 * RANGES; i++)
		TRY(frame_make(&device, 2 * MIB, &frames[i]));
	before = taken_look();
	for (int i = 0; i < 2 * RANGES; i++) {
		CUdeviceptr where = at[i / 2] + (i % 2 ? RANGE - 2 * MIB : 0);

		TRY(cu(cuMemMap)(where, 2 * MIB, 0, frames[i], 0));
		TRY(range_open(g, where, 2 * MIB, true));
	}
	taken_say(&before, "both/mapped_at_their_ends");
	for (int i = 0; i < 2 * RANGES; i++) {
		TRY(cu(cuMemUnmap)(at[i / 2] + (i % 2 ? RANGE - 2 * MIB : 0), 2 * MIB));
		TRY(cu(cuMemRelease)(frames[i]));
	}
}

static void the_library_s(const struct gpu *g)
{
	struct rounds rounds = {.least = 3, .most = 20, .budget_ms = g->quick ? 100 : 1000};
	struct samples reserve[RANGES], release;
	struct taken before = taken_look();
	CUresult results[RANGES] = {CUDA_SUCCESS, CUDA_SUCCESS};
	CUdeviceptr at[RANGES];
	bool both = true;

	answer_step("reserving two ranges of 4 TiB");
	samples_init(&release);
	for (int i = 0; i < RANGES; i++)
		samples_init(&reserve[i]);
	while (both && rounds_more(&rounds)) {
		both = reserve_both(g, at, reserve, results);
		if (both && rounds.done == 1) {
			for (int i = 0; i < RANGES; i++)
				answer_yes_no(at[i] == hint_of(g, i), "%s/hint_honoured",
					      ranges[i].name);
			taken_say(&before, "both");
			with_frames(g, at);
		}
		if (both)
			free_both(at, &release);
	}
	for (int i = 0; i < RANGES; i++) {
		answer_result(results[i], "%s", ranges[i].name);
		answer_figure(&reserve[i], "us", "%s/reserve", ranges[i].name);
		samples_finish(&reserve[i]);
	}
	answer_figure(&release, "us", "free");
	samples_finish(&release);
	taken_say(&before, "both/freed");
}

/* --- how much in all ---------------------------------------------------------------------- */

enum { MOST = 64 }; /* 256 TiB: more than there are addresses of 48 bits */

static void in_all(void)
{
	CUdeviceptr at[MOST];
	CUresult result = CUDA_SUCCESS;
	struct taken before = taken_look();
	long long held = 0;

	while (held < MOST) {
		answer_step("reserving %lld TiB in all", 4 * (held + 1));
		result = cu(cuMemAddressReserve)(&at[held], RANGE, 0, 0, 0);
		if (result != CUDA_SUCCESS)
			break;
		held++;
	}
	answer_number(held * (long long)RANGE, "most_in_all_bytes");
	answer_result(result, "most_in_all/the_next");
	taken_say(&before, "most_in_all");
	while (held > 0)
		TRY(cu(cuMemAddressFree)(at[--held], RANGE));
}

void trial_reservations(struct gpu *g)
{
	nvml_start(g);
	if (!driver_has_vmm())
		answer_skipped("virtual memory management: not offered by this driver");
	by_size();
	the_library_s(g);
	in_all();
}
