/* Free ranges: none is given out twice, none is lost, and neighbours become one again. */
#include "memory/ranges.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define UNITS 4096
#define TAKEN 256

static struct ranges ranges;
static uint64_t dice;

static uint32_t roll(uint32_t n)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(dice >> 33) % n;
}

static void init(void)
{
	cr_assert(ranges_init(&ranges, UNITS));
}

static void finish(void)
{
	ranges_finish(&ranges);
}

TestSuite(ranges, .init = init, .fini = finish);

Test(ranges, are_taken_from_the_front)
{
	cr_assert(eq(u32, ranges_take(&ranges, 3), 0));
	cr_assert(eq(u32, ranges_take(&ranges, 5), 3));
	ranges_give(&ranges, 0, 3);
	cr_assert(eq(u32, ranges_take(&ranges, 3), 0), "what was given back fits");
}

Test(ranges, all_can_be_taken_at_once_and_no_more)
{
	cr_assert(eq(u32, ranges_take(&ranges, UNITS + 1), RANGES_NONE));
	cr_assert(eq(u32, ranges_take(&ranges, 0), RANGES_NONE));
	cr_assert(eq(u32, ranges_take(&ranges, UNITS), 0));
	cr_assert(eq(u32, ranges_take(&ranges, 1), RANGES_NONE));
}

Test(ranges, become_one_with_the_range_before_and_the_one_after)
{
	uint32_t first = ranges_take(&ranges, 10), middle = ranges_take(&ranges, 10),
		 last = ranges_take(&ranges, UNITS - 20);

	ranges_give(&ranges, first, 10);
	ranges_give(&ranges, last, UNITS - 20);
	ranges_give(&ranges, middle, 10);
	cr_assert(eq(u32, ranges_take(&ranges, UNITS), 0));
}

Test(ranges, of_one_list_are_looked_through_where_no_larger_one_is)
{
	uint32_t large, small;

	/* 33 and 35 units are in one list; the later one is seen first, and is too small. */
	large = ranges_take(&ranges, 35);
	ranges_take(&ranges, 1);
	small = ranges_take(&ranges, 33);
	ranges_take(&ranges, UNITS - 35 - 1 - 33);
	ranges_give(&ranges, large, 35);
	ranges_give(&ranges, small, 33);
	cr_assert(eq(u32, ranges_take(&ranges, 35), large));
}

struct taken {
	uint32_t first, count;
};

static void own(unsigned char *owners, struct taken taken, unsigned char from, unsigned char to)
{
	for (uint32_t i = taken.first; i < taken.first + taken.count; i++) {
		cr_assert(eq(int, owners[i], from), "unit %u", i);
		owners[i] = to;
	}
}

/* Against a map of every unit; what a take says cannot be had, is not there. */
static void run_seed(uint64_t seed)
{
	unsigned char owners[UNITS] = {0};
	struct taken taken[TAKEN];
	uint32_t count = 0;

	dice = seed;
	for (int i = 0; i < 5000; i++) {
		if (count < TAKEN && roll(5) < 3) {
			struct taken one = {.count = 1 + roll(roll(2) ? 8 : 120)};

			one.first = ranges_take(&ranges, one.count);
			if (one.first == RANGES_NONE) {
				uint32_t run = 0;

				for (uint32_t u = 0; u < UNITS; u++) {
					run = owners[u] ? 0 : run + 1;
					cr_assert(lt(u32, run, one.count), "seed %lu", seed);
				}
				continue;
			}
			cr_assert(le(u32, one.first + one.count, UNITS));
			own(owners, one, 0, 1);
			taken[count++] = one;
		} else if (count) {
			uint32_t at = roll(count);

			own(owners, taken[at], 1, 0);
			ranges_give(&ranges, taken[at].first, taken[at].count);
			taken[at] = taken[--count];
		}
	}
	while (count--)
		ranges_give(&ranges, taken[count].first, taken[count].count);
	cr_assert(eq(u32, ranges_take(&ranges, UNITS), 0), "seed %lu: all are one again", seed);
	ranges_give(&ranges, 0, UNITS);
}

Test(ranges, random_sequences)
{
	for (uint64_t seed = 1; seed <= 50; seed++)
		run_seed(seed);
}
