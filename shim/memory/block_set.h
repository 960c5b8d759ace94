/*
 * The blocks that an operation names, each once: a list, and by block a mark with the epoch,
 * the number of the operation. Guarded by the pager's lock; whoever gives it back meanwhile
 * finds another operation's.
 */
#ifndef LOWTIDE_BLOCK_SET_H
#define LOWTIDE_BLOCK_SET_H

#include "memory/block.h"

struct block_set {
	uint32_t *blocks;    /* room for BLOCKS_MAX ids */
	uint32_t *marked_in; /* by block: the epoch it was last named in */
	uint32_t epoch;
};

/* Of another operation: nothing is named yet. */
static inline void block_set_begin(struct block_set *set)
{
	set->epoch++;
}

static inline bool block_set_has(const struct block_set *set, uint32_t block)
{
	return set->marked_in[block] == set->epoch;
}

/* Only marks it. False: it was named already. */
static inline bool block_set_mark(struct block_set *set, uint32_t block)
{
	if (block_set_has(set, block))
		return false;
	set->marked_in[block] = set->epoch;
	return true;
}

/* Behind the `count` that are listed. False: it was named already. */
static inline bool block_set_add(struct block_set *set, uint32_t block, size_t count)
{
	if (!block_set_mark(set, block))
		return false;
	set->blocks[count] = block;
	return true;
}

/* The blocks of [start, end) behind the `count` that are listed; how many are then. */
size_t block_set_add_range(struct block_set *set, const struct block_table *table,
			   uint64_t start, uint64_t end, size_t count);

#endif
