/* The blocks outside the resident set pass through the rest of VRAM, the ring, in the order in
 * which the cycle names them. */
#ifndef LOWTIDE_POLICY_BALANCED_STREAMING_H
#define LOWTIDE_POLICY_BALANCED_STREAMING_H

#include "core/batch.h"

/* Only while cycle_predicts(). */
void streaming_use(struct policy *policy, const uint32_t *blocks, size_t count,
		   struct batch *batch);
/* Offers what is in the ring, for a new block to take its place. Only while cycle_predicts().
 */
void streaming_make_place(struct batch *batch);

#endif
