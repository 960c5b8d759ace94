/*
 * Slabs: one granule each (2 MiB), cut into pieces of one size, which small allocations are
 * served from. Owns which pieces are taken, by what allocation, and which of them were freed
 * but may still be in use; the bookkeeping lies in RAM, never in the slab. Where a slab's
 * memory comes from is its owner's affair: a component of the pager (alloc.c), or the driver's
 * own memory (driver_slabs.c). Guarded by the owner's lock but for slab_left_bytes. Taking and
 * giving back take constant time.
 */
#ifndef LOWTIDE_SLAB_H
#define LOWTIDE_SLAB_H

#include "memory/arena.h"

#include <cuda.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SLAB_BYTES GRANULE
/* What is larger has a granule of its own. */
#define SLAB_SERVES_BYTES (SLAB_BYTES / 2)
/* Of every piece's address and size: what cuMemAlloc aligns to. */
#define SLAB_UNIT_BYTES 512
#define SLAB_PIECES_MAX (SLAB_BYTES / SLAB_UNIT_BYTES)
#define SLAB_CLASSES 37

struct slab_piece {
	uint64_t id;		/* CU_POINTER_ATTRIBUTE_BUFFER_ID */
	_Atomic uint32_t bytes; /* as the program asked; 0: free, or freed; atomic */
	uint16_t index;		/* in its slab */
	bool taken, ripe;	/* not free; parked, and nothing uses it any more */
	bool sync_memops;	/* the program set CU_POINTER_ATTRIBUTE_SYNC_MEMOPS */
	CUevent free_after;	/* of a parked one; NULL: once the context is idle */
	struct slab_piece *next_parked;
};

struct slab {
	uint64_t start;
	struct slab *next, *previous; /* with room, of its class; or unused */
	uint32_t piece_bytes, piece_count, taken;
	uint32_t synced; /* pieces with sync_memops */
	uint8_t size_class;
	bool listed;			     /* it has room */
	uint64_t words_with_room;	     /* by word of `room`: any bit of it is set */
	uint64_t room[SLAB_PIECES_MAX / 64]; /* by piece: it is free */
	struct slab_piece pieces[];
};

/* All slabs of one owner; all zeros: none. */
struct slabs {
	struct slab *with_room[SLAB_CLASSES];
	struct slab *unused[SLAB_CLASSES]; /* their memory stays: slab_left_bytes may read it */
	uint32_t empty[SLAB_CLASSES];
	uint32_t empty_count; /* slabs that nothing is taken from */
	struct slab_piece *parked;
	uint32_t parked_count;
};

/* Is it small enough to share a granule? */
static inline bool slab_serves(uint64_t bytes)
{
	return bytes && bytes <= SLAB_SERVES_BYTES;
}

/* One that a piece of so many bytes can be taken from; NULL: none has room. */
struct slab *slabs_with_room(const struct slabs *slabs, uint64_t bytes);
/* A new one at `start` for pieces of so many bytes. NULL: no memory for its bookkeeping. */
struct slab *slabs_add(struct slabs *slabs, uint64_t start, uint64_t bytes);
/* It is gone, with all that was taken from it. */
void slabs_remove(struct slabs *slabs, struct slab *slab);
/* One that nothing is taken from; NULL: there is none. */
struct slab *slabs_empty(const struct slabs *slabs);

/* The slab has room. Its address. */
uint64_t slab_take(struct slabs *slabs, struct slab *slab, uint64_t bytes, uint64_t id);
/* The piece is free. True: nothing is taken from its slab any more, and another one of its
 * class is empty already, so that it may go. */
bool slab_give(struct slabs *slabs, struct slab_piece *piece);

/* The allocation that holds the address, which is in the slab; NULL: none, or it was freed. */
struct slab_piece *slab_piece_at(struct slab *slab, uint64_t address);
uint64_t slab_piece_start(const struct slab_piece *piece);
struct slab *slab_of(struct slab_piece *piece);
/* From the address to the end of its allocation; 0: it is in none. No lock; the allocation must
 * not be freed meanwhile. */
uint64_t slab_left_bytes(const struct slab *slab, uint64_t address);

/* CU_POINTER_ATTRIBUTE_SYNC_MEMOPS: the driver keeps it with the whole slab. Must the slab have
 * it, or lose it, for the piece to? */
bool slab_sync_memops_must_change(struct slab_piece *piece, bool on);
/* The piece has it, or has it no more, and so has its slab. */
void slab_piece_set_sync_memops(struct slab_piece *piece, bool on);

/* The program freed it, but it may still be in use: taken until it is ripe. */
void slab_park(struct slabs *slabs, struct slab_piece *piece, CUevent free_after);
/* Takes a ripe one (or any, `all`) off the list of the parked; NULL: none is. */
struct slab_piece *slabs_unpark(struct slabs *slabs, bool all);

#endif
