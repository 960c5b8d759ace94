/* Replacement while no cycle is known: what a scan reads once moves nothing. */
#ifndef LOWTIDE_POLICY_BALANCED_SCAN_RESISTANT_H
#define LOWTIDE_POLICY_BALANCED_SCAN_RESISTANT_H

#include "core/batch.h"

/* Where moves stop the work, swaps are counted first and made once they are worth a stop. */
void scan_resistant_use(struct policy *policy, const uint32_t *blocks, size_t count,
			struct batch *batch);
/* The work has stopped anyway: makes the swaps that were put off. */
void scan_resistant_quiet(struct policy *policy, struct batch *batch);

#endif
