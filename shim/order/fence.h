/*
 * Fences: when has the work that named something ended? Each operation that names managed
 * memory opens a fence under the pager's lock before it is launched; the launching thread
 * closes it by recording an event right behind the operation, in its own stream. Owns the ring
 * of events. Own lock; fence_close is called inside the gate.
 */
#ifndef LOWTIDE_FENCE_H
#define LOWTIDE_FENCE_H

#include "base/lock.h"

#include <cuda.h>

#include <stdbool.h>
#include <stdint.h>

#define FENCES 4096

enum fence_state { FENCE_NONE, FENCE_OPEN, FENCE_RECORDED, FENCE_DONE };

struct fences {
	struct lock lock;
	struct {
		CUevent event; /* made at first use, kept */
		enum fence_state state;
	} ring[FENCES];	    /* by serial; guarded by lock */
	uint64_t next;	    /* guarded by lock */
	uint64_t done_upto; /* every serial up to this one is over; guarded by lock */
};

void fences_init(struct fences *fences);
/* Their context is gone, and the events with it. */
void fences_finish(struct fences *fences);

/* 0: too many are open, or not over; what this operation names can then not be known to be free
 * again. */
uint64_t fence_open(struct fences *fences);
/* The operation went into `stream`; or is over already; or never went anywhere (stream is not
 * looked at). */
void fence_close(struct fences *fences, uint64_t serial, CUstream stream, bool over);
/* The newest serial up to which everything is over; asks the driver. */
uint64_t fences_done_upto(struct fences *fences);
uint64_t fences_newest(struct fences *fences);

#endif
