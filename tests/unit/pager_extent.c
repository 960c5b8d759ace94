/* What a pointer asks for, by what uploads have taught. */
#include "pager/extent.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define MIB ((uint64_t)1 << 20)

static struct extents extents;

static uint64_t asked(uint64_t address)
{
	uint64_t start, end;

	return extents_asked(&extents, address, &start, &end) ? end - start : 0;
}

Test(extent, is_unknown_before_any_upload)
{
	cr_assert(eq(u64, asked(5 * MIB), 0));
}

Test(extent, is_one_upload)
{
	extents_learn(&extents, 0, 4 * MIB, 0);
	extents_learn(&extents, 8 * MIB, 10 * MIB, 0);
	cr_assert(eq(u64, asked(MIB), 4 * MIB));
	cr_assert(eq(u64, asked(9 * MIB), 2 * MIB));
	cr_assert(eq(u64, asked(6 * MIB), 0), "between the two");
}

Test(extent, grows_while_its_source_goes_on)
{
	for (uint64_t i = 0; i < 5; i++)
		extents_learn(&extents, i * MIB, (i + 1) * MIB, 0x1000 + i * MIB);
	cr_assert(eq(u64, asked(3 * MIB), 5 * MIB));
	cr_assert(eq(sz, extents.count, 1));
}

Test(extent, takes_in_the_chunks_of_a_staging_buffer_up_to_the_last_and_smaller_one)
{
	/* Two halves of one buffer in turn: 4, 8, 8 and 3 MiB come of it. */
	static const uint64_t ends[] = {4, 12, 20, 23, 31};
	uint64_t start = 0;

	for (int i = 0; i < 5; i++) {
		extents_learn(&extents, start, ends[i] * MIB, 0);
		start = ends[i] * MIB;
	}
	cr_assert(eq(u64, asked(0), 23 * MIB));
}

Test(extent, ends_where_another_pointer_has_pointed)
{
	for (uint64_t i = 0; i < 4; i++)
		extents_learn(&extents, i * 8 * MIB, (i + 1) * 8 * MIB, 0);
	asked(8 * MIB);
	cr_assert(eq(u64, asked(0), 8 * MIB));
}

Test(extent, that_overlaps_a_known_one_teaches_nothing)
{
	extents_learn(&extents, 0, 8 * MIB, 0);
	extents_learn(&extents, 2 * MIB, 3 * MIB, 0);
	cr_assert(eq(u64, asked(2 * MIB), 8 * MIB));
}
