/* Question 2, as the pager would do it: blocks that go to RAM and come back, as fast as one
 * thread can. */
#include "frame.h"
#include "speed.h"
#include "trials.h"

enum { MOST = 4 };

/* One pair: out and in again; mappings only. */
static void mappings_only(const struct gpu *g, struct block *b, size_t mib, double bus_us)
{
	struct rounds rounds = {.least = 4, .most = 2000, .budget_ms = g->quick ? 100 : 1500};
	unsigned long not_ready = 0;
	struct samples us, share;

	samples_init(&us);
	samples_init(&share);
	while (rounds_more(&rounds)) {
		double from = gpu_now_us();

		TRY(block_switch(g, b, ON_HOST, &not_ready));
		TRY(block_switch(g, b, ON_DEVICE, &not_ready));
		samples_add(&us, gpu_now_us() - from);
	}
	for (size_t i = 0; i < us.count; i++)
		samples_add(&share, us.values[i] / bus_us);
	answer_figure(&us, "us", "%zuMiB/mapping_time_of_a_pair", mib);
	answer_value(bus_us, "us", "%zuMiB/bus_time_of_a_pair", mib);
	answer_figure(&share, "ratio", "%zuMiB/mapping_over_bus_time", mib);
	answer_number((long long)not_ready, "%zuMiB/set_access_not_ready", mib);
	samples_finish(&us);
	samples_finish(&share);
}

/* The next block's bytes cross while this one's mapping changes. */
static void with_copies(const struct gpu *g, struct block *blocks, size_t count, size_t mib,
			double bus_us)
{
	struct rounds rounds = {.least = 2, .most = 400, .budget_ms = g->quick ? 100 : 1500};
	unsigned long not_ready = 0;
	struct samples rate, share;

	samples_init(&rate);
	samples_init(&share);
	while (rounds_more(&rounds)) {
		double from = gpu_now_us(), us;

		for (int to = ON_HOST; to >= ON_DEVICE; to--) {
			block_copy(&blocks[0], (enum home)to, g->stream);
			for (size_t i = 0; i < count; i++) {
				TRY(cu(cuStreamSynchronize)(g->stream));
				if (i + 1 < count)
					block_copy(&blocks[i + 1], (enum home)to, g->stream);
				TRY(block_switch(g, &blocks[i], (enum home)to, &not_ready));
			}
		}
		us = (gpu_now_us() - from) / (double)count;
		samples_add(&rate, 1e6 / us);
		samples_add(&share, bus_us / us);
	}
	answer_figure(&rate, "1/s", "%zuMiB/pairs_with_copies", mib);
	answer_figure(&share, "ratio", "%zuMiB/share_of_the_bus", mib);
	samples_finish(&rate);
	samples_finish(&share);
}

static double median_us(const struct gpu *g, const struct block *b, enum home to)
{
	struct samples gbps;
	double us;

	samples_init(&gbps);
	speed_of_copy(g, COPY_ON_DEVICE, b->alias[to], b->alias[!to], b->bytes, &gbps);
	us = (double)b->bytes / samples_summarise(&gbps).median / 1e3;
	samples_finish(&gbps);
	return us;
}

void trial_switch_rate(struct gpu *g)
{
	struct places places = places_need_host(g);
	size_t sizes[] = {32, 128}, count = g->quick ? 1 : 2;

	for (size_t i = 0; i < count; i++) {
		size_t bytes = sizes[i] * MIB, blocks_wanted = g->quick ? 2 : MOST;
		uint64_t room = host_free_bytes();
		struct block blocks[MOST];
		double bus_us;

		if (bytes * blocks_wanted > gpu_free_bytes() / 2 ||
		    (room && bytes * blocks_wanted > room / 2)) {
			answer_text("too little memory is free", "%zuMiB", sizes[i]);
			continue;
		}
		answer_step("switching blocks of %zu MiB", sizes[i]);
		blocks_make(g, &places, bytes, blocks_wanted, blocks);
		bus_us =
		    median_us(g, &blocks[0], ON_HOST) + median_us(g, &blocks[0], ON_DEVICE);
		mappings_only(g, &blocks[0], sizes[i], bus_us);
		with_copies(g, blocks, blocks_wanted, sizes[i], bus_us);
	}
}
