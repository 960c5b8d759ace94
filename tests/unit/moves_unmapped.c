/* Moves where cold memory has no mapping (LOWTIDE_COLD=unmapped), on the rig. */
#include "moves_rig.h"
#include "move/pipeline.h"

static bool is_mapped(uint32_t id)
{
	return rig_mapping_at(rig_block(id)->address) != NULL;
}

static struct component *component_of(uint32_t id)
{
	return &rig.pager.memory.table.components[rig_block(id)->component];
}

/* Its home is the one, with a mapping or with none as that wants it. */
static void check_lies_in(uint32_t id, enum block_home home, uint64_t content)
{
	CHECK_HOME(id, home);
	cr_assert(eq(int, is_mapped(id), home == HOME_DEVICE));
	CHECK_CONTENT(id, content);
}

/* --- out and in */

Test(unmapped, keeps_what_a_block_holds_and_maps_it_only_in_vram, .init = rig_start_unmapped)
{
	uint32_t b = rig_component(4, 2, HOME_DEVICE, 100);

	rig_evict(b, 4);
	for (uint32_t i = 0; i < 4; i++) {
		check_lies_in(b + i, HOME_HOST, 100 + i);
		rig_write(b + i, 200 + i);
	}
	rig_page_in(b, 4);
	for (uint32_t i = 0; i < 4; i++)
		check_lies_in(b + i, HOME_DEVICE, 200 + i);
	rig_check();
}

Test(unmapped, exchanges_blocks_for_others, .init = rig_start_unmapped)
{
	uint32_t out = rig_component(4, 1, HOME_DEVICE, 100), out_ids[4];
	uint32_t in = rig_component(4, 1, HOME_HOST, 200), in_ids[4];

	rig_ids(out, 4, out_ids);
	rig_ids(in, 4, in_ids);
	pipeline_run(&rig.pager.mover, out_ids, 4, in_ids, 4);
	for (uint32_t i = 0; i < 4; i++) {
		check_lies_in(out + i, HOME_HOST, 100 + i);
		check_lies_in(in + i, HOME_DEVICE, 200 + i);
	}
	rig_check();
}

/* By these a launch sees that there is something to bring in. */
Test(unmapped, counts_what_is_cold_and_what_of_it_any_kernel_may_use,
     .init = rig_start_unmapped)
{
	uint32_t any = rig_component(3, 0, HOME_DEVICE, 7);
	uint32_t other = rig_component(2, 0, HOME_HOST, 70);

	component_of(any)->tabled = true;
	cr_assert(eq(u32, atomic_load(&rig.pager.memory.cold_blocks), 2));
	rig_evict(any, 2);
	cr_assert(eq(u32, atomic_load(&rig.pager.memory.cold_blocks), 4));
	cr_assert(eq(u32, atomic_load(&rig.pager.memory.tabled_cold), 2));
	cr_assert(eq(u32, atomic_load(&component_of(any)->cold_count), 2));
	rig_page_in(any, 1);
	rig_page_in(other, 2);
	cr_assert(eq(u32, atomic_load(&rig.pager.memory.cold_blocks), 1));
	cr_assert(eq(u32, atomic_load(&rig.pager.memory.tabled_cold), 1));
	cr_assert(eq(u32, atomic_load(&component_of(any)->cold_count), 1));
	rig_component_gone(any);
	cr_assert(zero(u32, atomic_load(&rig.pager.memory.cold_blocks)));
	cr_assert(zero(u32, atomic_load(&rig.pager.memory.tabled_cold)));
	rig_check();
}

/* --- what the driver refuses */

/* The first stays cold, and is as if nothing had been tried: also the next time. */
static void check_first_stays_cold(enum rig_call call, int times)
{
	uint32_t b = rig_component(3, 0, HOME_HOST, 7);
	uint64_t device_bytes;

	rig_page_in(b, 3); /* or making the frames would fail */
	rig_evict(b, 3);
	rig_fail(call, 1, times);
	device_bytes = rig.pager.memory.frames.device_bytes;
	rig_page_in(b, 3);
	check_lies_in(b, HOME_HOST, 7);
	cr_assert(zero(ptr, rig_block(b)->device));
	cr_assert(eq(u64, rig.pager.memory.frames.device_spare_bytes, GRANULE));
	cr_assert(eq(u64, rig.pager.memory.frames.device_bytes, device_bytes));
	check_lies_in(b + 1, HOME_DEVICE, 8);
	check_lies_in(b + 2, HOME_DEVICE, 9);
	cr_assert(zero(int, atomic_load(&rig.pager.memory.lost)),
		  "it held nothing that could be");
	rig_page_in(b, 1);
	check_lies_in(b, HOME_DEVICE, 7);
	rig_check();
}

Test(unmapped, leaves_the_one_block_cold_whose_mapping_fails, .init = rig_start_unmapped)
{
	check_first_stays_cold(CALL_MAP, 1);
}

Test(unmapped, leaves_the_one_block_cold_whose_access_fails, .init = rig_start_unmapped)
{
	check_first_stays_cold(CALL_ACCESS, 2); /* that of the run, and its own */
}

Test(unmapped, leaves_a_block_in_vram_that_cannot_be_unmapped, .init = rig_start_unmapped)
{
	uint32_t b = rig_component(2, 0, HOME_DEVICE, 7);

	rig_fail(CALL_UNMAP, 1, 1);
	rig_evict(b, 2);
	check_lies_in(b, HOME_DEVICE, 7);
	check_lies_in(b + 1, HOME_HOST, 8);
	cr_assert(not(zero(ptr, rig_block(b)->device)));
	cr_assert(eq(u64, rig.pager.mover.stats.evictions, 1));
	rig_write(b, 70);
	rig_evict(b, 1);
	check_lies_in(b, HOME_HOST, 70);
	rig_check();
}

/* --- a new component, of which only some is in VRAM */

enum { MADE = 6 };

/* Each block has the frame that its place in `places` says, D or H; nothing is mapped yet. */
static uint32_t framed(const char *places, uint32_t *ids)
{
	struct component *component = component_make(&rig.pager.memory.table, MADE * GRANULE, 0,
						     rig.pager.memory.context);

	for (uint32_t i = 0; i < MADE; i++) {
		struct block *block = rig_block(component->first_block + i);
		bool host = places[i] == 'H';
		struct frame *frame = frame_take(&rig.pager.memory.frames, host, 0);

		*(host ? &block->host : &block->device) = frame;
		rig_reach(frame->alias)->content = 7 + i;
		ids[i] = component->first_block + i;
	}
	return component->first_block;
}

static void check_is_mapped_as(const char *places)
{
	uint32_t ids[MADE], b = framed(places, ids);

	cr_assert(eq(int, (int)mapping_make(&rig.pager.memory, ids, MADE), CUDA_SUCCESS));
	for (uint32_t i = 0; i < MADE; i++)
		check_lies_in(b + i, places[i] == 'H' ? HOME_HOST : HOME_DEVICE, 7 + i);
	rig_component_gone(b);
	cr_assert(zero(u32, atomic_load(&rig.pager.memory.cold_blocks)));
	rig_check();
}

Test(unmapped, maps_of_a_new_component_what_is_in_vram, .init = rig_start_unmapped)
{
	check_is_mapped_as("DDHHDH");
	check_is_mapped_as("HDHDDD");
	check_is_mapped_as("HHHHHH");
	cr_assert(zero(sz, rig.refused), "asked for access over what has no mapping");
}

/* The driver refuses at the nth call of a kind: nothing of the component is mapped. */
static void check_maps_nothing(const char *places, enum rig_call call, int nth)
{
	uint32_t ids[MADE], b = framed(places, ids);

	rig_fail(call, nth, 1);
	cr_assert(ne(int, (int)mapping_make(&rig.pager.memory, ids, MADE), CUDA_SUCCESS));
	for (uint32_t i = 0; i < MADE; i++) {
		cr_assert_not(is_mapped(b + i), "%s: block %u", places, i);
		CHECK_HOME(b + i, HOME_NONE);
		frame_give(&rig.pager.memory.frames, rig_block(b + i)->device);
		frame_give(&rig.pager.memory.frames, rig_block(b + i)->host);
	}
	cr_assert(zero(u32, atomic_load(&rig.pager.memory.cold_blocks)));
	component_unmake(&rig.pager.memory.table, component_of(b));
	rig_check();
}

Test(unmapped, maps_nothing_of_a_new_component_if_some_cannot_be, .init = rig_start_unmapped)
{
	check_maps_nothing("DDDHDD", CALL_MAP, 3); /* in its run */
	check_maps_nothing("DDHHDD", CALL_MAP, 3); /* in the second run */
	check_maps_nothing("DDHHDD", CALL_ACCESS, 1);
	check_maps_nothing("DHHDDH", CALL_ACCESS, 2);
}
