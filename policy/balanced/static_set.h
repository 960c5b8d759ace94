/* The resident set of a learnt cycle that stays as it is, while all other blocks are read in
 * place. For a caller whose moves stop the work. */
#ifndef LOWTIDE_POLICY_BALANCED_STATIC_SET_H
#define LOWTIDE_POLICY_BALANCED_STATIC_SET_H

#include "core/batch.h"

/* A round of the cycle has begun: notes how often each block was used in the last one. */
void static_set_measure(struct policy *policy);
/* Makes the moves that pay for themselves, by what was measured. */
void static_set_move(struct policy *policy, struct batch *batch);

#endif
