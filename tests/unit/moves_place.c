/* Moves beside the program's work, for those who want something of them: an allocation its
 * place, a launch what it names, a free its component at rest. On the rig. */
#include "beside_rig.h"
#include "base/settings.h"
#include "overlap_rig.h"

#define WORK ((CUstream)(uintptr_t)0x99)

static bool calloc_fails;

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes)
{
	return calloc_fails ? NULL : __real_calloc(count, bytes);
}

/* All of VRAM is taken but what is spare. */
static void vram_is_full(void)
{
	cr_assert(ledger_take(0, 256 * MIB - ledger_taken_bytes(0)));
}

/* Work that names the block, and goes on. */
static void launched(uint32_t id)
{
	uint64_t fence = fence_open(&rig.pager.mover.fences);

	component_of(id)->fence = fence;
	rig_put(RIG_WAIT, WORK);
	fence_close(&rig.pager.mover.fences, fence, WORK, false);
}

/* --- what there is for it */

Test(overlap, is_not_begun_without_memory_for_it, .init = rig_start)
{
	calloc_fails = true;
	cr_assert(zero(ptr, overlap_create()));
	calloc_fails = false;
	rig_fail(CALL_EVENT, 5, 1);
	cr_assert(zero(ptr, overlap_create()));
	cr_assert(eq(sz, rig.destroyed_events, 4));
	overlap_destroy(&rig.pager.mover); /* there is none */
	overlap_settle(&rig.pager.mover);
	overlap_settle_component(&rig.pager.mover, NULL);
	cr_assert_not(overlap_busy(&rig.pager.mover));
}

/* More blocks than there are slots: the rest is for later. */
Test(overlap, has_so_many_on_their_way_at_once_and_no_more, .init = overlap_start)
{
	uint32_t first[TRANSFERS / RIG_BLOCKS + 1];

	rig.pager.memory.frames.host_limit_bytes = 1024 * MIB;
	for (size_t i = 0; i <= TRANSFERS / RIG_BLOCKS; i++) {
		first[i] = known_component(RIG_BLOCKS, 0, HOME_HOST, 7);
		want(POLICY_PAGE_IN, first[i], RIG_BLOCKS);
	}
	cr_assert(eq(int, way_of(first[TRANSFERS / RIG_BLOCKS] - 1), IN_WAIT));
	cr_assert(eq(int, way_of(first[TRANSFERS / RIG_BLOCKS]), TRANSFER_NONE));
	overlap_stop(&rig.pager.mover, first[3]);
	want(POLICY_PAGE_IN, first[TRANSFERS / RIG_BLOCKS], 2);
	cr_assert(eq(int, way_of(first[TRANSFERS / RIG_BLOCKS]), IN_WAIT));
	cr_assert(eq(int, way_of(first[TRANSFERS / RIG_BLOCKS] + 1), TRANSFER_NONE));
}

/* --- what the policy wants */

Test(want, is_nothing_where_the_block_is_already_there, .init = overlap_start)
{
	uint32_t out = known_component(1, 0, HOME_DEVICE, 7);
	uint32_t in = known_component(1, 0, HOME_HOST, 8);
	uint32_t unknown = rig_component(1, 0, HOME_DEVICE, 9);
	uint32_t cold = rig_component(1, 0, HOME_HOST, 10);
	uint32_t gone = rig_component(1, 0, HOME_DEVICE, 11);
	uint32_t last = rig_component(1, 0, HOME_DEVICE, 12);

	rig_component_gone(gone);
	cr_assert(zero(sz, want(POLICY_EVICT, in, 1)));
	cr_assert(zero(sz, want(POLICY_PAGE_IN, out, 1)));
	cr_assert(zero(sz, want(POLICY_PAGE_IN, unknown, 1)));
	cr_assert(zero(sz, want(POLICY_EVICT, cold, 1)));
	cr_assert(zero(sz, want(POLICY_PAGE_IN, cold, 1)),
		  "what is only not named often enough comes without a window later");
	cr_assert(zero(sz, want(POLICY_EVICT, gone, 1)));
	cr_assert_not(overlap_busy(&rig.pager.mover));
	cr_assert(eq(sz, want(POLICY_EVICT, last, 1), 1));
	want(POLICY_PAGE_IN, in, 1);
	want(POLICY_PAGE_IN, in, 1); /* which it is, already */
	cr_assert(eq(sz, rig.pager.mover.overlap->busy, 1));
}

/* --- a place for an allocation */

static bool make_place(const uint32_t *blocks, size_t count)
{
	struct policy_action actions[RIG_BLOCKS];

	for (size_t i = 0; i < count; i++)
		actions[i] = (struct policy_action){.verb = POLICY_EVICT, .block = blocks[i]};
	return overlap_make_place(&rig.pager.mover, actions, count, 1);
}

static void check_place(const uint32_t *blocks, size_t count, bool is_made)
{
	cr_assert(eq(int, make_place(blocks, count), is_made));
	cr_assert(
	    eq(u64, rig.pager.memory.frames.device_spare_bytes, is_made ? frame_bytes(1) : 0));
	rig_check();
}

/* What we gave the driver ends whenever it is asked for; the program's work goes on. */
static CUresult ours_ends(CUevent event)
{
	size_t record = rig.record_of[(uintptr_t)event];

	if (record && rig.operations[record - 1].stream != WORK)
		rig_event_synchronize(event);
	return rig_event_query(event);
}

Test(place, is_that_of_a_block_which_leaves_as_it_came, .init = overlap_start)
{
	uint32_t b = resident_and_hashed(1, 7);
	size_t copies = rig.calls[CALL_COPY];

	vram_is_full();
	lt_driver.cuEventQuery = ours_ends;
	check_place(&b, 1, true);
	CHECK_HOME(b, HOME_HOST);
	CHECK_CONTENT(b, 7);
	cr_assert(eq(sz, rig.calls[CALL_COPY], copies));
}

/* Of several the first that will do, and no more of them than it takes. */
Test(place, is_that_of_the_first_which_can_leave_now, .init = overlap_start)
{
	uint32_t gone = known_component(1, 1, HOME_DEVICE, 1);
	uint32_t good = resident_and_hashed(2, 7);
	uint32_t pinned = resident_and_hashed(1, 9);
	uint32_t used = resident_and_hashed(1, 10);
	uint32_t no_frame = known_component(1, 1, HOME_DEVICE, 11);
	uint32_t barred = resident_and_hashed(1, 12);
	uint32_t leaving = resident_and_hashed(1, 13);
	uint32_t ids[] = {gone, no_frame, used, barred, pinned, leaving, good, good + 1};

	rig_component_gone(gone);
	frame_release_spare(&rig.pager.memory.frames, false, UINT64_MAX);
	rig_block(pinned)->pins = 1;
	rig_block(barred)->barred = true;
	for (int i = 0; i < 4; i++) /* the grace of what was before */
		fence_close(&rig.pager.mover.fences, fence_open(&rig.pager.mover.fences), NULL,
			    true);
	launched(used);
	launched(leaving);
	want(POLICY_EVICT, leaving, 1);
	vram_is_full();
	lt_driver.cuEventQuery = ours_ends;
	cr_assert_not(make_place(ids, 6));
	cr_assert(eq(int, way_of(used), TRANSFER_NONE));
	cr_assert(make_place(ids, 8));
	CHECK_HOME(good, HOME_HOST);
	CHECK_HOME(good + 1, HOME_DEVICE);
	CHECK_CONTENT(good, 7);
	CHECK_HOME(used, HOME_DEVICE);
	CHECK_HOME(pinned, HOME_DEVICE);
	CHECK_HOME(barred, HOME_DEVICE);
	cr_assert(eq(int, way_of(leaving), OUT_WAIT));
}

static unsigned int looks;

/* The fourth time somebody looks, it is over. */
static CUresult ends_in_time(CUevent event)
{
	if (++looks % 4 == 0)
		rig_event_synchronize(event);
	return rig_event_query(event);
}

Test(place, is_waited_for_while_it_comes, .init = overlap_start)
{
	uint32_t in = known_component(1, 1, HOME_HOST, 7);

	want(POLICY_PAGE_IN, in, 1);
	step();
	cr_assert(eq(int, way_of(in), IN_COPY));
	vram_is_full();
	lt_driver.cuEventQuery = ends_in_time;
	check_place(&in, 1, true);
	CHECK_HOME(in, HOME_HOST);
	CHECK_CONTENT(in, 7);
}

/* The copy crosses behind others, for longer than an allocation may take. */
Test(place, is_not_waited_for_for_ever, .init = overlap_start)
{
	uint32_t b = resident_and_hashed(1, 7);

	vram_is_full();
	check_place(&b, 1, false);
	step_to_the_end();
	CHECK_HOME(b, HOME_HOST);
	CHECK_CONTENT(b, 7);
}

static CUresult event_fails(CUevent event)
{
	(void)event;
	return CUDA_ERROR_UNKNOWN;
}

Test(place, is_given_up_with_what_fails, .init = overlap_start)
{
	uint32_t b = resident_and_hashed(1, 7);

	vram_is_full();
	lt_driver.cuEventQuery = event_fails;
	check_place(&b, 1, false);
	CHECK_HOME(b, HOME_DEVICE);
	CHECK_CONTENT(b, 7);
	cr_assert_not(overlap_busy(&rig.pager.mover));
}

/* --- what a launch waits for */

static size_t arriving(uint32_t first, size_t count, uint32_t *found, size_t room)
{
	uint32_t ids[RIG_BLOCKS];

	rig_ids(first, count, ids);
	return overlap_arriving(&rig.pager.mover, ids, count, found, room);
}

Test(launch, waits_for_what_is_on_its_way, .init = overlap_start)
{
	uint32_t b = known_component(4, 0, HOME_HOST, 7), found[4];

	cr_assert(zero(sz, arriving(b, 4, found, 4)));
	want(POLICY_PAGE_IN, b + 1, 3);
	cr_assert(eq(sz, arriving(b, 4, found, 4), 3));
	cr_assert(eq(u32, found[0], b + 1));
	cr_assert(eq(u32, found[2], b + 3));
	cr_assert(eq(sz, arriving(b, 4, found, 2), 2));
}

Test(launch, waits_with_patience_and_after_a_wait_in_vain_only_briefly, .init = overlap_start)
{
	struct mover *mover = &rig.pager.mover;
	uint64_t patience_ns = overlap_wait_until_ns(mover, now_ns) - now_ns;

	cr_assert(eq(u64, patience_ns, settings_get()->patience_ns));
	overlap_waited_in_vain(mover, now_ns);
	cr_assert(lt(u64, overlap_wait_until_ns(mover, now_ns) - now_ns, patience_ns));
	now_ns += 31000000000ull;
	cr_assert(eq(u64, overlap_wait_until_ns(mover, now_ns) - now_ns, patience_ns));
}

/* Nothing that is under way will make a frame free for it. */
Test(launch, has_no_hope_of_a_block_that_no_frame_is_coming_for, .init = overlap_start)
{
	struct mover *mover = &rig.pager.mover;
	uint32_t out = known_component(1, 0, HOME_DEVICE, 1);
	uint32_t in = known_component(2, 0, HOME_HOST, 7);

	cr_assert_not(overlap_hopeless(mover, in), "it is not on its way");
	want(POLICY_EVICT, out, 1);
	want(POLICY_PAGE_IN, in, 2);
	cr_assert_not(overlap_hopeless(mover, in), "another leaves");
	overlap_stop(mover, out); /* and stands among those under way as ended */
	cr_assert(overlap_hopeless(mover, in));
	for (int i = 0; i < 4; i++)
		fence_close(&mover->fences, fence_open(&mover->fences), NULL, true);
	step();
	cr_assert_not(overlap_hopeless(mover, in), "it has a frame");
}

/* That work may have to end first, and does. */
Test(launch, may_hope_for_a_block_that_work_uses_in_place, .init = overlap_start)
{
	uint32_t in = known_component(1, 0, HOME_HOST, 7);

	launched(in);
	want(POLICY_PAGE_IN, in, 1);
	step();
	cr_assert(eq(int, way_of(in), IN_WAIT));
	cr_assert_not(overlap_hopeless(&rig.pager.mover, in));
}

/* --- at rest, before a component goes */

Test(settled, is_all_if_anything_of_the_component_is_under_way, .init = overlap_start)
{
	struct mover *mover = &rig.pager.mover;
	uint32_t ended = known_component(1, 0, HOME_DEVICE, 1);
	uint32_t out = known_component(1, 0, HOME_DEVICE, 2);
	uint32_t other_one = known_component(1, 0, HOME_DEVICE, 3);

	want(POLICY_EVICT, ended, 1);
	want(POLICY_EVICT, out, 1);
	overlap_stop(mover, ended);
	overlap_settle_component(mover, component_of(other_one));
	overlap_settle_component(mover, component_of(ended));
	cr_assert(eq(int, way_of(out), OUT_WAIT));
	overlap_settle_component(mover, component_of(out));
	cr_assert_not(overlap_busy(mover));
	CHECK_HOME(out, HOME_DEVICE);
	rig_check();
}

/* What was stopped, and runs out, is waited for too: its frames are somebody's then. */
Test(settled, is_also_what_was_stopped_before, .init = overlap_start)
{
	struct mover *mover = &rig.pager.mover;
	uint32_t out = known_component(1, 0, HOME_DEVICE, 1);
	uint32_t in = known_component(1, 0, HOME_HOST, 2);

	want(POLICY_EVICT, out, 1);
	want(POLICY_PAGE_IN, in, 1);
	step();
	cr_assert(eq(int, way_of(out), OUT_COPY));
	cr_assert(eq(int, way_of(in), IN_COPY));
	overlap_stop(mover, out);
	overlap_stop(mover, in);
	cr_assert(overlap_busy(mover));
	overlap_settle(mover);
	cr_assert_not(overlap_busy(mover));
	cr_assert_not(rig_block(out)->leaving);
	cr_assert(eq(u64, rig.pager.memory.frames.device_spare_bytes, GRANULE));
	rig_check();
}

/* A launch that names the component of what has just ended. */
Test(settled, is_not_held_up_by_what_has_ended, .init = overlap_start)
{
	struct mover *mover = &rig.pager.mover;
	uint32_t ended = known_component(1, 0, HOME_DEVICE, 1);
	uint32_t out = known_component(1, 0, HOME_DEVICE, 2);

	want(POLICY_EVICT, ended, 1);
	want(POLICY_EVICT, out, 1);
	overlap_stop(mover, ended);
	overlap_hold(mover, component_of(ended), &rig.pager.named);
	cr_assert(eq(int, way_of(out), OUT_WAIT));
	overlap_settle(mover);
	cr_assert_not(overlap_busy(mover));
	rig_check();
}
