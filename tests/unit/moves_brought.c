/* Where cold memory has no mapping: what work may touch is brought to VRAM before it, or the
 * work is refused; on the rig. */
#include "beside_rig.h"
#include "base/lock.h"
#include "order/captures.h"
#include "order/freezes.h"
#include "order/contexts.h"
#include "order/gate.h"
#include "pager/free.h"
#include "pager/registry.h"
#include "pager/unmapped.h"

#define STREAM ((CUstream)(uintptr_t)0x91)
#define WORK ((CUstream)(uintptr_t)0x99)

static CUresult driver_answer; /* to what is asked of the legacy stream, if it is an error */
static bool malloc_fails;

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

void *__wrap_malloc(size_t bytes)
{
	return malloc_fails ? NULL : __real_malloc(bytes);
}

static CUresult query(CUstream stream)
{
	return driver_answer ? driver_answer : rig_query(stream);
}

static CUresult is_capturing(CUstream stream, CUstreamCaptureStatus *status)
{
	*status =
	    stream == STREAM ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
	return CUDA_SUCCESS;
}

static void start(void)
{
	rig_start_unmapped();
	lt_driver.cuStreamQuery = query;
	lt_driver.cuStreamIsCapturing = is_capturing;
	atomic_store(&unmapped_mode, true);
	registry_enter(&rig.pager);
}

/* Nobody is inside, and no lock is held. */
static void check_at_rest(void)
{
	bool is_free = lock_try(&rig.pager.memory.lock);

	cr_assert(is_free);
	lock_give(&rig.pager.memory.lock);
	cr_assert(gate_shut(1), "somebody is inside the gate");
	gate_open();
	rig_check();
}

static CUresult bring(uint32_t id, enum unmapped_reach reach)
{
	const uint64_t address = rig_block(id)->address + 100;

	return unmapped_bring(&address, 1, reach);
}

static void check_brought(uint32_t id, enum unmapped_reach reach)
{
	cr_assert(eq(int, (int)bring(id, reach), CUDA_SUCCESS));
	check_at_rest();
}

static void check_refused(uint32_t id, enum unmapped_reach reach, CUresult result)
{
	cr_assert(eq(int, (int)bring(id, reach), (int)result));
	check_at_rest();
}

/* All of a device but so many granules is taken by what cannot page. */
static void others_leave(uint64_t granules)
{
	cr_assert(ledger_take(0, 256 * MIB - ledger_taken_bytes(0) - granules * GRANULE));
}

static struct component *component_of(uint32_t id)
{
	return &rig.pager.memory.table.components[rig_block(id)->component];
}

static void check_all(uint32_t first, size_t count, enum block_home home, uint64_t content)
{
	for (uint32_t i = 0; i < count; i++) {
		CHECK_HOME(first + i, home);
		CHECK_CONTENT(first + i, content + i);
	}
}

/* --- what is brought */

Test(brought, is_the_whole_component_that_is_named, .init = start)
{
	uint32_t b = rig_component(4, 0, HOME_HOST, 7);
	uint32_t more = rig_component(2, 0, HOME_HOST, 70);

	other_lives(); /* which it is no concern of */
	check_brought(b + 2, REACH_NAMED);
	check_all(b, 4, HOME_DEVICE, 7);
	check_all(more, 2, HOME_HOST, 70);
}

Test(brought, is_nothing_for_addresses_that_are_none_of_ours, .init = start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);
	const uint64_t addresses[] = {0x1000, rig_block(b + 1)->address + 40 * GRANULE};

	cr_assert(eq(int, (int)unmapped_bring(addresses, 2, REACH_NAMED), CUDA_SUCCESS));
	check_all(b, 2, HOME_HOST, 7);
	check_at_rest();
}

/* Of two names for the same, and of one that is in no component, nothing is made. */
Test(brought, is_each_block_once, .init = start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);
	const uint64_t addresses[] = {rig_block(b)->address, rig_block(b + 1)->address,
				      rig_block(b + 1)->address + 40 * GRANULE};

	cr_assert(eq(int, (int)unmapped_bring(addresses, 3, REACH_NAMED), CUDA_SUCCESS));
	check_all(b, 2, HOME_DEVICE, 7);
	cr_assert(eq(u64, rig.pager.mover.stats.page_ins, 2));
	check_at_rest();
}

Test(brought, is_also_what_any_kernel_may_use, .init = start)
{
	uint32_t gone = rig_component(1, 0, HOME_DEVICE, 1);
	uint32_t b = rig_component(1, 0, HOME_DEVICE, 7);
	uint32_t tabled = rig_component(2, 0, HOME_HOST, 70);
	uint32_t more = rig_component(2, 0, HOME_HOST, 90);

	rig_component_gone(gone);
	unmapped_table(rig_block(tabled + 1)->address);
	check_brought(b, REACH_TABLED);
	check_all(tabled, 2, HOME_DEVICE, 70);
	check_all(more, 2, HOME_HOST, 90);
	check_brought(b, REACH_TABLED); /* there is nothing more to bring */
	check_brought(more, REACH_TABLED);
	check_all(more, 2, HOME_DEVICE, 90);
	cr_assert(eq(u64, rig.pager.mover.stats.windows, 2));
}

Test(brought, is_all_there_is_where_nobody_knows, .init = start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);
	uint32_t more = rig_component(2, 0, HOME_HOST, 70);

	cr_assert(eq(int, (int)unmapped_bring(NULL, 0, REACH_ALL), CUDA_SUCCESS));
	check_all(b, 2, HOME_DEVICE, 7);
	check_all(more, 2, HOME_DEVICE, 70);
	check_at_rest();
}

Test(brought, are_the_components_of_ranges_however_many, .init = start)
{
	uint32_t b[9];
	struct pager_range ranges[9];

	for (int i = 0; i < 9; i++) {
		b[i] = rig_component(1, 0, HOME_HOST, 7);
		ranges[i] = (struct pager_range){rig_block(b[i])->address, 8};
	}
	cr_assert(eq(int, (int)unmapped_begin_ranges(ranges, 2, WORK), CUDA_SUCCESS));
	gate_leave();
	check_all(b[1], 1, HOME_DEVICE, 7);
	check_all(b[2], 1, HOME_HOST, 7);
	malloc_fails = true;
	cr_assert(
	    eq(int, (int)unmapped_begin_ranges(ranges, 9, WORK), CUDA_ERROR_OUT_OF_MEMORY));
	malloc_fails = false;
	check_all(b[2], 1, HOME_HOST, 7);
	cr_assert(eq(int, (int)unmapped_begin_ranges(ranges, 9, WORK), CUDA_SUCCESS));
	gate_leave();
	for (int i = 2; i < 9; i++)
		check_all(b[i], 1, HOME_DEVICE, 7);
	check_at_rest();
}

static void *shut(void *was_shut)
{
	*(bool *)was_shut = gate_shut(1);
	return NULL;
}

static void check_inside(void)
{
	bool was_shut;
	pthread_t thread;

	cr_assert(eq(int, pthread_create(&thread, NULL, shut, &was_shut), 0));
	pthread_join(thread, NULL);
	cr_assert_not(was_shut, "this thread is inside the gate");
}

/* It must stay there until the work is with the driver. */
Test(brought, stays_until_the_gate_is_left, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);
	const uint64_t address = rig_block(b)->address;

	cr_assert(eq(int, (int)unmapped_begin(&address, 1, REACH_NAMED, WORK), CUDA_SUCCESS));
	CHECK_HOME(b, HOME_DEVICE);
	check_inside();
	gate_leave();
	check_at_rest();
}

/* --- tables */

Test(tabled, is_what_a_pointer_was_uploaded_to, .init = start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	unmapped_table(rig_block(b)->address);
	unmapped_table(rig_block(b)->address + 8);
	cr_assert(component_of(b)->tabled);
	cr_assert(eq(u32, atomic_load(&rig.pager.memory.tabled_cold), 2));
	unmapped_table(rig_block(b)->address + 40 * GRANULE); /* of no component */
	unmapped_table(0x1000);
	cr_assert(eq(u32, atomic_load(&rig.pager.memory.tabled_cold), 2));
	check_at_rest();
}

static void start_mapped(void)
{
	rig_start();
	registry_enter(&rig.pager);
}

/* Cold memory has a mapping: a kernel may use it where it is. */
Test(tabled, is_nothing_where_cold_memory_is_mapped, .init = start_mapped)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	unmapped_table(rig_block(b)->address);
	cr_assert_not(component_of(b)->tabled);
	check_at_rest();
}

/* --- room for it */

Test(brought, takes_the_place_of_what_is_not_named, .init = start)
{
	uint32_t out = rig_component(4, 0, HOME_DEVICE, 70);
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	others_leave(0);
	check_brought(b, REACH_NAMED);
	check_all(b, 2, HOME_DEVICE, 7);
	for (uint32_t i = 0; i < 4; i++)
		CHECK_CONTENT(out + i, 70 + i);
	cr_assert(eq(u64, rig.pager.mover.stats.evictions, 2));
	/* And back. */
	check_brought(out, REACH_NAMED);
	check_all(out, 4, HOME_DEVICE, 70);
	check_all(b, 2, HOME_HOST, 7);
}

/* The policy knows nothing of it, or holds it back. */
Test(brought, takes_the_place_of_what_the_policy_does_not_give_up, .init = start)
{
	uint32_t out = rig_component(2, 0, HOME_DEVICE, 70);
	uint32_t pinned = rig_component(1, 0, HOME_DEVICE, 80);
	uint32_t gone = rig_component(1, 0, HOME_DEVICE, 90);
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	policy_block_removed(rig.pager.policy, out);
	policy_block_removed(rig.pager.policy, out + 1);
	rig_block(pinned)->pins = 1; /* of which the policy is not told */
	rig_component_gone(gone);
	others_leave(0);
	check_brought(b, REACH_NAMED);
	check_all(b, 2, HOME_DEVICE, 7);
	check_all(pinned, 1, HOME_DEVICE, 80);
	cr_assert(eq(u32, atomic_load(&component_of(out)->cold_count), 1),
		  "where one was freed there was room for another");
}

/* Nobody is asked to leave twice: it would go on for ever. */
Test(brought, takes_another_place_where_one_cannot_leave, .init = start)
{
	uint32_t out = rig_component(2, 0, HOME_DEVICE, 70);
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	others_leave(0);
	rig_fail(CALL_UNMAP, 1, 1);
	check_brought(b, REACH_NAMED);
	check_all(b, 1, HOME_DEVICE, 7);
	CHECK_CONTENT(out, 70);
	CHECK_CONTENT(out + 1, 71);
	cr_assert(eq(u64, rig.pager.mover.stats.evictions, 1));
}

Test(brought, is_refused_where_nobody_can_leave, .init = start)
{
	uint32_t out = rig_component(2, 0, HOME_DEVICE, 70);
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	others_leave(0);
	rig_fail(CALL_UNMAP, 1, 1000);
	check_refused(b, REACH_NAMED, CUDA_ERROR_OUT_OF_MEMORY);
	check_all(out, 2, HOME_DEVICE, 70);
	cr_assert(eq(sz, rig.calls[CALL_UNMAP], 2));
}

/* The least recently used are those that are named: they stay. */
Test(brought, takes_no_place_of_what_is_named, .init = start)
{
	struct component *component;
	uint32_t b = rig_component(4, 0, HOME_DEVICE, 7);
	uint32_t out = rig_component(2, 0, HOME_DEVICE, 70);

	component = component_of(b);
	rig_evict(b + 3, 1);
	frame_release_spare(&rig.pager.memory.frames, false, GRANULE);
	others_leave(0);
	check_brought(b, REACH_NAMED);
	check_all(b, 4, HOME_DEVICE, 7);
	cr_assert(zero(u32, atomic_load(&component->cold_count)));
	cr_assert(eq(u32, atomic_load(&component_of(out)->cold_count), 1));
}

Test(brought, is_refused_if_all_of_it_never_fits, .init = start)
{
	uint32_t b = rig_component(4, 0, HOME_HOST, 7);
	uint32_t pinned = rig_component(1, 0, HOME_DEVICE, 70);

	rig_block(pinned)->pins = 1; /* as graphs do */
	others_leave(1);
	check_refused(b, REACH_NAMED, CUDA_ERROR_OUT_OF_MEMORY);
	check_all(b, 4, HOME_HOST, 7);
	cr_assert(zero(u64, rig.pager.mover.stats.windows));
}

Test(brought, is_refused_if_what_is_held_leaves_no_room, .init = start)
{
	uint32_t b = rig_component(3, 0, HOME_HOST, 7);
	uint32_t pinned = rig_component(2, 0, HOME_DEVICE, 70);
	uint32_t cold = rig_component(1, 0, HOME_HOST, 80);
	uint32_t gone = rig_component(1, 0, HOME_DEVICE, 90);
	uint32_t last = rig_component(1, 0, HOME_DEVICE, 95);

	rig_component_gone(gone);
	for (int i = 0; i < 2; i++)
		rig_block(pinned + i)->pins = 1;
	rig_block(cold)->pins = 1; /* where it is, which is no hindrance */
	rig_block(b)->pins = 1;	   /* and so is what is named */
	others_leave(0);
	check_refused(b, REACH_NAMED, CUDA_ERROR_OUT_OF_MEMORY);
	CHECK_CONTENT(b, 7);
	CHECK_CONTENT(b + 1, 8);
	CHECK_CONTENT(b + 2, 9);
	check_all(pinned, 2, HOME_DEVICE, 70);
	CHECK_CONTENT(last, 95);
	check_refused(b, REACH_NAMED, CUDA_ERROR_OUT_OF_MEMORY); /* which is not said again */
}

/* There are more than fit, or than can be listed at once. */
Test(brought, is_refused_where_more_is_named_than_can_be_listed, .init = start)
{
	struct pager *pager = &rig.pager;
	const uint32_t count = PAGER_ACTIONS + 1;
	struct frame *frame = frame_take(&pager->memory.frames, true, 0);
	struct component *component =
	    component_make(&pager->memory.table, count * GRANULE, 0, pager->memory.context);

	cr_assert(component != NULL);
	pager->named.blocks = calloc(count + 8, sizeof(uint32_t));
	pager->named.marked_in = calloc(count + 8, sizeof(uint32_t));
	for (uint32_t i = 0; i < count; i++) {
		rig_block(component->first_block + i)->host = frame;
		atomic_store(&rig_block(component->first_block + i)->home, HOME_HOST);
	}
	pager->moving[PAGER_ACTIONS] = NO_BLOCK; /* behind what may be listed */
	check_refused(component->first_block, REACH_NAMED, CUDA_ERROR_OUT_OF_MEMORY);
	cr_assert(eq(u32, pager->moving[PAGER_ACTIONS - 1],
		     component->first_block + PAGER_ACTIONS - 1));
	cr_assert(eq(u32, pager->moving[PAGER_ACTIONS], NO_BLOCK));
	cr_assert(eq(u32, atomic_load(&component->cold_count), count));
}

/* Others hold the card's memory, which the cap does not show. */
static bool card_is_full;

static CUresult create_unless_full(CUmemGenericAllocationHandle *handle, size_t bytes,
				   const CUmemAllocationProp *prop, unsigned long long flags)
{
	return card_is_full ? CUDA_ERROR_UNKNOWN : rig_create(handle, bytes, prop, flags);
}

Test(brought, takes_the_frames_of_others_where_the_driver_makes_none, .init = start)
{
	uint32_t out = rig_component(2, 0, HOME_DEVICE, 70);
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	lt_driver.cuMemCreate = create_unless_full;
	card_is_full = true;
	check_brought(b, REACH_NAMED);
	check_all(b, 2, HOME_DEVICE, 7);
	check_all(out, 2, HOME_HOST, 70);
}

Test(brought, is_refused_where_there_are_no_frames_at_all, .init = start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	lt_driver.cuMemCreate = create_unless_full;
	card_is_full = true;
	check_refused(b, REACH_NAMED, CUDA_ERROR_OUT_OF_MEMORY);
	check_all(b, 2, HOME_HOST, 7);
}

/* --- what was freed */

static uint32_t freed_in_order(size_t count)
{
	uint32_t b = rig_component(count, 0, HOME_DEVICE, 70);

	component_free_later(&rig.pager, component_of(b), NULL);
	return b;
}

Test(brought, takes_the_place_of_what_was_freed, .init = start)
{
	uint32_t freed = freed_in_order(2);
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	others_leave(0);
	check_brought(b, REACH_NAMED);
	check_all(b, 2, HOME_DEVICE, 7);
	cr_assert(eq(u32, rig_block(freed)->component, NO_BLOCK));
	cr_assert(zero(u64, rig.pager.mover.stats.evictions));
}

/* All there is, of which some was freed: too much with it, and not without. */
Test(brought, is_not_refused_for_what_was_freed, .init = start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	freed_in_order(3);
	others_leave(0);
	cr_assert(eq(int, (int)unmapped_bring(NULL, 0, REACH_ALL), CUDA_SUCCESS));
	check_all(b, 2, HOME_DEVICE, 7);
	check_at_rest();
}

Test(brought, is_refused_if_it_does_not_fit_without_what_was_freed, .init = start)
{
	uint32_t b = rig_component(4, 0, HOME_HOST, 7);

	freed_in_order(1);
	others_leave(0);
	check_refused(b, REACH_NAMED, CUDA_ERROR_OUT_OF_MEMORY);
	check_all(b, 4, HOME_HOST, 7);
	cr_assert(eq(u64, rig.pager.mover.stats.windows, 1));
}

/* --- what the driver refuses */

Test(brought, is_tried_again_after_a_copy_that_failed, .init = start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	rig_fail(CALL_COPY, 1, 1);
	check_brought(b, REACH_NAMED);
	check_all(b, 2, HOME_DEVICE, 7);
	cr_assert(eq(u64, naps, 1));
}

Test(brought, is_given_up_if_copies_fail_for_ever, .init = start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	rig_fail(CALL_COPY, 1, 1000000);
	check_refused(b, REACH_NAMED, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	check_all(b, 2, HOME_HOST, 7);
	check_refused(b, REACH_NAMED, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	cr_assert(gt(u64, now_ns, 60000000000ull));
}

Test(brought, is_the_driver_s_error_once_its_context_is_lost, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	driver_answer = CUDA_ERROR_ILLEGAL_ADDRESS;
	check_refused(b, REACH_NAMED, CUDA_ERROR_ILLEGAL_ADDRESS);
	CHECK_HOME(b, HOME_HOST);
}

Test(brought, is_the_error_that_memory_was_lost_with, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	atomic_store(&rig.pager.memory.lost, CUDA_ERROR_UNKNOWN);
	check_refused(b, REACH_NAMED, CUDA_ERROR_UNKNOWN);
	cr_assert(zero(u64, rig.pager.mover.stats.windows));
}

/* It is no longer cold, nor is it there: work that may touch all there is must not run. */
Test(brought, is_the_error_that_memory_is_lost_with_meanwhile, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	frame_give(&rig.pager.memory.frames, frame_take(&rig.pager.memory.frames, false, 0));
	rig_fail(CALL_ACCESS, 1, 2); /* for the run, and for the block alone */
	rig_fail(CALL_UNMAP, 1, 1);  /* so that it cannot be taken down again */
	cr_assert(eq(int, (int)unmapped_bring(NULL, 0, REACH_ALL), CUDA_ERROR_UNKNOWN));
	check_at_rest();
	CHECK_HOME(b, HOME_NONE);
	cr_assert(eq(u64, rig.pager.mover.stats.windows, 1));
}

/* --- waiting for a moment */

static void brought_by_others(void)
{
	rig_page_in(0, 1);
}

Test(brought, is_nothing_more_once_others_have_brought_it, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	cr_assert(zero(u32, b));
	next_time(&at_lock, 1, brought_by_others);
	check_brought(b, REACH_NAMED);
	cr_assert(zero(u64, rig.pager.mover.stats.windows));
}

static void it_ends(void)
{
	registry_leave(&rig.pager);
}

Test(brought, is_nothing_of_a_pager_that_ends_meanwhile, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	next_time(&at_lock, 1, it_ends);
	check_brought(b, REACH_NAMED);
	CHECK_HOME(b, HOME_HOST);
}

/* What lies with one device may go while another one's is brought. */
static void taken_for_ever(void)
{
	now_ns += 1000000000;
	rig_evict(0, 1);
	next_time(&at_other, 1, taken_for_ever);
}

static void taken_once(void)
{
	rig_evict(0, 1);
}

Test(brought, is_nothing_of_a_pager_that_has_just_ended, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	next_time(&at_clock, 1, it_ends);
	check_brought(b, REACH_NAMED);
	CHECK_HOME(b, HOME_HOST);
}

Test(brought, is_brought_again_if_it_has_gone_meanwhile, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	cr_assert(zero(u32, b));
	other_lives();
	next_time(&at_other, 1, taken_once);
	check_brought(b, REACH_ALL);
	check_all(b, 1, HOME_DEVICE, 7);
	cr_assert(eq(u64, rig.pager.mover.stats.page_ins, 2));
}

Test(brought, is_given_up_where_others_want_the_place_all_the_time, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	other_lives();
	next_time(&at_other, 1, taken_for_ever);
	check_refused(b, REACH_ALL, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	CHECK_CONTENT(b, 7);
}

static void time_passes(void)
{
	now_ns += 31000000000ull;
}

/* Late, but there. */
Test(brought, is_not_given_up_once_it_is_there, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	other_lives();
	next_time(&at_other, 1, time_passes);
	check_brought(b, REACH_ALL);
	CHECK_HOME(b, HOME_DEVICE);
}

static void capture_ends(void)
{
	captures_ended();
}

Test(brought, waits_for_the_end_of_a_capture, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
	next_time(&at_nap, 3, capture_ends);
	check_brought(b, REACH_NAMED);
	CHECK_HOME(b, HOME_DEVICE);
	cr_assert(eq(u64, naps, 3));
}

Test(brought, asks_the_driver_nothing_amid_a_capture, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
	driver_answer = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	check_refused(b, REACH_NAMED, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	cr_assert(lt(u64, now_ns, 10000000000ull), "which may be this thread's own");
	CHECK_HOME(b, HOME_HOST);
}

/* What is captured does not run yet. */
Test(brought, is_nothing_for_work_that_is_only_captured, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);
	const uint64_t address = rig_block(b)->address;

	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
	cr_assert(eq(int, (int)unmapped_begin(&address, 1, REACH_NAMED, STREAM), CUDA_SUCCESS));
	CHECK_HOME(b, HOME_HOST);
	check_inside();
	gate_leave();
	captures_ended();
	check_at_rest();
}

static void check_is_not_waited_for(void)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	check_refused(b, REACH_NAMED, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	cr_assert(zero(u64, naps));
	CHECK_HOME(b, HOME_HOST);
}

Test(brought, is_refused_while_memory_is_used_that_nobody_can_tell_of, .init = start)
{
	freezes_add(1);
	check_is_not_waited_for();
}

Test(brought, is_refused_while_the_device_has_another_context, .init = start)
{
	contexts_made(0, 2);
	check_is_not_waited_for();
}

Test(brought, waits_for_work_that_ends, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	rig_put(RIG_WAIT, CU_STREAM_LEGACY);
	next_time(&at_yield, 3, rig_run);
	check_brought(b, REACH_NAMED);
	CHECK_HOME(b, HOME_DEVICE);
}

Test(brought, is_given_up_if_work_does_not_end, .init = start)
{
	uint32_t b = rig_component(1, 0, HOME_HOST, 7);

	rig_put(RIG_WAIT, CU_STREAM_LEGACY);
	yield_ns = 1000000000;
	check_refused(b, REACH_NAMED, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	CHECK_HOME(b, HOME_HOST);
}
