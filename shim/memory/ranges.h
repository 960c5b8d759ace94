/*
 * Ranges of numbered units (granules of addresses, entries of a table): which are free. Taking
 * and giving back cost the same however many there are: free ranges hang in lists by their
 * size, as in TLSF (Masmano and others, 2004), and know their neighbours by what stands at
 * their first and last unit. Owns that bookkeeping; guarded by whoever owns the ranges.
 */
#ifndef LOWTIDE_RANGES_H
#define LOWTIDE_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#define RANGES_NONE UINT32_MAX
/* Sizes up to 15 have a list each, then eight lists to each doubling. */
#define RANGES_LISTS 240

struct ranges_unit {
	uint32_t count;		 /* of the free range that begins or ends here; 0: none does */
	uint32_t next, previous; /* of its list, plus one; 0: none. At its first unit */
};

struct ranges {
	struct ranges_unit *units; /* NULL: none */
	uint32_t unit_count;
	uint32_t first[RANGES_LISTS]; /* first unit of a list's first range, plus one */
	uint64_t filled[RANGES_LISTS / 64 + 1]; /* by list: it has a range */
};

/* All of them free; fewer than 2^31. False: no memory. */
bool ranges_init(struct ranges *ranges, uint32_t unit_count);
void ranges_finish(struct ranges *ranges);

/* The first of `count` (1 or more) units in a row; RANGES_NONE: there are not so many. From a
 * range that is larger the lowest are taken. */
uint32_t ranges_take(struct ranges *ranges, uint32_t count);
/* What was taken, or a part of it. */
void ranges_give(struct ranges *ranges, uint32_t first, uint32_t count);

#endif
