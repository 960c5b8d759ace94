/*
 * Which block is missed least if it goes: the one whose next use lies farthest ahead where the
 * learner can tell (Belady), else the one whose last use lies farthest back.
 */
#ifndef LOWTIDE_POLICY_VICTIMS_H
#define LOWTIDE_POLICY_VICTIMS_H

#include "core/state.h"

/* Larger = better victim. Comparable within one operation. */
uint64_t victims_score(const struct policy *policy, uint32_t block);
/* Steps until it is named again; CYCLE_NEVER = not in sight. Only while cycle_predicts(). */
uint64_t victims_next_use(const struct policy *policy, uint32_t block);

/* All that may go, then best first until BLOCK_NONE. Uses table.order. */
void victims_gather(struct policy *policy);
/* The same for what table.order lists, by the scores set there: largest first. */
void victims_sort(struct policy *policy);
uint32_t victims_next(struct policy *policy);

#endif
