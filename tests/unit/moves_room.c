/* Room for what cannot page, the steps that are taken along, and what is put off until the
 * program waits: on the rig. */
#include "beside_rig.h"
#include "base/lock.h"
#include "base/settings.h"
#include "memory/prepared_frames.h"
#include "order/captures.h"
#include "order/freezes.h"
#include "order/contexts.h"
#include "overlap_rig.h"
#include "pager/free.h"
#include "pager/registry.h"

static void start(void)
{
	rig_start();
	registry_enter(&rig.pager);
	rig.pager.audit.block = NO_BLOCK;
}

static void start_beside_work(void)
{
	overlap_start();
	registry_enter(&rig.pager);
	rig.pager.audit.block = NO_BLOCK;
}

static bool lock_is_free(void)
{
	bool is_free = lock_try(&rig.pager.memory.lock);

	if (is_free)
		lock_give(&rig.pager.memory.lock);
	return is_free;
}

static void it_ends(void)
{
	registry_leave(&rig.pager);
}

/* --- room */

static void check_room(uint64_t bytes, bool is_made)
{
	uint64_t before = ledger_taken_bytes(0);

	cr_assert(eq(int, pager_make_room(0, bytes), is_made));
	cr_assert(eq(u64, before - ledger_taken_bytes(0), is_made ? bytes : 0));
	cr_assert(lock_is_free());
	cr_assert(zero(sz, rig.pushed_count));
	rig_check();
}

Test(room, is_not_made_where_no_pager_lives, .init = start)
{
	cr_assert_not(pager_make_room(1, GRANULE));
	cr_assert_not(pager_make_room(-1, GRANULE));
	cr_assert_not(pager_make_room(PAGER_DEVICES, GRANULE));
}

Test(room, is_made_of_spare_frames_first, .init = start)
{
	uint32_t b = rig_component(2, 0, HOME_DEVICE, 7);

	rig_component_gone(rig_component(2, 0, HOME_DEVICE, 70));
	check_room(2 * GRANULE, true);
	CHECK_HOME(b, HOME_DEVICE);
	CHECK_HOME(b + 1, HOME_DEVICE);
}

Test(room, is_made_of_what_leaves, .init = start)
{
	uint32_t b = rig_component(4, 0, HOME_DEVICE, 7);
	uint32_t cold = 0;

	check_room(2 * GRANULE, true);
	for (uint32_t i = 0; i < 4; i++) {
		cold += atomic_load(&rig_block(b + i)->home) == HOME_HOST;
		CHECK_CONTENT(b + i, 7 + i);
	}
	cr_assert(eq(u32, cold, 2));
	cr_assert(atomic_load(&rig.pager.pressed));
}

static uint32_t slab_with_nothing(void)
{
	struct pager *pager = &rig.pager;
	uint32_t id = rig_component(1, 0, HOME_DEVICE, 7);
	struct component *component = &pager->memory.table.components[rig_block(id)->component];

	component->slab = slabs_add(&pager->memory.slabs, component->start, 1000);
	slab_take(&pager->memory.slabs, component->slab, 1000, 1);
	slab_give(&pager->memory.slabs, slab_piece_at(component->slab, component->start));
	return id;
}

Test(room, is_made_of_empty_slabs_before_anything_leaves, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 8);
	uint32_t slab = slab_with_nothing();

	check_room(GRANULE, true);
	cr_assert(eq(u32, rig_block(slab)->component, NO_BLOCK));
	CHECK_HOME(b, HOME_DEVICE);
}

/* So many bytes are not in VRAM at all. */
Test(room, is_not_made_where_there_is_too_little_that_can_leave, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7);

	cr_assert_not(pager_make_room(0, 4 * GRANULE));
	CHECK_HOME(b, HOME_HOST);
	cr_assert(zero(u64, naps));
	rig_check();
}

Test(room, is_not_made_where_nothing_can_leave, .init = start)
{
	check_room(GRANULE, false);
	cr_assert(zero(u64, rig.pager.mover.stats.windows));
	cr_assert(zero(u64, naps));
}

static void thaw(void)
{
	freezes_add(-1);
}

/* Another thread's call ends. */
Test(room, is_tried_again_where_a_window_was_refused, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7);

	freezes_add(1);
	next_time(&at_nap, 3, thaw);
	check_room(GRANULE, true);
	cr_assert(eq(u64, naps, 3));
	cr_assert(eq(u64, rig.pager.mover.stats.windows_refused, 3));
	CHECK_HOME(b, HOME_HOST);
}

Test(room, is_given_up_where_no_window_ever_opens, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7);

	freezes_add(1);
	check_room(GRANULE, false);
	cr_assert(eq(u64, naps, 500));
	CHECK_HOME(b, HOME_DEVICE);
	CHECK_CONTENT(b, 7);
}

static void begin_capture(void)
{
	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
}

static void make_context(void)
{
	contexts_made(0, 2);
}

/* These last: nobody waits for them. */
static void check_is_not_waited_for(void (*what)(void))
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7);

	what();
	check_room(GRANULE, false);
	cr_assert(zero(u64, naps));
	CHECK_HOME(b, HOME_DEVICE);
}

Test(room, is_not_waited_for_amid_a_capture, .init = start)
{
	check_is_not_waited_for(begin_capture);
}

Test(room, is_not_waited_for_beside_another_context, .init = start)
{
	check_is_not_waited_for(make_context);
}

Test(room, is_made_by_no_pager_that_ends_meanwhile, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7);

	next_time(&at_lock, 1, it_ends);
	check_room(GRANULE, false);
	CHECK_HOME(b, HOME_DEVICE);
	CHECK_CONTENT(b, 7);
}

#define WORK ((CUstream)(uintptr_t)0x99)

static void work_ends(void)
{
	rig_synchronize(WORK);
}

/* A component of one block, freed in the order of a stream whose work goes on. */
static void freed_in_order(void)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7);
	CUevent event;

	rig_put(RIG_WAIT, WORK);
	rig_event_create(&event, 0);
	rig_record(event, WORK);
	component_free_later(
	    &rig.pager, &rig.pager.memory.table.components[rig_block(b)->component], event);
}

Test(room, is_made_of_what_was_freed_once_nothing_uses_it, .init = start)
{
	freed_in_order();
	next_time(&at_yield, 2, work_ends);
	check_room(GRANULE, true);
	cr_assert(zero(u32, atomic_load(&rig.pager.parked_count)));
	cr_assert(eq(sz, rig.destroyed_events, 1));
}

Test(room, does_not_wait_for_ever_for_what_was_freed, .init = start)
{
	freed_in_order();
	check_room(GRANULE, false);
	cr_assert(eq(u32, atomic_load(&rig.pager.parked_count), 1));
}

static void frame_is_made(void)
{
	rig.pager.memory.frame_making = false;
	rig_component_gone(rig_component(1, 0, HOME_DEVICE, 7));
}

/* By the thread of ours, with the lock given back. */
Test(room, waits_for_a_frame_that_is_being_made, .init = start)
{
	rig.pager.memory.frame_making = true;
	next_time(&at_yield, 2, frame_is_made);
	cr_assert(pager_make_room(0, GRANULE));
	cr_assert(lock_is_free());
	rig_check();
}

/* --- steps */

static void steps_to_the_end(void)
{
	for (int i = 0; overlap_busy(&rig.pager.mover) && i < 50; i++) {
		pager_step();
		rig_run();
	}
	cr_assert_not(overlap_busy(&rig.pager.mover));
	cr_assert(lock_is_free());
	cr_assert(zero(sz, rig.pushed_count));
	rig_check();
}

static uint32_t one_leaves(void)
{
	uint32_t b = known_component(1, 0, HOME_DEVICE, 7);

	want(POLICY_EVICT, b, 1);
	return b;
}

Test(step, brings_on_what_is_on_its_way, .init = start_beside_work)
{
	uint32_t b = one_leaves();

	cr_assert(pager_wants_steps());
	cr_assert(pager_step());
	steps_to_the_end();
	CHECK_HOME(b, HOME_HOST);
	CHECK_CONTENT(b, 7);
	cr_assert_not(pager_wants_steps());
	cr_assert_not(pager_step());
}

/* The thread of ours does the steps: each gives the lock back for the driver's work. */
Test(step, is_a_thread_s_of_ours_where_there_is_one)
{
	uint32_t b;

	setenv("LOWTIDE_TEST_THREAD", "1", 1);
	cr_assert(settings_get()->thread);
	start_beside_work();
	b = one_leaves();
	cr_assert_not(pager_wants_steps());
	for (int i = 0; way_of(b) != OUT_COPY && i < 10; i++)
		pager_step();
	rig_run();
	steps_to_the_end();
	CHECK_HOME(b, HOME_HOST);
	CHECK_CONTENT(b, 7);
}

Test(step, is_taken_in_the_pager_s_context, .init = start_beside_work)
{
	uint32_t b = one_leaves();

	rig.current = NULL;
	steps_to_the_end();
	cr_assert(zero(ptr, rig.current));
	cr_assert(gt(sz, rig.calls[CALL_PUSH], 0));
	CHECK_HOME(b, HOME_HOST);
}

static void check_takes_no_step(void)
{
	uint32_t b = one_leaves();

	for (int i = 0; i < 5; i++) {
		cr_assert(pager_step());
		rig_run();
	}
	cr_assert(eq(int, way_of(b), OUT_WAIT));
	cr_assert(zero(sz, rig.pushed_count));
	cr_assert(lock_is_free());
}

Test(step, is_not_taken_where_the_context_cannot_be_current, .init = start_beside_work)
{
	rig.current = NULL;
	rig_fail(CALL_PUSH, 1, 5);
	check_takes_no_step();
}

Test(step, is_not_taken_where_the_driver_does_not_tell_the_context, .init = start_beside_work)
{
	rig_fail(CALL_CURRENT, 1, 5);
	check_takes_no_step();
}

Test(step, is_not_taken_amid_a_capture, .init = start_beside_work)
{
	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
	check_takes_no_step();
	cr_assert_not(pager_wants_steps());
}

Test(step, is_not_taken_beside_another_context, .init = start_beside_work)
{
	contexts_made(0, 2);
	check_takes_no_step();
}

/* Whoever holds the lock may be waiting for this very thread. */
Test(step, does_not_wait_for_the_lock, .init = start_beside_work)
{
	uint32_t b = one_leaves();

	other_lives();
	lock_take(&rig.pager.memory.lock);
	cr_assert(pager_step());
	cr_assert_not(pager_wants_steps());
	lock_give(&rig.pager.memory.lock);
	cr_assert(eq(int, way_of(b), OUT_WAIT));
}

Test(step, is_taken_for_no_pager_that_ends_meanwhile, .init = start_beside_work)
{
	uint32_t b = one_leaves();

	next_time(&at_try, 1, it_ends);
	cr_assert_not(pager_step());
	cr_assert(eq(int, way_of(b), OUT_WAIT));
	cr_assert(lock_is_free());
}

/* --- frames made ahead */

static void paging(void)
{
	known_component(1, 0, HOME_HOST, 7);
	rig.pager.memory.prepares_frames = true;
	cr_assert(prepared_frames_wanted(&rig.pager.memory));
}

Test(step, makes_frames_ahead_where_nothing_is_on_its_way, .init = start_beside_work)
{
	paging();
	cr_assert(pager_wants_steps());
	for (int i = 0; pager_step() && i < 50; i++)
		;
	cr_assert_not(prepared_frames_wanted(&rig.pager.memory));
	cr_assert_not(pager_wants_steps());
	cr_assert(eq(u64, rig.pager.memory.frames.host_spare_bytes, 8 * GRANULE));
	rig_check();
}

Test(step, makes_no_frames_amid_a_capture, .init = start_beside_work)
{
	paging();
	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
	cr_assert(pager_step());
	cr_assert(zero(u64, rig.pager.memory.frames.host_spare_bytes));
}

/* --- what is put off until the program waits */

/* What cannot page has taken all but room for two. */
Test(quiet, moves_what_is_above_the_cap, .init = start)
{
	uint32_t b = rig_component(4, 0, HOME_DEVICE, 7), cold = 0;

	atomic_store(&rig.pager.pressed, true);
	rig.pager.memory.frames.device_limit_bytes = 3 * GRANULE; /* with the scratch frame */
	rig.pager.memory.frames.device_limit_until_ns = UINT64_MAX;
	pager_quiet();
	cr_assert(
	    eq(u64, rig.pager.policy_cap_bytes, memory_frames_cap_bytes(&rig.pager.memory)));
	for (uint32_t i = 0; i < 4; i++) {
		cold += atomic_load(&rig_block(b + i)->home) == HOME_HOST;
		CHECK_CONTENT(b + i, 7 + i);
	}
	cr_assert(eq(u32, cold, 2));
	cr_assert(lock_is_free());
	rig_check();
}

static void check_nothing_is_done(void)
{
	pager_quiet();
	cr_assert(zero(u64, rig.pager.policy_cap_bytes));
	cr_assert(zero(u32, rig.pager.quiets));
}

Test(quiet, asks_nothing_where_nothing_is_put_off, .init = start)
{
	rig_component(1, 0, HOME_DEVICE, 7);
	check_nothing_is_done();
	cr_assert(zero(sz, rig.calls[CALL_CURRENT]));
}

Test(quiet, does_nothing_in_another_context, .init = start)
{
	atomic_store(&rig.pager.pressed, true);
	rig.current = (CUcontext)&naps;
	check_nothing_is_done();
}

Test(quiet, does_nothing_for_a_pager_that_ends_meanwhile, .init = start)
{
	atomic_store(&rig.pager.pressed, true);
	next_time(&at_lock, 1, it_ends);
	check_nothing_is_done();
	cr_assert(lock_is_free());
}

Test(allocation, is_left_to_the_driver_by_a_pager_that_ends_meanwhile, .init = start)
{
	CUdeviceptr at = 1;

	next_time(&at_lock, 1, it_ends);
	cr_assert(eq(int, pager_alloc(32 * MIB, &at), PAGER_DECLINED));
	cr_assert(eq(u64, at, 1));
	cr_assert(zero(u64, rig.pager.policy_cap_bytes));
	cr_assert(lock_is_free());
	rig_check();
}

Test(quiet, does_nothing_where_the_driver_does_not_tell_the_context, .init = start)
{
	atomic_store(&rig.pager.pressed, true);
	rig_fail(CALL_CURRENT, 1, 1);
	check_nothing_is_done();
}

static void check_is_seen_to(void)
{
	pager_quiet();
	cr_assert(gt(u64, rig.pager.policy_cap_bytes, 0));
	cr_assert(lock_is_free());
	rig_check();
}

Test(quiet, sees_to_what_was_freed, .init = start)
{
	freed_in_order();
	check_is_seen_to();
	cr_assert(eq(u32, atomic_load(&rig.pager.parked_count), 1));
	work_ends();
	check_is_seen_to();
	cr_assert(zero(u32, atomic_load(&rig.pager.parked_count)));
}

Test(quiet, sees_to_spare_frames_of_the_device, .init = start)
{
	rig_component(1, 0, HOME_DEVICE, 7);
	rig_component_gone(rig_component(1, 0, HOME_DEVICE, 7));
	check_is_seen_to();
	cr_assert(eq(u32, rig.pager.quiets, 1));
	check_is_seen_to();
	cr_assert(eq(u32, rig.pager.quiets, 2));
}

Test(quiet, sees_to_spare_frames_in_ram, .init = start)
{
	rig_component(1, 0, HOME_DEVICE, 7);
	frame_give(&rig.pager.memory.frames, frame_take(&rig.pager.memory.frames, true, 0));
	check_is_seen_to();
}

Test(quiet, lets_all_spare_frames_go_where_nothing_is_held, .init = start)
{
	rig_component_gone(rig_component(1, 0, HOME_DEVICE, 7));
	check_is_seen_to();
	cr_assert(zero(u64, rig.pager.memory.frames.device_spare_bytes));
}

/* One context is current, and so one pager at most is seen to. */
Test(quiet, sees_to_the_pager_of_the_context_alone, .init = start)
{
	other_lives();
	atomic_store(&other.pressed, true);
	atomic_store(&rig.pager.pressed, true);
	check_is_seen_to();
	cr_assert(zero(u64, other.policy_cap_bytes));
	cr_assert(eq(sz, rig.calls[CALL_CURRENT], 1));
}
