/* What the driver refuses in the midst of moves: every block is where its home says, with its
 * bytes, and no frame is lost. On the rig. */
#include "moves_rig.h"
#include "move/pipeline.h"

static void exchange_in(uint32_t first, size_t count)
{
	uint32_t ids[2 * RIG_BLOCKS];

	rig_ids(first, count, ids);
	pipeline_run(&rig.pager.mover, NULL, 0, ids, count);
}

static void check_all(uint32_t first, size_t count, enum block_home home, uint64_t content)
{
	for (uint32_t i = 0; i < count; i++) {
		CHECK_HOME(first + i, home);
		CHECK_CONTENT(first + i, content + i);
	}
	cr_assert(zero(int, atomic_load(&rig.pager.memory.lost)));
	rig_check();
}

/* --- mappings */

Test(refused, a_block_stays_that_cannot_be_unmapped, .init = rig_start)
{
	uint32_t b = rig_component(3, 0, HOME_DEVICE, 7);

	rig_fail(CALL_UNMAP, 2, 1);
	rig_evict(b, 3);
	CHECK_HOME(b, HOME_HOST);
	CHECK_HOME(b + 1, HOME_DEVICE);
	CHECK_HOME(b + 2, HOME_HOST);
	rig_write(b + 1, 80); /* of which its host frame knows nothing */
	rig_evict(b + 1, 1);
	CHECK_CONTENT(b + 1, 80);
	CHECK_CONTENT(b + 2, 9);
	cr_assert(zero(int, atomic_load(&rig.pager.memory.lost)));
	rig_check();
}

/* Those that came are clean by their own hashes, not by those of others. */
Test(refused, hashes_are_of_the_blocks_that_came, .init = rig_start)
{
	uint32_t b = rig_component(3, 0, HOME_HOST, 7);

	rig_page_in(b, 3);
	rig_evict(b, 3);
	rig.pager.mover.stats.clean_evictions = 0;
	rig_fail(CALL_MAP, 1, 1);
	rig_page_in(b, 3);
	CHECK_HOME(b, HOME_HOST);
	cr_assert_not(rig_block(b)->hashed);
	cr_assert(zero(ptr, rig_block(b)->device));
	rig_write(b + 2, 90);
	rig_evict(b + 1, 2);
	cr_assert(eq(u64, rig.pager.mover.stats.clean_evictions, 1));
	CHECK_CONTENT(b + 1, 8);
	CHECK_CONTENT(b + 2, 90);
	rig_check();
}

static void check_lost(uint32_t id)
{
	CHECK_HOME(id, HOME_NONE);
	cr_assert(eq(int, atomic_load(&rig.pager.memory.lost), CUDA_ERROR_UNKNOWN));
}

/* It is mapped, and nobody may reach it there. */
Test(refused, memory_is_lost_that_has_no_access_and_stays_mapped, .init = rig_start)
{
	uint32_t b = rig_component(2, 0, HOME_DEVICE, 7), ids[] = {b};

	rig_block(b)->host = frame_take(&rig.pager.memory.frames, true, 0);
	rig_fail(CALL_ACCESS, 1, 2);
	rig_fail(CALL_UNMAP, 2, 1);
	cr_assert(zero(sz, mapping_switch(&rig.pager.memory, ids, 1, HOME_HOST)));
	check_lost(b);
	CHECK_CONTENT(b + 1, 8);
}

Test(refused, memory_is_lost_that_is_put_back_without_access, .init = rig_start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7), ids[] = {b};

	rig_block(b)->host = frame_take(&rig.pager.memory.frames, true, 0);
	rig_fail(CALL_MAP, 1, 1);
	rig_fail(CALL_ACCESS, 1, 1);
	rig_fail(CALL_UNMAP, 2, 1);
	cr_assert(zero(sz, mapping_switch(&rig.pager.memory, ids, 1, HOME_HOST)));
	check_lost(b);
}

Test(refused, memory_is_put_back_though_its_access_fails_at_first, .init = rig_start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7), ids[] = {b};

	rig_block(b)->host = frame_take(&rig.pager.memory.frames, true, 0);
	rig_fail(CALL_MAP, 1, 1);
	rig_fail(CALL_ACCESS, 1, 2);
	mapping_switch(&rig.pager.memory, ids, 1, HOME_HOST);
	check_all(b, 1, HOME_DEVICE, 7);
}

/* What is still mapped there must not be given to others. */
Test(refused, a_block_keeps_its_home_that_cannot_be_taken_down, .init = rig_start)
{
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7);

	rig_fail(CALL_UNMAP, 1, 1);
	cr_assert(ne(int, (int)mapping_remove(&rig.pager.memory, b), CUDA_SUCCESS));
	check_all(b, 1, HOME_DEVICE, 7);
	cr_assert(eq(int, (int)mapping_remove(&rig.pager.memory, b), CUDA_SUCCESS));
	CHECK_HOME(b, HOME_NONE);
}

/* --- events of what crosses */

static CUresult no_event(CUevent *event, unsigned int flags)
{
	(void)event, (void)flags;
	return CUDA_ERROR_OUT_OF_MEMORY;
}

Test(refused, blocks_come_without_events, .init = rig_start)
{
	uint32_t b = rig_component(4, 0, HOME_HOST, 7);

	lt_driver.cuEventCreate = no_event;
	exchange_in(b, 4);
	check_all(b, 4, HOME_DEVICE, 7);
	cr_assert(zero(sz, rig.calls[CALL_RECORD]));
}

Test(refused, blocks_come_where_the_driver_waits_for_no_event, .init = rig_start)
{
	uint32_t b = rig_component(4, 0, HOME_HOST, 7);

	lt_driver.cuEventSynchronize = NULL;
	exchange_in(b, 4);
	check_all(b, 4, HOME_DEVICE, 7);
}

static CUresult event_failed(CUevent event)
{
	(void)event;
	return CUDA_ERROR_UNKNOWN;
}

/* Nobody knows what has arrived: all of it has ended before its frames are anybody's. */
Test(refused, blocks_stay_cold_that_were_not_seen_to_arrive, .init = rig_start)
{
	uint32_t b = rig_component(4, 0, HOME_HOST, 7);

	lt_driver.cuEventSynchronize = event_failed;
	exchange_in(b, 4);
	cr_assert_not(rig_is_pending(rig.pager.mover.stream_in));
	cr_assert(eq(u64, rig.pager.mover.stats.failed_moves, 4));
	cr_assert(eq(u64, rig.pager.memory.frames.device_spare_bytes, 4 * GRANULE));
	check_all(b, 4, HOME_HOST, 7);
}

/* --- frames */

/* All of VRAM but so many frames. */
static void vram_is_full_but_for(unsigned int frames)
{
	struct frame *frame, *kept = NULL;

	while ((frame = frame_take(&rig.pager.memory.frames, false, 0))) {
		frame->next = kept;
		kept = frame;
	}
	while (frames--) {
		frame = kept;
		kept = frame->next;
		frame_give(&rig.pager.memory.frames, frame);
	}
}

Test(refused, blocks_come_past_one_that_there_is_no_frame_for, .init = rig_start)
{
	uint32_t large = rig_component(1, 2, HOME_HOST, 70);
	uint32_t b = rig_component(4, 0, HOME_HOST, 7);

	cr_assert(eq(u32, b, large + 1));
	vram_is_full_but_for(3);
	exchange_in(large, 5);
	CHECK_HOME(large, HOME_HOST);
	CHECK_CONTENT(large, 70);
	cr_assert(eq(u64, rig.pager.mover.stats.page_ins, 3));
	cr_assert(eq(u32, atomic_load(&rig.pager.memory.cold_blocks), 2));
	cr_assert(zero(u64, rig.pager.mover.stats.failed_moves));
	for (uint32_t i = 0; i < 4; i++)
		CHECK_CONTENT(b + i, 7 + i);
	rig_check();
}

static size_t most_crossing;

static CUresult count_crossing(CUevent event)
{
	size_t crossing = 0;

	for (size_t i = 0; i < rig.operation_count; i++)
		crossing += rig.operations[i].kind == RIG_COPY && !rig.operations[i].over;
	if (crossing > most_crossing)
		most_crossing = crossing;
	return rig_event_synchronize(event);
}

/* There are so many events for what crosses: the first ones are waited for. */
Test(refused, no_more_cross_at_once_than_can_be_told_apart, .init = rig_start)
{
	uint32_t b = rig_component(RIG_BLOCKS, 0, HOME_HOST, 7);
	uint32_t c = rig_component(4, 0, HOME_HOST, 7 + RIG_BLOCKS);

	cr_assert(eq(u32, c, b + RIG_BLOCKS));
	lt_driver.cuEventSynchronize = count_crossing;
	exchange_in(b, RIG_BLOCKS + 4);
	cr_assert(eq(sz, most_crossing, MOVER_CROSSING));
	cr_assert(eq(u64, rig.pager.mover.stats.page_ins, RIG_BLOCKS + 4));
	check_all(b, RIG_BLOCKS + 4, HOME_DEVICE, 7);
}
