/* What a pointer asks for, by what uploads have taught. */
#include "memory/extent.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define MIB ((uint64_t)1 << 20)
#define LIMIT (64 * MIB) /* the component's end */

static struct extents extents;

static uint64_t asked(uint64_t address)
{
	uint64_t start, end;

	return extents_asked(&extents, address, LIMIT, &start, &end) ? end - start : 0;
}

Test(extent, is_unknown_before_any_upload)
{
	cr_assert(eq(u64, asked(5 * MIB), 0));
}

Test(extent, is_one_upload)
{
	extents_learn(&extents, 0, 4 * MIB, 0);
	extents_learn(&extents, 8 * MIB, 10 * MIB, 0);
	extents_learn(&extents, 11 * MIB, 12 * MIB, 0);
	cr_assert(eq(u64, asked(9 * MIB), 3 * MIB));
	cr_assert(eq(u64, asked(6 * MIB), 0), "between the two");
}

Test(extent, reaches_to_where_the_next_one_begins)
{
	extents_learn(&extents, 0, 4 * MIB, 0);
	extents_learn(&extents, 8 * MIB, 10 * MIB, 0);
	cr_assert(eq(u64, asked(MIB), 8 * MIB));
}

Test(extent, reaches_to_the_end_of_its_component_if_none_follows)
{
	extents_learn(&extents, 2 * MIB, 3 * MIB, 0);
	cr_assert(eq(u64, asked(2 * MIB), LIMIT - 2 * MIB));
	cr_assert(eq(u64, asked(MIB), 0), "before the first");
}

Test(extent, grows_while_its_source_goes_on)
{
	for (uint64_t i = 0; i < 5; i++)
		extents_learn(&extents, i * MIB, (i + 1) * MIB, 0x1000 + i * MIB);
	extents_learn(&extents, 6 * MIB, LIMIT, 0);
	cr_assert(eq(u64, asked(3 * MIB), 6 * MIB));
	cr_assert(eq(sz, extents.count, 2));
}

Test(extent, begins_anew_where_the_source_is_another)
{
	extents_learn(&extents, 0, MIB, 0x1000);
	extents_learn(&extents, MIB, 2 * MIB, 0x9000);
	cr_assert(eq(sz, extents.count, 2), "from elsewhere");
	extents_learn(&extents, 2 * MIB, 3 * MIB, 0x9000 + MIB);
	cr_assert(eq(sz, extents.count, 2), "from where it ended");
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

/* The ends of what is known, in order, in MiB. */
static void is_known(const uint64_t *borders, size_t count)
{
	cr_assert(eq(sz, extents.count, count));
	for (size_t i = 0; i < count; i++) {
		cr_assert(eq(u64, extents.list[i].start, borders[2 * i] * MIB), "%zu", i);
		cr_assert(eq(u64, extents.list[i].end, borders[2 * i + 1] * MIB), "%zu", i);
	}
}

Test(extent, replaces_all_that_it_covers)
{
	for (uint64_t i = 0; i < 8; i++)
		extents_learn(&extents, i * MIB, (i + 1) * MIB, 0);
	extents_learn(&extents, 2 * MIB, 6 * MIB, 0);
	is_known((const uint64_t[]){0, 1, 1, 2, 2, 6, 6, 7, 7, 8}, 5);
	extents_learn(&extents, 0, 8 * MIB, 0);
	is_known((const uint64_t[]){0, 8}, 1);
}

Test(extent, leaves_of_an_older_one_what_lies_before_and_behind)
{
	extents_learn(&extents, 0, 8 * MIB, 0);
	extents_learn(&extents, 2 * MIB, 3 * MIB, 0);
	is_known((const uint64_t[]){0, 2, 2, 3, 3, 8}, 3);
	extents_learn(&extents, MIB, 5 * MIB, 0);
	is_known((const uint64_t[]){0, 1, 1, 5, 5, 8}, 3);
}

Test(extent, replaces_what_its_own_growth_reaches)
{
	extents_learn(&extents, 0, MIB, 0x1000);
	extents_learn(&extents, MIB, 4 * MIB, 0);
	extents.last_end = MIB;
	extents.last_source_end = 0x1000 + MIB;
	extents_learn(&extents, MIB, 2 * MIB, 0x1000 + MIB);
	is_known((const uint64_t[]){0, 2, 2, 4}, 2);
}

Test(extent, of_a_second_model_in_the_place_of_the_first)
{
	extents_learn(&extents, 0, 32 * MIB, 0);
	asked(0);
	for (uint64_t i = 0; i < 8; i++)
		extents_learn(&extents, i * 4 * MIB, (i + 1) * 4 * MIB, 0);
	for (uint64_t i = 8; i-- > 0;)
		cr_assert(eq(u64, asked(i * 4 * MIB), i == 7 ? LIMIT - 28 * MIB : 4 * MIB),
			  "%lu", (unsigned long)i);
}

/* Against the plain truth: which upload each MiB was last written by. */
Test(extent, are_never_in_disorder_whatever_is_uploaded)
{
	unsigned int seed = 1, owner[64] = {0}, seen;

	for (unsigned int upload = 1; upload <= 2000; upload++) {
		uint64_t start = (seed = seed * 1103515245u + 12345u) >> 16 & 63,
			 bytes = 1 + ((seed = seed * 1103515245u + 12345u) >> 16 & 15);

		if (start + bytes > 64)
			bytes = 64 - start;
		for (uint64_t i = start; i < start + bytes; i++)
			owner[i] = upload;
		extents_learn(&extents, start * MIB, (start + bytes) * MIB, 0);
		for (size_t i = 0; i < extents.count; i++) {
			const struct extent *extent = &extents.list[i];

			cr_assert(lt(u64, extent->start, extent->end));
			if (i)
				cr_assert(le(u64, extents.list[i - 1].end, extent->start));
			seen = owner[extent->start / MIB];
			for (uint64_t at = extent->start / MIB; at < extent->end / MIB; at++)
				cr_assert(eq(uint, owner[at], seen), "upload %u", upload);
		}
	}
}

Test(extent, of_another_source_is_another_though_it_adjoins)
{
	extents_learn(&extents, 0, 4 * MIB, 0x1000);
	extents_learn(&extents, 4 * MIB, 6 * MIB, 0x90000000);
	extents_learn(&extents, 6 * MIB, 8 * MIB, 0x90000000 + 2 * MIB);
	cr_assert(eq(sz, extents.count, 2));
}
