/*
 * Managed memory, by the calls that this driver has: CUDA 12.2 gave advice and prefetches a
 * location in place of a device. One thread.
 */
#ifndef PROBE_MANAGED_H
#define PROBE_MANAGED_H

#include "gpu.h"

/* Why the device or the driver has not what it takes; NULL: it has. */
const char *managed_not_offered(const struct gpu *g);

enum side { ON_THE_CARD, IN_RAM };
CUresult managed_advise(const struct gpu *g, CUdeviceptr at, size_t bytes, CUmem_advise advice,
			enum side side);
CUresult managed_prefetch(const struct gpu *g, CUdeviceptr at, size_t bytes, enum side to,
			  CUstream in);
/* "RAM", "the card", "another card", "no one place" (several, or never asked for). */
const char *managed_last_prefetch(const struct gpu *g, CUdeviceptr at, size_t bytes);

#endif
