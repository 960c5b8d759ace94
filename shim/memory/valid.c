#include "memory/valid.h"

#ifdef LOWTIDE_DEBUG
#include "base/log.h"

#include <stdlib.h>

/* Frames that are spare or a block's, sorted by address. */
struct owned {
	const struct frame **frames;
	size_t count, room;
};

_Noreturn void valid_not(const struct memory *memory, const char *what, uint32_t i)
{
	log_error("device %d: not valid: %s (%u)", memory->device, what, i);
	abort();
}

#define HOLD(what, condition, i)                                                               \
	do {                                                                                   \
		if (!(condition))                                                              \
			valid_not(memory, what, i);                                            \
	} while (0)

static void own(struct owned *owned, const struct frame *frame)
{
	if (!frame)
		return;
	if (owned->count == owned->room) {
		owned->room = owned->room ? 2 * owned->room : 64;
		owned->frames = realloc(owned->frames, owned->room * sizeof(struct frame *));
		if (!owned->frames)
			abort();
	}
	owned->frames[owned->count++] = frame;
}

static int by_address(const void *a, const void *b)
{
	const struct frame *const *one = a, *const *other = b;

	return (*one > *other) - (*one < *other);
}

static void see_spares(const struct memory *memory, bool host, struct owned *owned)
{
	const struct frame_pool *pool = &memory->frames;
	uint64_t bytes = 0;

	for (uint32_t c = 0; c < FRAME_CLASSES; c++)
		for (const struct frame *f = pool->spare[host][c]; f; f = f->next) {
			HOLD("spare frames lie with those of their kind",
			     f->host == host && f->size_class == c, c);
			bytes += frame_bytes(c);
			own(owned, f);
		}
	HOLD("the bytes of spare frames are counted",
	     bytes == (host ? pool->host_spare_bytes : pool->device_spare_bytes), host);
}

static void see_frames(const struct memory *memory)
{
	uint64_t bytes[2] = {0};
	struct owned owned = {0};

	see_spares(memory, false, &owned);
	see_spares(memory, true, &owned);
	own(&owned, memory->hash_scratch);
	for (uint32_t i = 0; i < memory->table.block_end; i++)
		if (memory->table.blocks[i].component != NO_BLOCK) {
			own(&owned, memory->table.blocks[i].device);
			own(&owned, memory->table.blocks[i].host);
		}
	if (owned.count)
		qsort(owned.frames, owned.count, sizeof(struct frame *), by_address);
	for (size_t i = 0; i < owned.count; i++) {
		HOLD("a frame is owned once", !i || owned.frames[i] != owned.frames[i - 1],
		     (uint32_t)i);
		bytes[owned.frames[i]->host] += frame_bytes(owned.frames[i]->size_class);
	}
	HOLD("the pool counts all device frames", bytes[0] <= memory->frames.device_bytes, 0);
	HOLD("the pool counts all host frames", bytes[1] <= memory->frames.host_bytes, 0);
	free(owned.frames);
}

static void see_block(const struct memory *memory, uint32_t id)
{
	const struct block_table *table = &memory->table;
	const struct block *block = &table->blocks[id];
	enum block_home home = atomic_load(&block->home);

	HOLD("the index finds a block by its first address",
	     block_find(table, block->address) == id, id);
	HOLD("the index finds a block by its last address",
	     block_find(table, block->address + block_bytes(block) - 1) == id, id);
	HOLD("a block in VRAM has a device frame", home != HOME_DEVICE || block->device, id);
	HOLD("a block in RAM has a host frame", home != HOME_HOST || block->host, id);
	HOLD("a device frame is one, of its block's size",
	     !block->device ||
		 (!block->device->host && block->device->size_class == block->size_class),
	     id);
	HOLD("a host frame is one, of its block's size",
	     !block->host ||
		 (block->host->host && block->host->size_class == block->size_class),
	     id);
}

struct cold {
	uint32_t all, tabled;
};

static void see_component(const struct memory *memory, uint32_t id, struct cold *cold)
{
	const struct component *component = &memory->table.components[id];
	uint32_t not_resident = 0, in_ram = 0;
	uint64_t at = component->start;

	for (uint32_t i = 0; i < component->block_count; i++) {
		const struct block *block = &memory->table.blocks[component->first_block + i];

		HOLD("a component's blocks are its own", block->component == id, id);
		HOLD("a component's blocks adjoin", block->address == at, id);
		at += block_bytes(block);
		see_block(memory, component->first_block + i);
		not_resident += atomic_load(&block->home) != HOME_DEVICE;
		in_ram += atomic_load(&block->home) == HOME_HOST;
	}
	HOLD("a component's blocks are all of it",
	     at == component->start + component->span_bytes, id);
	HOLD("a component's cold blocks are counted",
	     not_resident == atomic_load(&component->cold_count), id);
	cold->all += in_ram;
	cold->tabled += component->tabled ? in_ram : 0;
}

void memory_see_valid(const struct memory *memory)
{
	struct cold cold = {0};
	uint32_t live = 0;

	if (atomic_load(&memory->lost))
		return; /* there is a hole */
	for (uint32_t i = 0; i < memory->table.component_end; i++)
		if (memory->table.components[i].bytes) {
			live++;
			see_component(memory, i, &cold);
		}
	HOLD("components are counted", live == memory->table.live_components, live);
	HOLD("cold blocks are counted", cold.all == atomic_load(&memory->cold_blocks),
	     cold.all);
	HOLD("cold blocks in tables are counted",
	     cold.tabled == atomic_load(&memory->tabled_cold), cold.tabled);
	see_frames(memory);
}
#endif
