/*
 * The list of actions that one public call builds. Whatever a policy asks for, the list keeps
 * the rules of policy.h: evictions come first, no block comes in without room for it under the
 * limit, no block leaves that is pinned or named by this operation, no resident block comes
 * in. Where the caller's array is full, the list is shorter and keeps these rules.
 *
 * Evictions grow from the array's front and page-ins from its back; batch_end joins them. A
 * batch lives on the stack of the call and never outlives it.
 */
#ifndef LOWTIDE_POLICY_BATCH_H
#define LOWTIDE_POLICY_BATCH_H

#include "core/state.h"

struct batch {
	struct policy *policy;
	struct policy_action *actions;
	size_t max, evictions, page_ins;
	uint64_t resident_bytes; /* once all actions are carried out */
	bool in_use;	 /* an operation has begun: the blocks it names must not leave */
	uint32_t cursor; /* of batch_oldest: the next block to look at */
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

/* False: the block may not leave, or the array is full. */
bool batch_evict(struct batch *batch, uint32_t block);
/* Pages the block in if with it at most `limit` bytes are resident, and evicts what
 * `victim` offers until that is so. False: nothing was added. `victim` may be NULL: then
 * the block comes in only if there is room. */
bool batch_page_in(struct batch *batch, uint32_t block, uint64_t limit, batch_victim victim,
		   const void *argument);
/* Evicts the best victims until at most `limit` bytes are resident, or no victim is left. */
void batch_trim(struct batch *batch, uint64_t limit);

/* A batch_victim: least recently used first, each block that may leave once a batch. */
uint32_t batch_oldest(struct batch *batch, const void *unused);
/* The block that batch_oldest would offer next, which stays the next. */
uint32_t batch_peek_oldest(struct batch *batch);

#endif
