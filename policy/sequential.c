/*
 * Only what the current operation names, and what comes next. Nothing moves while all of it is
 * there; when something is not, everything else goes and the next few operations' blocks come
 * in with it, so that a move serves several operations.
 */
#include "cycle.h"
#include "table.h"

#define LOOK_AHEAD 2

static void want(struct policy *policy, const uint32_t *blocks, size_t count, bool wanted)
{
	for (size_t i = 0; i < count; i++) {
		struct block *block = block_of(policy, blocks[i]);

		if (block)
			block->wanted = wanted;
	}
}

static void want_next(struct policy *policy, bool wanted)
{
	uint64_t ahead = policy->config.look_ahead ? policy->config.look_ahead : LOOK_AHEAD;

	for (uint64_t i = 1; i <= ahead; i++) {
		size_t count;
		const uint32_t *blocks = cycle_ahead(policy->cycle, i, &count);

		want(policy, blocks, count, wanted);
	}
}

static void page_in_next(struct policy *policy, struct batch *batch)
{
	uint64_t ahead = policy->config.look_ahead ? policy->config.look_ahead : LOOK_AHEAD;

	for (uint64_t i = 1; i <= ahead; i++) {
		size_t count;
		const uint32_t *blocks = cycle_ahead(policy->cycle, i, &count);

		for (size_t b = 0; b < count; b++)
			batch_page_in(policy, batch, blocks[b]);
	}
}

static void use(struct policy *policy, const uint32_t *blocks, size_t count,
		struct batch *batch)
{
	bool missing = false;

	for (size_t i = 0; i < count; i++) {
		const struct block *block = block_of(policy, blocks[i]);

		missing = missing || (block && !block->resident && !block->pinned);
	}
	if (!missing)
		return;
	want(policy, blocks, count, true);
	want_next(policy, true);
	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer)
		if (!policy->table.blocks[id].wanted)
			batch_evict(policy, batch, id);
	for (size_t i = 0; i < count; i++)
		batch_page_in(policy, batch, blocks[i]);
	page_in_next(policy, batch);
	want(policy, blocks, count, false);
	want_next(policy, false);
}

const struct verbs policy_sequential = {.use = use, .moves = true};
