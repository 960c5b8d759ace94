#include "memory/arena.h"

#include "driver/driver.h"

#include <string.h>

bool arena_init(struct arena *arena, uint64_t bytes, uint64_t hint)
{
	CUdeviceptr base;

	memset(arena, 0, sizeof(*arena));
	arena->refused = real(cuMemAddressReserve)(&base, bytes, GRANULE, hint, 0);
	if (arena->refused != CUDA_SUCCESS)
		return false;
	if (!ranges_init(&arena->free, (uint32_t)(bytes >> GRANULE_BITS))) {
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
	ranges_finish(&arena->free);
	memset(arena, 0, offsetof(struct arena, refused));
}

uint64_t arena_take(struct arena *arena, uint64_t bytes)
{
	uint32_t first = bytes <= arena->bytes
			     ? ranges_take(&arena->free, (uint32_t)(bytes >> GRANULE_BITS))
			     : RANGES_NONE;

	return first == RANGES_NONE ? 0 : arena->base + ((uint64_t)first << GRANULE_BITS);
}

void arena_give(struct arena *arena, uint64_t start, uint64_t bytes)
{
	ranges_give(&arena->free, (uint32_t)((start - arena->base) >> GRANULE_BITS),
		    (uint32_t)(bytes >> GRANULE_BITS));
}
