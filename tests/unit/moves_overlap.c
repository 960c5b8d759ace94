/* Moves beside the program's work, on the rig: step by step, each stopped where it may be. */
#include "overlap_rig.h"
#include "order/captures.h"
#include "order/freezes.h"

#define PROGRAMS ((CUstream)(uintptr_t)0x91)

static bool frame_is_spare(const struct frame *frame)
{
	return rig_is_spare(&rig.frames[frame->handle]);
}

/* --- to the end */

Test(overlap, keeps_what_a_block_holds_on_its_way_out_and_in, .init = overlap_start)
{
	uint32_t b = known_component(4, 2, HOME_DEVICE, 100);

	want(POLICY_EVICT, b, 4);
	step_to_the_end();
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_HOME(b + i, HOME_HOST);
		CHECK_CONTENT(b + i, 100 + i);
		rig_write(b + i, 200 + i);
	}
	want(POLICY_PAGE_IN, b, 4);
	step_to_the_end();
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_HOME(b + i, HOME_DEVICE);
		CHECK_CONTENT(b + i, 200 + i);
	}
	rig_check();
}

Test(overlap, copies_nothing_out_that_leaves_as_it_came, .init = overlap_start)
{
	uint32_t b = resident_and_hashed(2, 7);
	size_t copies = rig.calls[CALL_COPY];

	want(POLICY_EVICT, b, 2);
	step_to_the_end();
	CHECK_HOME(b + 1, HOME_HOST);
	CHECK_CONTENT(b + 1, 8);
	cr_assert(eq(sz, rig.calls[CALL_COPY], copies));
	rig_check();
}

Test(overlap, leaves_no_hash_with_a_block_in_ram, .init = overlap_start)
{
	uint32_t b = resident_and_hashed(1, 7);

	want(POLICY_EVICT, b, 1);
	step_to_the_end();
	cr_assert_not(rig_block(b)->hashed);
	rig_check();
}

Test(overlap, copies_out_what_a_launch_changed, .init = overlap_start)
{
	uint32_t b = resident_and_hashed(1, 7);

	rig_write(b, 70);
	rig_block(b)->named_since_in = true;
	want(POLICY_EVICT, b, 1);
	step_to_the_end();
	CHECK_HOME(b, HOME_HOST);
	CHECK_CONTENT(b, 70);
	rig_check();
}

/* Somebody reaches it whom no launch shows: he may be at it right now. */
Test(overlap, leaves_a_block_that_changed_unnamed_to_windows, .init = overlap_start)
{
	uint32_t b = resident_and_hashed(1, 7);

	rig_write(b, 70);
	want(POLICY_EVICT, b, 1);
	step_to_the_end();
	CHECK_HOME(b, HOME_DEVICE);
	CHECK_CONTENT(b, 70);
	cr_assert(rig_block(b)->barred);
	want(POLICY_EVICT, b, 1);
	cr_assert(eq(int, way_of(b), TRANSFER_NONE));
	rig_check();
}

/* --- copies and fills of the program */

/* Of the first half of the component. */
static void copy_in_the_program(uint32_t first, struct pager_use *use)
{
	struct pager_range range = {rig_block(first)->address, 2 * 4 * MIB};

	use->count = 0;
	use_ranges_of(&rig.pager, &range, 1, use);
	rig_put(RIG_WAIT, PROGRAMS);
	pager_used(use, PROGRAMS, false);
}

/* Whatever else is launched, and ends, meanwhile. */
static void others_come_and_go(void)
{
	for (int i = 0; i < 8; i++) {
		fence_close(&rig.pager.mover.fences, fence_open(&rig.pager.mover.fences), NULL,
			    true);
		step();
		rig_synchronize(rig.pager.mover.stream_out);
		rig_synchronize(rig.pager.mover.stream_hash_out);
	}
}

Test(overlap, waits_for_copies_that_named_the_block, .init = overlap_start)
{
	uint32_t b = known_component(4, 1, HOME_DEVICE, 7);
	struct pager_use use;

	others_come_and_go(); /* its first fences would hide all later ones from grace */
	copy_in_the_program(b, &use);
	want(POLICY_EVICT, b, 4);
	others_come_and_go();
	CHECK_HOME(b, HOME_DEVICE);
	CHECK_HOME(b + 1, HOME_DEVICE);
	cr_assert(rig_block(b)->named_since_in);
	rig_synchronize(PROGRAMS);
	step_to_the_end();
	for (uint32_t i = 0; i < 4; i++)
		CHECK_HOME(b + i, HOME_HOST);
	rig_check();
}

Test(overlap, stops_for_copies_that_name_the_block, .init = overlap_start)
{
	uint32_t b = known_component(4, 1, HOME_DEVICE, 7);
	struct pager_use use;

	want(POLICY_EVICT, b, 4);
	step();
	cr_assert(ne(int, way_of(b + 1), TRANSFER_NONE));
	copy_in_the_program(b, &use);
	cr_assert(eq(int, way_of(b), TRANSFER_NONE));
	cr_assert(eq(int, way_of(b + 1), TRANSFER_NONE));
	cr_assert(ne(int, way_of(b + 2), TRANSFER_NONE));
	rig_run();
	rig_check();
}

/* --- what may be moved so at all */

Test(overlap, moves_only_what_launches_have_named_often, .init = overlap_start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7);

	want(POLICY_EVICT, b, 1);
	cr_assert(eq(int, way_of(b), TRANSFER_NONE));
	rig.pager.memory.table.components[rig_block(b)->component].named = 3;
	want(POLICY_EVICT, b, 1);
	cr_assert(eq(int, way_of(b), OUT_WAIT));
}

Test(overlap, moves_no_pinned_or_barred_block, .init = overlap_start)
{
	uint32_t b = known_component(2, 0, HOME_DEVICE, 7);
	uint32_t cold = known_component(2, 0, HOME_HOST, 8);

	rig_block(b)->pins = 1;
	rig_block(b + 1)->barred = true;
	rig_block(cold)->pins = 1;
	rig_block(cold + 1)->barred = true;
	cr_assert(eq(sz, want(POLICY_EVICT, b, 1), 0),
		  "a pinned block is no reason for a window");
	cr_assert(eq(sz, want(POLICY_EVICT, b + 1, 1), 1));
	want(POLICY_PAGE_IN, cold, 2);
	cr_assert_not(overlap_busy(&rig.pager.mover));
	cr_assert_not(transfer_by_evidence(&rig.pager.mover, rig_block(b)));
	cr_assert_not(transfer_by_evidence(&rig.pager.mover, rig_block(b + 1)));
}

/* --- after the work that named it */

#define WORK ((CUstream)(uintptr_t)0x99)

static uint64_t launched(uint32_t id)
{
	uint64_t fence = fence_open(&rig.pager.mover.fences);

	rig.pager.memory.table.components[rig_block(id)->component].fence = fence;
	rig_put(RIG_WAIT, WORK);
	fence_close(&rig.pager.mover.fences, fence, WORK, false);
	return fence;
}

Test(overlap, begins_after_the_work_that_named_the_block, .init = overlap_start)
{
	uint32_t out = known_component(1, 0, HOME_DEVICE, 7);
	uint32_t in = known_component(1, 0, HOME_HOST, 8);

	launched(out);
	launched(in);
	want(POLICY_EVICT, out, 1);
	want(POLICY_PAGE_IN, in, 1);
	for (int i = 0; i < 3; i++)
		step();
	cr_assert(eq(int, way_of(out), OUT_WAIT));
	cr_assert(eq(int, way_of(in), IN_WAIT));
	step_to_the_end();
	CHECK_HOME(out, HOME_HOST);
	CHECK_HOME(in, HOME_DEVICE);
	rig_check();
}

Test(overlap, begins_after_the_copy_that_named_the_block, .init = overlap_start)
{
	uint32_t out = known_component(1, 0, HOME_DEVICE, 7);

	rig_block(out)->fence = launched(known_component(1, 0, HOME_DEVICE, 8));
	want(POLICY_EVICT, out, 1);
	for (int i = 0; i < 3; i++)
		step();
	cr_assert(eq(int, way_of(out), OUT_WAIT));
	step_to_the_end();
	CHECK_HOME(out, HOME_HOST);
	rig_check();
}

Test(overlap, never_moves_a_block_of_whose_work_nothing_is_known, .init = overlap_start)
{
	uint32_t b = known_component(1, 0, HOME_DEVICE, 7);

	want(POLICY_EVICT, b, 1);
	cr_assert(eq(int, way_of(b), OUT_WAIT));
	rig_block(b)->fence = FENCE_NEVER;
	for (int i = 0; i < 20; i++) {
		step();
		rig_run();
	}
	CHECK_HOME(b, HOME_DEVICE);
}

/* It would wait for ever; a window is owed to it. */
Test(overlap, leaves_to_windows_what_has_work_of_which_nothing_is_known, .init = overlap_start)
{
	uint32_t out = known_component(1, 0, HOME_DEVICE, 7);
	uint32_t in = known_component(1, 0, HOME_HOST, 8);

	rig.pager.memory.table.components[rig_block(out)->component].fence = FENCE_NEVER;
	rig_block(in)->fence = FENCE_NEVER;
	cr_assert(eq(sz, want(POLICY_EVICT, out, 1), 1));
	cr_assert(eq(sz, want(POLICY_PAGE_IN, in, 1), 1));
	cr_assert_not(overlap_busy(&rig.pager.mover));
}

/* All work has ended in a window, also such as nothing is known of. */
Test(overlap, moves_it_again_after_a_window_and_not_before, .init = overlap_start)
{
	struct pager *pager = &rig.pager;
	uint32_t unknown = known_component(1, 0, HOME_DEVICE, 7);
	uint32_t of_launches = known_component(1, 0, HOME_DEVICE, 8);
	uint32_t other = known_component(1, 0, HOME_DEVICE, 9);

	rig_block(unknown)->fence = FENCE_NEVER;
	pager->memory.table.components[rig_block(of_launches)->component].fence = FENCE_NEVER;
	pager->actions[0] = (struct policy_action){.verb = POLICY_EVICT, .block = other};
	freezes_add(1);
	carry_out(pager, 1);
	freezes_add(-1);
	want(POLICY_EVICT, unknown, 1);
	want(POLICY_EVICT, of_launches, 1);
	cr_assert_not(overlap_busy(&pager->mover));
	carry_out(pager, 1);
	CHECK_HOME(other, HOME_HOST);
	CHECK_HOME(unknown, HOME_DEVICE);
	want(POLICY_EVICT, unknown, 1);
	want(POLICY_EVICT, of_launches, 1);
	step_to_the_end();
	CHECK_HOME(unknown, HOME_HOST);
	CHECK_HOME(of_launches, HOME_HOST);
	CHECK_CONTENT(unknown, 7);
	CHECK_CONTENT(of_launches, 8);
	rig_check();
}

/* Another stream's work may go on for long after that of this one has ended. */
Test(overlap, does_not_take_later_work_that_has_ended_for_all_work, .init = overlap_start)
{
	uint32_t b = known_component(1, 0, HOME_DEVICE, 7);
	struct component *component =
	    &rig.pager.memory.table.components[rig_block(b)->component];
	uint64_t known;

	component->fence = fence_of_both(component->fence, FENCE_NEVER);
	known = launched(known_component(1, 0, HOME_DEVICE, 8));
	component->fence = fence_of_both(component->fence, known);
	rig_run();
	step();
	cr_assert(eq(sz, want(POLICY_EVICT, b, 1), 1));
}

/* The frame that it could have is no reason to read what is still being written. */
Test(overlap, begins_no_copy_before_the_work_that_writes_in_place, .init = overlap_start)
{
	uint32_t in = known_component(1, 0, HOME_HOST, 8);

	frame_give(&rig.pager.memory.frames, frame_take(&rig.pager.memory.frames, false, 0));
	launched(in);
	want(POLICY_PAGE_IN, in, 1);
	for (int i = 0; i < 3; i++)
		step();
	cr_assert(eq(int, way_of(in), IN_WAIT));
	cr_assert(zero(sz, rig.calls[CALL_COPY]));
	rig_write(in, 80);
	step_to_the_end();
	CHECK_HOME(in, HOME_DEVICE);
	CHECK_CONTENT(in, 80);
	rig_check();
}

/* Two later operations, so that one which the same program step launched is not raced. */
Test(overlap, waits_for_the_operations_that_came_right_after, .init = overlap_start)
{
	uint32_t b = known_component(1, 0, HOME_DEVICE, 7);
	uint32_t other = known_component(1, 0, HOME_DEVICE, 8);
	uint64_t open;

	launched(b);
	open = fence_open(&rig.pager.mover.fences);
	rig_run();
	want(POLICY_EVICT, b, 1);
	step();
	cr_assert(eq(int, way_of(b), OUT_WAIT), "the next operation is not over");
	fence_close(&rig.pager.mover.fences, open, WORK, true);
	launched(other);
	step();
	cr_assert(eq(int, way_of(b), OUT_WAIT), "the one after that is not over");
	rig_run();
	open = fence_open(&rig.pager.mover.fences);
	step();
	cr_assert(ne(int, way_of(b), OUT_WAIT), "two later ones are over");
	fence_close(&rig.pager.mover.fences, open, WORK, true);
}

/* --- stopped on the way */

Test(overlap, switches_nothing_before_its_copy_is_seen_complete, .init = overlap_start)
{
	uint32_t out = known_component(2, 0, HOME_DEVICE, 7);
	uint32_t in = known_component(2, 0, HOME_HOST, 70);

	want(POLICY_EVICT, out, 2);
	want(POLICY_PAGE_IN, in, 2);
	for (int i = 0; i < 5; i++)
		step();
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_HOME(out + i, HOME_DEVICE);
		CHECK_HOME(in + i, HOME_HOST);
	}
	step_to_the_end();
	rig_check();
}

Test(overlap, gives_no_frame_away_before_what_was_stopped_has_run_out, .init = overlap_start)
{
	uint32_t in = known_component(1, 0, HOME_HOST, 70);
	const struct frame *frame;

	want(POLICY_PAGE_IN, in, 1);
	step();
	frame = rig.pager.mover.overlap->transfers[rig_block(in)->transfer - 1].frame;
	overlap_stop(&rig.pager.mover, in);
	cr_assert(eq(int, way_of(in), TRANSFER_NONE));
	for (int i = 0; i < 3; i++)
		step();
	cr_assert_not(frame_is_spare(frame));
	rig_write(in, 71); /* in place */
	step_to_the_end();
	cr_assert(frame_is_spare(frame));
	CHECK_HOME(in, HOME_HOST);
	CHECK_CONTENT(in, 71);
	rig_check();
}

Test(overlap, keeps_the_host_frame_of_a_copy_that_was_stopped_until_it_has_run_out,
     .init = overlap_start)
{
	uint32_t out = known_component(1, 1, HOME_DEVICE, 7);
	uint32_t other = rig_component(1, 1, HOME_DEVICE, 8);

	want(POLICY_EVICT, out, 1);
	step();
	cr_assert(eq(int, way_of(out), OUT_COPY));
	overlap_stop(&rig.pager.mover, out);
	rig.pager.memory.frames.host_limit_bytes = rig.pager.memory.frames.host_bytes;
	batch_move_out(&rig.pager.mover, &other, 1);
	CHECK_HOME(other, HOME_DEVICE);
	rig_run();
	step();
	other = rig_component(1, 1, HOME_DEVICE, 8);
	batch_move_out(&rig.pager.mover, &other, 1);
	CHECK_HOME(other, HOME_HOST);
	CHECK_CONTENT(other, 8);
	rig_check();
}

/* The host frame holds some of what was, and some of what came after. */
Test(overlap, trusts_no_host_frame_after_a_copy_that_was_stopped, .init = overlap_start)
{
	uint32_t b = resident_and_hashed(1, 7);

	rig_write(b, 70);
	rig_block(b)->named_since_in = true;
	want(POLICY_EVICT, b, 1);
	for (int i = 0; way_of(b) != OUT_COPY && i < 10; i++) {
		step();
		rig_run_upto(rig.pager.mover.stream_hash_out, rig.operation_count);
	}
	cr_assert(eq(int, way_of(b), OUT_COPY));
	overlap_stop(&rig.pager.mover, b);
	rig_run();
	step();
	rig_write(b, 7); /* what its hash was of */
	want(POLICY_EVICT, b, 1);
	step_to_the_end();
	CHECK_HOME(b, HOME_HOST);
	CHECK_CONTENT(b, 7);
	rig_check();
}

Test(overlap, leaves_a_block_that_a_launch_names_where_it_is, .init = overlap_start)
{
	uint32_t b = known_component(2, 0, HOME_DEVICE, 7);

	want(POLICY_EVICT, b, 2);
	step();
	overlap_hold(&rig.pager.mover,
		     &rig.pager.memory.table.components[rig_block(b)->component],
		     &rig.pager.named);
	rig_write(b, 70);
	rig_write(b + 1, 80);
	step_to_the_end();
	CHECK_HOME(b, HOME_DEVICE);
	CHECK_CONTENT(b, 70);
	CHECK_CONTENT(b + 1, 80);
	rig_check();
}

/* It waits for what it names; what else of the component would arrive, it may reach as well. */
Test(overlap, lets_only_that_arrive_which_the_launch_waits_for, .init = overlap_start)
{
	uint32_t b = known_component(3, 0, HOME_HOST, 7);
	uint32_t other = known_component(1, 0, HOME_HOST, 70);

	want(POLICY_PAGE_IN, b, 3);
	want(POLICY_PAGE_IN, other, 1);
	step();
	rig.pager.named.epoch = 5;
	rig.pager.named.marked_in[b + 1] = 5;
	overlap_hold(&rig.pager.mover,
		     &rig.pager.memory.table.components[rig_block(b)->component],
		     &rig.pager.named);
	step_to_the_end();
	CHECK_HOME(b, HOME_HOST);
	CHECK_HOME(b + 1, HOME_DEVICE);
	CHECK_HOME(b + 2, HOME_HOST);
	CHECK_HOME(other, HOME_DEVICE);
	rig_check();
}

/* --- what the driver refuses */

Test(overlap, loses_nothing_whichever_call_fails, .init = overlap_start)
{
	for (enum rig_call call = CALL_COPY; call <= CALL_RECORD; call++) {
		for (int nth = 1; nth <= 8; nth++) {
			uint32_t out = resident_and_hashed(2, 7);
			uint32_t in = known_component(2, 1, HOME_HOST, 70);

			rig_write(out, 9);
			rig_block(out)->named_since_in = true;
			rig_fail(call, nth, 1);
			want(POLICY_EVICT, out, 2);
			want(POLICY_PAGE_IN, in, 2);
			step_to_the_end();
			rig_fail_no_more();
			CHECK_CONTENT(out, 9);
			CHECK_CONTENT(out + 1, 8);
			CHECK_CONTENT(in, 70);
			CHECK_CONTENT(in + 1, 71);
			cr_assert(eq(int, atomic_load(&rig.pager.memory.lost), 0));
			rig_check();
			/* And so they may go on. */
			want(POLICY_EVICT, in, 2);
			want(POLICY_EVICT, out, 2);
			step_to_the_end();
			CHECK_CONTENT(out, 9);
			CHECK_CONTENT(in + 1, 71);
			rig_component_gone(out);
			rig_component_gone(in);
		}
	}
}

Test(overlap, settles_everything_before_a_window, .init = overlap_start)
{
	uint32_t out = known_component(3, 0, HOME_DEVICE, 7);
	uint32_t in = known_component(3, 0, HOME_HOST, 70);
	uint32_t hashed = resident_and_hashed(1, 700);

	want(POLICY_EVICT, out, 3);
	want(POLICY_EVICT, hashed, 1);
	want(POLICY_PAGE_IN, in, 3);
	step();
	cr_assert(eq(int, way_of(hashed), OUT_HASH));
	cr_assert(rig_is_pending(rig.pager.mover.stream_hash_out));
	overlap_settle(&rig.pager.mover);
	cr_assert_not(overlap_busy(&rig.pager.mover));
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_in));
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_out));
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_hash_in));
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_hash_out));
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_CONTENT(out + i, 7 + i);
		CHECK_CONTENT(in + i, 70 + i);
		cr_assert_not(rig_block(out + i)->leaving);
	}
	rig_check();
}

static CUevent failing_event;

static CUresult event_query(CUevent event)
{
	return event == failing_event ? CUDA_ERROR_UNKNOWN : rig_event_query(event);
}

/* Its state is unknown: all of it has ended before a frame is anybody's. */
static void check_fails(uint32_t id, enum transfer_state state, enum block_home home,
			uint64_t content)
{
	for (int i = 0; way_of(id) != state && i < 10; i++) {
		step();
		rig_run_upto(rig.pager.mover.stream_hash_out, rig.operation_count);
	}
	cr_assert(eq(int, way_of(id), state));
	failing_event = rig.pager.mover.overlap->transfers[rig_block(id)->transfer - 1].event;
	lt_driver.cuEventQuery = event_query;
	step();
	cr_assert(eq(int, way_of(id), TRANSFER_NONE));
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_in));
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_out));
	cr_assert_not(rig_block(id)->leaving);
	cr_assert_not(overlap_busy(&rig.pager.mover));
	CHECK_HOME(id, home);
	CHECK_CONTENT(id, content);
	rig_check();
}

Test(overlap, leaves_a_block_cold_that_was_not_seen_to_arrive, .init = overlap_start)
{
	uint32_t b = known_component(1, 1, HOME_HOST, 7);

	want(POLICY_PAGE_IN, b, 1);
	check_fails(b, IN_COPY, HOME_HOST, 7);
	cr_assert(eq(u64, rig.pager.memory.frames.device_spare_bytes, frame_bytes(1)));
}

Test(overlap, leaves_a_block_in_vram_that_was_not_seen_to_leave, .init = overlap_start)
{
	uint32_t b = known_component(1, 1, HOME_DEVICE, 7);

	want(POLICY_EVICT, b, 1);
	check_fails(b, OUT_COPY, HOME_DEVICE, 7);
}

Test(overlap, leaves_a_block_in_vram_whose_hash_fails, .init = overlap_start)
{
	uint32_t b = resident_and_hashed(1, 7);

	want(POLICY_EVICT, b, 1);
	step();
	check_fails(b, OUT_HASH, HOME_DEVICE, 7);
}

/* What was stopped is nobody's before all has ended. */
static void check_gives_up(uint32_t id, enum block_home home)
{
	step();
	failing_event = rig.pager.mover.overlap->transfers[rig_block(id)->transfer - 1].event;
	lt_driver.cuEventQuery = event_query;
	overlap_stop(&rig.pager.mover, id);
	step();
	cr_assert_not(overlap_busy(&rig.pager.mover));
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_in));
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_out));
	cr_assert_not(rig_block(id)->leaving);
	CHECK_HOME(id, home);
	CHECK_CONTENT(id, 7);
	rig_check();
}

Test(overlap, gives_up_what_was_to_leave_was_stopped_and_fails, .init = overlap_start)
{
	uint32_t b = known_component(1, 1, HOME_DEVICE, 7);

	want(POLICY_EVICT, b, 1);
	check_gives_up(b, HOME_DEVICE);
}

Test(overlap, gives_up_what_was_to_come_was_stopped_and_fails, .init = overlap_start)
{
	uint32_t b = known_component(1, 1, HOME_HOST, 7);

	want(POLICY_PAGE_IN, b, 1);
	check_gives_up(b, HOME_HOST);
	cr_assert(eq(u64, rig.pager.memory.frames.device_spare_bytes, frame_bytes(1)));
}

/* --- room for what arrives */

/* So many frames of that size are left. */
static void vram_has_room_for(uint64_t frames, unsigned int size_class)
{
	cr_assert(ledger_take(0, 256 * MIB - ledger_taken_bytes(0) -
				     frames * frame_bytes(size_class)));
}

Test(overlap, keeps_two_copies_under_way_and_the_rest_waiting, .init = overlap_start)
{
	uint32_t in = known_component(3, 1, HOME_HOST, 7);

	vram_has_room_for(2, 1);
	want(POLICY_PAGE_IN, in, 3);
	cr_assert_not(overlap_bus_is_fed(&rig.pager.mover));
	for (int i = 0; i < 3; i++)
		step();
	cr_assert(eq(int, way_of(in), IN_COPY));
	cr_assert(eq(int, way_of(in + 1), IN_COPY));
	cr_assert(eq(int, way_of(in + 2), IN_WAIT));
	cr_assert(overlap_bus_is_fed(&rig.pager.mover));
	rig_run();
	cr_assert_not(overlap_bus_is_fed(&rig.pager.mover), "they have crossed");
	for (int i = 0; i < 3; i++)
		step();
	CHECK_HOME(in, HOME_DEVICE);
	CHECK_HOME(in + 1, HOME_DEVICE);
	cr_assert(eq(int, way_of(in + 2), IN_WAIT), "there is no room, and nothing leaves");
	rig_check();
}

Test(overlap, brings_a_block_into_the_place_of_one_that_leaves, .init = overlap_start)
{
	uint32_t out = known_component(2, 1, HOME_DEVICE, 7);
	uint32_t in = known_component(1, 1, HOME_HOST, 9);

	vram_has_room_for(0, 1);
	want(POLICY_EVICT, out, 2);
	want(POLICY_PAGE_IN, in, 1);
	step_to_the_end();
	CHECK_HOME(out, HOME_HOST);
	CHECK_HOME(in, HOME_DEVICE);
	CHECK_CONTENT(out, 7);
	CHECK_CONTENT(in, 9);
	rig_check();
}

/* What a stopped copy is still writing into its host frame must have ended. */
Test(overlap, begins_no_second_copy_beside_one_that_was_stopped, .init = overlap_start)
{
	uint32_t out = known_component(1, 1, HOME_DEVICE, 7);

	want(POLICY_EVICT, out, 1);
	step();
	overlap_stop(&rig.pager.mover, out);
	want(POLICY_EVICT, out, 1);
	for (int i = 0; i < 3; i++)
		step();
	cr_assert(eq(int, way_of(out), OUT_WAIT));
	cr_assert(eq(sz, rig.calls[CALL_COPY], 1));
	step_to_the_end();
	CHECK_HOME(out, HOME_HOST);
	CHECK_CONTENT(out, 7);
	rig_check();
}

Test(overlap, leaves_a_block_in_vram_that_ram_has_no_frame_for, .init = overlap_start)
{
	uint32_t out = known_component(1, 1, HOME_DEVICE, 7);

	rig.pager.memory.frames.host_limit_bytes = 0;
	want(POLICY_EVICT, out, 1);
	step();
	cr_assert_not(overlap_busy(&rig.pager.mover));
	cr_assert_not(rig_block(out)->leaving);
	CHECK_HOME(out, HOME_DEVICE);
	CHECK_CONTENT(out, 7);
	rig_check();
}

static void start_always_dirty(void)
{
	setenv("LOWTIDE_DIRTY", "always", 1);
	overlap_start();
}

Test(overlap, copies_all_that_leaves_where_it_is_told_to, .init = start_always_dirty)
{
	uint32_t b = resident_and_hashed(1, 7);
	size_t hashes = rig.calls[CALL_HASH];

	want(POLICY_EVICT, b, 1);
	step();
	cr_assert(eq(int, way_of(b), OUT_COPY));
	cr_assert(eq(sz, rig.calls[CALL_HASH], hashes));
	step_to_the_end();
	CHECK_HOME(b, HOME_HOST);
	CHECK_CONTENT(b, 7);
	rig_check();
}

/* --- its context ends */

Test(overlap, gives_back_the_frames_of_what_is_arriving_when_its_context_ends,
     .init = overlap_start)
{
	uint32_t b = known_component(2, 1, HOME_HOST, 7);

	want(POLICY_PAGE_IN, b, 2);
	for (uint32_t i = 0; i < 2; i++) {
		step(); /* each makes one frame */
		cr_assert(eq(int, way_of(b + i), IN_COPY));
	}
	overlap_stop(&rig.pager.mover, b + 1);
	cr_assert(zero(u64, rig.pager.memory.frames.device_spare_bytes));
	rig_run();
	overlap_destroy(&rig.pager.mover);
	cr_assert(eq(u64, rig.pager.memory.frames.device_spare_bytes, 2 * frame_bytes(1)));
	cr_assert(zero(ptr, rig.pager.mover.overlap));
	rig_check();
}
