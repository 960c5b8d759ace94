/* What of the policy's actions is carried out, where memory goes meanwhile, on the rig. */
#include "moves_rig.h"
#include "order/captures.h"
#include "order/freezes.h"
#include "pager/pager_internal.h"
#include "pager/free.h"

#define SMALL_BYTES 1000

/* A block of small allocations, of which one lives. */
static uint32_t slab_of_one(enum block_home home, uint64_t content)
{
	struct pager *pager = &rig.pager;
	uint32_t id = rig_component(1, 0, home, content);
	struct component *component = &pager->memory.table.components[rig_block(id)->component];

	component->slab = slabs_add(&pager->memory.slabs, component->start, SMALL_BYTES);
	cr_assert(component->slab != NULL);
	slab_take(&pager->memory.slabs, component->slab, SMALL_BYTES, id + 1);
	return id;
}

/* It is freed, but something may be using it. */
static void freed_in_order(uint32_t slab)
{
	struct pager *pager = &rig.pager;
	struct component *component =
	    &pager->memory.table.components[rig_block(slab)->component];

	piece_free_later(pager, slab_piece_at(component->slab, component->start), NULL);
}

static void carried_out(enum policy_verb verb, const uint32_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		rig.pager.actions[i] = (struct policy_action){.verb = verb, .block = blocks[i]};
	carry_out(&rig.pager, count);
}

/* Nothing is left of the block, and nothing was done for it. */
static void check_gone(uint32_t id)
{
	cr_assert(eq(u32, rig_block(id)->component, NO_BLOCK));
	cr_assert(zero(ptr, rig_block(id)->device));
	cr_assert(zero(ptr, rig_block(id)->host));
	cr_assert_not(rig_block(id)->leaving);
}

/* The last of each of two slabs goes in the window that is made to move them: one of them is
 * kept empty, the other is gone. */
static void check_moves_what_is_left(enum block_home from, enum policy_verb verb,
				     enum block_home to)
{
	uint32_t ids[3] = {rig_component(1, 0, from, 7), slab_of_one(from, 20),
			   slab_of_one(from, 21)};
	uint32_t gone, kept;

	freed_in_order(ids[1]);
	freed_in_order(ids[2]);
	carried_out(verb, ids, 3);
	gone = rig_block(ids[1])->component == NO_BLOCK ? ids[1] : ids[2];
	kept = gone == ids[1] ? ids[2] : ids[1];
	check_gone(gone);
	CHECK_HOME(ids[0], to);
	CHECK_CONTENT(ids[0], 7);
	CHECK_HOME(kept, to);
	CHECK_CONTENT(kept, kept == ids[1] ? 20 : 21);
	cr_assert(eq(u64, rig.pager.mover.stats.evictions + rig.pager.mover.stats.page_ins, 2));
	cr_assert(zero(u64, rig.pager.mover.stats.failed_moves));
	rig_check();
}

Test(carry_out, evicts_no_block_that_goes_in_its_window, .init = rig_start)
{
	check_moves_what_is_left(HOME_DEVICE, POLICY_EVICT, HOME_HOST);
	/* The frame in RAM of each that left, and of none besides. */
	cr_assert(eq(u64, rig.pager.memory.frames.host_bytes, 2 * GRANULE));
}

Test(carry_out, pages_in_no_block_that_goes_in_its_window, .init = rig_start)
{
	uint64_t before = rig.pager.memory.frames.device_bytes;

	check_moves_what_is_left(HOME_HOST, POLICY_PAGE_IN, HOME_DEVICE);
	cr_assert(eq(u64, rig.pager.memory.frames.device_bytes, before + 2 * GRANULE));
}

Test(carry_out, leaves_all_where_it_is_while_no_window_opens, .init = rig_start)
{
	uint32_t out = rig_component(1, 0, HOME_DEVICE, 7),
		 in = rig_component(1, 0, HOME_HOST, 8);
	uint64_t before = rig.pager.memory.frames.device_bytes;

	freezes_add(1);
	carried_out(POLICY_EVICT, &out, 1);
	carried_out(POLICY_PAGE_IN, &in, 1);
	CHECK_HOME(out, HOME_DEVICE);
	CHECK_HOME(in, HOME_HOST);
	CHECK_CONTENT(out, 7);
	CHECK_CONTENT(in, 8);
	cr_assert(zero(u64, rig.pager.mover.stats.windows));
	cr_assert(eq(u64, rig.pager.memory.frames.device_bytes, before));
	cr_assert(zero(sz, rig.calls[CALL_COPY]));
	freezes_add(-1);
	carried_out(POLICY_EVICT, &out, 1);
	carried_out(POLICY_PAGE_IN, &in, 1);
	CHECK_HOME(out, HOME_HOST);
	CHECK_HOME(in, HOME_DEVICE);
	cr_assert(eq(u64, rig.pager.mover.stats.windows, 2));
	rig_check();
}

/* Everybody waits for a window. */
Test(carry_out, opens_no_window_for_what_may_not_move_or_is_there, .init = rig_start)
{
	uint32_t here = rig_component(1, 0, HOME_DEVICE, 7),
		 cold = rig_component(1, 0, HOME_HOST, 8);
	uint32_t pinned = rig_component(1, 0, HOME_DEVICE, 9);

	rig_block(pinned)->pins = 1;
	carried_out(POLICY_PAGE_IN, &here, 1);
	carried_out(POLICY_EVICT, &cold, 1);
	carried_out(POLICY_EVICT, &pinned, 1);
	cr_assert(
	    zero(u64, rig.pager.mover.stats.windows + rig.pager.mover.stats.windows_refused));
	CHECK_HOME(here, HOME_DEVICE);
	CHECK_HOME(cold, HOME_HOST);
	CHECK_HOME(pinned, HOME_DEVICE);
	rig_block(pinned)->pins = 0;
	carried_out(POLICY_EVICT, &pinned, 1);
	CHECK_HOME(pinned, HOME_HOST);
	rig_check();
}

/* --- frames that are spare */

#define QUIETS 16 /* so many waits of the program are between two looks */

static void some_are_spare(void)
{
	struct frame *frames[4];

	for (int i = 0; i < 4; i++)
		frames[i] = frame_take(&rig.pager.memory.frames, i % 2, 0);
	for (int i = 0; i < 4; i++)
		frame_give(&rig.pager.memory.frames, frames[i]);
}

static void check_spare(uint64_t device_frames, uint64_t host_frames)
{
	cr_assert(eq(u64, rig.pager.memory.frames.device_spare_bytes, device_frames * GRANULE));
	cr_assert(eq(u64, rig.pager.memory.frames.host_spare_bytes, host_frames * GRANULE));
	cr_assert(eq(u64, ledger_taken_bytes(0), rig.pager.memory.frames.device_bytes));
}

Test(trim, lets_frames_go_that_nobody_needed_between_two_looks, .init = rig_start)
{
	some_are_spare();
	for (int i = 0; i < 2 * QUIETS - 1; i++) {
		trim_frames(&rig.pager, false);
		check_spare(2, 2);
	}
	trim_frames(&rig.pager, false);
	check_spare(0, 0);
	rig_check();
}

Test(trim, keeps_frames_that_are_needed_again_and_again, .init = rig_start)
{
	some_are_spare();
	for (int i = 0; i < 4 * QUIETS; i++) {
		some_are_spare();
		trim_frames(&rig.pager, false);
	}
	check_spare(2, 2);
}

Test(trim, lets_all_spare_frames_go_at_once_where_nothing_is_held, .init = rig_start)
{
	some_are_spare();
	trim_frames(&rig.pager, true);
	check_spare(0, 0);
	rig_check();
}

/* Nothing is released amid a capture, and waits of that time do not count. */
Test(trim, lets_no_frame_go_while_a_stream_is_captured, .init = rig_start)
{
	some_are_spare();
	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
	for (int i = 0; i < 4 * QUIETS; i++)
		trim_frames(&rig.pager, false);
	trim_frames(&rig.pager, true);
	check_spare(2, 2);
	captures_ended();
	for (int i = 0; i < QUIETS; i++)
		trim_frames(&rig.pager, false);
	check_spare(2, 2);
}
