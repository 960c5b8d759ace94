/* Where decisions have nothing to decide on, or no room for it: what is left over from the
 * other units of policy/. */
#include "core/state.h"
#include "policy_test.h"

#include <string.h>

Test(corners, of_the_registry_make_no_place)
{
	struct policy_action actions[4];

	for (int i = 0; i < 2; i++) {
		struct rig rig;

		rig_open(&rig, i ? "none" : "lru", rig_config(4 * PAGE, true));
		rig_add_many(&rig, 0, 4, 0);
		cr_assert(eq(sz, policy_make_place(rig.policy, actions, 4), 0));
		rig_close(&rig);
	}
}

Test(corners, ids_that_no_table_holds_are_refused)
{
	struct policy_config config = rig_config(4 * PAGE, true);
	struct policy *policy = policy_create("lru", &config);

	cr_assert_not(policy_block_added(policy, UINT32_MAX, PAGE, 0, 0, false, 0));
	cr_assert_not(policy_block_added(policy, UINT32_MAX - 1, PAGE, 0, 0, false, 0));
	cr_assert(policy_block_added(policy, 7, PAGE, 0, 0, false, 0));
	/* Where it is already: nothing happens. */
	policy_block_moved(policy, 7, false);
	policy_destroy(policy);
}

Test(corners, pressure_before_any_use_takes_what_is_there)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(4 * PAGE, false));
	rig_add_many(&rig, 0, 4, 0);
	cr_assert(eq(u64, rig_pressure(&rig, PAGE), PAGE));
	rig_close(&rig);
}

/* Names that are nobody's, first and in the middle. */
Test(corners, what_is_unknown_is_passed_over_by_every_row)
{
	struct policy_action actions[16];
	uint32_t named[] = {900, 20, 901, 3};

	for (size_t row = 0; policy_name(row); row++) {
		struct rig rig;

		rig_open(&rig, policy_name(row), rig_config(8 * PAGE, false));
		rig_add_many(&rig, 0, 12, 1);
		rig_add_many(&rig, 12, 12, 2);
		for (uint32_t i = 0; i < 24; i++)
			policy_block_uploaded(rig.policy, i, 0);
		for (int i = 0; i < 4; i++) {
			size_t listed = policy_use(rig.policy, named, 4, 0, actions, 16);

			for (size_t a = 0; a < listed; a++)
				cr_assert(actions[a].block < 24);
		}
		rig_close(&rig);
	}
}

/* A round names what has gone meanwhile, and what may not move. */
Test(corners, a_learnt_round_outlives_some_of_its_blocks)
{
	static const char *const rows[] = {"balanced", "group", "sequential", "auto"};

	for (int i = 0; i < 8; i++) {
		struct policy_config config = rig_config(20 * PAGE, i & 1);
		struct rig rig;

		rig_open(&rig, rows[i / 2], config);
		rig_add_many(&rig, 0, 40, 0);
		for (uint32_t b = 0; b < 40; b++)
			policy_block_uploaded(rig.policy, b, 0);
		rig_rounds(&rig, 5, 0, 40);
		rig_remove(&rig, 30);
		rig_pin(&rig, 20, true);
		rig_cap(&rig, 19 * PAGE);
		for (int round = 0; round < 5; round++) {
			rig_scan(&rig, 0, 30);
			rig_scan(&rig, 31, 9);
			rig_quiet(&rig);
			rig_quiet(&rig);
		}
		for (uint32_t b = 0; b < 40; b++)
			if (b != 30)
				rig_pin(&rig, b, true);
		rig_cap(&rig, 18 * PAGE);
		for (int round = 0; round < 3; round++) {
			rig_scan(&rig, 0, 30);
			rig_scan(&rig, 31, 9);
		}
		cr_assert(le(u64, rig.resident_bytes, 20 * PAGE));
		rig_close(&rig);
	}
}

/* Between what is used now and the next block that is still there lie more names than one
 * decision may read, or just as many. */
Test(corners, a_cycle_most_of_whose_blocks_have_gone)
{
	for (uint32_t gone = 62; gone <= 64; gone++) {
		struct rig rig;

		rig_open(&rig, "sequential", rig_config(200 * PAGE, true));
		rig_add_many(&rig, 0, 300, 0);
		rig_rounds(&rig, 4, 0, 300);
		for (uint32_t b = 11; b < 11 + gone; b++)
			rig_remove(&rig, b);
		rig_scan(&rig, 0, 11);
		for (uint32_t b = 11; b < 300; b++)
			cr_assert(
			    eq(int, rig.blocks[b].resident, b >= 11 + gone && b < 11 + 64),
			    "block %u, %u have gone", b, gone);
		rig_close(&rig);
	}
}

Test(corners, a_cycle_shorter_than_sequential_looks_ahead)
{
	struct rig rig;

	rig_open(&rig, "sequential", rig_config(2 * PAGE, true));
	rig_add_many(&rig, 0, 4, 0);
	rig_rounds(&rig, 10, 0, 4);
	rig_remove(&rig, 0);
	rig_remove(&rig, 1);
	rig_remove(&rig, 2);
	rig_add_many(&rig, 10, 4, 0);
	rig_forget_counts(&rig);
	rig_use(&rig, 3);
	cr_assert(cycle_predicts(&rig.policy->cycle));
	cr_assert(eq(u64, rig.page_ins, 0));
	rig_close(&rig);
}

/* All of a group larger than the cap is in the round, and blocks of no group are too. */
Test(corners, a_round_that_names_a_whole_group_splits_nothing)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(10 * PAGE, false));
	rig_add_many(&rig, 0, 12, 1);
	rig_add_many(&rig, 12, 6, 0);
	for (uint32_t b = 0; b < 15; b++)
		policy_block_uploaded(rig.policy, b, 0);
	rig_rounds(&rig, 5, 0, 18);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 3, 0, 12);
	cr_assert(le(u64, rig.resident_bytes, 10 * PAGE));
	rig_close(&rig);
}

/* Wherever in the round it was when a block went. */
Test(corners, a_round_that_names_what_has_gone)
{
	for (uint32_t gone_at = 0; gone_at < 40; gone_at++) {
		struct rig rig;

		rig_open(&rig, "group", rig_config(20 * PAGE, false));
		rig_add_many(&rig, 0, 40, 1);
		for (uint32_t b = 0; b < 40; b++)
			policy_block_uploaded(rig.policy, b, 0);
		rig_rounds(&rig, 5, 0, 40);
		rig_scan(&rig, 0, gone_at);
		rig_remove(&rig, (gone_at + 39) % 40);
		for (uint32_t b = gone_at; b < 40; b++)
			if (rig.blocks[b].known)
				rig_use(&rig, b);
		cr_assert(le(u64, rig.resident_bytes, 20 * PAGE));
		rig_close(&rig);
	}
}

/* The round fits, and with what is pinned beside it no longer does. */
Test(corners, a_round_that_fits_but_for_what_is_pinned)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(30 * PAGE, true));
	rig_add_many(&rig, 100, 4, 0);
	for (uint32_t b = 100; b < 104; b++)
		rig_pin(&rig, b, true);
	rig_add_many(&rig, 0, 28, 0);
	rig_rounds(&rig, 8, 0, 28);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 4, 0, 28);
	cr_assert(le(u64, rig.misses, 4 * 2), "%lu", (unsigned long)rig.misses);
	rig_close(&rig);
}

Test(corners, pressure_takes_first_what_no_round_names)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(40 * PAGE, true));
	rig_add_many(&rig, 0, 40, 0);
	rig_rounds(&rig, 5, 0, 30);
	cr_assert(eq(u64, rig_pressure(&rig, 10 * PAGE), 10 * PAGE));
	for (uint32_t b = 0; b < 40; b++)
		cr_assert(eq(int, rig.blocks[b].resident, b < 30), "block %u", b);
	rig_close(&rig);
}

/* Half as long, and no longer what the verdict was for. */
Test(corners, another_cycle_is_judged_anew)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(50 * PAGE, false));
	rig.compute_ns = 50000;
	rig.stop_ns = 20000000;
	rig_add_many(&rig, 0, 100, 0);
	rig_rounds(&rig, 30, 0, 100);
	rig.stop_ns = 400000;
	rig_rounds(&rig, 40, 30, 70);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 4, 30, 70);
	cr_assert(gt(u64, rig.page_ins, 0), "streaming has become worth it, and is tried");
	rig_close(&rig);
}

/* Groups that were used, and are gone when the choice is looked at again. */
Test(corners, automatic_forgets_groups_that_are_gone)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(15 * PAGE, false));
	rig_add_many(&rig, 0, 8, 1);
	rig_add_many(&rig, 8, 10, 2);
	rig_add_many(&rig, 18, 8, 3);
	rig_rounds(&rig, 10, 0, 8);
	rig_rounds(&rig, 10, 8, 10);
	for (uint32_t b = 0; b < 8; b++)
		rig_remove(&rig, b);
	rig_rounds(&rig, 60, 18, 8);
	cr_assert(strcmp(rig_report(&rig).name, "sequential") != 0);
	rig_close(&rig);
}

/* A few are read four times a round, by as many parts of it; the last is larger than the cap.
 */
static void uneven_round(struct rig *rig)
{
	for (uint32_t part = 0; part < 4; part++) {
		rig_scan(rig, part * 15, 15);
		rig_scan(rig, 60, 20);
		rig_use(rig, 80);
	}
}

/* Nobody has measured the bus; what is too large for any cap is in nobody's way. */
Test(corners, a_bus_of_unknown_speed_and_a_block_that_never_fits)
{
	for (int known = 0; known < 3; known++) {
		struct policy_config config = rig_config(30 * PAGE, false);
		struct rig rig;

		if (known != 1)
			config.h2d_bytes_per_s = 0;
		if (known != 2)
			config.d2h_bytes_per_s = 0;
		rig_open(&rig, "balanced", config);
		rig_add_many(&rig, 0, 80, 0);
		rig_add(&rig, 80, 40 * PAGE, 1, 0);
		/* Nothing has moved before the cycle is known. */
		for (int i = 0; i < 12; i++) {
			rig.refuses = i < 6;
			uneven_round(&rig);
		}
		for (uint32_t b = 60; b < 80; b++)
			cr_assert(rig.blocks[b].resident, "block %u", b);
		cr_assert_not(rig.blocks[80].resident);
		rig_close(&rig);
	}
}

/* The cap has grown, and the caller takes one action a time. */
Test(corners, settling_ends_where_the_list_is_full)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(30 * PAGE, false));
	rig_add_many(&rig, 0, 80, 0);
	rig_add(&rig, 80, PAGE, 1, 0);
	for (int i = 0; i < 8; i++)
		uneven_round(&rig);
	rig_cap(&rig, 40 * PAGE);
	rig.room = 1;
	rig_forget_counts(&rig);
	for (int i = 0; i < 4; i++)
		uneven_round(&rig);
	cr_assert(le(u64, rig.page_ins, 4 * 20));
	cr_assert(le(u64, rig.resident_bytes, 40 * PAGE));
	rig_close(&rig);
}

/* A time that stands still, and one that goes backwards, tell nothing of a round. */
Test(corners, rounds_that_take_no_time)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(50 * PAGE, false));
	rig.compute_ns = 50000;
	rig.stop_ns = 400000;
	rig_add_many(&rig, 0, 100, 0);
	rig_rounds(&rig, 12, 0, 100);
	for (int round = 0; round < 6; round++)
		for (uint32_t i = 0; i < 100; i++) {
			rig.now_ns = 1;
			rig_use(&rig, i);
		}
	cr_assert(le(u64, rig.resident_bytes, 50 * PAGE));
	rig_close(&rig);
}

Test(corners, other_memory_is_judged_anew)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(50 * PAGE, false));
	rig.compute_ns = 50000;
	rig.stop_ns = 20000000;
	rig_add_many(&rig, 0, 100, 0);
	rig_rounds(&rig, 30, 0, 100);
	/* Nothing of it is in the round. */
	rig_add_many(&rig, 100, 60, 0);
	rig.stop_ns = 400000;
	rig_rounds(&rig, 30, 0, 100);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 4, 0, 100);
	cr_assert(gt(u64, rig.page_ins, 0), "streaming has become worth it, and is tried");
	rig_close(&rig);
}

/* Rounds of any length, so that a trial's three come in any order. */
Test(corners, trials_of_rounds_that_differ)
{
	for (uint64_t seed = 1; seed < 20; seed++) {
		uint64_t state = seed * 77;
		struct rig rig;

		rig_open(&rig, "balanced", rig_config(50 * PAGE, false));
		rig.compute_ns = 50000;
		rig_add_many(&rig, 0, 100, 0);
		for (int i = 0; i < 30; i++) {
			rig.stop_ns = 100000 + rig_random(&state) % 6000000;
			rig_rounds(&rig, 1, 0, 100);
		}
		cr_assert(le(u64, rig.resident_bytes, 50 * PAGE));
		rig_close(&rig);
	}
}

/* All of a round is there, or nothing. */
Test(corners, rounds_of_which_streaming_would_gain_nothing)
{
	for (int none = 0; none < 2; none++) {
		struct rig rig;

		rig_open(&rig, "balanced", rig_config(none ? PAGE : 100 * PAGE, false));
		rig.compute_ns = 50000;
		rig.stop_ns = 400000;
		for (uint32_t b = 0; b < 40; b++)
			rig_add(&rig, b, 2 * PAGE, b, 0);
		rig_rounds(&rig, 20, 0, 40);
		cr_assert(eq(u64, rig.page_ins, 0));
		rig_close(&rig);
	}
}

/* Blocks that no cap holds, among others that are used more and less often. */
Test(corners, settling_passes_over_what_never_fits)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(20 * PAGE, false));
	rig_add_many(&rig, 0, 30, 0);
	rig_add(&rig, 30, 40 * PAGE, 1, 0);
	rig_add(&rig, 31, 12 * PAGE, 2, 0);
	for (int i = 0; i < 12; i++) {
		rig_scan(&rig, 0, 10);
		for (uint32_t b = 10; b < 30; b++) {
			rig_use(&rig, b);
			if (b % 4 == 0)
				rig_use(&rig, 30);
		}
		rig_use(&rig, 31);
		rig_scan(&rig, 20, 10);
	}
	cr_assert_not(rig.blocks[30].resident);
	for (uint32_t b = 20; b < 30; b++)
		cr_assert(rig.blocks[b].resident, "%u is used twice a round", b);
	rig_close(&rig);
}

/* The loose list is long, and the caller's list short. */
Test(corners, a_place_is_made_with_one_action)
{
	struct policy_action action;
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(300 * PAGE, true));
	rig_add_many(&rig, 0, 500, 0);
	rig_rounds(&rig, 5, 0, 500);
	cr_assert(eq(sz, policy_make_place(rig.policy, &action, 1), 1));
	cr_assert(action.verb == POLICY_EVICT && rig.blocks[action.block].resident);
	/* Many come into a set that has to converge anew. */
	rig_rounds(&rig, 3, 200, 300);
	rig_rounds(&rig, 3, 0, 500);
	cr_assert(le(u64, rig.resident_bytes, 300 * PAGE));
	rig_close(&rig);
}

Test(corners, what_is_late_and_read_by_several_kernels)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(30 * PAGE, true));
	rig_add_many(&rig, 0, 60, 0);
	for (int i = 0; i < 8; i++)
		for (uint32_t b = 0; b < 60; b++) {
			rig_use(&rig, b);
			if (b % 3 == 0)
				rig_use(&rig, b);
		}
	/* Nothing comes in time any more. */
	rig.refuses = true;
	rig_rounds(&rig, 1, 0, 60);
	rig.refuses = false;
	rig_cap(&rig, 29 * PAGE);
	rig_rounds(&rig, 2, 0, 60);
	cr_assert(le(u64, rig.resident_bytes, 30 * PAGE));
	rig_close(&rig);
}

/* More cold blocks than are looked at in one go. */
Test(corners, a_thousand_cold_blocks)
{
	static struct policy_action actions[4096];
	struct policy_config config = rig_config(40 * PAGE, false);
	struct policy *policy = policy_create("balanced", &config);

	for (uint32_t b = 0; b < 1300; b++)
		cr_assert(policy_block_added(policy, b, PAGE, 0, 0, b < 40, 0));
	for (int round = 0; round < 3; round++)
		for (uint32_t b = 40; b < 1300; b++)
			policy_use(policy, &b, 1, 0, actions, 4096);
	cr_assert(le(sz, policy_quiet(policy, 0, actions, 4096), 80));
	policy_destroy(policy);
}

/* --- the learner */

static void observe(struct cycle *cycle, uint64_t *op, uint32_t block)
{
	++*op;
	cycle_observe(cycle, &block, 1, *op, *op * 1000);
}

Test(corners, a_step_of_more_names_than_the_history_takes)
{
	static uint32_t named[20000];
	struct cycle cycle;

	cr_assert(cycle_init(&cycle) && cycle_reserve(&cycle, 20000));
	for (uint32_t i = 0; i < 20000; i++)
		named[i] = i;
	for (uint64_t op = 1; op < 6; op++)
		cycle_observe(&cycle, named, 20000, op, op);
	cr_assert(le(u64, cycle.name, 5 * 20000 - 5));
	cycle_finish(&cycle);
}

Test(corners, a_context_older_than_the_history_is_none)
{
	struct cycle cycle;
	uint64_t op = 0;
	uint32_t block;
	uint64_t steps;

	cr_assert(cycle_init(&cycle) && cycle_reserve(&cycle, 80000));
	for (uint32_t b = 0; b < 12; b++)
		observe(&cycle, &op, b);
	for (uint32_t b = 100; b < 70000; b++)
		observe(&cycle, &op, b);
	for (uint32_t b = 0; b < 12; b++)
		observe(&cycle, &op, b);
	cr_assert(eq(u32, cycle_names(&cycle), 0));
	cr_assert_not(cycle_predicts(&cycle));
	cr_assert_not(cycle_ahead(&cycle, 0, &block, &steps), "0 is no name");
	cycle_finish(&cycle);
}

/* Of a block that is named every other time the next use is found, if not at once. */
Test(corners, a_use_that_is_many_names_away)
{
	struct cycle cycle;
	uint64_t op = 0, steps = 0;

	cr_assert(cycle_init(&cycle) && cycle_reserve(&cycle, 2048));
	for (int round = 0; round < 3; round++)
		for (uint32_t b = 0; b < 2000; b++)
			observe(&cycle, &op, b % 2 ? 2040 : b);
	for (int question = 0; question < 8; question++)
		steps = cycle_steps_to(&cycle, 2040);
	cr_assert(eq(u64, steps, 2));
	cycle_finish(&cycle);
}
