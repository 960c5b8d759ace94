#include "core/batch.h"
#include "core/victims.h"

#include <string.h>

static struct entry *entry_of(const struct batch *batch, uint32_t block)
{
	return &batch->policy->table.entries[block];
}

void batch_begin(struct batch *batch, struct policy *policy, bool in_use,
		 struct policy_action *actions, size_t max)
{
	*batch = (struct batch){
	    .policy = policy,
	    .actions = actions,
	    .max = max,
	    .in_use = in_use,
	    .resident_bytes = policy->table.resident_bytes,
	    .cursor = policy->table.oldest[LIST_LOOSE],
	    .cursor_list = LIST_LOOSE,
	};
}

bool batch_may_evict(const struct batch *batch, uint32_t block)
{
	const struct entry *entry;

	if (!table_knows(&batch->policy->table, block))
		return false;
	entry = entry_of(batch, block);
	return entry->resident && !entry->pinned && entry->plan == PLAN_NOTHING &&
	       !(batch->in_use && table_named_now(&batch->policy->table, entry));
}

bool batch_may_page_in(const struct batch *batch, uint32_t block)
{
	const struct entry *entry;

	if (!table_knows(&batch->policy->table, block))
		return false;
	entry = entry_of(batch, block);
	return !entry->resident && !entry->pinned && entry->plan == PLAN_NOTHING;
}

bool batch_evict(struct batch *batch, uint32_t block)
{
	if (batch->evictions + batch->page_ins == batch->max || !batch_may_evict(batch, block))
		return false;
	batch->actions[batch->evictions++] = (struct policy_action){POLICY_EVICT, block};
	batch->resident_bytes -= entry_of(batch, block)->bytes;
	entry_of(batch, block)->plan = PLAN_EVICT;
	return true;
}

static void undo_evictions(struct batch *batch, size_t evictions)
{
	while (batch->evictions > evictions) {
		struct entry *entry = entry_of(batch, batch->actions[--batch->evictions].block);

		entry->plan = PLAN_NOTHING;
		batch->resident_bytes += entry->bytes;
	}
}

/* The caller has checked that bytes <= limit. */
static bool fits(const struct batch *batch, uint64_t bytes, uint64_t limit)
{
	return batch->resident_bytes <= limit - bytes;
}

bool batch_page_in(struct batch *batch, uint32_t block, uint64_t limit, batch_victim victim,
		   const void *argument)
{
	struct batch before = *batch;
	uint64_t bytes;

	if (!batch_may_page_in(batch, block))
		return false;
	bytes = entry_of(batch, block)->bytes;
	if (bytes > limit)
		return false;
	while (!fits(batch, bytes, limit)) {
		uint32_t out = victim ? victim(batch, argument) : BLOCK_NONE;

		if (out == BLOCK_NONE || !batch_evict(batch, out))
			goto undo;
	}
	if (batch->evictions + batch->page_ins == batch->max)
		goto undo;
	batch->page_ins++;
	batch->actions[batch->max - batch->page_ins] =
	    (struct policy_action){POLICY_PAGE_IN, block};
	batch->resident_bytes += bytes;
	entry_of(batch, block)->plan = PLAN_PAGE_IN;
	return true;
undo:
	undo_evictions(batch, before.evictions);
	batch->cursor = before.cursor;
	batch->cursor_list = before.cursor_list;
	return false;
}

void batch_trim(struct batch *batch, uint64_t limit)
{
	uint32_t victim;

	if (batch->resident_bytes <= limit)
		return;
	victims_gather(batch->policy);
	while (batch->resident_bytes > limit &&
	       (victim = victims_next(batch->policy)) != BLOCK_NONE)
		batch_evict(batch, victim);
}

/* To the next block that may leave: the loose ones first, then the kept ones, of which a
 * policy that marks none has none. */
static void cursor_to_candidate(struct batch *batch)
{
	const struct table *table = &batch->policy->table;

	for (;;) {
		while (batch->cursor != BLOCK_NONE && !batch_may_evict(batch, batch->cursor))
			batch->cursor = table->entries[batch->cursor].newer;
		if (batch->cursor != BLOCK_NONE || batch->cursor_list == LIST_KEPT)
			return;
		batch->cursor_list = LIST_KEPT;
		batch->cursor = table->oldest[LIST_KEPT];
	}
}

uint32_t batch_peek_oldest(struct batch *batch)
{
	cursor_to_candidate(batch);
	return batch->cursor;
}

uint32_t batch_oldest(struct batch *batch, const void *unused)
{
	uint32_t block = batch_peek_oldest(batch);

	(void)unused;
	if (block != BLOCK_NONE)
		batch->cursor = batch->policy->table.entries[block].newer;
	return block;
}

static void join_halves(struct batch *batch)
{
	struct policy_action *ins = batch->actions + batch->max - batch->page_ins;

	for (size_t i = 0; i < batch->page_ins / 2; i++) {
		struct policy_action swap = ins[i];

		ins[i] = ins[batch->page_ins - 1 - i];
		ins[batch->page_ins - 1 - i] = swap;
	}
	if (batch->page_ins)
		memmove(batch->actions + batch->evictions, ins, batch->page_ins * sizeof(*ins));
}

size_t batch_end(struct batch *batch)
{
	struct policy *policy = batch->policy;
	size_t total = batch->evictions + batch->page_ins;

	join_halves(batch);
	for (size_t i = 0; i < total; i++)
		entry_of(batch, batch->actions[i].block)->plan = PLAN_NOTHING;
	policy->evictions += batch->evictions;
	policy->page_ins += batch->page_ins;
	return total;
}
