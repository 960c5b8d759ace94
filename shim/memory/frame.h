/*
 * Frames: physical memory in a few power-of-two sizes, on the device (charged to the ledger) or
 * in pinned RAM (within the host budget). Each has a permanent second mapping, its alias. Plain
 * host frames are pinned memory without a handle: they cannot be mapped elsewhere, their alias
 * is their host pointer, and they end with the context they were made in. Owns the pools of
 * spare frames. Guarded by the pager's lock.
 */
#ifndef LOWTIDE_FRAME_H
#define LOWTIDE_FRAME_H

#include "memory/arena.h"

#include <cuda.h>
#include <stdatomic.h>

#define FRAME_CLASSES 7 /* 2 MiB to 128 MiB */

struct frame {
	struct frame *next;		     /* in the pool */
	CUmemGenericAllocationHandle handle; /* 0: plain, or none (yet, or any more) */
	CUdeviceptr alias;
	bool mapped;	    /* at its alias; of a plain one: it is there */
	uint8_t size_class; /* GRANULE << size_class bytes */
	bool host;
	CUresult made; /* what the driver said to making it */
};

/* Why there was no frame, the last time that there was none. */
enum frame_refusal {
	FRAME_NEVER_REFUSED,
	FRAME_OVER_LIMIT, /* the cap, or the host budget */
	FRAME_NOT_MADE,	  /* the driver has no more */
};

struct frame_pool {
	struct arena aliases;
	struct frame *spare[2][FRAME_CLASSES]; /* by host, class */
	int device;
	bool plain_host; /* host frames are plain; immutable */
	int node;	 /* of RAM, where host frames are made: the device's nearest */
	uint64_t host_limit_bytes;
	uint64_t device_bytes, host_bytes; /* of all frames, in use or spare */
	/* Of those that are spare; atomic: whether there are any is asked without the lock. */
	_Atomic uint64_t device_spare_bytes, host_spare_bytes;
	uint64_t unneeded_bytes[2];    /* by host: spare all the time since the last trim */
	enum frame_refusal refusal[2]; /* by host */
	CUresult driver_said[2];       /* by host: when it last made none */
	uint64_t device_limit_bytes;   /* what the card was seen to have, until then */
	uint64_t device_limit_until_ns;
	uint64_t host_peak_bytes;
	uint64_t resized; /* frames for which spare ones of other sizes were released */
	_Atomic uint64_t made, made_ns; /* frames that the driver made, and the time it took */
	uint64_t asked_bytes; /* size of the host frame that was last taken; 0: none was */
};

static inline uint64_t frame_bytes(unsigned int size_class)
{
	return GRANULE << size_class;
}

bool frame_pool_init(struct frame_pool *pool, int device, uint64_t host_limit_bytes,
		     bool plain_host);
/* The context is gone, and the memory of plain host frames with it: forgets the spare ones. */
void frame_pool_forget_plain(struct frame_pool *pool);
/* Releases every spare frame, and the addresses of the aliases once no frame is left. */
void frame_pool_finish(struct frame_pool *pool);

/* Making one in parts: it is on the account from frame_begin on (NULL: over the cap, or the
 * host budget). frame_make asks the driver and changes nothing in the pool: the lock need not
 * be held. False: frame_cancel is what is left to do; else it may be used, or given to the
 * pool. */
struct frame *frame_begin(struct frame_pool *pool, bool host, unsigned int size_class);
bool frame_make(struct frame_pool *pool, struct frame *frame);
void frame_cancel(struct frame_pool *pool, struct frame *frame);

/* NULL: over the cap (or the host budget), or the driver has none. */
struct frame *frame_take(struct frame_pool *pool, bool host, unsigned int size_class);
/* A spare one only: nothing is asked of the driver. */
struct frame *frame_take_spare(struct frame_pool *pool, bool host, unsigned int size_class);
/* Back to the pool; NULL is fine. */
void frame_give(struct frame_pool *pool, struct frame *frame);
/* Spare frames of `bytes` in all, or what there is, chained by next: to be given back to the
 * driver in two parts, of which the first needs no lock. */
struct frame *frame_take_spares(struct frame_pool *pool, bool host, uint64_t bytes);
void frames_undo(const struct frame_pool *pool, struct frame *frames);
void frames_end(struct frame_pool *pool, struct frame *frames);

/* Releases spare frames until so many bytes are gone from the device (or from RAM) or none is
 * left; how many went. */
uint64_t frame_release_spare(struct frame_pool *pool, bool host, uint64_t bytes);
/* What device frames may take all together by what the card was last seen to have: less than
 * the cap where others hold it. Asked again after a while. */
uint64_t frame_device_limit_bytes(const struct frame_pool *pool);
/* Releases what has been spare all the time since it was last asked to, but for `keep_bytes`.
 */
void frame_trim(struct frame_pool *pool, bool host, uint64_t keep_bytes);

#endif
