#include "core/table.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256
#define LONGEST_VISIT_OPS 64

void table_init(struct table *table)
{
	memset(table, 0, sizeof(*table));
	for (int i = 0; i < LIST_COUNT; i++)
		table->newest[i] = table->oldest[i] = BLOCK_NONE;
}

void table_finish(struct table *table)
{
	free(table->entries);
	free(table->order);
	free(table->fresh);
	table_init(table);
}

static uint8_t list_for(const struct entry *entry)
{
	if (entry->pinned)
		return LIST_PINNED;
	if (!entry->resident)
		return LIST_COLD;
	return entry->kept ? LIST_KEPT : LIST_LOOSE;
}

static void unlink_block(struct table *table, uint32_t block)
{
	struct entry *entry = &table->entries[block];

	if (entry->newer == BLOCK_NONE)
		table->newest[entry->list] = entry->older;
	else
		table->entries[entry->newer].older = entry->older;
	if (entry->older == BLOCK_NONE)
		table->oldest[entry->list] = entry->newer;
	else
		table->entries[entry->older].newer = entry->newer;
}

static void link_newest(struct table *table, uint32_t block)
{
	struct entry *entry = &table->entries[block];

	entry->list = list_for(entry);
	entry->newer = BLOCK_NONE;
	entry->older = table->newest[entry->list];
	if (entry->older == BLOCK_NONE)
		table->oldest[entry->list] = block;
	else
		table->entries[entry->older].newer = block;
	table->newest[entry->list] = block;
}

static bool grow_to_hold(struct table *table, uint32_t block)
{
	uint64_t capacity = table->capacity ? table->capacity : FIRST_CAPACITY;
	struct entry *entries;
	uint32_t *order, *fresh;

	while (capacity <= block)
		capacity *= 2;
	if (capacity > UINT32_MAX || capacity > SIZE_MAX / sizeof(*entries))
		return false;
	/* An array that has grown stays grown if the next one fails: larger is harmless. */
	entries = realloc(table->entries, capacity * sizeof(*entries));
	if (!entries)
		return false;
	table->entries = entries;
	order = realloc(table->order, capacity * sizeof(*order));
	if (!order)
		return false;
	table->order = order;
	fresh = realloc(table->fresh, capacity * sizeof(*fresh));
	if (!fresh)
		return false;
	table->fresh = fresh;
	memset(entries + table->capacity, 0, (capacity - table->capacity) * sizeof(*entries));
	table->capacity = (uint32_t)capacity;
	return true;
}

bool table_add(struct table *table, uint32_t block, uint64_t bytes, uint32_t component,
	       uint32_t group, bool resident)
{
	if (block == BLOCK_NONE || (block >= table->capacity && !grow_to_hold(table, block)))
		return false;
	if (table->entries[block].known)
		table_remove(table, block);
	table->entries[block] = (struct entry){
	    .bytes = bytes,
	    .component = component,
	    .group = group,
	    .born_op = table->op,
	    .known = true,
	    .resident = resident,
	};
	link_newest(table, block);
	table->known++;
	table->known_bytes += bytes;
	if (resident)
		table->resident_bytes += bytes;
	table->changes++;
	return true;
}

void table_remove(struct table *table, uint32_t block)
{
	struct entry *entry = &table->entries[block];

	unlink_block(table, block);
	table->known--;
	table->known_bytes -= entry->bytes;
	if (entry->resident)
		table->resident_bytes -= entry->bytes;
	entry->known = false;
	table->changes++;
}

void table_move(struct table *table, uint32_t block, bool resident)
{
	struct entry *entry = &table->entries[block];

	if (entry->resident == resident)
		return;
	unlink_block(table, block);
	entry->resident = resident;
	if (resident)
		table->resident_bytes += entry->bytes;
	else
		table->resident_bytes -= entry->bytes;
	link_newest(table, block);
	table->changes++;
}

void table_pin(struct table *table, uint32_t block, bool pinned)
{
	struct entry *entry = &table->entries[block];

	if (entry->pinned == pinned)
		return;
	unlink_block(table, block);
	entry->pinned = pinned;
	link_newest(table, block);
	table->changes++;
}

void table_keep(struct table *table, uint32_t block, bool kept)
{
	struct entry *entry = &table->entries[block];

	if (entry->kept == kept)
		return;
	unlink_block(table, block);
	entry->kept = kept;
	link_newest(table, block);
}

/* Uses within so many operations of a visit's begin belong to that visit; a block that is
 * named all the time has one visit after another. The length scales with the number of
 * blocks, so that the rounds of a short cycle are still visits apart. */
static uint64_t visit_ops(const struct table *table)
{
	uint64_t half = table->known / 2;

	if (half < TABLE_RUN_GAP)
		return TABLE_RUN_GAP;
	return half < LONGEST_VISIT_OPS ? half : LONGEST_VISIT_OPS;
}

size_t table_use(struct table *table, const uint32_t *blocks, size_t count)
{
	uint64_t op = ++table->op, visit = visit_ops(table);
	size_t fresh = 0;

	for (size_t i = 0; i < count; i++) {
		struct entry *entry;

		if (!table_knows(table, blocks[i]))
			continue;
		entry = &table->entries[blocks[i]];
		if (entry->last_op == op)
			continue;
		if (!entry->last_op || op - entry->last_op > TABLE_RUN_GAP) {
			entry->run_before = entry->run;
			entry->run = 0;
			table->fresh[fresh++] = blocks[i];
		}
		if (!entry->last_op || op - entry->visit_op > visit) {
			entry->earlier_op = entry->last_op;
			entry->visit_op = op;
		}
		entry->run++;
		entry->uses++;
		entry->last_op = op;
		unlink_block(table, blocks[i]);
		link_newest(table, blocks[i]);
	}
	return fresh;
}
