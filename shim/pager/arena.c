#include "pager/arena.h"

#include "door/driver.h"

#include <stdlib.h>
#include <string.h>

static bool insert(struct arena *arena, size_t at, struct arena_range range)
{
	if (arena->count == arena->room) {
		size_t room = arena->room ? 2 * arena->room : 64;
		struct arena_range *grown = realloc(arena->free, room * sizeof(*grown));

		if (!grown)
			return false;
		arena->free = grown;
		arena->room = room;
	}
	memmove(&arena->free[at + 1], &arena->free[at], (arena->count - at) * sizeof(range));
	arena->free[at] = range;
	arena->count++;
	return true;
}

static void erase(struct arena *arena, size_t at)
{
	arena->count--;
	memmove(&arena->free[at], &arena->free[at + 1],
		(arena->count - at) * sizeof(*arena->free));
}

bool arena_init(struct arena *arena, uint64_t bytes, uint64_t hint)
{
	CUdeviceptr base;

	memset(arena, 0, sizeof(*arena));
	arena->refused = real(cuMemAddressReserve)(&base, bytes, GRANULE, hint, 0);
	if (arena->refused != CUDA_SUCCESS)
		return false;
	if (!insert(arena, 0, (struct arena_range){base, bytes})) {
		real(cuMemAddressFree)(base, bytes);
		return false;
	}
	arena->base = base;
	arena->bytes = bytes;
	return true;
}

void arena_finish(struct arena *arena)
{
	if (arena->bytes)
		real(cuMemAddressFree)(arena->base, arena->bytes);
	free(arena->free);
	memset(arena, 0, offsetof(struct arena, refused));
}

uint64_t arena_take(struct arena *arena, uint64_t bytes)
{
	for (size_t i = 0; i < arena->count; i++) {
		struct arena_range *range = &arena->free[i];
		uint64_t start = range->start;

		if (range->bytes < bytes)
			continue;
		range->start += bytes;
		range->bytes -= bytes;
		if (!range->bytes)
			erase(arena, i);
		return start;
	}
	return 0;
}

/* A range that finds no memory for its entry is lost to the arena, which has terabytes. */
void arena_give(struct arena *arena, uint64_t start, uint64_t bytes)
{
	size_t at = 0;

	while (at < arena->count && arena->free[at].start < start)
		at++;
	if (at < arena->count && start + bytes == arena->free[at].start) {
		arena->free[at].start = start;
		arena->free[at].bytes += bytes;
	} else if (!insert(arena, at, (struct arena_range){start, bytes})) {
		return;
	}
	if (at &&
	    arena->free[at - 1].start + arena->free[at - 1].bytes == arena->free[at].start) {
		arena->free[at - 1].bytes += arena->free[at].bytes;
		erase(arena, at);
	}
}
