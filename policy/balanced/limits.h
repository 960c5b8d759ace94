/* What the configuration allows `balanced`; asked by all of its parts. */
#ifndef LOWTIDE_POLICY_BALANCED_LIMITS_H
#define LOWTIDE_POLICY_BALANCED_LIMITS_H

#include "core/state.h"

/* Up to here blocks may be resident: high_bytes where it is set, the cap at most. */
uint64_t balanced_limit(const struct policy *policy);
/* May a cold block be left to be read over the bus? */
bool balanced_in_place(const struct policy *policy);

#endif
