/*
 * Why paging did not begin on a device: the step that failed, what the driver said to it, what
 * can be done; and when it is tried again. A failed start costs nothing but that the cap is
 * then enforced without paging, so that causes that pass (a full card, no pinnable RAM, one
 * call that failed) must not end paging for good. Guarded by the lock under which pagers are
 * made.
 */
#ifndef LOWTIDE_START_H
#define LOWTIDE_START_H

#include "memory/start_step.h"

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pager;

struct start {
	struct start_failure failure; /* the last */
	uint32_t said;		      /* steps of which a line was written */
	uint64_t wait_ns;	      /* until it is tried once more; doubles */
	bool failed, final;	      /* the last time; and it will not be tried again */
	_Atomic uint64_t again_ns;    /* not before; 0: at once; atomic */
};

/* It failed: says why, once a step, and when it may be tried again. */
void start_failed(struct pager *pager, uint64_t now_ns);
/* It went well; says so if it had failed before. */
void start_done(struct pager *pager);
/* Whether it may be tried now. Any thread, no lock. */
bool start_may(const struct start *start);

#endif
