/* Question 10: how fast managed memory moves by prefetch and what that asks of the processor;
 * and copies that are only read, which a clean block would be. */
#include "managed_home.h"
#include "taken.h"

#include <time.h>

/* --- prefetches --------------------------------------------------------------------------- */

static double processor_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* How long the call keeps its caller, until all is there, and what this process's threads work
 * for it (what the kernel's own do is not in it). */
struct prefetched {
	struct samples call_us, whole_us, processor_us, stream_us;
};

static void prefetched_init(struct prefetched *p)
{
	samples_init(&p->call_us);
	samples_init(&p->whole_us);
	samples_init(&p->processor_us);
	samples_init(&p->stream_us);
}

static void prefetched_finish(struct prefetched *p)
{
	samples_finish(&p->call_us);
	samples_finish(&p->whole_us);
	samples_finish(&p->processor_us);
	samples_finish(&p->stream_us);
}

static void prefetch_timed(const struct home *h, size_t bytes, enum side to,
			   struct prefetched *p)
{
	double from = gpu_now_us(), worked = processor_us();

	TRY(managed_prefetch(h->g, h->at, bytes, to, h->moving));
	samples_add(&p->call_us, gpu_now_us() - from);
	TRY(cu(cuEventRecord)(h->moved, h->moving));
	TRY(cu(cuEventSynchronize)(h->moved));
	samples_add(&p->whole_us, gpu_now_us() - from);
	samples_add(&p->processor_us, processor_us() - worked);
}

/* On the stream's own clock, behind work that lasts for longer than the call does. */
static double on_stream_us(const struct home *h, enum side to, double call_us)
{
	static struct stopwatch watch;

	if (!watch.from)
		watch = gpu_stopwatch();
	gpu_spin(h->g, 0.1 + 2e-3 * call_us, h->moving);
	TRY(cu(cuEventRecord)(watch.from, h->moving));
	TRY(managed_prefetch(h->g, h->at, h->bytes, to, h->moving));
	return gpu_stop_watch_us(&watch, h->moving);
}

/* Of samples of a time, those of a rate, or of a time for each 2 MiB. */
static void say_per(struct samples *us, double share, bool rate, const char *unit,
		    const char *name, const char *what)
{
	for (size_t i = 0; i < us->count; i++)
		us->values[i] = rate ? share / us->values[i] / 1e3 : us->values[i] / share;
	answer_figure(us, unit, "%s%s", name, what);
}

static void prefetch_all(struct home *h)
{
	static const char *const names[2] = {"prefetch/to_device", "prefetch/to_cpu"};
	struct rounds rounds = {.least = 3, .most = 30, .budget_ms = h->g->quick ? 150 : 2500};
	double pages = (double)h->bytes / (2 * MIB);
	struct prefetched p[2];

	answer_step("prefetching all of it");
	for (int to = 0; to < 2; to++)
		prefetched_init(&p[to]);
	home_settle(h, IN_RAM);
	while (rounds_more(&rounds)) {
		double call_us[2];

		for (int to = 0; to < 2; to++) {
			prefetch_timed(h, h->bytes, (enum side)to, &p[to]);
			call_us[to] = samples_percentile(&p[to].call_us, 1);
		}
		for (int to = 0; to < 2; to++)
			samples_add(&p[to].stream_us,
				    on_stream_us(h, (enum side)to, call_us[to]));
	}
	h->to_ram_us = samples_summarise(&p[IN_RAM].whole_us).median;
	for (int to = 0; to < 2; to++) {
		say_per(&p[to].stream_us, (double)h->bytes, true, "GB/s", names[to], "");
		say_per(&p[to].whole_us, (double)h->bytes, true, "GB/s", names[to],
			"/with_call");
		say_per(&p[to].call_us, pages, false, "us", names[to], "/call_of_2MiB");
		if (!h->g->simulated)
			say_per(&p[to].processor_us, pages, false, "us", names[to],
				"/processor_of_2MiB");
		prefetched_finish(&p[to]);
	}
}

/* A block at a time, as a pager would. */
static void prefetch_blocks(const struct home *h, size_t mib)
{
	static const char *const names[2] = {"to_device", "to_cpu"};
	struct rounds rounds = {.least = 3, .most = 200, .budget_ms = h->g->quick ? 40 : 500};
	struct prefetched p[2];

	if (mib * MIB > h->bytes)
		return;
	answer_step("prefetching %zu MiB", mib);
	for (int to = 0; to < 2; to++)
		prefetched_init(&p[to]);
	home_settle(h, IN_RAM);
	while (rounds_more(&rounds))
		for (int to = 0; to < 2; to++)
			prefetch_timed(h, mib * MIB, (enum side)to, &p[to]);
	for (int to = 0; to < 2; to++) {
		answer_figure(&p[to].call_us, "us", "prefetch/%zuMiB/%s/call", mib, names[to]);
		answer_figure(&p[to].whole_us, "us", "prefetch/%zuMiB/%s", mib, names[to]);
		prefetched_finish(&p[to]);
	}
}

void home_prefetches(struct home *h)
{
	prefetch_all(h);
	prefetch_blocks(h, 2);
	prefetch_blocks(h, 32);
}

/* --- copies that are only read ------------------------------------------------------------ */

enum drop { BY_PREFETCH, BY_UNSET, DROPS };
static const char *const drop_names[DROPS] = {"prefetch", "unset"};

static void copy_in(const struct home *h)
{
	home_settle(h, IN_RAM);
	home_advise(h, CU_MEM_ADVISE_SET_READ_MOSTLY, IN_RAM);
	home_settle(h, ON_THE_CARD);
}

static double drop_us(const struct home *h, enum drop how)
{
	double from = gpu_now_us();

	if (how == BY_PREFETCH)
		TRY(managed_prefetch(h->g, h->at, h->bytes, IN_RAM, h->moving));
	else
		home_advise(h, CU_MEM_ADVISE_UNSET_READ_MOSTLY, IN_RAM);
	TRY(cu(cuEventRecord)(h->moved, h->moving));
	TRY(cu(cuEventSynchronize)(h->moved));
	return gpu_now_us() - from;
}

/* Does the copy go without its bytes crossing, and where do kernels read then? */
static void drop(const struct home *h, enum drop how)
{
	struct rounds rounds = {.least = 3, .most = 15, .budget_ms = h->g->quick ? 100 : 1500};
	struct samples us;
	struct taken before;
	double median;

	answer_step("dropping a copy by %s", drop_names[how]);
	samples_init(&us);
	home_advise(h, CU_MEM_ADVISE_UNSET_READ_MOSTLY, IN_RAM);
	home_settle(h, IN_RAM);
	while (rounds_more(&rounds)) {
		before = taken_look();
		copy_in(h);
		if (rounds.done == 1) {
			taken_say(&before, "drop/%s/copied", drop_names[how]);
		}
		samples_add(&us, drop_us(h, how));
		if (rounds.done == 1)
			taken_say(&before, "drop/%s/dropped", drop_names[how]);
		/* For the next round, and for who reads next. */
		if (how == BY_PREFETCH)
			home_advise(h, CU_MEM_ADVISE_UNSET_READ_MOSTLY, IN_RAM);
	}
	median = samples_summarise(&us).median;
	answer_yes_no(median > h->to_ram_us / 2, "drop/%s/bytes_cross", drop_names[how]);
	answer_figure(&us, "us", "drop/%s", drop_names[how]);
	samples_finish(&us);
}

void home_read_mostly(struct home *h)
{
	answer_value(h->to_ram_us, "us", "drop/of_a_dirty_one");
	home_refill(h);
	copy_in(h);
	answer_yes_no(!home_read_over_bus(h, home_read_gbps(h, "copied")),
		      "copied/read_on_the_card");
	for (int how = 0; how < DROPS; how++)
		drop(h, (enum drop)how);
	answer_text(home_read_over_bus(h, home_read_gbps(h, "dropped")) ? "RAM" : "the card",
		    "drop/then_read_from");
	answer_check(home_is_whole(h), "words differ",
		     "what was copied and dropped is unchanged");
	answer_step("writing to a copy that is only read");
	copy_in(h);
	TRY(gpu_check(h->g, h->at, h->bytes, HOME_KEY, h->bumps++, 1, h->g->stream));
	TRY(cu(cuStreamSynchronize)(h->g->stream));
	home_settle(h, IN_RAM);
	home_advise(h, CU_MEM_ADVISE_UNSET_READ_MOSTLY, IN_RAM);
	answer_check(home_is_whole(h), "words differ",
		     "what was written to such a copy is there after it is dropped");
}
