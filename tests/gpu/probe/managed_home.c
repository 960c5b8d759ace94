/*
 * Question 10: managed memory as a third way to keep cold blocks. At home in RAM, used in place
 * by the card, moved by explicit prefetches: a change of home that the driver makes, and that
 * may fall under a kernel. Never more of it than an eighth of what is free, nor than 1 GiB.
 */
#include "managed_home.h"
#include "nvml.h"
#include "taken.h"
#include "trials.h"

extern const char probe_recheck_ptx[];

void home_advise(const struct home *h, CUmem_advise advice, enum side side)
{
	TRY(managed_advise(h->g, h->at, h->bytes, advice, side));
}

void home_settle(const struct home *h, enum side side)
{
	TRY(managed_prefetch(h->g, h->at, h->bytes, side, h->moving));
	TRY(cu(cuStreamSynchronize)(h->moving));
}

void home_refill(struct home *h)
{
	gpu_fill(h->g, h->at, h->bytes, HOME_KEY, h->g->stream);
	TRY(cu(cuStreamSynchronize)(h->g->stream));
	h->bumps = 0;
}

bool home_is_whole(const struct home *h)
{
	gpu_forget_wrong(h->g, h->g->stream);
	TRY(gpu_check(h->g, h->at, h->bytes, HOME_KEY, h->bumps, 0, h->g->stream));
	return !gpu_wrong(h->g, h->g->stream);
}

static struct home make(const struct gpu *g)
{
	struct home h = {.g = g, .bytes = gpu_fitting((g->quick ? 32 : 1024) * MIB)};
	uint64_t vram = gpu_free_bytes(), ram = host_free_bytes();

	answer_step("making managed memory");
	/* The smallest there is may still be too much of a card that is full. */
	if (h.bytes > vram / 4 || (ram && h.bytes > ram / 4))
		answer_skipped("too little memory is free");
	answer_number((long long)h.bytes, "bytes");
	TRY(cu(cuStreamCreate)(&h.moving, CU_STREAM_NON_BLOCKING));
	TRY(cu(cuEventCreate)(&h.moved, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC));
	TRY(gpu_kernel(probe_recheck_ptx, "probe_recheck", &h.recheck));
	TRY(cu(cuMemAllocManaged)(&h.at, h.bytes, CU_MEM_ATTACH_GLOBAL));
	home_refill(&h);
	return h;
}

/* --- rates -------------------------------------------------------------------------------- */

static double pass_gbps(const struct home *h, bool write, struct stopwatch *watch)
{
	uint64_t words = h->bytes / 8, key = HOME_KEY;
	CUdeviceptr at = h->at, sum = h->g->scratch + 8 * (WORDS_OF_SCRATCH - 1);

	gpu_start_watch(h->g, watch, h->g->stream);
	if (write)
		LAUNCH(h->g, fill, h->g->blocks, h->g->stream, &at, &words, &key);
	else
		LAUNCH(h->g, read, h->g->blocks, h->g->stream, &at, &words, &sum);
	return rate_gbps((double)h->bytes, gpu_stop_watch_us(watch, h->g->stream));
}

double home_read_gbps(const struct home *h, const char *who)
{
	struct rounds rounds = {.least = 3, .most = 20, .budget_ms = h->g->quick ? 40 : 400};
	struct stopwatch watch = gpu_stopwatch();
	struct samples s;
	double median;

	answer_step("reading: %s", who);
	answer_value(pass_gbps(h, false, &watch), "GB/s", "%s/first_read", who);
	samples_init(&s);
	while (rounds_more(&rounds))
		samples_add(&s, pass_gbps(h, false, &watch));
	median = samples_summarise(&s).median;
	answer_figure(&s, "GB/s", "%s/read", who);
	samples_finish(&s);
	return median;
}

static void kernels_write(struct home *h, const char *who)
{
	struct rounds rounds = {.least = 3, .most = 20, .budget_ms = h->g->quick ? 40 : 400};
	struct stopwatch watch = gpu_stopwatch();
	struct samples s;

	answer_step("writing: %s", who);
	samples_init(&s);
	while (rounds_more(&rounds))
		samples_add(&s, pass_gbps(h, true, &watch));
	h->bumps = 0;
	answer_figure(&s, "GB/s", "%s/write", who);
	samples_finish(&s);
}

bool home_read_over_bus(const struct home *h, double gbps)
{
	return gbps < h->resident_read_gbps / 2;
}

static void rates(struct home *h)
{
	struct taken before;

	home_settle(h, ON_THE_CARD);
	h->resident_read_gbps = home_read_gbps(h, "resident");
	kernels_write(h, "resident");
	/* Without advice: what can be told by rate is told. */
	home_settle(h, IN_RAM);
	answer_yes_no(!home_read_over_bus(h, home_read_gbps(h, "unadvised")),
		      "unadvised/migrates");
	home_advise(h, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, IN_RAM);
	home_settle(h, IN_RAM);
	answer_yes_no(home_read_over_bus(h, home_read_gbps(h, "preferred_only")),
		      "preferred_only/stays");
	home_advise(h, CU_MEM_ADVISE_SET_ACCESSED_BY, ON_THE_CARD);
	home_settle(h, IN_RAM);
	before = taken_look();
	answer_yes_no(home_read_over_bus(h, home_read_gbps(h, "in_place")), "in_place/stays");
	kernels_write(h, "in_place");
	answer_text(managed_last_prefetch(h->g, h->at, h->bytes), "in_place/last_prefetch");
	taken_say(&before, "in_place");
	answer_check(home_is_whole(h), "words differ",
		     "what was written in place is read in place");
}

/* Both forms of the calls, where the driver has them. */
static void ask_forms(const struct home *h)
{
	CUmemLocation ram = {.type = CU_MEM_LOCATION_TYPE_HOST};

	if (cu(cuMemAdvise))
		answer_result(cu(cuMemAdvise)(h->at, h->bytes,
					      CU_MEM_ADVISE_SET_PREFERRED_LOCATION,
					      CU_DEVICE_CPU),
			      "cuMemAdvise");
	if (cu(cuMemAdvise_v2))
		answer_result(cu(cuMemAdvise_v2)(h->at, h->bytes,
						 CU_MEM_ADVISE_SET_PREFERRED_LOCATION, ram),
			      "cuMemAdvise_v2");
	if (cu(cuMemPrefetchAsync))
		answer_result(cu(cuMemPrefetchAsync)(h->at, h->bytes, CU_DEVICE_CPU, h->moving),
			      "cuMemPrefetchAsync");
	if (cu(cuMemPrefetchAsync_v2))
		answer_result(cu(cuMemPrefetchAsync_v2)(h->at, h->bytes, ram, 0, h->moving),
			      "cuMemPrefetchAsync_v2");
	TRY(cu(cuStreamSynchronize)(h->moving));
	home_advise(h, CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION, IN_RAM);
}

void trial_managed_home(struct gpu *g)
{
	const char *why = managed_not_offered(g);
	struct home h;

	if (why)
		answer_skipped("%s", why);
	nvml_start(g);
	h = make(g);
	ask_forms(&h);
	rates(&h);
	home_prefetches(&h);
	home_read_mostly(&h);
	/* A part moves in a few milliseconds: far more often. */
	if (h.bytes > 64 * MIB)
		h.bytes = 64 * MIB;
	home_under_reader(&h);
	home_under_writer(&h);
	TRY(cu(cuMemFree_v2)(h.at));
}
