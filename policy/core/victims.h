/*
 * Which block is missed least if it goes: the one whose next use lies farthest ahead where the
 * learner can tell (Belady), else the one whose last use lies farthest back.
 */
#ifndef LOWTIDE_POLICY_VICTIMS_H
#define LOWTIDE_POLICY_VICTIMS_H

#include "core/state.h"

/* The larger, the better a victim. Two scores compare only within one operation. */
uint64_t victims_score(const struct policy *policy, uint32_t block);
/* How many steps ahead the block is expected to be used again; CYCLE_NEVER: it is not
 * expected. Only while cycle_predicts(). */
uint64_t victims_next_use(const struct policy *policy, uint32_t block);

/* Gathers all resident blocks that are not pinned in table.order, for victims_next. */
void victims_gather(struct policy *policy);
/* Makes victims_next return the blocks that the caller listed in table.order, by the scores
 * it set. */
void victims_sort(struct policy *policy);
/* The block with the largest score of those left; BLOCK_NONE = none is left. */
uint32_t victims_next(struct policy *policy);

#endif
