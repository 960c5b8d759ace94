#include "memory/ranges.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

static unsigned int log2_of(uint32_t n)
{
	return 31 - (unsigned int)__builtin_clz(n);
}

/* The list that a range of so many units is in. */
static unsigned int list_of(uint32_t count)
{
	unsigned int log = log2_of(count);

	return log < 3 ? count : (log - 2) * 8 + (count >> (log - 3) & 7);
}

/* The first list of which every range has so many units. */
static unsigned int list_for(uint32_t count)
{
	unsigned int log = log2_of(count);

	return list_of(log < 3 ? count : count + (1u << (log - 3)) - 1);
}

static void mark(struct ranges *ranges, uint32_t first, uint32_t count, uint32_t as)
{
	ranges->units[first].count = as;
	ranges->units[first + count - 1].count = as;
}

static void link_range(struct ranges *ranges, uint32_t first, uint32_t count)
{
	unsigned int list = list_of(count);
	struct ranges_unit *unit = &ranges->units[first];

	mark(ranges, first, count, count);
	unit->previous = 0;
	unit->next = ranges->first[list];
	if (unit->next)
		ranges->units[unit->next - 1].previous = first + 1;
	ranges->first[list] = first + 1;
	ranges->filled[list / 64] |= 1ull << list % 64;
}

static void unlink_range(struct ranges *ranges, uint32_t first, uint32_t count)
{
	unsigned int list = list_of(count);
	const struct ranges_unit *unit = &ranges->units[first];

	if (unit->previous)
		ranges->units[unit->previous - 1].next = unit->next;
	else
		ranges->first[list] = unit->next;
	if (unit->next)
		ranges->units[unit->next - 1].previous = unit->previous;
	if (!ranges->first[list])
		ranges->filled[list / 64] &= ~(1ull << list % 64);
	/* What is not at an end of a free range must not look as if it were. */
	mark(ranges, first, count, 0);
}

bool ranges_init(struct ranges *ranges, uint32_t unit_count)
{
	void *units =
	    mmap(NULL, unit_count * sizeof(struct ranges_unit), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	memset(ranges, 0, sizeof(*ranges));
	if (units == MAP_FAILED)
		return false;
	ranges->units = units;
	ranges->unit_count = unit_count;
	link_range(ranges, 0, unit_count);
	return true;
}

void ranges_finish(struct ranges *ranges)
{
	if (ranges->units)
		munmap(ranges->units, ranges->unit_count * sizeof(struct ranges_unit));
	memset(ranges, 0, sizeof(*ranges));
}

static uint32_t first_in(const struct ranges *ranges, unsigned int list)
{
	uint64_t word;

	if (list >= RANGES_LISTS)
		return RANGES_NONE;
	word = ranges->filled[list / 64] & ~0ull << list % 64;
	for (unsigned int i = list / 64;; word = ranges->filled[i]) {
		if (word)
			return ranges->first[i * 64 + (unsigned int)__builtin_ctzll(word)] - 1;
		if (++i == sizeof(ranges->filled) / sizeof(ranges->filled[0]))
			return RANGES_NONE;
	}
}

/* What was given back last and fits; else any that is surely large enough; and only where there
 * is none, one by one those that may be. */
static uint32_t find(const struct ranges *ranges, uint32_t count)
{
	uint32_t at = ranges->first[list_of(count)];
	uint32_t first;

	if (at && ranges->units[at - 1].count >= count)
		return at - 1;
	first = first_in(ranges, list_for(count));
	while (first == RANGES_NONE && at) {
		if (ranges->units[at - 1].count >= count)
			first = at - 1;
		at = ranges->units[at - 1].next;
	}
	return first;
}

uint32_t ranges_take(struct ranges *ranges, uint32_t count)
{
	uint32_t first, whole;

	if (!count || count > ranges->unit_count)
		return RANGES_NONE;
	first = find(ranges, count);
	if (first == RANGES_NONE)
		return RANGES_NONE;
	whole = ranges->units[first].count;
	unlink_range(ranges, first, whole);
	if (whole > count)
		link_range(ranges, first + count, whole - count);
	return first;
}

void ranges_give(struct ranges *ranges, uint32_t first, uint32_t count)
{
	uint32_t end = first + count, beside;

	beside = end < ranges->unit_count ? ranges->units[end].count : 0;
	if (beside) {
		unlink_range(ranges, end, beside);
		count += beside;
	}
	beside = first ? ranges->units[first - 1].count : 0;
	if (beside) {
		first -= beside;
		unlink_range(ranges, first, beside);
		count += beside;
	}
	link_range(ranges, first, count);
}
