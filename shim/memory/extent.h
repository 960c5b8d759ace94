/*
 * Extents: the parts of a component that single uploads filled, usually one tensor each. Learnt
 * from copies; a pointer into one asks for that part alone, and for what follows it up to where
 * the next begins: nobody uploaded that, but it may be the rest of the same tensor.
 *
 * Memory is used again for other tensors without a word (by PyTorch's allocator, for one), so
 * what an upload taught may be stale: a later upload wins, and uses that go beyond what was
 * asked for end all that is known. Guarded by the pager's lock.
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

/* An upload of [start, end) from `source` (0: unknown). What it overlaps is replaced; what an
 * older extent has besides stays known. */
void extents_learn(struct extents *extents, uint64_t start, uint64_t end, uint64_t source);
/* What a pointer asks for: from the start of the extent it points into to where the next one
 * begins, or to `limit`, the component's end. Those that seem to be further chunks of the same
 * upload belong to it: they adjoin, have never been pointed into, and end with the first that
 * is smaller than the one before it. False: no extent is known there. */
bool extents_asked(struct extents *extents, uint64_t address, uint64_t limit, uint64_t *start,
		   uint64_t *end);
void extents_finish(struct extents *extents);

#endif
