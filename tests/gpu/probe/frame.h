/*
 * Frames (physical memory), ranges of addresses, and blocks: a range that one of two frames
 * backs, as the pager has them. Each frame of a block has an alias beside it for copies.
 *
 * One thread at a time uses a block.
 */
#ifndef PROBE_FRAME_H
#define PROBE_FRAME_H

#include "gpu.h"

enum home { ON_DEVICE, ON_HOST, HOMES };

/* Where frames are made: of the device, and of the host the kind that this machine offers. */
struct places {
	CUmemLocation of[HOMES];
	size_t granularity[HOMES]; /* the least; 0: this home is not offered */
	CUresult host_answer;	   /* what the driver said to a host frame */
};
/* Skips the trial where there is no virtual memory management. */
struct places places_find(const struct gpu *g);
/* Skips the trial where there are no host frames. */
struct places places_need_host(const struct gpu *g);
CUmemLocation place_device(const struct gpu *g);
CUmemLocation place_nearest_node(const struct gpu *g);
const char *place_name(const CUmemLocation *place);

CUresult frame_make(const CUmemLocation *place, size_t bytes,
		    CUmemGenericAllocationHandle *out);
/* Access of the device: read and write, or only read. */
CUresult range_open(const struct gpu *g, CUdeviceptr at, size_t bytes, bool writable);
CUdeviceptr range_reserve(size_t bytes);
/* A new frame at the address, open to the device. */
CUresult range_back(const struct gpu *g, CUdeviceptr at, size_t bytes,
		    const CUmemLocation *place, CUmemGenericAllocationHandle *out);

struct block {
	CUdeviceptr at, alias[HOMES];
	CUmemGenericAllocationHandle frames[HOMES];
	size_t bytes;
	enum home home;
	uint64_t key, bumps;
	CUevent used; /* recorded after the last launch that named it */
};
/* `count` blocks side by side in one reservation, at home on the device. */
void blocks_make(const struct gpu *g, const struct places *places, size_t bytes, size_t count,
		 struct block *out);
/* unmap, map, set access; one that answers NOT_READY is counted, and asked again after a drain.
 */
CUresult block_switch(const struct gpu *g, struct block *b, enum home to,
		      unsigned long *not_ready);
/* The bytes go to the other frame, between aliases; over when the stream has done it. */
void block_copy(const struct block *b, enum home to, CUstream in);

#endif
