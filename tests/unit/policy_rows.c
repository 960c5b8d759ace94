/* What each row of policies.def promises, one by one; balanced has policy_balanced.c. */
#include "policy_test.h"

#include <string.h>

static uint32_t count_resident(const struct rig *rig, uint32_t first, uint32_t count)
{
	uint32_t resident = 0;

	for (uint32_t i = 0; i < count; i++)
		resident += rig->blocks[first + i].resident;
	return resident;
}

Test(none, moves_nothing_and_puts_everything_on_the_device)
{
	struct rig rig;

	rig_open(&rig, "none", rig_config(4 * PAGE, true));
	cr_assert(policy_place_on_device(rig.policy, 100 * PAGE));
	rig_add_many(&rig, 0, 8, 0);
	for (int i = 0; i < 5; i++)
		rig_scan(&rig, 0, 8);
	rig_quiet(&rig);
	cr_assert(eq(u64, rig_pressure(&rig, PAGE), 0));
	rig_cap(&rig, PAGE);
	rig_scan(&rig, 0, 8);
	cr_assert(eq(u64, rig.page_ins + rig.evictions, 0));
	cr_assert(eq(str, (char *)rig_report(&rig).name, "none"));
	rig_close(&rig);
}

Test(placing, answers_yes_while_the_block_fits)
{
	for (size_t row = 0; policy_name(row); row++) {
		struct rig rig;

		if (!strcmp(policy_name(row), "none"))
			continue;
		rig_open(&rig, policy_name(row), rig_config(4 * PAGE, false));
		cr_assert(policy_place_on_device(rig.policy, 4 * PAGE));
		cr_assert_not(policy_place_on_device(rig.policy, 4 * PAGE + 1));
		cr_assert_not(policy_place_on_device(rig.policy, UINT64_MAX));
		rig_add_many(&rig, 0, 3, 0);
		cr_assert(policy_place_on_device(rig.policy, PAGE), "%s", policy_name(row));
		cr_assert_not(policy_place_on_device(rig.policy, PAGE + 1));
		rig_close(&rig);
	}
}

Test(lru, brings_in_what_is_named_for_what_was_named_longest_ago)
{
	struct rig rig;

	rig_open(&rig, "lru", rig_config(3 * PAGE, true));
	rig_add_many(&rig, 0, 5, 0);
	rig_use(&rig, 1);
	rig_use(&rig, 0);
	rig_use(&rig, 2);
	rig_use(&rig, 3);
	cr_assert(rig.blocks[3].resident && !rig.blocks[1].resident);
	rig_use(&rig, 1);
	cr_assert(rig.blocks[1].resident && !rig.blocks[0].resident);
	rig_close(&rig);
}

Test(lru, counts_what_it_asked_for)
{
	struct rig rig;

	rig_open(&rig, "lru", rig_config(3 * PAGE, true));
	rig_add_many(&rig, 0, 5, 0);
	rig_scan(&rig, 0, 5);
	rig_scan(&rig, 0, 5);
	cr_assert(eq(u64, rig_report(&rig).page_ins, 7));
	cr_assert(eq(u64, rig_report(&rig).evictions, 7));
	cr_assert(eq(u64, rig.in_place, 0));
	rig_close(&rig);
}

Test(lru, leaves_in_place_what_cannot_fit)
{
	struct rig rig;

	rig_open(&rig, "lru", rig_config(3 * PAGE, true));
	rig_add(&rig, 0, 4 * PAGE, 0, 0);
	rig_add_many(&rig, 1, 5, 0);
	rig_use(&rig, 0);
	cr_assert(eq(u64, rig.in_place, 1));
	cr_assert(eq(u64, rig.evictions, 0));
	rig_use_many(&rig, (uint32_t[]){1, 2, 3, 4, 5}, 5);
	cr_assert(eq(u64, rig.in_place, 3), "three of five are there, all are named");
	rig_close(&rig);
}

Test(lru, takes_nothing_for_a_block_that_does_not_fit_after_all)
{
	struct rig rig;

	rig_open(&rig, "lru", rig_config(4 * PAGE, true));
	rig_add_many(&rig, 0, 4, 0);
	rig_add(&rig, 4, 4 * PAGE, 0, 0);
	rig_add(&rig, 5, PAGE, 0, 0);
	rig_scan(&rig, 0, 4);
	rig_use_many(&rig, (uint32_t[]){0, 4, 5}, 3);
	cr_assert(eq(u64, rig.evictions, 1));
	cr_assert(rig.blocks[5].resident && !rig.blocks[1].resident);
	rig_close(&rig);
}

Test(sequential, holds_only_what_is_named_and_what_comes_next)
{
	struct rig rig;

	rig_open(&rig, "sequential", rig_config(20 * PAGE, false));
	rig_add_many(&rig, 0, 40, 0);
	rig_use(&rig, 30);
	cr_assert(eq(u64, rig.resident_bytes, 3 * PAGE));
	cr_assert(eq(u32, count_resident(&rig, 30, 3), 3), "the next in order of allocation");
	rig_use(&rig, 31);
	rig_use(&rig, 32);
	cr_assert(eq(u64, rig.batches, 1), "one switch for three operations");
	rig_use(&rig, 33);
	cr_assert(eq(u64, rig.batches, 2));
	cr_assert(eq(u64, rig.resident_bytes, 3 * PAGE));
	rig_close(&rig);
}

Test(sequential, looks_two_blocks_along_the_learnt_cycle)
{
	struct rig rig;

	rig_open(&rig, "sequential", rig_config(10 * PAGE, true));
	rig_add_many(&rig, 0, 40, 0);
	for (int round = 0; round < 4; round++)
		for (uint32_t i = 0; i < 40; i++)
			rig_use(&rig, i * 7 % 40);
	for (uint32_t i = 0; i < 3; i++)
		cr_assert(rig.blocks[(i + 39) * 7 % 40].resident);
	cr_assert(eq(u64, rig.resident_bytes, 3 * PAGE));
	rig_forget_counts(&rig);
	for (uint32_t i = 0; i < 40; i++)
		rig_use(&rig, i * 7 % 40);
	cr_assert(eq(u64, rig.hits, 40));
	cr_assert(eq(u64, rig.page_ins, 40));
	rig_close(&rig);
}

Test(sequential, spares_the_scratch_that_every_operation_writes)
{
	struct rig rig;

	rig_open(&rig, "sequential", rig_config(10 * PAGE, false));
	rig_add_many(&rig, 0, 30, 0);
	rig_add(&rig, 100, PAGE, 5, 0);
	for (uint32_t i = 0; i < 30; i++) {
		rig_use_many(&rig, (uint32_t[]){i, 100}, 2);
		rig_use(&rig, i);
	}
	cr_assert(rig.blocks[100].resident);
	cr_assert(le(u64, rig.resident_bytes, 4 * PAGE));
	rig_close(&rig);
}

static void add_groups(struct rig *rig)
{
	rig_add_many(rig, 0, 8, 1);
	rig_add_many(rig, 8, 10, 2);
	rig_add_many(rig, 18, 6, 3);
}

Test(group, comes_in_whole_and_the_others_go_out_entirely)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(15 * PAGE, false));
	add_groups(&rig);
	cr_assert(eq(u32, count_resident(&rig, 0, 24), 15));
	rig_use(&rig, 17);
	cr_assert(eq(u32, count_resident(&rig, 8, 10), 10));
	cr_assert(eq(u64, rig.resident_bytes, 10 * PAGE));
	rig_scan(&rig, 8, 10);
	cr_assert(eq(u64, rig.batches, 1));
	rig_use(&rig, 20);
	cr_assert(eq(u32, count_resident(&rig, 18, 6), 6));
	cr_assert(eq(u64, rig.resident_bytes, 6 * PAGE));
	rig_close(&rig);
}

Test(group, brings_in_every_group_that_the_operation_names)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(15 * PAGE, false));
	add_groups(&rig);
	rig_use_many(&rig, (uint32_t[]){0, 18}, 2);
	cr_assert(eq(u32, count_resident(&rig, 0, 8) + count_resident(&rig, 18, 6), 14));
	cr_assert(eq(u64, rig.resident_bytes, 14 * PAGE));
	rig_close(&rig);
}

Test(group, is_the_component_where_nothing_else_is_known)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(4 * PAGE, false));
	for (uint32_t i = 0; i < 9; i++) {
		rig_add(&rig, i, PAGE, i / 3, 0);
		policy_block_uploaded(rig.policy, i, 0);
	}
	rig_use(&rig, 8);
	cr_assert(eq(u32, count_resident(&rig, 6, 3), 3));
	cr_assert(eq(u64, rig.resident_bytes, 3 * PAGE));
	policy_block_grouped(rig.policy, 0, 9);
	policy_block_grouped(rig.policy, 4, 9);
	rig_use(&rig, 0);
	cr_assert(rig.blocks[0].resident && rig.blocks[4].resident);
	cr_assert(eq(u64, rig.resident_bytes, 2 * PAGE));
	rig_close(&rig);
}

Test(group, is_left_in_by_what_belongs_to_none)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(4 * PAGE, false));
	for (uint32_t i = 0; i < 4; i++) {
		rig_add(&rig, i, PAGE, i, 1);
		policy_block_uploaded(rig.policy, i, 0);
	}
	rig_use(&rig, 0);
	cr_assert(eq(u32, count_resident(&rig, 0, 4), 4));
	rig_add(&rig, 4, PAGE, 9, 0); /* an activation, with no room left for it */
	for (int i = 0; i < 10; i++) {
		rig_use(&rig, 4);
		rig_use(&rig, (uint32_t)i % 4);
	}
	cr_assert(eq(u32, count_resident(&rig, 0, 4), 4));
	rig_close(&rig);
}

Test(group, larger_than_the_cap_keeps_the_same_members)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(6 * PAGE, false));
	rig_add_many(&rig, 0, 4, 1);
	rig_add_many(&rig, 4, 10, 2);
	rig_use(&rig, 13);
	cr_assert(eq(u64, rig.resident_bytes, 6 * PAGE));
	rig_forget_counts(&rig);
	for (int i = 0; i < 3; i++)
		rig_scan(&rig, 4, 10);
	cr_assert(eq(u64, rig.page_ins + rig.evictions, 0));
	cr_assert(eq(u64, rig.hits, 18));
	cr_assert(eq(u64, rig.in_place, 12));
	rig_close(&rig);
}

Test(group, is_what_a_round_works_with_where_all_was_uploaded_in_one_go)
{
	struct rig rig;

	/* Encoder, denoiser, decoder; twenty pages in one burst of uploads. */
	rig_open(&rig, "group", rig_config(14 * PAGE, false));
	rig_add_many(&rig, 0, 20, 7);
	for (uint32_t i = 0; i < 20; i++)
		policy_block_uploaded(rig.policy, i, 0);
	rig_scan(&rig, 0, 4);
	for (int round = 0; round < 6; round++)
		rig_scan(&rig, 4, 12);
	rig_forget_counts(&rig);
	for (int round = 0; round < 6; round++)
		rig_scan(&rig, 4, 12);
	cr_assert(eq(u64, rig.hits, 6 * 12));
	cr_assert(eq(u64, rig.page_ins, 0));
	rig_use(&rig, 17);
	cr_assert(rig.blocks[16].resident && rig.blocks[19].resident && rig.blocks[0].resident);
	for (uint32_t i = 4; i < 16; i++)
		cr_assert_not(rig.blocks[i].resident, "denoiser's %u", i);
	rig_close(&rig);
}

Test(group, larger_than_the_cap_grows_with_it)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(6 * PAGE, false));
	rig_add_many(&rig, 0, 10, 2);
	rig_scan(&rig, 0, 10);
	rig_cap(&rig, 8 * PAGE);
	rig_scan(&rig, 0, 10);
	cr_assert(eq(u64, rig.resident_bytes, 8 * PAGE));
	rig_remove(&rig, 0);
	rig_scan(&rig, 1, 9);
	cr_assert(eq(u32, count_resident(&rig, 1, 9), 8));
	rig_close(&rig);
}

Test(automatic, changes_nothing_while_everything_fits)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(30 * PAGE, false));
	add_groups(&rig);
	for (int i = 0; i < 100; i++)
		rig_scan(&rig, 0, 24);
	cr_assert(eq(str, (char *)rig_report(&rig).name, "balanced"));
	cr_assert(eq(str, (char *)rig_report(&rig).reason, "everything fits under the cap"));
	cr_assert(eq(u64, rig.page_ins + rig.evictions, 0));
	rig_close(&rig);
}

Test(automatic, turns_sequential_where_one_operation_needs_nearly_all)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(10 * PAGE, false));
	rig_add_many(&rig, 0, 64, 0);
	for (int i = 0; i < 6; i++)
		for (uint32_t op = 0; op < 8; op++) {
			uint32_t named[8];

			for (uint32_t j = 0; j < 8; j++)
				named[j] = op * 8 + j;
			rig_use_many(&rig, named, 8);
		}
	cr_assert(eq(str, (char *)rig_report(&rig).name, "sequential"));
	rig_close(&rig);
}

Test(automatic, leaves_operations_wider_than_the_cap_to_balanced)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(6 * PAGE, false));
	rig_add_many(&rig, 0, 64, 0);
	for (int i = 0; i < 6; i++)
		for (uint32_t op = 0; op < 8; op++) {
			uint32_t named[8];

			for (uint32_t j = 0; j < 8; j++)
				named[j] = op * 8 + j;
			rig_use_many(&rig, named, 8);
		}
	cr_assert(eq(str, (char *)rig_report(&rig).name, "balanced"));
	cr_assert(eq(u64, rig.page_ins, 0));
	rig_close(&rig);
}

Test(automatic, turns_to_groups_that_fit_and_are_used_for_long)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(15 * PAGE, false));
	add_groups(&rig);
	for (int image = 0; image < 4; image++) {
		rig_scan(&rig, 0, 8);
		for (int i = 0; i < 40; i++)
			rig_scan(&rig, 8, 10);
		rig_scan(&rig, 18, 6);
	}
	cr_assert(eq(str, (char *)rig_report(&rig).name, "group"));
	cr_assert(rig_report(&rig).reason != NULL);
	rig_close(&rig);
}

Test(automatic, does_not_turn_to_groups_that_take_turns)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(15 * PAGE, false));
	add_groups(&rig);
	for (int i = 0; i < 60; i++)
		rig_scan(&rig, 0, 24);
	cr_assert(eq(str, (char *)rig_report(&rig).name, "balanced"));
	rig_close(&rig);
}

Test(automatic, does_not_turn_to_a_group_larger_than_the_cap)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(9 * PAGE, false));
	add_groups(&rig);
	for (int image = 0; image < 4; image++) {
		rig_scan(&rig, 0, 8);
		for (int i = 0; i < 40; i++)
			rig_scan(&rig, 8, 10);
		rig_scan(&rig, 18, 6);
	}
	cr_assert(eq(str, (char *)rig_report(&rig).name, "balanced"));
	rig_close(&rig);
}

Test(automatic, stays_balanced_on_a_cycle_larger_than_the_cap)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(15 * PAGE, true));
	rig_add_many(&rig, 0, 60, 1);
	for (int i = 0; i < 6; i++)
		rig_scan(&rig, 0, 60);
	cr_assert(eq(str, (char *)rig_report(&rig).name, "balanced"));
	cr_assert(eq(u32, rig_report(&rig).cycle_blocks, 60));
	cr_assert(eq(u64, rig_report(&rig).cycle_ns, 60000));
	rig_close(&rig);
}

Test(pressure, frees_what_is_asked_and_no_more_than_a_block_above)
{
	for (size_t row = 0; policy_name(row); row++) {
		struct rig rig;

		if (!strcmp(policy_name(row), "none"))
			continue;
		rig_open(&rig, policy_name(row), rig_config(10 * PAGE, false));
		rig_add_many(&rig, 0, 10, 0);
		rig_pin(&rig, 0, true);
		rig_scan(&rig, 0, 10);
		cr_assert(eq(u64, rig_pressure(&rig, 0), 0));
		cr_assert(eq(u64, rig_pressure(&rig, 2 * PAGE + 1), 3 * PAGE), "%s",
			  policy_name(row));
		cr_assert_not(rig.blocks[1].resident, "the longest unused go first");
		cr_assert(eq(u64, rig_pressure(&rig, UINT64_MAX), 6 * PAGE), "all but one");
		rig_close(&rig);
	}
}

Test(pressure, takes_what_the_cycle_needs_last)
{
	struct rig rig;

	rig_open(&rig, "lru", rig_config(30 * PAGE, false));
	rig_add_many(&rig, 0, 30, 0);
	for (int i = 0; i < 4; i++)
		rig_scan(&rig, 0, 30);
	rig_scan(&rig, 0, 10);
	rig_pressure(&rig, 3 * PAGE);
	for (uint32_t i = 0; i < 30; i++)
		cr_assert(eq(int, rig.blocks[i].resident, i<7 || i> 9), "block %u", i);
	rig_close(&rig);
}

Test(pressure, may_take_what_the_last_operation_named)
{
	struct rig rig;
	uint32_t named[] = {0, 1, 2, 3};

	rig_open(&rig, "balanced", rig_config(4 * PAGE, false));
	rig_add_many(&rig, 0, 4, 0);
	rig_use_many(&rig, named, 4);
	cr_assert(eq(u64, rig_pressure(&rig, 2 * PAGE), 2 * PAGE));
	rig_close(&rig);
}

Test(cap, that_falls_is_met_by_the_next_operation)
{
	for (size_t row = 0; policy_name(row); row++)
		for (int quiet = 0; quiet < 2; quiet++) {
			struct rig rig;

			if (!strcmp(policy_name(row), "none"))
				continue;
			rig_open(&rig, policy_name(row), rig_config(10 * PAGE, false));
			rig_add_many(&rig, 0, 10, 0);
			rig_scan(&rig, 0, 10);
			rig_cap(&rig, 6 * PAGE);
			cr_assert_not(policy_place_on_device(rig.policy, 1));
			if (quiet)
				rig_quiet(&rig);
			else
				rig_use(&rig, 5);
			cr_assert(eq(u64, rig.resident_bytes, 6 * PAGE), "%s",
				  policy_name(row));
			rig_close(&rig);
		}
}
