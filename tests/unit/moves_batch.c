/* Batches of moves in a window, pipelined or not, and changes of mappings, on the rig. */
#include "moves_rig.h"
#include "move/pipeline.h"
#include "pager/pager_internal.h"

static void exchange(uint32_t leaving, size_t leaving_count, uint32_t coming,
		     size_t coming_count)
{
	uint32_t out[RIG_BLOCKS], in[RIG_BLOCKS];

	rig_ids(leaving, leaving_count, out);
	rig_ids(coming, coming_count, in);
	pipeline_run(&rig.pager.mover, out, leaving_count, in, coming_count);
}

/* --- out and in */

Test(moves, keep_what_a_block_holds_on_its_way_out_and_in, .init = rig_start)
{
	uint32_t b = rig_component(4, 2, HOME_DEVICE, 100);

	rig_evict(b, 4);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_HOME(b + i, HOME_HOST);
		CHECK_CONTENT(b + i, 100 + i);
		rig_write(b + i, 200 + i);
	}
	rig_page_in(b, 4);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_HOME(b + i, HOME_DEVICE);
		CHECK_CONTENT(b + i, 200 + i);
	}
	rig_check();
}

Test(moves, copy_nothing_out_that_leaves_as_it_came, .init = rig_start)
{
	uint32_t b = rig_component(3, 1, HOME_HOST, 7);
	size_t copies;

	rig_page_in(b, 3);
	copies = rig.calls[CALL_COPY];
	rig_evict(b, 3);
	cr_assert(eq(sz, rig.calls[CALL_COPY], copies));
	cr_assert(eq(u64, rig.pager.mover.stats.clean_evictions, 3));
	CHECK_CONTENT(b + 2, 9);
	rig_check();
}

Test(moves, copy_out_what_changed_while_it_was_in, .init = rig_start)
{
	uint32_t b = rig_component(3, 0, HOME_HOST, 7);

	rig_page_in(b, 3);
	rig_write(b + 1, 77);
	rig_evict(b, 3);
	cr_assert(eq(u64, rig.pager.mover.stats.clean_evictions, 2));
	CHECK_CONTENT(b + 1, 77);
	rig_check();
}

/* In RAM a kernel may write it in place: only what was hashed as it came in is known. */
Test(moves, leave_no_hash_with_a_block_in_ram, .init = rig_start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	rig_page_in(b, 1);
	cr_assert(rig_block(b)->hashed);
	rig_evict(b, 1);
	cr_assert_not(rig_block(b)->hashed);
	rig_write(b, 8);
	rig_page_in(b, 1);
	rig_write(b, 7);
	rig_evict(b, 1);
	CHECK_CONTENT(b, 7);
	rig_check();
}

Test(moves, hold_a_block_for_dirty_whose_hash_cannot_be_had, .init = rig_start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	rig_page_in(b, 2);
	rig_evict(b, 2); /* clean, both */
	rig_page_in(b, 2);
	rig_write(b, 70);
	rig_fail(CALL_HASH, 1, 1);
	rig_evict(b, 2);
	CHECK_CONTENT(b, 70);
	CHECK_CONTENT(b + 1, 8);
	rig_check();
}

Test(moves, hold_a_block_for_dirty_that_was_not_hashed_as_it_came_in, .init = rig_start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	rig_page_in(b, 1);
	rig_evict(b, 1);
	rig_write(b, 8); /* in place */
	rig_fail(CALL_HASH, 1, 1);
	rig_page_in(b, 1);
	cr_assert_not(rig_block(b)->hashed);
	rig_write(b, 7);
	rig_evict(b, 1);
	CHECK_CONTENT(b, 7);
	rig_check();
}

/* Its bytes are in both homes, whichever it keeps. */
Test(moves, trust_the_copy_of_a_clean_block_that_could_not_leave, .init = rig_start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);
	size_t copies;

	rig_page_in(b, 1);
	copies = rig.calls[CALL_COPY];
	rig_fail(CALL_UNMAP, 1, 1);
	rig_evict(b, 1);
	CHECK_HOME(b, HOME_DEVICE);
	rig_evict(b, 1);
	CHECK_HOME(b, HOME_HOST);
	CHECK_CONTENT(b, 7);
	cr_assert(eq(sz, rig.calls[CALL_COPY], copies));
	rig_check();
}

/* --- copies that the driver refuses */

Test(moves, begin_no_further_copy_in_after_one_that_failed, .init = rig_start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	rig_fail(CALL_COPY, 1, 1);
	rig_page_in(b, 2);
	cr_assert(eq(sz, rig.calls[CALL_COPY], 1));
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_HOME(b + i, HOME_HOST);
		CHECK_CONTENT(b + i, 7 + i);
	}
	cr_assert(eq(u64, rig.pager.mover.stats.failed_moves, 2));
	rig_check();
}

Test(moves, leave_blocks_where_they_are_if_a_copy_out_fails, .init = rig_start)
{
	uint32_t b = rig_component(3, 0, HOME_DEVICE, 7);

	rig_fail(CALL_COPY, 2, 1);
	rig_evict(b, 3);
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_out), "the first copy still runs");
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_HOME(b + i, HOME_DEVICE);
		CHECK_CONTENT(b + i, 7 + i);
	}
	rig_evict(b, 3);
	CHECK_HOME(b + 2, HOME_HOST);
	CHECK_CONTENT(b + 2, 9);
	rig_check();
}

/* The copy may have been cut short: the host frame is no longer what it was when hashed. */
Test(moves, trust_no_host_frame_after_a_copy_that_failed, .init = rig_start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	rig_page_in(b, 2);
	rig_write(b, 70);
	rig_write(b + 1, 80);
	rig_fail(CALL_COPY, 2, 1); /* that of b has been made: its host frame holds 70 */
	rig_evict(b, 2);
	CHECK_HOME(b, HOME_DEVICE);
	rig_write(b, 7); /* what its hash is of */
	rig_evict(b, 2);
	CHECK_CONTENT(b, 7);
	CHECK_CONTENT(b + 1, 80);
	rig_check();
}

Test(moves, give_no_frame_away_while_a_copy_in_is_pending, .init = rig_start)
{
	uint32_t b = rig_component(3, 0, HOME_HOST, 7);

	rig_fail(CALL_COPY, 3, 1);
	rig_page_in(b, 3);
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_in), "the first copies still run");
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_HOME(b + i, HOME_HOST);
		CHECK_CONTENT(b + i, 7 + i);
		cr_assert(rig_block(b + i)->device == NULL);
	}
	rig_check();
}

/* --- pipelined */

Test(moves, exchange_blocks_for_others, .init = rig_start)
{
	uint32_t out = rig_component(6, 1, HOME_DEVICE, 100);
	uint32_t in = rig_component(6, 1, HOME_HOST, 200);

	exchange(out, 6, in, 6);
	for (uint32_t i = 0; i < 6; i++) {
		CHECK_HOME(out + i, HOME_HOST);
		CHECK_HOME(in + i, HOME_DEVICE);
		CHECK_CONTENT(out + i, 100 + i);
		CHECK_CONTENT(in + i, 200 + i);
		cr_assert(rig_block(in + i)->hashed);
	}
	rig_check();
}

Test(moves, wait_for_what_crosses_before_they_give_its_frame_away, .init = rig_start)
{
	for (int nth = 1; nth <= 12; nth++) {
		uint32_t out = rig_component(4, 0, HOME_DEVICE, 100);
		uint32_t in = rig_component(4, 0, HOME_HOST, 200);

		rig_fail(CALL_COPY, nth, 1);
		exchange(out, 4, in, 4);
		rig_fail_no_more();
		cr_assert_not(rig_is_pending(rig.pager.mover.stream_in));
		cr_assert_not(rig_is_pending(rig.pager.mover.stream_out));
		for (uint32_t i = 0; i < 4; i++) {
			CHECK_CONTENT(out + i, 100 + i);
			CHECK_CONTENT(in + i, 200 + i);
		}
		rig_check();
		rig_component_gone(out);
		rig_component_gone(in);
	}
}

Test(moves, wait_for_what_crosses_if_its_event_cannot_be_recorded, .init = rig_start)
{
	for (int nth = 1; nth <= 4; nth++) {
		uint32_t in = rig_component(4, 0, HOME_HOST, 200);

		rig_fail(CALL_RECORD, nth, 1);
		exchange(in, 0, in, 4);
		rig_fail_no_more();
		cr_assert_not(rig_is_pending(rig.pager.mover.stream_in));
		for (uint32_t i = 0; i < 4; i++)
			CHECK_CONTENT(in + i, 200 + i);
		rig_check();
	}
}

/* --- what the policy wants, in a window */

static void want(size_t at, enum policy_verb verb, uint32_t id)
{
	rig.pager.actions[at] = (struct policy_action){.verb = verb, .block = id};
}

Test(moves, are_made_of_what_is_not_pinned, .init = rig_start)
{
	uint32_t out = rig_component(2, 0, HOME_DEVICE, 7);
	uint32_t in = rig_component(2, 0, HOME_HOST, 70);

	rig_block(out)->pins = 1;
	rig_block(in)->pins = 1;
	for (uint32_t i = 0; i < 2; i++) {
		want(i, POLICY_EVICT, out + i);
		want(2 + i, POLICY_PAGE_IN, in + i);
	}
	carry_out(&rig.pager, 4);
	CHECK_HOME(out, HOME_DEVICE);
	CHECK_HOME(out + 1, HOME_HOST);
	CHECK_HOME(in, HOME_HOST);
	CHECK_HOME(in + 1, HOME_DEVICE);
	rig_check();
}

/* Somebody moved it since the policy asked, or freed it. */
Test(moves, are_made_of_what_is_still_where_the_policy_thinks, .init = rig_start)
{
	uint32_t out = rig_component(2, 0, HOME_HOST, 7);
	uint32_t in = rig_component(2, 0, HOME_DEVICE, 70);
	uint32_t gone = rig_component(1, 0, HOME_DEVICE, 700);

	rig_component_gone(gone);
	want(0, POLICY_EVICT, out);
	want(1, POLICY_PAGE_IN, in);
	want(2, POLICY_EVICT, gone);
	carry_out(&rig.pager, 3);
	cr_assert(eq(u64, rig.pager.mover.stats.windows, 0), "a window for nothing");
	CHECK_CONTENT(out, 7);
	CHECK_CONTENT(in, 70);
	rig_check();
}

/* --- mappings */

static void switch_homes(uint32_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct block *block = rig_block(ids[i]);

		block->host = frame_take(&rig.pager.memory.frames, true, block->size_class);
		rig.frames[block->host->handle].content =
		    rig.frames[block->device->handle].content;
	}
	mapping_switch(&rig.pager.memory, ids, count, HOME_HOST);
}

Test(moves, ask_for_access_by_runs_of_blocks_that_adjoin, .init = rig_start)
{
	uint32_t b = rig_component(6, 0, HOME_DEVICE, 7), ids[] = {b + 5, b, b + 1, b + 4};
	size_t before = rig.calls[CALL_ACCESS];

	/* Two frames of each are made, with an alias each, and two runs are switched. */
	switch_homes(ids, 4);
	cr_assert(eq(sz, rig.calls[CALL_ACCESS], before + 4 + 2));
	cr_assert(eq(sz, rig.refused, 0), "asked for access over a gap");
	for (uint32_t i = 0; i < 6; i++) {
		CHECK_HOME(b + i, i == 2 || i == 3 ? HOME_DEVICE : HOME_HOST);
		CHECK_CONTENT(b + i, 7 + i);
	}
	rig_check();
}

Test(moves, put_back_the_one_block_whose_access_fails, .init = rig_start)
{
	uint32_t b = rig_component(4, 0, HOME_DEVICE, 7), ids[] = {b, b + 1, b + 2, b + 3};

	for (int i = 0; i < 4; i++) {
		struct block *block = rig_block(ids[i]);

		block->host = frame_take(&rig.pager.memory.frames, true, 0);
		rig.frames[block->host->handle].content = 7 + (uint64_t)i;
	}
	/* The run, then each alone: the first of them fails as well. */
	rig_fail(CALL_ACCESS, 1, 2);
	mapping_switch(&rig.pager.memory, ids, 4, HOME_HOST);
	CHECK_HOME(b, HOME_DEVICE);
	for (uint32_t i = 0; i < 4; i++)
		CHECK_CONTENT(b + i, 7 + i);
	cr_assert(eq(int, atomic_load(&rig.pager.memory.lost), 0));
	rig_check();
}

Test(moves, put_back_the_one_block_whose_mapping_fails, .init = rig_start)
{
	uint32_t b = rig_component(3, 0, HOME_DEVICE, 7), ids[] = {b, b + 1, b + 2};

	for (int i = 0; i < 3; i++) {
		struct block *block = rig_block(ids[i]);

		block->host = frame_take(&rig.pager.memory.frames, true, 0);
		rig.frames[block->host->handle].content = 7 + (uint64_t)i;
	}
	rig_fail(CALL_MAP, 2, 2); /* and the first attempt to put it back */
	mapping_switch(&rig.pager.memory, ids, 3, HOME_HOST);
	CHECK_HOME(b, HOME_HOST);
	CHECK_HOME(b + 1, HOME_DEVICE);
	CHECK_HOME(b + 2, HOME_HOST);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_CONTENT(b + i, 7 + i);
	cr_assert(eq(int, atomic_load(&rig.pager.memory.lost), 0));
	rig_check();
}

Test(moves, say_that_memory_is_lost_if_nothing_can_be_mapped, .init = rig_start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7), ids[] = {b};

	rig_block(b)->host = frame_take(&rig.pager.memory.frames, true, 0);
	rig_fail(CALL_MAP, 1, 9);
	mapping_switch(&rig.pager.memory, ids, 1, HOME_HOST);
	CHECK_HOME(b, HOME_NONE);
	cr_assert(ne(int, atomic_load(&rig.pager.memory.lost), 0));
}

/* --- host frames of others, where RAM is short */

static void ram_is_full(void)
{
	rig.pager.memory.frames.host_limit_bytes = rig.pager.memory.frames.host_bytes;
}

Test(moves, take_the_copy_in_ram_of_a_resident_block_of_that_class, .init = rig_start)
{
	uint32_t small = rig_component(1, 0, HOME_HOST, 1);
	uint32_t cold = rig_component(1, 1, HOME_HOST, 2);
	uint32_t leaving = rig_component(1, 1, HOME_HOST, 3);
	uint32_t kept = rig_component(1, 1, HOME_HOST, 4);
	uint32_t wanting = rig_component(1, 1, HOME_DEVICE, 5);
	struct frame *frame;

	rig_page_in(small, 1);
	rig_page_in(leaving, 1);
	rig_page_in(kept, 1);
	rig_block(leaving)->leaving = true;
	ram_is_full();
	frame = rig_block(kept)->host;
	rig_evict(wanting, 1);
	cr_assert(eq(ptr, rig_block(wanting)->host, frame));
	cr_assert(rig_block(kept)->host == NULL);
	CHECK_CONTENT(wanting, 5);
	CHECK_CONTENT(cold, 2);
	/* It has nothing to compare itself with any more. */
	rig.pager.memory.frames.host_limit_bytes = 256 * MIB;
	rig_evict(kept, 1);
	CHECK_CONTENT(kept, 4);
	rig_check();
}

Test(moves, let_a_block_stay_where_no_host_frame_can_be_had, .init = rig_start)
{
	uint32_t cold = rig_component(2, 1, HOME_HOST, 2);
	uint32_t wanting = rig_component(1, 1, HOME_DEVICE, 5);

	ram_is_full();
	rig_evict(wanting, 1);
	CHECK_HOME(wanting, HOME_DEVICE);
	CHECK_CONTENT(wanting, 5);
	CHECK_CONTENT(cold + 1, 3);
	cr_assert_not(rig_block(wanting)->leaving);
	rig_check();
}

/* Of an entry that is no block any more there is none. */
Test(moves, take_no_copy_in_ram_of_what_was_freed, .init = rig_start)
{
	uint32_t gone = rig_component(1, 0, HOME_DEVICE, 5);
	uint32_t kept = rig_component(1, 0, HOME_HOST, 6);
	uint32_t out = rig_component(1, 0, HOME_DEVICE, 7);

	rig_page_in(kept, 1);
	rig_component_gone(gone);
	ram_is_full();
	rig_evict(out, 1);
	CHECK_HOME(out, HOME_HOST);
	CHECK_CONTENT(out, 7);
	CHECK_CONTENT(kept, 6);
	cr_assert(zero(ptr, rig_block(kept)->host));
	rig_check();
}

/* --- both at once */

/* It came, and its copy in RAM went to what left: it holds no hash of what nobody has. */
Test(moves, hash_nothing_whose_copy_in_ram_was_taken_meanwhile, .init = rig_start)
{
	uint32_t in = rig_component(RIG_BLOCKS, 0, HOME_HOST, 100);
	uint32_t out = rig_component(1, 0, HOME_DEVICE, 7);

	/* The place for all of them to cross, before anything leaves. */
	rig_component_gone(rig_component(RIG_BLOCKS, 0, HOME_DEVICE, 0));
	ram_is_full();
	exchange(out, 1, in, RIG_BLOCKS);
	CHECK_HOME(out, HOME_HOST);
	CHECK_CONTENT(out, 7);
	cr_assert(zero(ptr, rig_block(in)->host));
	for (uint32_t i = 0; i < RIG_BLOCKS; i++) {
		CHECK_HOME(in + i, HOME_DEVICE);
		CHECK_CONTENT(in + i, 100 + i);
		cr_assert(eq(int, rig_block(in + i)->hashed, rig_block(in + i)->host != NULL));
	}
	rig_check();
}

Test(moves, let_all_leave_though_what_comes_fails, .init = rig_start)
{
	uint32_t in = rig_component(3, 0, HOME_HOST, 100);
	uint32_t out = rig_component(3, 0, HOME_DEVICE, 7);

	frame_give(&rig.pager.memory.frames, frame_take(&rig.pager.memory.frames, false, 0));
	rig_fail(CALL_COPY, 1, 1);
	exchange(out, 3, in, 3);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_HOME(in + i, HOME_HOST);
		CHECK_CONTENT(in + i, 100 + i);
		CHECK_HOME(out + i, HOME_HOST);
		CHECK_CONTENT(out + i, 7 + i);
	}
	cr_assert(eq(u64, rig.pager.mover.stats.failed_moves, 1));
	rig_check();
}

/* Two cross in frames that were spare, and no more come: all that leave do so in one run. */
Test(moves, let_all_leave_at_once_where_nobody_waits_for_their_frames, .init = rig_start)
{
	uint32_t in = rig_component(2, 0, HOME_HOST, 100);
	uint32_t out = rig_component(5, 0, HOME_DEVICE, 7), ids[5];
	size_t made;

	rig_ids(out, 5, ids);
	for (int i = 0; i < 5; i++) /* or making them would count as well */
		rig_block(ids[i])->host = frame_take(&rig.pager.memory.frames, true, 0);
	rig_component_gone(rig_component(2, 0, HOME_DEVICE, 0));
	made = rig.calls[CALL_ACCESS];
	exchange(out, 5, in, 2);
	for (uint32_t i = 0; i < 5; i++) {
		CHECK_HOME(out + i, HOME_HOST);
		CHECK_CONTENT(out + i, 7 + i);
	}
	CHECK_HOME(in + 1, HOME_DEVICE);
	CHECK_CONTENT(in + 1, 101);
	cr_assert(eq(sz, rig.calls[CALL_ACCESS] - made, 1 + 2));
	rig_check();
}

/* Of so many none has a frame that is spare: the first to leave waits for no look at all. */
Test(moves, bring_more_in_than_are_looked_at_for_a_spare_frame, .init = rig_start)
{
	enum { MANY = 5 };
	uint32_t ids[MANY * RIG_BLOCKS], out = rig_component(1, 1, HOME_DEVICE, 7);

	for (uint32_t i = 0; i < MANY; i++)
		rig_ids(rig_component(RIG_BLOCKS, 0, HOME_HOST, 100 * i), RIG_BLOCKS,
			&ids[i * RIG_BLOCKS]);
	pipeline_run(&rig.pager.mover, &out, 1, ids, MANY * RIG_BLOCKS);
	CHECK_HOME(out, HOME_HOST);
	CHECK_CONTENT(out, 7);
	cr_assert(eq(u64, rig.pager.mover.stats.page_ins, MANY * RIG_BLOCKS));
	rig_check();
}
