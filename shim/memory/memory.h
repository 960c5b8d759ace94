/*
 * The memory of a device that is ours: components and their blocks, slabs, frames, our kernels,
 * and which block has which home. It belongs to the context that it was made for.
 *
 * Guarded by `lock`, the pager's, unless a field says atomic. The lock lies here because frames
 * are made, and mappings changed, by a thread that gives it back meanwhile.
 */
#ifndef LOWTIDE_MEMORY_H
#define LOWTIDE_MEMORY_H

#include "base/lock.h"
#include "memory/block.h"
#include "memory/frame.h"
#include "memory/own_kernels.h"
#include "memory/slab.h"

#include <stdatomic.h>

#define MEMORY_DEVICES 16

struct memory {
	struct lock lock;
	int device;
	CUcontext context;
	_Atomic int lost; /* CUresult: a mapping could not be put back; every later use answers
			     so; atomic */
	_Atomic uint32_t cold_blocks, tabled_cold; /* all whose home is RAM, and of those the
						      ones in tabled components; atomic */
	struct block_table table;
	struct slabs slabs; /* components that small allocations are cut from */
	struct frame_pool frames;
	bool prepares_frames;	    /* prepared_frames.c: paging has begun, beside the work */
	bool frame_making;	    /* the same: one, without the lock */
	bool frames_refused;	    /* the same: the driver had none */
	struct own_kernels kernels; /* immutable after the start */
	uint64_t kernels_load_us;   /* whatever came of it */
	struct frame *hash_scratch; /* on the device: the table, then the sums */
	uint64_t *hash_host;	    /* pinned, the same layout */
};

/* VRAM that device frames of blocks may take: the cap less everything else that is charged. */
uint64_t memory_frames_cap_bytes(const struct memory *memory);

#endif
