/* Batches of actions, held to the invariants that every policy shares. */
#include "table.h"

static bool append(struct batch *batch, enum policy_verb verb, uint32_t id)
{
	if (batch->count == batch->max)
		return false;
	batch->actions[batch->count++] = (struct policy_action){verb, id};
	return true;
}

bool batch_evict(struct policy *policy, struct batch *batch, uint32_t id)
{
	struct block *block = block_of(policy, id);

	if (!block || block->pinned || named_now(policy, block) || !staying(block, batch) ||
	    !append(batch, POLICY_EVICT, id))
		return false;
	block->going = batch->serial;
	batch->resident_bytes -= block->bytes;
	policy->report.evictions++;
	return true;
}

bool batch_page_in(struct policy *policy, struct batch *batch, uint32_t id)
{
	struct block *block = block_of(policy, id);

	if (!block || block->pinned || block->resident || block->coming == batch->serial ||
	    block->bytes > policy->config.cap_bytes ||
	    batch->resident_bytes > policy->config.cap_bytes - block->bytes ||
	    !append(batch, POLICY_PAGE_IN, id))
		return false;
	block->coming = batch->serial;
	batch->resident_bytes += block->bytes;
	policy->report.page_ins++;
	return true;
}

bool batch_make_room(struct policy *policy, struct batch *batch, uint64_t bytes)
{
	uint64_t cap = policy->config.cap_bytes;
	uint32_t id = policy->table.oldest;

	if (bytes > cap)
		return false;
	while (batch->resident_bytes > cap - bytes && id != NONE) {
		const struct block *block = &policy->table.blocks[id];

		batch_evict(policy, batch, id);
		id = block->newer;
	}
	return batch->resident_bytes <= cap - bytes;
}
