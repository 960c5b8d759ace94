/*
 * What moves blocks between their homes: the streams that carry them, the window that is open,
 * the transfers that go on beside the work. Guarded by the memory's lock.
 */
#ifndef LOWTIDE_MOVER_H
#define LOWTIDE_MOVER_H

#include "memory/memory.h"
#include "order/fence.h"

/* Copies of a window's pipeline under way at once. */
#define MOVER_CROSSING 16

/* Counts since the pager began. */
struct mover_stats {
	uint64_t page_ins, evictions, clean_evictions; /* blocks */
	uint64_t bytes_in, bytes_out;		       /* copied */
	uint64_t bytes_out_again; /* part of bytes_out: of blocks that had been in RAM before */
	uint64_t windows, windows_refused, windows_late;
	uint64_t window_ns; /* from before the drain until work may begin again */
	uint64_t failed_moves;
	uint64_t verified,
	    not_verified; /* blocks: LOWTIDE_TEST_VERIFY compared them, or could not */
};

struct mover {
	struct memory *memory;
	/* The block has been put on its way to VRAM, or to RAM; or has changed its home, or was
	 * stopped and stays: which it is then. */
	void (*moved)(struct mover *mover, uint32_t block, bool to_device);
	CUstream stream_in, stream_out, stream_hash_in, stream_hash_out;
	CUevent crossing[MOVER_CROSSING]; /* pipeline.c's; made when first needed */
	size_t crossing_events;		  /* made so far */
	uint64_t window_since_ns;	  /* when the window that is open began */
	uint64_t unpaged_since_ns;  /* no window before this: the last one was refused or came
				       late; 0: none was */
	bool pushed;		    /* the open window's: our context was not the current one */
	struct overlap *overlap;    /* NULL: strict */
	struct switch_apart *apart; /* the switch that goes on without the lock, if one does */
	struct fences fences;	    /* own lock */
	struct mover_stats stats;
};

#endif
