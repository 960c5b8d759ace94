/* The choice among the other policies, kept up to date before any of them is asked. */
#ifndef LOWTIDE_POLICY_AUTO_H
#define LOWTIDE_POLICY_AUTO_H

#include "core/state.h"

/* What decides until the first review. */
void auto_init(struct policy *policy);
/* Looks at an operation before the acting policy does, and may replace that one. `fresh`: how
 * many blocks table_use found newly named. */
void auto_watch(struct policy *policy, const uint32_t *blocks, size_t count, size_t fresh);

#endif
