/* Which blocks of a learnt cycle stay resident while the others are streamed. They are only
 * marked as kept; streaming does the moves. */
#ifndef LOWTIDE_POLICY_BALANCED_RESIDENT_SET_H
#define LOWTIDE_POLICY_BALANCED_RESIDENT_SET_H

#include "core/state.h"

/* Blocks that the room left for streaming holds at least where moves stop the work, so that one
 * stop serves as many. */
#define RESIDENT_SET_BATCH_RING 5

/* A round has begun: marks the set anew if the cycle, the limit or the blocks have changed. */
void resident_set_choose(struct policy *policy);
/* Takes all marks away. */
void resident_set_forget(struct policy *policy);

#endif
