/*
 * One list of actions under construction. Whatever a row asks for, the list keeps the rules of
 * policy.h: evictions come first, no page-in without the room it needs under the limit, nothing
 * that is pinned or named now leaves, nothing resident comes in, and where the caller's array
 * is full the list ends at a point that is still true.
 *
 * Evictions grow from the array's front and page-ins from its back; batch_end joins them.
 * On the stack of one public call; never outlives it.
 */
#ifndef LOWTIDE_POLICY_BATCH_H
#define LOWTIDE_POLICY_BATCH_H

#include "core/state.h"

struct batch {
	struct policy *policy;
	struct policy_action *actions;
	size_t max, evictions, page_ins;
	uint64_t resident_bytes; /* once all of it is done */
	bool in_use;		 /* an operation asks: what it names must not leave */
	uint32_t cursor;	 /* of batch_oldest: the next to look at */
	enum table_list cursor_list;
};

/* The next block to give up, or BLOCK_NONE to give up nothing more. */
typedef uint32_t (*batch_victim)(struct batch *batch, const void *argument);

/* `in_use`: on behalf of the operation that table_use has just begun. */
void batch_begin(struct batch *batch, struct policy *policy, bool in_use,
		 struct policy_action *actions, size_t max);
/* Joins the two halves, counts the actions, clears the plans. Returns how many actions. */
size_t batch_end(struct batch *batch);

bool batch_may_evict(const struct batch *batch, uint32_t block);
bool batch_may_page_in(const struct batch *batch, uint32_t block);

/* False: not allowed, or the array is full. */
bool batch_evict(struct batch *batch, uint32_t block);
/* Pages the block in below `limit` bytes of residents, evicting what `victim` offers until it
 * fits. All or nothing. `victim` may be NULL: only if there is room. */
bool batch_page_in(struct batch *batch, uint32_t block, uint64_t limit, batch_victim victim,
		   const void *argument);
/* Evicts the best victims until at most `limit` bytes stay. */
void batch_trim(struct batch *batch, uint64_t limit);

/* Least recently used first: each block that may go is offered once a batch. */
uint32_t batch_oldest(struct batch *batch, const void *unused);
/* The same block again, for looking without taking. */
uint32_t batch_peek_oldest(struct batch *batch);

#endif
