/*
 * LOWTIDE_COLD=unmapped: cold memory has no mapping, so that whatever work may touch must be in
 * VRAM when it is given to the driver, and stay there until it has ended.
 *
 * It is brought in under the pager's lock, in a window; the caller is then let into the gate
 * before the lock is given back, so that nobody can have evicted it in between. Once work is
 * in, every window waits until it has ended. Any thread; no lock of the pagers' held, and not
 * inside the gate.
 */
#ifndef LOWTIDE_UNMAPPED_H
#define LOWTIDE_UNMAPPED_H

#include "pager/pager.h"

/* Set before the first pager lives; atomic. */
extern atomic_bool unmapped_mode;

enum unmapped_reach {
	REACH_NAMED,  /* the components that the addresses point into */
	REACH_TABLED, /* and, as kernels may, those whose addresses were uploaded as data */
	REACH_ALL,    /* nobody knows: all there are */
};

/* Success: the caller is inside the gate, and all of it is in VRAM (unless `stream` is being
 * captured: then nothing runs yet). Waits, with an end. OUT_OF_MEMORY: it cannot all be in VRAM
 * under the cap; LAUNCH_OUT_OF_RESOURCES: this was no moment to move memory, for too long; or
 * what the driver says of a lost context. */
CUresult unmapped_begin(const uint64_t *addresses, size_t count, enum unmapped_reach reach,
			CUstream stream);
/* The same for the components of ranges. */
CUresult unmapped_begin_ranges(const struct pager_range *ranges, size_t count, CUstream stream);
/* Without the driver's work to follow: brings it in, and answers as above. */
CUresult unmapped_bring(const uint64_t *addresses, size_t count, enum unmapped_reach reach);
/* Inside the gate, no lock: is it all there? */
bool unmapped_all_resident(const uint64_t *addresses, size_t count, enum unmapped_reach reach);

/* The address was uploaded as data: until its component is freed, it may be used by any kernel.
 * Nothing to do where cold memory is mapped. */
void unmapped_table(uint64_t address);

#endif
