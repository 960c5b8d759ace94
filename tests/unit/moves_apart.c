/* Switches without the lock, on the rig: what other threads do while the driver is at it. */
#include "base/lock.h"
#include "overlap_rig.h"
#include "pager/one_home.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static uint32_t moving; /* the block that is switched */
static pthread_t other;
static atomic_bool other_is_in, other_is_through;
static enum block_home seen_home;
static bool lock_was_free;

static bool step_apart(void)
{
	bool done;

	lock_take(&rig.pager.memory.lock);
	done = overlap_step_apart(&rig.pager.mover);
	lock_give(&rig.pager.memory.lock);
	return done;
}

/* Steps until the next would switch the block; what the GPU was given for it is over. */
static void bring_to_its_switch(enum policy_verb verb)
{
	enum transfer_state last = verb == POLICY_EVICT ? OUT_COPY : IN_COPY;

	want(verb, moving, 1);
	for (int i = 0; way_of(moving) != last && i < 10; i++)
		step_apart();
	cr_assert(eq(int, way_of(moving), last));
	rig_run();
}

static void look_at_the_lock(void)
{
	lock_was_free = lock_try(&rig.pager.memory.lock);
	if (lock_was_free)
		lock_give(&rig.pager.memory.lock);
}

/* The other thread has the lock, and time enough to go on if nothing holds it up. */
static void start_other(void *(*what)(void *))
{
	cr_assert(eq(int, pthread_create(&other, NULL, what, NULL), 0));
	while (!atomic_load(&other_is_in))
		usleep(100);
	usleep(2000);
	cr_assert_not(atomic_load(&other_is_through));
}

static void *use_the_block(void *unused)
{
	lock_take(&rig.pager.memory.lock);
	atomic_store(&other_is_in, true);
	overlap_stop(&rig.pager.mover, moving);
	atomic_store(&other_is_through, true);
	seen_home = atomic_load(&rig_block(moving)->home);
	lock_give(&rig.pager.memory.lock);
	return unused;
}

static void use_beside(void)
{
	start_other(use_the_block);
}

static void *want_all_at_rest(void *unused)
{
	lock_take(&rig.pager.memory.lock);
	atomic_store(&other_is_in, true);
	overlap_settle(&rig.pager.mover);
	atomic_store(&other_is_through, true);
	overlap_destroy(&rig.pager.mover);
	lock_give(&rig.pager.memory.lock);
	return unused;
}

static void settle_beside(void)
{
	start_other(want_all_at_rest);
}

/* Blocks of 2, 8 and 32 MiB. */
static void check_switched(enum policy_verb verb, enum block_home from, enum block_home to)
{
	for (unsigned int size_class = 0; size_class <= 4; size_class += 2) {
		moving = known_component(1, size_class, from, 7 + size_class);
		bring_to_its_switch(verb);
		rig.beside = look_at_the_lock;
		cr_assert(step_apart());
		cr_assert(lock_was_free);
		CHECK_HOME(moving, to);
		CHECK_CONTENT(moving, 7 + size_class);
		cr_assert_not(overlap_busy(&rig.pager.mover));
	}
	rig_check();
}

Test(apart, lets_others_have_the_lock_while_a_block_leaves, .init = overlap_start)
{
	check_switched(POLICY_EVICT, HOME_DEVICE, HOME_HOST);
}

Test(apart, lets_others_have_the_lock_while_a_block_arrives, .init = overlap_start)
{
	check_switched(POLICY_PAGE_IN, HOME_HOST, HOME_DEVICE);
}

Test(apart, lets_others_have_the_lock_while_a_frame_is_made, .init = overlap_start)
{
	moving = known_component(1, 1, HOME_HOST, 7);
	want(POLICY_PAGE_IN, moving, 1);
	rig.beside = look_at_the_lock;
	cr_assert(step_apart());
	cr_assert(lock_was_free);
	cr_assert_not(rig.pager.memory.frame_making);
	bring_to_its_switch(POLICY_PAGE_IN);
	step_apart();
	CHECK_HOME(moving, HOME_DEVICE);
	rig_check();
}

static void end_all_grace(void)
{
	lock_take(&rig.pager.memory.lock);
	overlap_settle(&rig.pager.mover);
	overlap_destroy(&rig.pager.mover);
	lock_give(&rig.pager.memory.lock);
}

Test(apart, goes_no_further_once_nothing_moves_beside_the_work, .init = overlap_start)
{
	moving = known_component(1, 1, HOME_HOST, 7);
	want(POLICY_PAGE_IN, moving, 1);
	rig.beside = end_all_grace;
	rig_fail(CALL_MAP, 1, 1); /* of the frame that is made meanwhile */
	cr_assert_not(step_apart());
	cr_assert(zero(ptr, rig.pager.mover.overlap));
	CHECK_HOME(moving, HOME_HOST);
	CHECK_CONTENT(moving, 7);
	rig_check();
}

/* Whoever names the block finds it where it is now, and moved once. */
static void check_waited_for(enum policy_verb verb, enum block_home from, enum block_home to)
{
	moving = known_component(1, 1, from, 7);
	bring_to_its_switch(verb);
	rig.beside = use_beside;
	cr_assert(step_apart());
	pthread_join(other, NULL);
	cr_assert(eq(int, seen_home, to));
	cr_assert(eq(int, way_of(moving), TRANSFER_NONE));
	cr_assert(eq(u64, rig.pager.mover.stats.evictions + rig.pager.mover.stats.page_ins, 1));
	cr_assert_not(overlap_busy(&rig.pager.mover));
	CHECK_CONTENT(moving, 7);
	rig_check();
}

Test(apart, has_those_wait_who_name_a_block_that_leaves, .init = overlap_start)
{
	check_waited_for(POLICY_EVICT, HOME_DEVICE, HOME_HOST);
}

Test(apart, has_those_wait_who_name_a_block_that_arrives, .init = overlap_start)
{
	check_waited_for(POLICY_PAGE_IN, HOME_HOST, HOME_DEVICE);
}

/* As before a window; afterwards the slots themselves may go. */
Test(apart, has_those_wait_who_want_all_at_rest, .init = overlap_start)
{
	moving = known_component(1, 1, HOME_DEVICE, 7);
	bring_to_its_switch(POLICY_EVICT);
	rig.beside = settle_beside;
	cr_assert(step_apart());
	pthread_join(other, NULL);
	cr_assert(rig.pager.mover.overlap == NULL);
	cr_assert(eq(u64, rig.pager.mover.stats.evictions, 1));
	CHECK_HOME(moving, HOME_HOST);
	CHECK_CONTENT(moving, 7);
	rig_check();
}

static void *want_one_home(void *unused)
{
	struct pager_range range = {rig_block(moving - 1)->address, 3 * 4 * MIB};

	lock_take(&rig.pager.memory.lock);
	atomic_store(&other_is_in, true);
	cr_assert(one_home_settle_one(&rig.pager, &range));
	atomic_store(&other_is_through, true);
	lock_give(&rig.pager.memory.lock);
	return unused;
}

static void settle_range_beside(void)
{
	start_other(want_one_home);
}

/* Of three blocks the last is in RAM, and the second is on its very way there. */
Test(apart, has_those_wait_who_want_blocks_in_one_home, .init = overlap_start)
{
	uint32_t first = known_component(3, 1, HOME_DEVICE, 7);

	want(POLICY_EVICT, first + 2, 1);
	step_to_the_end();
	CHECK_HOME(first + 2, HOME_HOST);
	moving = first + 1;
	bring_to_its_switch(POLICY_EVICT);
	rig.beside = settle_range_beside;
	cr_assert(step_apart());
	pthread_join(other, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_HOME(first + i, HOME_DEVICE);
		CHECK_CONTENT(first + i, 7 + i);
	}
	rig_check();
}

static bool second_stepped;

static void step_beside(void)
{
	second_stepped = step_apart();
}

Test(apart, switches_one_block_at_a_time, .init = overlap_start)
{
	moving = known_component(2, 1, HOME_DEVICE, 7);
	want(POLICY_EVICT, moving + 1, 1);
	bring_to_its_switch(POLICY_EVICT);
	rig.beside = step_beside;
	cr_assert(step_apart());
	cr_assert_not(second_stepped);
	step_to_the_end();
	CHECK_HOME(moving, HOME_HOST);
	CHECK_HOME(moving + 1, HOME_HOST);
	CHECK_CONTENT(moving, 7);
	CHECK_CONTENT(moving + 1, 8);
	rig_check();
}

Test(apart, leaves_a_block_where_it_was_that_the_driver_does_not_map, .init = overlap_start)
{
	moving = known_component(1, 1, HOME_DEVICE, 7);
	bring_to_its_switch(POLICY_EVICT);
	rig_fail(CALL_MAP, 1, 1);
	cr_assert(step_apart());
	CHECK_HOME(moving, HOME_DEVICE);
	CHECK_CONTENT(moving, 7);
	cr_assert(eq(u64, rig.pager.mover.stats.failed_moves, 1));
	cr_assert(eq(int, atomic_load(&rig.pager.memory.lost), 0));
	cr_assert_not(overlap_busy(&rig.pager.mover));
	rig_check();
}

Test(apart, leaves_a_block_where_it_was_without_access_to_the_new_home, .init = overlap_start)
{
	moving = known_component(1, 1, HOME_HOST, 7);
	bring_to_its_switch(POLICY_PAGE_IN);
	rig_fail(CALL_ACCESS, 1, 1);
	cr_assert(step_apart());
	CHECK_HOME(moving, HOME_HOST);
	CHECK_CONTENT(moving, 7);
	cr_assert(rig_block(moving)->device == NULL);
	rig_check();
}

Test(apart, tells_that_a_block_is_out_of_reach, .init = overlap_start)
{
	moving = known_component(1, 1, HOME_DEVICE, 7);
	bring_to_its_switch(POLICY_EVICT);
	rig_fail(CALL_MAP, 1, 4); /* and three times back */
	cr_assert(step_apart());
	cr_assert(eq(int, atomic_load(&rig_block(moving)->home), HOME_NONE));
	cr_assert(eq(int, atomic_load(&rig.pager.memory.lost), CUDA_ERROR_UNKNOWN));
	cr_assert_not(overlap_busy(&rig.pager.mover));
}

Test(apart, tells_that_a_block_is_out_of_reach_which_stays_mapped_without_access,
     .init = overlap_start)
{
	moving = known_component(1, 1, HOME_DEVICE, 7);
	bring_to_its_switch(POLICY_EVICT);
	rig_fail(CALL_ACCESS, 1, 1);
	rig_fail(CALL_UNMAP, 2, 1);
	cr_assert(step_apart());
	CHECK_HOME(moving, HOME_NONE);
	cr_assert(eq(int, atomic_load(&rig.pager.memory.lost), CUDA_ERROR_UNKNOWN));
	cr_assert_not(overlap_busy(&rig.pager.mover));
}

Test(apart, leaves_a_block_where_it_was_that_the_driver_does_not_unmap, .init = overlap_start)
{
	moving = known_component(1, 1, HOME_DEVICE, 7);
	bring_to_its_switch(POLICY_EVICT);
	rig_fail(CALL_UNMAP, 1, 1);
	cr_assert(step_apart());
	CHECK_HOME(moving, HOME_DEVICE);
	CHECK_CONTENT(moving, 7);
	cr_assert(zero(int, atomic_load(&rig.pager.memory.lost)));
	rig_check();
}

Test(apart, does_nothing_where_nothing_is_under_way, .init = overlap_start)
{
	cr_assert_not(step_apart());
	moving = known_component(1, 1, HOME_DEVICE, 7);
	want(POLICY_EVICT, moving, 1);
	cr_assert_not(step_apart(), "its copy has begun, and crosses");
	cr_assert_not(step_apart());
	cr_assert(eq(int, way_of(moving), OUT_COPY));
}

/* Spare frames of other sizes go first: that, too, is the driver's work. */
Test(apart, makes_a_frame_of_the_room_of_smaller_ones, .init = overlap_start)
{
	rig_component_gone(known_component(2, 0, HOME_DEVICE, 1));
	moving = known_component(1, 1, HOME_HOST, 7);
	cr_assert(ledger_take(0, 256 * MIB - ledger_taken_bytes(0)));
	want(POLICY_PAGE_IN, moving, 1);
	cr_assert(step_apart());
	cr_assert(zero(u64, rig.pager.memory.frames.device_spare_bytes));
	cr_assert_not(rig.pager.memory.frame_making);
	cr_assert(step_apart());
	cr_assert(eq(u64, rig.pager.memory.frames.device_spare_bytes, frame_bytes(1)));
	bring_to_its_switch(POLICY_PAGE_IN);
	cr_assert(step_apart());
	CHECK_HOME(moving, HOME_DEVICE);
	CHECK_CONTENT(moving, 7);
	rig_check();
}

/* The first waits for the work that uses it in place, the second for a frame that nobody has:
 * what can leave does. */
Test(apart, goes_on_with_what_leaves_where_no_frame_can_be_made, .init = overlap_start)
{
	uint32_t in = known_component(2, 1, HOME_HOST, 70);
	uint64_t fence;

	for (int i = 0; i < 4; i++) /* the grace of what was before */
		fence_close(&rig.pager.mover.fences, fence_open(&rig.pager.mover.fences), NULL,
			    true);
	fence = fence_open(&rig.pager.mover.fences);
	rig_block(in)->fence = fence;
	moving = known_component(1, 1, HOME_DEVICE, 7);
	want(POLICY_EVICT, moving, 1);
	want(POLICY_PAGE_IN, in, 2);
	cr_assert(ledger_take(0, 256 * MIB - ledger_taken_bytes(0)));
	cr_assert_not(step_apart());
	rig_run();
	cr_assert(step_apart());
	CHECK_HOME(moving, HOME_HOST);
	cr_assert(eq(int, way_of(in), IN_WAIT));
	cr_assert_not(step_apart());
	cr_assert(eq(int, way_of(in + 1), IN_COPY), "in the frame of what has left");
	rig_check();
}

Test(apart, makes_no_frame_for_what_is_still_used_in_place, .init = overlap_start)
{
	moving = known_component(1, 1, HOME_HOST, 7);
	rig_block(moving)->fence = fence_open(&rig.pager.mover.fences);
	want(POLICY_PAGE_IN, moving, 1);
	cr_assert_not(step_apart());
	cr_assert(eq(int, way_of(moving), IN_WAIT));
	cr_assert(zero(u64, rig.pager.memory.frames.device_spare_bytes));
}

Test(apart, leaves_a_block_cold_whose_frame_the_driver_does_not_make, .init = overlap_start)
{
	uint64_t before = ledger_taken_bytes(0);

	moving = known_component(1, 1, HOME_HOST, 7);
	want(POLICY_PAGE_IN, moving, 1);
	rig_fail(CALL_MAP, 1, 1);
	cr_assert_not(step_apart());
	cr_assert(eq(int, way_of(moving), IN_WAIT));
	cr_assert(eq(u64, ledger_taken_bytes(0), before));
	cr_assert_not(rig.pager.memory.frame_making);
	rig_check();
}

static void free_the_block(void)
{
	lock_take(&rig.pager.memory.lock);
	overlap_settle(&rig.pager.mover);
	rig_component_gone(moving);
	lock_give(&rig.pager.memory.lock);
}

/* The last of what frames are for was freed: none is kept. */
Test(apart, keeps_no_frame_once_there_is_nothing_to_keep_it_for, .init = overlap_start)
{
	uint64_t before = ledger_taken_bytes(0);

	moving = known_component(1, 1, HOME_HOST, 7);
	want(POLICY_PAGE_IN, moving, 1);
	rig.beside = free_the_block;
	step_apart();
	cr_assert(zero(u64, rig.pager.memory.frames.device_spare_bytes));
	cr_assert(eq(u64, ledger_taken_bytes(0), before));
	rig_check();
}

/* Two small spares and one more small block's room would do for a large one; small ones behind
 * it must not have the first two meanwhile. */
Test(apart, keeps_the_room_for_the_large_block_that_is_first, .init = overlap_start)
{
	struct frame *filling = NULL, *frame, *small[2];
	uint32_t leaves = known_component(1, 2, HOME_DEVICE, 5);
	uint32_t large = known_component(1, 2, HOME_HOST, 6);
	uint32_t behind = known_component(1, 1, HOME_HOST, 7);
	uint64_t fence;

	for (int i = 0; i < 4; i++) /* the grace of what was before */
		fence_close(&rig.pager.mover.fences, fence_open(&rig.pager.mover.fences), NULL,
			    true);
	fence = fence_open(&rig.pager.mover.fences);
	small[0] = frame_take(&rig.pager.memory.frames, false, 0);
	small[1] = frame_take(&rig.pager.memory.frames, false, 0);
	while ((frame = frame_take(&rig.pager.memory.frames, false, 0))) {
		frame->next = filling;
		filling = frame;
	}
	frame_give(&rig.pager.memory.frames, small[0]);
	frame_give(&rig.pager.memory.frames, small[1]);
	rig.pager.memory.table.components[rig_block(leaves)->component].fence = fence;
	want(POLICY_EVICT, leaves, 1);
	want(POLICY_PAGE_IN, large, 1);
	want(POLICY_PAGE_IN, behind, 1);
	for (int i = 0; i < 5; i++) {
		step();
		rig_run();
	}
	cr_assert(eq(int, way_of(leaves), OUT_WAIT));
	cr_assert(eq(int, way_of(large), IN_WAIT));
	cr_assert(eq(int, way_of(behind), IN_WAIT));
	cr_assert(eq(u64, rig.pager.memory.frames.device_spare_bytes, 0));
	fence_close(&rig.pager.mover.fences, fence, NULL, true);
	step_to_the_end();
	CHECK_HOME(large, HOME_DEVICE);
	CHECK_HOME(behind, HOME_DEVICE);
	CHECK_CONTENT(large, 6);
	CHECK_CONTENT(behind, 7);
	while (filling) {
		frame = filling;
		filling = frame->next;
		frame_give(&rig.pager.memory.frames, frame);
	}
	rig_check();
}
