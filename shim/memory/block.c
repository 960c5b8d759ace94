#include "memory/block.h"

#include <string.h>
#include <sys/mman.h>

static void *zeroed(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

#define BLOCKS_BYTES (BLOCKS_MAX * sizeof(struct block))
#define COMPONENTS_BYTES (COMPONENTS_MAX * sizeof(struct component))
#define INDEX_BYTES ((ARENA_BYTES >> GRANULE_BITS) * sizeof(uint32_t))

bool block_table_init(struct block_table *table, int device)
{
	table->free_component = NO_BLOCK;
	table->next_id = 1;
	table->block_end = table->component_end = table->live_components = 0;
	if (!table->blocks)
		table->blocks = zeroed(BLOCKS_BYTES);
	if (!table->components)
		table->components = zeroed(COMPONENTS_BYTES);
	if (!table->block_at)
		table->block_at = zeroed(INDEX_BYTES);
	ranges_finish(&table->free_blocks); /* a forked child's parent had some */
	if (table->blocks && table->components && table->block_at &&
	    ranges_init(&table->free_blocks, BLOCKS_MAX) &&
	    arena_init(&table->arena, ARENA_BYTES, arena_slot(device)))
		return true;
	block_table_finish(table);
	return false;
}

/* The tables' memory stays: a thread may be reading it without a lock. */
void block_table_finish(struct block_table *table)
{
	arena_finish(&table->arena);
	ranges_finish(&table->free_blocks);
}

/* --- blocks of one component stand together, so that a pointer's neighbours are found by
 * counting --------- */

static uint32_t blocks_take(struct block_table *table, uint32_t count)
{
	uint32_t first = ranges_take(&table->free_blocks, count);

	if (first == RANGES_NONE)
		return NO_BLOCK;
	for (; table->block_end < first + count; table->block_end++)
		table->blocks[table->block_end].component = NO_BLOCK;
	return first;
}

static void blocks_give(struct block_table *table, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		table->blocks[i].component = NO_BLOCK;
	while (table->block_end && table->blocks[table->block_end - 1].component == NO_BLOCK)
		table->block_end--;
	ranges_give(&table->free_blocks, first, count);
}

static unsigned int class_for(uint64_t granules, unsigned int largest)
{
	unsigned int c = largest;

	while (c && (1ull << c) > granules)
		c--;
	return c;
}

static uint32_t blocks_needed(uint64_t granules, unsigned int largest)
{
	uint32_t count = 0;

	for (; granules; count++)
		granules -= 1ull << class_for(granules, largest);
	return count;
}

static struct component *component_slot(struct block_table *table)
{
	struct component *component;

	if (table->free_component != NO_BLOCK) {
		component = &table->components[table->free_component];
		table->free_component = component->next_free;
		return component;
	}
	return table->component_end == COMPONENTS_MAX
		   ? NULL
		   : &table->components[table->component_end++];
}

static void component_slot_give(struct block_table *table, struct component *component)
{
	component->bytes = 0;
	component->next_free = table->free_component;
	table->free_component = component_index(table, component);
}

struct component *component_make(struct block_table *table, uint64_t bytes,
				 unsigned int largest_class, CUcontext context)
{
	uint64_t granules = (bytes + GRANULE - 1) >> GRANULE_BITS, at;
	struct component *component;
	uint32_t first, count;

	if (!bytes || bytes > table->arena.bytes / 2)
		return NULL;
	component = component_slot(table);
	if (!component)
		return NULL;
	count = blocks_needed(granules, largest_class);
	first = blocks_take(table, count);
	/* One granule more: a pointer one past the end names nobody else. */
	at = first == NO_BLOCK ? 0 : arena_take(&table->arena, (granules + 1) << GRANULE_BITS);
	if (!at && first != NO_BLOCK)
		blocks_give(table, first, count);
	if (!at) {
		component_slot_give(table, component);
		return NULL;
	}
	memset(component, 0, sizeof(*component));
	table->live_components++;
	component->start = at;
	component->bytes = bytes;
	component->span_bytes = granules << GRANULE_BITS;
	component->context = context;
	component->id = table->next_id++;
	component->first_block = first;
	component->block_count = count;
	component->cold_count = count;
	for (uint32_t i = first; i < first + count; i++) {
		struct block *block = &table->blocks[i];

		memset(block, 0, sizeof(*block));
		block->component = component_index(table, component);
		block->size_class = (uint8_t)class_for(granules, largest_class);
		block->address = at;
		for (uint64_t g = 0; g < 1ull << block->size_class; g++)
			atomic_store_explicit(
			    &table->block_at[((at - table->arena.base) >> GRANULE_BITS) + g],
			    i + 1, memory_order_relaxed);
		at += block_bytes(block);
		granules -= 1ull << block->size_class;
	}
	return component;
}

void component_unmake(struct block_table *table, struct component *component)
{
	uint64_t first = (component->start - table->arena.base) >> GRANULE_BITS;

	for (uint64_t g = 0; g < component->span_bytes >> GRANULE_BITS; g++)
		atomic_store_explicit(&table->block_at[first + g], 0, memory_order_relaxed);
	blocks_give(table, component->first_block, component->block_count);
	arena_give(&table->arena, component->start, component->span_bytes + GRANULE);
	extents_finish(&component->extents);
	table->live_components--;
	component_slot_give(table, component);
}
