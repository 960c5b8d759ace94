/*
 * Whole groups: when a member of one that is not in is used, the other groups go, entirely, and
 * it comes in, as much of it as fits (always the same blocks, the rest is read in place). What
 * belongs to no group and was not uploaded (activations) stays while there is room.
 */
#include "table.h"

/* What was uploaded without a group is one with its component. */
static uint32_t group_of(const struct block *block)
{
	if (block->group)
		return block->group;
	return block->uploaded ? 0x80000000u | block->component : 0;
}

static void change_to(struct policy *policy, uint32_t group, struct batch *batch)
{
	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer) {
		uint32_t other = group_of(&policy->table.blocks[id]);

		if (other && other != group)
			batch_evict(policy, batch, id);
	}
	for (uint32_t id = 0; id < policy->table.count; id++) {
		const struct block *block = block_of(policy, id);

		if (block && group_of(block) == group)
			batch_page_in(policy, batch, id);
	}
	policy->group = group;
}

static void use(struct policy *policy, const uint32_t *blocks, size_t count,
		struct batch *batch)
{
	for (size_t i = 0; i < count; i++) {
		const struct block *block = block_of(policy, blocks[i]);
		uint32_t group = block ? group_of(block) : 0;

		if (!block || block->resident)
			continue;
		if (group && group != policy->group)
			change_to(policy, group, batch);
		else if (!group)
			batch_page_in(policy, batch, blocks[i]);
	}
}

const struct verbs policy_group = {.use = use, .moves = true};
