#include "memory/block_set.h"

size_t block_set_add_range(struct block_set *set, const struct block_table *table,
			   uint64_t start, uint64_t end, size_t count)
{
	for (uint32_t id = block_find(table, start); id != NO_BLOCK && count < BLOCKS_MAX;) {
		const struct block *block = &table->blocks[id];

		if (block_set_add(set, id, count))
			count++;
		if (block->address + block_bytes(block) >= end)
			break;
		id = block_find(table, block->address + block_bytes(block));
	}
	return count;
}
