/*
 * Extents: the parts of a component that single uploads filled, usually one tensor each. Learnt
 * from copies; a pointer into one asks for that part alone. Guarded by the pager's lock.
 */
#ifndef LOWTIDE_EXTENT_H
#define LOWTIDE_EXTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct extent {
	uint64_t start, end;
	bool pointed; /* a launch has pointed into it */
};

struct extents {
	struct extent *list; /* sorted, none overlapping */
	size_t count, room;
	uint64_t last_end,
	    last_source_end; /* of the newest upload: one that goes on from there is the same */
};

/* An upload of [start, end) from `source` (0: unknown). */
void extents_learn(struct extents *extents, uint64_t start, uint64_t end, uint64_t source);
/* What a pointer asks for: the extent it points into, and those that seem to be further chunks
 * of the same upload: they adjoin, have never been pointed into, and end with the first that is
 * smaller than the one before it. False: no extent is known there. */
bool extents_asked(struct extents *extents, uint64_t address, uint64_t *start, uint64_t *end);
void extents_finish(struct extents *extents);

#endif
