/*
 * Address ranges: one large reservation, handed out in granules of the device's page (2 MiB).
 * Owns the reservation and the list of what is free in it. Guarded by the pager's lock, except
 * arena_holds.
 */
#ifndef LOWTIDE_ARENA_H
#define LOWTIDE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRANULE_BITS 21
#define GRANULE                                                                                \
	((uint64_t)1 << GRANULE_BITS) /* every card since Volta; checked when a pager starts   \
				       */

struct arena_range {
	uint64_t start, bytes;
};

struct arena {
	uint64_t base, bytes;	  /* immutable while the arena lives; 0: none */
	struct arena_range *free; /* sorted by start, no two adjoining */
	size_t count, room;
};

/* Reserves addresses near `hint`. False: the driver has none, or memory ran out. */
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
