/* What balanced does where a plain scan (policy_golden.c) does not show it. */
#include "policy_test.h"

#include <string.h>

static uint32_t count_resident(const struct rig *rig, uint32_t first, uint32_t count)
{
	uint32_t resident = 0;

	for (uint32_t i = 0; i < count; i++)
		resident += rig->blocks[first + i].resident;
	return resident;
}

Test(balanced, moves_nothing_below_the_mark)
{
	struct policy_config config = rig_config(20 * PAGE, true);
	struct rig rig;

	config.high_bytes = 15 * PAGE;
	config.low_bytes = 10 * PAGE;
	rig_open(&rig, "balanced", config);
	rig_add_many(&rig, 0, 15, 0);
	rig_rounds(&rig, 10, 0, 15);
	cr_assert(eq(u64, rig.page_ins + rig.evictions, 0));
	cr_assert(eq(u64, rig.hits, 150));
	cr_assert_not(policy_place_on_device(rig.policy, 1));
	rig_add_many(&rig, 15, 30, 0);
	rig_rounds(&rig, 10, 0, 45);
	cr_assert(le(u64, rig.resident_bytes, 15 * PAGE));
	rig_close(&rig);
}

Test(balanced, trims_to_the_low_mark_what_others_put_above_the_high_one)
{
	struct policy_config config = rig_config(20 * PAGE, false);
	struct rig rig;

	config.high_bytes = 15 * PAGE;
	config.low_bytes = 10 * PAGE;
	rig_open(&rig, "balanced", config);
	for (uint32_t i = 0; i < 18; i++) {
		policy_block_added(rig.policy, i, PAGE, 0, 0, true, 0);
		rig.blocks[i] =
		    (struct rig_block){.known = true, .resident = true, .bytes = PAGE};
	}
	rig.resident_bytes = 18 * PAGE;
	rig_quiet(&rig);
	cr_assert(eq(u64, rig.resident_bytes, 10 * PAGE));
	rig_close(&rig);
}

Test(balanced, gives_the_frames_of_a_finished_phase_to_the_next_in_few_windows)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(40 * PAGE, false));
	rig_add_many(&rig, 0, 100, 0);
	rig_rounds(&rig, 1, 0, 40); /* a text encoder fills the card */
	rig_rounds(&rig, 6, 50, 50);
	cr_assert(eq(u32, count_resident(&rig, 50, 50), 40));
	cr_assert(le(u64, rig.batches, 6), "%lu", (unsigned long)rig.batches);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 10, 50, 50);
	cr_assert(eq(u64, rig.page_ins + rig.evictions, 0));
	rig_close(&rig);
}

Test(balanced, waits_for_the_window_that_the_program_gives_every_round)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(40 * PAGE, false));
	rig_add_many(&rig, 0, 100, 0);
	rig_rounds(&rig, 1, 0, 40);
	for (int i = 0; i < 8; i++) {
		rig_forget_counts(&rig);
		rig_scan(&rig, 50, 50);
		/* What the first round cannot know is moved by scan_resistant, in windows of
		 * its own. */
		if (i > 0)
			cr_assert(eq(u64, rig.page_ins, 0), "round %d", i);
		rig_quiet(&rig);
		cr_assert(le(u64, rig.batches, 1));
	}
	cr_assert(eq(u32, count_resident(&rig, 50, 50), 40));
	rig_close(&rig);
}

static void uneven_round(struct rig *rig)
{
	/* 60..79 are read four times a round, 0..59 once. */
	for (uint32_t part = 0; part < 4; part++) {
		rig_scan(rig, part * 15, 15);
		rig_scan(rig, 60, 20);
	}
}

Test(balanced, prefers_what_is_read_often_in_a_round)
{
	for (int overlap = 0; overlap < 2; overlap++) {
		struct rig rig;

		rig_open(&rig, "balanced", rig_config(30 * PAGE, overlap));
		rig_add_many(&rig, 0, 80, 0);
		cr_assert(eq(u32, count_resident(&rig, 60, 20), 0));
		for (int i = 0; i < 8; i++)
			uneven_round(&rig);
		cr_assert(eq(u32, count_resident(&rig, 60, 20), 20), "overlap %d", overlap);
		rig_forget_counts(&rig);
		for (int i = 0; i < 4; i++)
			uneven_round(&rig);
		cr_assert(le(u64, rig.page_ins, overlap ? 4 * 55 : 0));
		cr_assert(ge(u64, rig.hits, overlap ? 4 * 140 : 4 * 90));
		rig_close(&rig);
	}
}

Test(balanced, is_not_swung_by_what_is_used_every_other_round)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(50 * PAGE, false));
	rig_add_many(&rig, 0, 100, 0);
	for (int i = 0; i < 40; i++) {
		rig_scan(&rig, 40, 40);
		rig_scan(&rig, i % 2 ? 80 : 0, 20);
	}
	cr_assert(le(u64, rig.page_ins, 60), "%lu", (unsigned long)rig.page_ins);
	rig_forget_counts(&rig);
	for (int i = 0; i < 40; i++) {
		rig_scan(&rig, 40, 40);
		rig_scan(&rig, i % 2 ? 80 : 0, 20);
	}
	cr_assert(le(u64, rig.page_ins, 4), "%lu", (unsigned long)rig.page_ins);
	rig_close(&rig);
}

/* Longest stretch of a round without a page-in, and without a pause between them. */
Test(balanced, spreads_what_it_keeps_evenly_along_the_round)
{
	struct rig rig;
	uint32_t idle = 0, busy = 0, longest_idle = 0, longest_busy = 0;

	rig_open(&rig, "balanced", rig_config(50 * PAGE, true));
	rig_add_many(&rig, 0, 100, 0);
	rig_rounds(&rig, 6, 0, 100);
	for (uint32_t i = 0; i < 100; i++) {
		uint64_t before = rig.page_ins;

		rig_use(&rig, i);
		busy = rig.page_ins > before ? busy + 1 : 0;
		idle = rig.page_ins > before ? 0 : idle + 1;
		longest_busy = busy > longest_busy ? busy : longest_busy;
		longest_idle = idle > longest_idle ? idle : longest_idle;
	}
	cr_assert(le(u32, longest_idle, 3), "%u", longest_idle);
	cr_assert(le(u32, longest_busy, 8), "%u", longest_busy);
	rig_close(&rig);
}

Test(balanced, has_wide_operations_find_all_they_name)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(48 * PAGE, true));
	rig_add_many(&rig, 0, 96, 0);
	for (int round = 0; round < 12; round++) {
		if (round == 8)
			rig_forget_counts(&rig);
		for (uint32_t op = 0; op < 12; op++) {
			uint32_t named[8];

			for (uint32_t i = 0; i < 8; i++)
				named[i] = op * 8 + i;
			rig_use_many(&rig, named, 8);
		}
	}
	cr_assert(eq(u64, rig.misses, 0));
	cr_assert(le(u64, rig.page_ins, 4 * (48 + 12)));
	rig_close(&rig);
}

static void picture(struct rig *rig)
{
	rig_scan(rig, 200, 40);
	rig_rounds(rig, 20, 0, 120);
	rig_scan(rig, 300, 60);
}

Test(balanced, serves_pictures_nearly_as_well_as_foresight_would)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(80 * PAGE, true));
	rig_add_many(&rig, 0, 360, 0);
	picture(&rig);
	picture(&rig);
	rig_forget_counts(&rig);
	picture(&rig);
	picture(&rig);
	/* At the least 40 of the UNet a step, the encoder, the decoder and the way back. */
	cr_assert(ge(u64, rig.page_ins + rig.in_place, 2 * 20 * 40));
	cr_assert(le(u64, rig.page_ins + rig.in_place, 2 * (20 * (40 + 8) + 40 + 60 + 80)));
	cr_assert(le(u64, rig.misses, 16), "%lu", (unsigned long)rig.misses);
	rig_close(&rig);
}

static void expert_token(struct rig *rig, uint64_t *seed)
{
	for (uint32_t layer = 0; layer < 16; layer++) {
		uint32_t expert = (uint32_t)(rig_random(seed) % 8);
		uint32_t other = (expert + 1 + (uint32_t)(rig_random(seed) % 7)) % 8;

		rig_use_many(rig, (uint32_t[]){layer, 200}, 2);
		rig_use_many(rig, (uint32_t[]){16 + layer * 8 + expert, 200}, 2);
		rig_use_many(rig, (uint32_t[]){16 + layer * 8 + other, 201}, 2);
	}
}

Test(balanced, does_not_thrash_on_experts_drawn_at_random)
{
	for (int overlap = 0; overlap < 2; overlap++) {
		uint64_t seed = 99;
		struct rig rig;

		rig_open(&rig, "balanced", rig_config(80 * PAGE, overlap));
		rig_add_many(&rig, 0, 144, 0);
		rig_add_many(&rig, 200, 2, 0);
		for (int token = 0; token < 100; token++)
			expert_token(&rig, &seed);
		rig_forget_counts(&rig);
		for (int token = 0; token < 200; token++)
			expert_token(&rig, &seed);
		cr_assert(eq(u32, rig_report(&rig).cycle_blocks, 0));
		cr_assert(eq(u32, count_resident(&rig, 0, 16), 16), "what every token reads");
		cr_assert(rig.blocks[200].resident && rig.blocks[201].resident);
		/* A swap for every four blocks read in place, at most. */
		cr_assert(le(u64, rig.page_ins * 4, rig.misses + 64));
		cr_assert(ge(u64, rig.hits * 100, (rig.hits + rig.misses) * 80));
		rig_close(&rig);
	}
}

Test(balanced, brings_scratch_in_that_is_named_all_the_time)
{
	for (int overlap = 0; overlap < 2; overlap++) {
		struct rig rig;

		rig_open(&rig, "balanced", rig_config(50 * PAGE, overlap));
		rig_add_many(&rig, 0, 101, 0);
		for (uint32_t i = 0; i < 100; i++)
			rig_use_many(&rig, (uint32_t[]){i, 100}, 2);
		cr_assert(rig.blocks[100].resident, "overlap %d", overlap);
		for (uint32_t i = 0; i < 800; i++) {
			rig_use_many(&rig, (uint32_t[]){i % 100, 100}, 2);
			cr_assert(rig.blocks[100].resident, "overlap %d, %u", overlap, i);
		}
		rig_close(&rig);
	}
}

Test(balanced, leaves_in_place_what_the_ring_cannot_hold)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(30 * PAGE, true));
	rig_add_many(&rig, 0, 60, 0);
	rig_add(&rig, 60, 40 * PAGE, 1, 0);
	rig_rounds(&rig, 8, 0, 61);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 4, 0, 61);
	cr_assert_not(rig.blocks[60].resident);
	cr_assert(ge(u64, rig.in_place, 4));
	rig_close(&rig);
}

Test(balanced, fills_the_room_that_others_leave)
{
	for (int overlap = 0; overlap < 2; overlap++) {
		struct rig rig;

		rig_open(&rig, "balanced", rig_config(50 * PAGE, overlap));
		rig_add_many(&rig, 0, 100, 0);
		rig_rounds(&rig, 4, 0, 100);
		for (uint32_t i = 0; i < 100; i += 4)
			rig_remove(&rig, i);
		for (int i = 0; i < 8; i++)
			for (uint32_t j = 0; j < 100; j++)
				if (j % 4)
					rig_use(&rig, j);
		cr_assert(ge(u64, rig.resident_bytes, 48 * PAGE), "overlap %d", overlap);
		rig_close(&rig);
	}
}

Test(balanced, follows_a_cap_that_falls_and_rises)
{
	for (int overlap = 0; overlap < 2; overlap++) {
		struct rig rig;

		rig_open(&rig, "balanced", rig_config(50 * PAGE, overlap));
		rig_add_many(&rig, 0, 100, 0);
		rig_rounds(&rig, 5, 0, 100);
		rig_cap(&rig, 20 * PAGE);
		rig_rounds(&rig, 5, 0, 100);
		cr_assert(le(u64, rig.resident_bytes, 20 * PAGE));
		rig_cap(&rig, 60 * PAGE);
		rig_rounds(&rig, 5, 0, 100);
		cr_assert(ge(u64, rig.resident_bytes, 58 * PAGE), "overlap %d", overlap);
		rig_forget_counts(&rig);
		rig_rounds(&rig, 1, 0, 100);
		cr_assert(eq(u64, rig.hits, overlap ? 100 : 60));
		rig_close(&rig);
	}
}

Test(balanced, takes_up_again_what_the_caller_refused)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(50 * PAGE, true));
	rig_add_many(&rig, 0, 100, 0);
	rig_rounds(&rig, 3, 0, 100);
	rig.refuses = true;
	rig_rounds(&rig, 3, 0, 100);
	rig.refuses = false;
	rig_rounds(&rig, 3, 0, 100);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 1, 0, 100);
	cr_assert(eq(u64, rig.hits, 100));
	cr_assert(eq(u64, rig.page_ins, 50 + 4));
	rig_close(&rig);
}

Test(balanced, gives_a_dead_blocks_frame_away_without_being_paid)
{
	struct rig rig;
	uint64_t seed = 5;

	rig_open(&rig, "balanced", rig_config(10 * PAGE, true));
	rig_add_many(&rig, 0, 11, 0);
	rig_use(&rig, 0);
	for (int i = 0; i < 400; i++) {
		if (i == 300 || i == 350)
			rig_use(&rig, 10);
		rig_use(&rig, 1 + (uint32_t)(rig_random(&seed) % 9));
	}
	cr_assert(rig.blocks[10].resident && !rig.blocks[0].resident);
	rig_close(&rig);
}

static uint64_t moves_for_read_counts(uint32_t resident_reads, uint32_t cold_reads,
				      double switch_ns)
{
	struct policy_config config = rig_config(20 * PAGE, false);
	struct rig rig;

	config.switch_ns = switch_ns;
	rig_open(&rig, "balanced", config);
	rig_add_many(&rig, 0, 40, 0);
	for (int round = 0; round < 30; round++)
		for (uint32_t block = 0; block < 40; block++)
			for (uint32_t i = 0; i < (block < 20 ? resident_reads : cold_reads);
			     i++)
				rig_use(&rig, block);
	rig_close(&rig);
	return rig.page_ins;
}

Test(balanced, moves_only_for_what_pays)
{
	cr_assert(eq(u64, moves_for_read_counts(1, 4, 2e5), 20));
	cr_assert(eq(u64, moves_for_read_counts(8, 9, 2e5), 0), "too little to tell apart");
	cr_assert(eq(u64, moves_for_read_counts(1, 4, 1e9), 0), "dearer than it saves");
}

Test(balanced, keeps_the_same_set_wherever_the_round_is_cut)
{
	bool before[100];
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(50 * PAGE, true));
	rig_add_many(&rig, 0, 120, 0);
	rig_rounds(&rig, 6, 0, 100);
	for (uint32_t i = 0; i < 100; i++)
		before[i] = rig.blocks[i].resident;
	rig_scan(&rig, 0, 37);
	rig_scan(&rig, 100, 20);
	cr_assert(eq(u32, rig_report(&rig).cycle_blocks, 0));
	rig_scan(&rig, 37, 63);
	rig_rounds(&rig, 4, 0, 100);
	cr_assert(eq(u32, rig_report(&rig).cycle_blocks, 100));
	for (uint32_t i = 0; i < 100; i++)
		cr_assert(eq(int, rig.blocks[i].resident, before[i]), "block %u", i);
	rig_close(&rig);
}

Test(balanced, moves_each_phase_in_once_when_it_begins)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(50 * PAGE, true));
	rig_add_many(&rig, 0, 100, 0);
	for (int i = 0; i < 6; i++) {
		if (i == 2)
			rig_forget_counts(&rig);
		rig_rounds(&rig, 50, 0, 50);
		rig_rounds(&rig, 50, 50, 50);
	}
	cr_assert(le(u64, rig.page_ins, 8 * 50 + 8), "%lu", (unsigned long)rig.page_ins);
	cr_assert(le(u64, rig.misses, 8 * 4), "%lu", (unsigned long)rig.misses);
	rig_close(&rig);
}

/* Eight kernels a layer read its two blocks in turns, and all the scratch. */
static void decode_token(struct rig *rig)
{
	for (uint32_t layer = 0; layer < 40; layer++)
		for (uint32_t i = 0; i < 8; i++)
			rig_use_many(rig, (uint32_t[]){layer * 2 + i % 2, 100 + i % 3}, 2);
}

Test(balanced, holds_a_block_until_the_last_of_its_kernels)
{
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(20 * PAGE, true));
	rig_add_many(&rig, 0, 103, 0);
	for (int token = 0; token < 8; token++)
		decode_token(&rig);
	rig_forget_counts(&rig);
	for (int token = 0; token < 4; token++)
		decode_token(&rig);
	cr_assert(eq(u64, rig.misses, 0));
	cr_assert(le(u64, rig.page_ins, 4 * (83 - 20 + 5)), "%lu", (unsigned long)rig.page_ins);
	rig_close(&rig);
}

Test(balanced, streams_one_size_of_frame_where_small_blocks_fit)
{
	struct rig rig;

	/* Each layer a large block and a small one, as tensors are cut. */
	rig_open(&rig, "balanced", rig_config(300 * PAGE, true));
	for (uint32_t i = 0; i < 100; i++)
		rig_add(&rig, i, i % 2 ? PAGE : 8 * PAGE, i / 2, 0);
	rig_rounds(&rig, 6, 0, 100);
	for (uint32_t i = 1; i < 100; i += 2)
		cr_assert(rig.blocks[i].resident, "small block %u", i);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 4, 0, 100);
	/* 450 pages are named, 300 fit less a ring of three large blocks. */
	cr_assert(le(u64, rig.page_ins, 4 * ((450 - 300 + 24) / 8 + 1)), "%lu",
		  (unsigned long)rig.page_ins);
	rig_close(&rig);
}

/* Growing by a block changes the share that is kept by a little, and the set by as little. */
Test(balanced, keeps_most_of_its_set_when_the_work_grows)
{
	uint32_t stayed = 0;
	bool before[100];
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(60 * PAGE, true));
	rig_add_many(&rig, 0, 100, 0);
	rig_rounds(&rig, 6, 0, 100);
	for (uint32_t i = 0; i < 100; i++)
		before[i] = rig.blocks[i].resident;
	rig_add_many(&rig, 100, 4, 0);
	rig_rounds(&rig, 6, 0, 104);
	for (uint32_t i = 0; i < 100; i++)
		stayed += before[i] && rig.blocks[i].resident;
	cr_assert(ge(u32, stayed, 50), "%u", stayed);
	rig_close(&rig);
}

/* What a running program allocates, it is about to use: it takes the place of what is needed
 * last of all that streams, and keeps it until a round has told what it is. */
Test(balanced, gives_a_new_block_a_place_in_the_ring)
{
	uint32_t victim = 0;
	struct rig rig;

	rig_open(&rig, "balanced", rig_config(60 * PAGE, true));
	rig_add_many(&rig, 0, 100, 0);
	rig_rounds(&rig, 6, 0, 100);
	cr_assert(rig_add_in_place_of(&rig, 100, &victim));
	for (uint32_t i = 0; i < 99; i++) {
		rig_use(&rig, i);
		cr_assert(rig.blocks[100].resident, "after block %u", i);
	}
	rig_use(&rig, 99);
	/* Never used: its frame goes back to the ring. */
	rig_rounds(&rig, 2, 0, 100);
	cr_assert_not(rig.blocks[100].resident);
	rig_close(&rig);
}

Test(balanced, gives_no_place_before_a_round_is_learnt_or_where_moves_stop_the_work)
{
	for (int overlap = 0; overlap < 2; overlap++) {
		uint32_t victim;
		struct rig rig;

		rig_open(&rig, "balanced", rig_config(60 * PAGE, overlap));
		rig_add_many(&rig, 0, 100, 0);
		cr_assert_not(rig_add_in_place_of(&rig, 100, &victim));
		rig_rounds(&rig, 6, 0, 100);
		cr_assert(eq(int, rig_add_in_place_of(&rig, 100, &victim), overlap));
		rig_close(&rig);
	}
}
