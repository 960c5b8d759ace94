/*
 * The parts of `balanced`: which of them acts depends on what the learner knows and on whether
 * moves run beside the work.
 *
 *              nothing learnt       a cycle is learnt
 *   beside     scan_resistant       resident_set chooses what stays, streaming brings the rest
 *   stopping   scan_resistant,      static_set finds the best set once, the rest is used in
 *              in batches           place; or as beside, in batches, where mode finds that
 *                                   faster
 */
#ifndef LOWTIDE_POLICY_BALANCED_H
#define LOWTIDE_POLICY_BALANCED_H

#include "core/batch.h"

/* Up to here blocks may be resident: high_bytes where it is set, the cap at most. */
uint64_t balanced_limit(const struct policy *policy);
/* May a cold block be left to be read over the bus? */
bool balanced_in_place(const struct policy *policy);

/* Does what is not kept pass through the ring? */
bool balanced_streams(const struct policy *policy);

/* Blocks that one stop serves. */
#define BALANCED_BATCH_RING 5

void scan_resistant_use(struct policy *policy, const uint32_t *blocks, size_t count,
			struct batch *batch);
void scan_resistant_quiet(struct policy *policy, struct batch *batch);

/* A round of the cycle has begun: take what was used how often in the last. */
void static_set_measure(struct policy *policy);
void static_set_move(struct policy *policy, struct batch *batch);

/* A round has begun, where moves stop the work and cold blocks may be read in place: keeps a
 * static set or streams from here on, by what the rounds before took. */
void mode_review(struct policy *policy);

void resident_set_choose(struct policy *policy);
void resident_set_forget(struct policy *policy);

/* Offers what is in the ring, for a new block to take its place. */
void streaming_make_place(struct batch *batch);
void streaming_use(struct policy *policy, const uint32_t *blocks, size_t count,
		   struct batch *batch);

#endif
