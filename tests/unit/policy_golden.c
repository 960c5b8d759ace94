/*
 * A scan of 100 blocks, round after round, at four caps. FACTS.md section 5: LRU misses all M
 * of them; with bypass the optimum is M - C a round; a kept set with a ring of r moves M - C +
 * r.
 */
#include "policy_test.h"

#define BLOCKS 100
#define WARM_ROUNDS 8
#define ROUNDS 4

static const uint32_t caps[] = {100, 75, 50, 25};

struct count {
	uint64_t hits, page_ins, evictions, in_place;
};

static struct count per_round(const char *name, struct policy_config config)
{
	struct rig rig;

	rig_open(&rig, name, config);
	rig_add_many(&rig, 0, BLOCKS, 0);
	for (int i = 0; i < WARM_ROUNDS; i++)
		rig_scan(&rig, 0, BLOCKS);
	rig_forget_counts(&rig);
	for (int i = 0; i < ROUNDS; i++)
		rig_scan(&rig, 0, BLOCKS);
	rig_close(&rig);
	cr_assert(eq(u64, rig.page_ins % ROUNDS, 0), "every round is alike");
	return (struct count){rig.hits / ROUNDS, rig.page_ins / ROUNDS, rig.evictions / ROUNDS,
			      rig.in_place / ROUNDS};
}

Test(golden, lru_misses_everything_below_the_whole)
{
	for (int i = 0; i < 4; i++) {
		struct count got = per_round("lru", rig_config(caps[i] * PAGE, true));

		cr_assert(eq(u64, got.hits, caps[i] == 100 ? 100 : 0), "cap %u", caps[i]);
		cr_assert(eq(u64, got.page_ins, caps[i] == 100 ? 0 : 100), "cap %u", caps[i]);
	}
}

Test(golden, balanced_moves_nothing_where_moving_stops_the_work)
{
	for (int i = 0; i < 4; i++) {
		struct count got = per_round("balanced", rig_config(caps[i] * PAGE, false));

		cr_assert(eq(u64, got.hits, caps[i]), "cap %u", caps[i]);
		cr_assert(eq(u64, got.page_ins + got.evictions, 0), "cap %u", caps[i]);
		cr_assert(eq(u64, got.in_place, BLOCKS - caps[i]), "cap %u", caps[i]);
	}
}

Test(golden, balanced_streams_no_more_than_what_is_not_kept)
{
	/* What is over the cap, and the ring: two blocks, and as many of the four operations
	 * after a use as stream, too. */
	const uint64_t page_ins[] = {0, 25 + 3, 50 + 4, 75 + 5};

	for (int i = 0; i < 4; i++) {
		struct count got = per_round("balanced", rig_config(caps[i] * PAGE, true));

		cr_assert(eq(u64, got.hits, BLOCKS), "cap %u: all are there in time", caps[i]);
		cr_assert(eq(u64, got.page_ins, page_ins[i]), "cap %u", caps[i]);
		cr_assert(eq(u64, got.evictions, page_ins[i]), "cap %u", caps[i]);
	}
}

Test(golden, balanced_streams_in_batches_where_nothing_may_stay_cold)
{
	for (int i = 0; i < 4; i++) {
		struct policy_config config = rig_config(caps[i] * PAGE, false);
		struct count got;

		config.in_place_ratio = 0;
		got = per_round("balanced", config);
		cr_assert(eq(u64, got.in_place, 0), "cap %u", caps[i]);
		cr_assert(le(u64, got.page_ins, BLOCKS - caps[i] + 10), "cap %u: %llu", caps[i],
			  (unsigned long long)got.page_ins);
		cr_assert(le(u64, 100 - got.hits, caps[i] == 25 ? 40 : 15), "cap %u: %llu",
			  caps[i], (unsigned long long)got.hits);
	}
}

Test(golden, none_and_group_do_not_thrash)
{
	for (int i = 0; i < 4; i++) {
		struct count none = per_round("none", rig_config(caps[i] * PAGE, true));
		struct count group = per_round("group", rig_config(caps[i] * PAGE, true));

		cr_assert(eq(u64, none.page_ins + none.evictions, 0));
		cr_assert(eq(u64, group.page_ins + group.evictions, 0), "cap %u", caps[i]);
		cr_assert(eq(u64, group.hits, caps[i]), "cap %u", caps[i]);
	}
}

Test(golden, a_second_run_is_the_same_run)
{
	for (size_t row = 0; policy_name(row); row++) {
		struct rig runs[2];

		for (int run = 0; run < 2; run++) {
			uint64_t seed = 42;

			rig_open(&runs[run], policy_name(row), rig_config(40 * PAGE, true));
			rig_add_many(&runs[run], 0, BLOCKS, 0);
			for (uint64_t i = 0; i < 3000; i++)
				rig_use(&runs[run], (i % 3 ? i : rig_random(&seed)) % BLOCKS);
			rig_close(&runs[run]);
		}
		cr_assert(eq(u64, runs[0].page_ins, runs[1].page_ins));
		cr_assert(eq(u64, runs[0].evictions, runs[1].evictions));
		cr_assert(eq(u64, runs[0].hits, runs[1].hits));
	}
}
