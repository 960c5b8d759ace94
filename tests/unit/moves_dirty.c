/* What of LOWTIDE_DIRTY moves do, on the rig. */
#include "moves_rig.h"

static void start_always(void)
{
	setenv("LOWTIDE_DIRTY", "always", 1);
	rig_start();
}

static void start_never_clean(void)
{
	setenv("LOWTIDE_DIRTY", "never-clean", 1);
	rig_start();
}

static void check_copies(uint32_t first, size_t copies)
{
	size_t before = rig.calls[CALL_COPY];

	rig_evict(first, 2);
	cr_assert(eq(sz, rig.calls[CALL_COPY] - before, copies));
	CHECK_HOME(first + 1, HOME_HOST);
	CHECK_CONTENT(first, 7);
	CHECK_CONTENT(first + 1, 8);
	rig_check();
}

Test(dirty, always_copies_out_what_did_not_change, .init = start_always)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	rig_page_in(b, 2);
	cr_assert_not(rig_block(b)->hashed);
	for (uint32_t i = 0; i < 2; i++) { /* as one that came beside the work */
		rig_block(b + i)->hashed = true;
		rig_block(b + i)->hash[0] = 7 + i;
		rig_block(b + i)->hash[1] = ~(7ull + i);
	}
	check_copies(b, 2);
	cr_assert(zero(u64, rig.pager.mover.stats.clean_evictions));
	cr_assert(zero(sz, rig.calls[CALL_HASH]));
}

Test(dirty, never_clean_keeps_no_copy_in_ram_of_what_is_in_vram, .init = start_never_clean)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	rig_page_in(b, 2);
	cr_assert(zero(ptr, rig_block(b)->host));
	cr_assert(eq(u64, rig.pager.memory.frames.host_spare_bytes, 2 * GRANULE));
	cr_assert(zero(sz, rig.calls[CALL_HASH]));
	check_copies(b, 2);
	cr_assert(zero(u64, rig.pager.memory.frames.host_spare_bytes));
}

Test(dirty, without_our_kernels_all_is_copied_out, .init = rig_start)
{
	uint32_t b = rig_component(2, 0, HOME_HOST, 7);

	rig.pager.memory.kernels.content_hash = NULL;
	rig_page_in(b, 2);
	cr_assert_not(rig_block(b)->hashed);
	check_copies(b, 2);
	cr_assert(zero(sz, rig.calls[CALL_HASH]));
}
