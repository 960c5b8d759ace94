/* Whether a learnt cycle's other blocks are read in place or streamed, where moves stop the
 * work and both can be done. The answer is balanced.mode.streams. */
#ifndef LOWTIDE_POLICY_BALANCED_MODE_H
#define LOWTIDE_POLICY_BALANCED_MODE_H

#include "core/state.h"

/* A round has begun: decides for it by what the rounds before took. */
void mode_review(struct policy *policy);

#endif
