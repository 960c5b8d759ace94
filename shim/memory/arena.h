/*
 * Address ranges: one large reservation, handed out in granules of the device's page (2 MiB).
 * Owns the reservation and what is free in it. Guarded by the pager's lock, except
 * arena_holds.
 */
#ifndef LOWTIDE_ARENA_H
#define LOWTIDE_ARENA_H

#include "memory/ranges.h"

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRANULE_BITS 21
#define GRANULE                                                                                \
	((uint64_t)1 << GRANULE_BITS) /* every card since Volta; checked when a pager starts   \
				       */

/*
 * Where they lie: a slot of addresses for each device, its arena in the lower half and the
 * aliases of its frames in the upper one. Between what sanitizers and position-independent
 * programs take (to 0x1000 and from 0x5500 in the upper 32 bits) and below stacks and
 * libraries, so that slots meet neither those nor each other. A pointer's upper half must not
 * look like a number that programs pass beside another one, as two packed 32-bit integers:
 * each slot begins right after a multiple of 128, so that its first 250 GiB hold no multiple of
 * 64, of which widths, heights and strides are made.
 */
#define ARENA_SLOT_BYTES ((uint64_t)4 << 40)
#define ARENA_HALF_BYTES ((uint64_t)2 << 40)
/* Less than a half: drivers may try for a little more than they are asked for. */
#define ARENA_BYTES (ARENA_HALF_BYTES - ((uint64_t)4 << 30))

/* device: 0 .. 15. */
static inline uint64_t arena_slot(int device)
{
	return 0x508100000000ull - (uint64_t)device * ARENA_SLOT_BYTES;
}

struct arena {
	uint64_t base, bytes; /* immutable while the arena lives; 0: none */
	struct ranges free;   /* by granule */
	CUresult refused;     /* what the driver last said to being asked for addresses */
};

/* Reserves addresses at `hint`, or where else the driver would have them, which base tells.
 * False: the driver has none, or memory ran out. */
bool arena_init(struct arena *arena, uint64_t bytes, uint64_t hint);
/* Every mapping in it must be gone. */
void arena_finish(struct arena *arena);

static inline bool arena_holds(const struct arena *arena, uint64_t address)
{
	return address - arena->base < arena->bytes;
}

/* Bytes are a multiple of GRANULE. 0: no room. */
uint64_t arena_take(struct arena *arena, uint64_t bytes);
void arena_give(struct arena *arena, uint64_t start, uint64_t bytes);

#endif
