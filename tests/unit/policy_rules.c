/* Single rules of the policies, where the tests of what they achieve would not miss one. */
#include "core/state.h"
#include "policy_test.h"

static uint32_t residents(const struct rig *rig, uint32_t first, uint32_t count)
{
	uint32_t resident = 0;

	for (uint32_t i = 0; i < count; i++)
		resident += rig->blocks[first + i].resident;
	return resident;
}

static void upload(struct rig *rig, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		policy_block_uploaded(rig->policy, first + i, 0);
}

/* Cold from the start, whatever room there is. */
static void add_cold(struct rig *rig, uint32_t block, uint64_t bytes, uint32_t component,
		     uint32_t group)
{
	cr_assert(policy_block_added(rig->policy, block, bytes, component, group, false,
				     rig->now_ns));
	rig->blocks[block] = (struct rig_block){.known = true, .bytes = bytes};
}

static struct policy_config no_cold_config(uint64_t cap_bytes)
{
	struct policy_config config = rig_config(cap_bytes, true);

	config.in_place_ratio = 0;
	return config;
}

/* --- batches and the table */

Test(batch, has_blocks_come_in_as_they_were_named)
{
	struct policy_action actions[8];
	struct rig rig;

	rig_open(&rig, "lru", rig_config(8 * PAGE, true));
	for (uint32_t i = 0; i < 4; i++)
		add_cold(&rig, i, PAGE, 0, 0);
	cr_assert(
	    eq(sz, policy_use(rig.policy, (uint32_t[]){2, 0, 3, 1}, 4, 1, actions, 8), 4));
	cr_assert(actions[0].block == 2 && actions[1].block == 0 && actions[2].block == 3 &&
		  actions[3].block == 1);
	rig_close(&rig);
}

Test(table, has_a_block_once_that_is_added_twice)
{
	struct rig rig;

	rig_open(&rig, "lru", rig_config(8 * PAGE, true));
	cr_assert(policy_block_added(rig.policy, 3, 4 * PAGE, 0, 0, true, 0));
	cr_assert(policy_block_added(rig.policy, 3, 2 * PAGE, 0, 0, true, 0));
	cr_assert(eq(u64, rig.policy->table.resident_bytes, 2 * PAGE));
	cr_assert(eq(u32, rig.policy->table.known, 1));
	cr_assert(policy_place_on_device(rig.policy, 6 * PAGE));
	rig_close(&rig);
}

Test(table, counts_a_block_once_that_an_operation_names_twice)
{
	struct rig rig;

	rig_open(&rig, "lru", rig_config(8 * PAGE, true));
	rig_add_many(&rig, 0, 2, 0);
	for (int i = 0; i < 3; i++)
		table_use(&rig.policy->table, (uint32_t[]){1, 1, 1}, 3);
	cr_assert(eq(u32, rig.policy->table.entries[1].uses, 3));
	cr_assert(eq(u32, rig.policy->table.entries[1].run, 3));
	rig_close(&rig);
}

Test(table, has_pinned_blocks_on_no_list_of_what_may_move)
{
	struct rig rig;

	rig_open(&rig, "lru", rig_config(8 * PAGE, true));
	rig_add_many(&rig, 0, 3, 0);
	rig_pin(&rig, 0, true);
	cr_assert(eq(u32, rig.policy->table.oldest[LIST_LOOSE], 1));
	cr_assert(eq(u32, rig.policy->table.oldest[LIST_PINNED], 0));
	rig_pin(&rig, 0, false);
	cr_assert(eq(u32, rig.policy->table.newest[LIST_LOOSE], 0));
	cr_assert(eq(u32, rig.policy->table.oldest[LIST_PINNED], BLOCK_NONE));
	rig_close(&rig);
}

/* --- sequential */

Test(sequential, spares_scratch_that_this_operation_does_not_name)
{
	struct rig rig;

	rig_open(&rig, "sequential", rig_config(8 * PAGE, false));
	rig_add_many(&rig, 0, 30, 0);
	rig_add(&rig, 100, PAGE, 7, 0);
	upload(&rig, 0, 30);
	for (uint32_t i = 0; i < 5; i++)
		rig_use_many(&rig, (uint32_t[]){10 + i, 100}, 2);
	rig_use(&rig, 20);
	cr_assert(rig.blocks[100].resident, "the next operation will want it again");
	rig_close(&rig);
}

Test(sequential, guesses_no_further_than_the_component)
{
	struct rig rig;

	rig_open(&rig, "sequential", rig_config(8 * PAGE, false));
	for (uint32_t i = 0; i < 10; i++)
		add_cold(&rig, i, PAGE, i < 4 ? 1 : 2, 0);
	rig_use(&rig, 2);
	cr_assert(rig.blocks[2].resident && rig.blocks[3].resident);
	cr_assert(eq(u32, residents(&rig, 4, 6), 0));
	rig_close(&rig);
}

Test(sequential, counts_what_comes_twice_once)
{
	const uint32_t both[] = {1, 2};
	struct rig rig;

	rig_open(&rig, "sequential", rig_config(20 * PAGE, true));
	for (uint32_t i = 0; i < 20; i++)
		add_cold(&rig, i, PAGE, i, 0);
	/* After the operation that names both, block 0 comes twice, and between them what is
	 * there already. */
	for (int round = 0; round < 4; round++) {
		rig_use_many(&rig, both, 2);
		rig_scan(&rig, 0, 3);
		rig_use(&rig, 0);
		rig_scan(&rig, 3, 17);
	}
	rig_use_many(&rig, both, 2);
	cr_assert(rig.blocks[0].resident && rig.blocks[3].resident);
	cr_assert(eq(u32, residents(&rig, 0, 20), 4), "%u", residents(&rig, 0, 20));
	rig_close(&rig);
}

/* --- group */

Test(group, that_fits_is_not_split_by_rounds_that_name_a_part_of_it)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(12 * PAGE, false));
	for (uint32_t i = 0; i < 20; i++)
		add_cold(&rig, i, PAGE, i, i < 10 ? 1 : 2);
	upload(&rig, 0, 20);
	rig_rounds(&rig, 20, 0, 6);
	rig_rounds(&rig, 20, 10, 6);
	rig_rounds(&rig, 20, 0, 6);
	rig_use(&rig, 10);
	rig_use(&rig, 0);
	cr_assert(eq(u32, residents(&rig, 0, 10), 10));
	rig_close(&rig);
}

Test(group, is_told_also_of_what_nobody_uploaded)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(12 * PAGE, false));
	for (uint32_t i = 0; i < 20; i++)
		add_cold(&rig, i, PAGE, i, i < 10 ? 1 : 2);
	rig_use(&rig, 3);
	cr_assert(eq(u32, residents(&rig, 0, 10), 10));
	rig_use(&rig, 13);
	cr_assert(eq(u32, residents(&rig, 0, 10), 0));
	cr_assert(eq(u32, residents(&rig, 10, 10), 10));
	rig_close(&rig);
}

Test(group, leaves_activations_where_they_are)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(16 * PAGE, false));
	for (uint32_t i = 0; i < 20; i++)
		add_cold(&rig, i, PAGE, i, i < 10 ? 1 : 2);
	upload(&rig, 0, 20);
	rig_add(&rig, 30, PAGE, 30, 0);
	rig_use_many(&rig, (uint32_t[]){0, 30}, 2);
	rig_use(&rig, 12);
	cr_assert(eq(u32, residents(&rig, 10, 10), 10));
	cr_assert(rig.blocks[30].resident);
	cr_assert(eq(u64, rig.evictions, 10));
	rig_close(&rig);
}

Test(group, larger_than_the_cap_leaves_room_for_cold_activations)
{
	struct rig rig;

	rig_open(&rig, "group", rig_config(8 * PAGE, false));
	for (uint32_t i = 0; i < 20; i++)
		add_cold(&rig, i, PAGE, i, 1);
	upload(&rig, 0, 20);
	add_cold(&rig, 30, PAGE, 30, 0);
	add_cold(&rig, 31, PAGE, 31, 0);
	rig_use(&rig, 0);
	cr_assert(eq(u32, residents(&rig, 0, 20), 6));
	rig_use_many(&rig, (uint32_t[]){30, 31}, 2);
	cr_assert(eq(u32, residents(&rig, 30, 2), 2));
	cr_assert(eq(u64, rig.evictions, 0));
	rig_close(&rig);
}

/* --- auto */

Test(automatic, does_not_turn_to_groups_for_a_single_phase)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(12 * PAGE, false));
	rig_add_many(&rig, 0, 10, 1);
	rig_add_many(&rig, 10, 10, 0);
	for (int i = 0; i < 60; i++)
		rig_scan(&rig, 0, 10);
	cr_assert(eq(str, (char *)rig_report(&rig).name, "balanced"));
	rig_close(&rig);
}

Test(automatic, forgets_what_balanced_kept_when_another_decides)
{
	struct rig rig;

	rig_open(&rig, "auto", rig_config(40 * PAGE, true));
	rig_add_many(&rig, 0, 80, 0);
	add_cold(&rig, 99, 30 * PAGE, 99, 0);
	rig_rounds(&rig, 6, 0, 80);
	cr_assert(gt(u64, rig.policy->balanced.kept_bytes, 0));
	for (int round = 0; round < 3; round++) {
		rig_scan(&rig, 0, 40);
		rig_use_many(&rig, (uint32_t[]){39, 99}, 2);
		rig_scan(&rig, 40, 40);
	}
	cr_assert(eq(str, (char *)rig_report(&rig).name, "sequential"));
	cr_assert(eq(u32, rig.policy->table.oldest[LIST_KEPT], BLOCK_NONE));
	cr_assert(le(u32, residents(&rig, 0, 80), 3));
	rig_close(&rig);
}

Test(automatic, looks_again_where_no_cycle_is_learnt)
{
	uint64_t seed = 5;
	struct rig rig;

	rig_open(&rig, "auto", rig_config(20 * PAGE, false));
	rig_add_many(&rig, 0, 10, 0);
	for (int i = 0; i < 1100; i++)
		rig_use(&rig, (uint32_t)(rig_random(&seed) % 10));
	cr_assert(eq(str, (char *)rig_report(&rig).reason, "everything fits under the cap"));
	rig_add_many(&rig, 10, 30, 0);
	for (int i = 0; i < 1100; i++)
		rig_use(&rig, (uint32_t)(rig_random(&seed) % 40));
	cr_assert(ne(str, (char *)rig_report(&rig).reason, "everything fits under the cap"));
	rig_close(&rig);
}

/* --- the cycle */

Test(cycle, does_not_depend_on_the_order_of_arguments)
{
	uint64_t seed = 11;
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(200 * PAGE, true));
	rig_add_many(&rig, 0, 120, 0);
	for (int round = 0; round < 5; round++)
		for (uint32_t i = 0; i < 120; i += 4) {
			uint32_t named[4] = {i, i + 1, i + 2, i + 3};

			for (int k = 3; k > 0; k--) {
				uint32_t other = (uint32_t)(rig_random(&seed) % (k + 1u));
				uint32_t swap = named[k];

				named[k] = named[other];
				named[other] = swap;
			}
			rig_use_many(&rig, named, 4);
		}
	cr_assert(eq(u32, rig_report(&rig).cycle_blocks, 120));
	rig_close(&rig);
}

/* One block of four is the same, in the same place: not the same work. */
Test(cycle, is_not_followed_by_steps_that_share_little)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(1000 * PAGE, true));
	rig_add_many(&rig, 0, 900, 0);
	for (int round = 0; round < 3; round++)
		for (uint32_t i = 0; i < 30; i++)
			rig_use_many(&rig,
				     (uint32_t[]){i, 100 + 3 * i, 101 + 3 * i, 102 + 3 * i}, 4);
	cr_assert(cycle_predicts(&rig.policy->cycle));
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 30; i++) {
			uint32_t other = 200 + 100 * round + 3 * i;

			rig_use_many(&rig, (uint32_t[]){i, other, other + 1, other + 2}, 4);
		}
	cr_assert_not(cycle_predicts(&rig.policy->cycle));
	rig_close(&rig);
}

/* --- balanced: a static set */

/* In which round the one block that is cold and used twice a round comes in for one of those
 * that are used once. */
static int round_of_the_swap(bool uploaded)
{
	struct policy_config config = rig_config(20 * PAGE, false);
	struct rig rig;
	int round = 0;

	config.d2h_bytes_per_s = 4e9;
	rig_open(&rig, "balanced", config);
	rig_add_many(&rig, 0, 20, 0);
	if (uploaded)
		upload(&rig, 0, 20);
	add_cold(&rig, 20, PAGE, 20, 0);
	for (; round < 40 && !rig.blocks[20].resident; round++) {
		rig_scan(&rig, 0, 10);
		rig_use(&rig, 20);
		rig_scan(&rig, 10, 10);
		rig_use(&rig, 20);
	}
	rig_close(&rig);
	return round;
}

Test(static_set, waits_longer_where_a_copy_out_is_to_be_paid_as_well)
{
	int clean = round_of_the_swap(true), dirty = round_of_the_swap(false);

	cr_assert(lt(int, clean, dirty), "%d rounds, %d", clean, dirty);
}

/* It was named often, and its place in the round is another block's now. */
Test(static_set, forgets_how_often_a_block_was_used_that_has_left_the_cycle)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(20 * PAGE, false));
	rig_add_many(&rig, 0, 20, 0);
	upload(&rig, 0, 20);
	add_cold(&rig, 20, PAGE, 20, 0);
	policy_block_uploaded(rig.policy, 20, 0);
	for (int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 16; i += 4) {
			rig_scan(&rig, i, 4);
			rig_use(&rig, 19);
		}
		rig_scan(&rig, 16, 3);
	}
	for (int round = 0; round < 4; round++) {
		rig_scan(&rig, 0, 16);
		rig_use(&rig, 20);
		rig_scan(&rig, 16, 3);
	}
	cr_assert(rig.blocks[20].resident);
	rig_close(&rig);
}

/* --- balanced: streamed */

/* A cycle of 40 with room for 20, streamed. */
static void open_streamed(struct rig *rig, double in_place_ratio)
{
	struct policy_config config = rig_config(20 * PAGE, true);

	config.in_place_ratio = in_place_ratio;
	rig_open(rig, "balanced", config);
	rig_add_many(rig, 0, 40, 0);
	upload(rig, 0, 40);
	rig_rounds(rig, 6, 0, 40);
	cr_assert(rig->policy->balanced.set_chosen);
}

Test(resident_set, leaves_room_for_what_cannot_move)
{
	struct rig rig;
	uint64_t without, kept = 0;

	open_streamed(&rig, 0.6);
	without = rig.policy->balanced.kept_bytes;
	rig_close(&rig);
	rig_open(&rig, "balanced", rig_config(20 * PAGE, true));
	rig_add_many(&rig, 100, 6, 0);
	for (uint32_t i = 100; i < 106; i++)
		rig_pin(&rig, i, true);
	rig_add_many(&rig, 0, 40, 0);
	upload(&rig, 0, 40);
	rig_rounds(&rig, 6, 0, 40);
	for (uint32_t i = 0; i < 40; i++)
		kept += rig.policy->table.entries[i].kept ? PAGE : 0;
	cr_assert(gt(u64, kept, 0));
	cr_assert(le(u64, kept + 6 * PAGE, without));
	rig_close(&rig);
}

Test(resident_set, chooses_again_when_the_cap_changes)
{
	struct rig rig;

	open_streamed(&rig, 0.6);
	rig_cap(&rig, 10 * PAGE);
	rig_rounds(&rig, 3, 0, 40);
	cr_assert(le(u64, rig.policy->balanced.kept_bytes, 8 * PAGE));
	rig_close(&rig);
}

static uint32_t first_cold(const struct rig *rig, bool kept)
{
	uint32_t block = 0;

	while (block < 40 &&
	       (rig->blocks[block].resident || rig->policy->table.entries[block].kept != kept))
		block++;
	return block;
}

/* It is read once, and over already before it would have come. */
Test(streaming, spends_no_copy_on_what_is_late)
{
	struct rig rig;
	uint32_t block;

	open_streamed(&rig, 0.6);
	rig_scan(&rig, 0, 10);
	block = first_cold(&rig, false);
	cr_assert(lt(u32, block, 10));
	rig_use(&rig, block);
	cr_assert_not(rig.blocks[block].resident);
	rig_close(&rig);
}

Test(streaming, brings_in_what_is_kept_however_late)
{
	struct rig rig;
	uint32_t block = 0;

	open_streamed(&rig, 0.6);
	rig_scan(&rig, 0, 10);
	while (!rig.blocks[block].resident || !rig.policy->table.entries[block].kept)
		block++;
	/* Somebody needed the room. */
	rig.blocks[block].resident = false;
	rig.resident_bytes -= PAGE;
	policy_block_moved(rig.policy, block, false);
	rig_use(&rig, block);
	cr_assert(rig.blocks[block].resident);
	rig_close(&rig);
}

/* One block of the round is too large beside what cannot move. */
Test(streaming, goes_on_past_what_never_fits)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(20 * PAGE, true));
	rig_add_many(&rig, 100, 12, 0);
	for (uint32_t i = 100; i < 112; i++)
		rig_pin(&rig, i, true);
	rig_add_many(&rig, 0, 40, 0);
	upload(&rig, 0, 40);
	add_cold(&rig, 50, 9 * PAGE, 50, 0);
	for (int round = 0; round < 12; round++) {
		rig_scan(&rig, 0, 20);
		/* The bus is not idle until it has passed. */
		cr_assert(round < 8 || residents(&rig, 20, 3) == 3, "round %d", round);
		rig_use(&rig, 50);
		rig_scan(&rig, 20, 20);
	}
	rig_close(&rig);
}

/* --- balanced: nothing learnt */

Test(scan_resistant, brings_in_nothing_that_was_never_used)
{
	struct rig rig;
	uint64_t seed = 3;

	rig_open(&rig, "balanced", rig_config(20 * PAGE, false));
	rig_add_many(&rig, 0, 10, 0);
	for (uint32_t i = 10; i < 30; i++)
		add_cold(&rig, i, PAGE, i, 0);
	for (int i = 0; i < 200; i++)
		rig_use(&rig, (uint32_t)(rig_random(&seed) % 14));
	rig_quiet(&rig);
	cr_assert(eq(u32, residents(&rig, 10, 4), 4), "there is room");
	cr_assert(eq(u32, residents(&rig, 14, 16), 0));
	rig_close(&rig);
}

Test(scan_resistant, stops_the_work_for_several_swaps_at_once)
{
	struct rig rig;
	uint64_t seed = 3;

	rig_open(&rig, "balanced", rig_config(40 * PAGE, false));
	for (uint32_t i = 0; i < 32; i++)
		add_cold(&rig, i, PAGE, i, 0);
	for (int i = 0; i < 300; i++)
		rig_use(&rig, (uint32_t)(rig_random(&seed) % 32));
	cr_assert(ge(u64, rig.page_ins, 16));
	cr_assert(le(u64, rig.batches, rig.page_ins / 4), "%lu for %lu",
		  (unsigned long)rig.batches, (unsigned long)rig.page_ins);
	rig_close(&rig);
}

/* Where nothing may stay cold: the newest leave, of those the least used, and not what works
 * all the time. */
Test(scan_resistant, gives_away_the_least_used_of_the_newest)
{
	struct rig rig;

	rig_open(&rig, "balanced", no_cold_config(6 * PAGE));
	rig_add_many(&rig, 0, 6, 0);
	add_cold(&rig, 6, PAGE, 6, 0);
	for (int i = 0; i < 3; i++) {
		rig_use(&rig, 0);
		rig_use(&rig, 1);
		rig_use(&rig, 2);
		rig_use(&rig, 3);
	}
	rig_use(&rig, 5);
	rig_use(&rig, 4);
	rig_use(&rig, 0);
	rig_use(&rig, 1);
	rig_use(&rig, 2);
	rig_use(&rig, 3);
	rig_use(&rig, 6);
	cr_assert(rig.blocks[6].resident);
	cr_assert_not(rig.blocks[4].resident && rig.blocks[5].resident);
	cr_assert(eq(u32, residents(&rig, 0, 4), 4));
	rig_close(&rig);
}

Test(scan_resistant, keeps_what_works_all_the_time)
{
	struct rig rig;

	rig_open(&rig, "balanced", no_cold_config(4 * PAGE));
	rig_add_many(&rig, 0, 4, 0);
	for (uint32_t i = 4; i < 12; i++)
		add_cold(&rig, i, PAGE, i, 0);
	/* Scratch, new and used seldom so far, beside blocks that were used often. */
	for (int i = 0; i < 4; i++)
		rig_scan(&rig, 0, 3);
	rig_use(&rig, 3);
	rig_use_many(&rig, (uint32_t[]){0, 3}, 2);
	rig_use(&rig, 4);
	cr_assert(rig.blocks[3].resident);
	cr_assert(rig.blocks[4].resident);
	rig_close(&rig);
}

/* Too many steps of late were others for the cycle to foretell, and it is not lost yet. */
Test(batch, takes_kept_blocks_when_nothing_else_is_left)
{
	struct rig rig;

	rig_open(&rig, "balanced", no_cold_config(40 * PAGE));
	rig_add_many(&rig, 0, 80, 0);
	for (uint32_t i = 100; i < 110; i++)
		add_cold(&rig, i, PAGE, i, 0);
	add_cold(&rig, 99, 38 * PAGE, 99, 0);
	rig_rounds(&rig, 6, 0, 80);
	for (uint32_t i = 0; i < 6; i++) {
		rig_scan(&rig, 4 * i, 3);
		rig_use(&rig, 100 + i);
	}
	cr_assert(ne(u32, rig.policy->table.oldest[LIST_KEPT], BLOCK_NONE));
	cr_assert_not(cycle_predicts(&rig.policy->cycle));
	rig_use(&rig, 99);
	cr_assert(rig.blocks[99].resident);
	rig_close(&rig);
}
