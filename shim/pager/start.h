/*
 * Why paging did not begin on a device: the step that failed, what the driver said to it, what
 * can be done; and when it is tried again. A failed start costs nothing but that the cap is
 * then enforced without paging, so that causes that pass (a full card, no pinnable RAM, one
 * call that failed) must not end paging for good. Guarded by the lock under which pagers are
 * made.
 */
#ifndef LOWTIDE_START_H
#define LOWTIDE_START_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pager;

enum start_step {
	START_DRIVER,	  /* it lacks functions */
	START_TABLES,	  /* memory of the process's own */
	START_ADDRESSES,  /* reserved */
	START_STREAMS,	  /* ours */
	START_KERNELS,	  /* ours */
	START_PINNED,	  /* a little RAM for what our kernels are told */
	START_SCRATCH,	  /* a frame in VRAM for what they answer */
	START_RULED_OUT,  /* the driver says that kernels reach no memory in RAM */
	START_HOST_FRAME, /* a frame in RAM */
	START_TRIAL,	  /* it was used, and the driver failed */
	START_BYTES,	  /* it was used, and other bytes came back */
};

struct start {
	enum start_step step;
	CUresult error;		   /* of the driver; SUCCESS: it was not asked */
	uint32_t said;		   /* steps of which a line was written */
	uint64_t wait_ns;	   /* until it is tried once more; doubles */
	bool failed, final;	   /* the last time; and it will not be tried again */
	_Atomic uint64_t again_ns; /* not before; 0: at once; atomic */
};

/* The outcome of a step: true if it went well. */
bool start_step(struct start *start, enum start_step step, CUresult error);

/* It failed: says why, once a step, and when it may be tried again. */
void start_failed(struct pager *pager, uint64_t now_ns);
/* It went well; says so if it had failed before. */
void start_done(struct pager *pager);
/* Whether it may be tried now. Any thread, no lock. */
bool start_may(const struct start *start);

#endif
