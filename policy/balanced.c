/*
 * Balanced: nothing moves while everything fits. Past that, the blocks worth most per byte
 * stay: those named most often in a cycle, and among equals a choice spread evenly along the
 * cycle, so that every operation finds the same share of its blocks resident and reads the rest
 * over the bus while it computes. While no cycle is learnt, the blocks named most often in a
 * long stretch stay; a scan never displaces anything.
 */
#include "cycle.h"
#include "table.h"

/* Without a cycle, how many operations a stretch has: enough that each block could be named
 * several times. */
static uint64_t stretch(const struct policy *policy)
{
	uint64_t operations = 4ull * policy->table.known_count;

	return operations < 256 ? 256 : operations;
}

/* Moving costs a stop of the device: not for less than this part of the cap. */
#define WORTH_MOVING 32

/* Counts, for every block, in how many of the last `period` operations it was named. */
static void count_uses(struct policy *policy, uint64_t period)
{
	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer)
		policy->table.blocks[id].uses = 0;
	for (uint64_t back = 0; back < period; back++) {
		size_t count;
		const uint32_t *blocks = cycle_back(policy->cycle, back, &count);

		for (size_t i = 0; i < count; i++) {
			struct block *block = block_of(policy, blocks[i]);

			if (block)
				block->uses++;
		}
	}
}

/* How many bytes are named more than `uses` times, and how many exactly so often. */
static void bytes_above(const struct policy *policy, uint32_t uses, uint64_t *above,
			uint64_t *equal)
{
	*above = *equal = 0;
	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer) {
		const struct block *block = &policy->table.blocks[id];

		if (block->uses > uses || block->pinned)
			*above += block->pinned && !block->resident ? 0 : block->bytes;
		else if (block->uses == uses)
			*equal += block->bytes;
	}
}

static uint32_t most_uses(const struct policy *policy)
{
	uint32_t most = 0;

	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer)
		if (policy->table.blocks[id].uses > most)
			most = policy->table.blocks[id].uses;
	return most;
}

/* The number of uses at which the cap cuts: what is named more often all fits, what is named so
 * often only in part. */
static uint32_t find_cut(const struct policy *policy, uint64_t *above, uint64_t *equal)
{
	uint32_t low = 0, high = most_uses(policy);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		bytes_above(policy, middle, above, equal);
		if (*above <= policy->config.cap_bytes)
			high = middle;
		else
			low = middle + 1;
	}
	bytes_above(policy, low, above, equal);
	return low;
}

struct spread {
	uint64_t room, total, seen, taken; /* bytes */
};

/* Bresenham: takes a block when the line from (0, 0) to (total, room) has come so far. */
static bool take_spread(struct spread *spread, uint64_t bytes)
{
	bool take;

	spread->seen += bytes;
	take = spread->taken + bytes <= spread->room &&
	       (double)spread->taken + (double)bytes * 0.5 <=
		   (double)spread->room * (double)spread->seen / (double)spread->total;
	if (take)
		spread->taken += bytes;
	return take;
}

/* Marks what should be resident. In the order of the cycle; what is in no cycle stays wanted
 * last. */
static void plan(struct policy *policy, uint64_t period)
{
	uint64_t above, equal;
	uint32_t cut = find_cut(policy, &above, &equal);
	struct spread spread = {
	    .room = policy->config.cap_bytes > above ? policy->config.cap_bytes - above : 0,
	    .total = equal ? equal : 1};

	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer) {
		struct block *block = &policy->table.blocks[id];

		block->wanted = block->uses > cut;
		block->coming = 0; /* marks what the walk below has met */
	}
	for (uint64_t back = period; back--;) {
		size_t count;
		const uint32_t *blocks = cycle_back(policy->cycle, back, &count);

		for (size_t i = 0; i < count; i++) {
			struct block *block = block_of(policy, blocks[i]);

			if (!block || block->uses != cut || block->coming)
				continue;
			block->coming = 1;
			block->wanted = take_spread(&spread, block->bytes);
		}
	}
}

/* Without a cycle to walk along: what is resident and named as often as others stays. */
static void plan_by_frequency(struct policy *policy)
{
	uint64_t above, equal, room;
	uint32_t cut = find_cut(policy, &above, &equal);

	room = policy->config.cap_bytes > above ? policy->config.cap_bytes - above : 0;
	for (uint32_t id = policy->table.newest; id != NONE;
	     id = policy->table.blocks[id].older) {
		struct block *block = &policy->table.blocks[id];

		block->wanted = block->uses > cut ||
				(block->uses == cut && block->resident && block->bytes <= room);
		if (block->wanted && block->uses == cut)
			room -= block->bytes;
	}
}

static void carry_out(struct policy *policy, struct batch *batch)
{
	uint64_t gain = 0;

	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer) {
		const struct block *block = &policy->table.blocks[id];

		if (block->wanted && !block->resident && !block->pinned)
			gain += block->bytes;
	}
	if (gain < policy->config.cap_bytes / WORTH_MOVING)
		return;
	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer)
		if (!policy->table.blocks[id].wanted)
			batch_evict(policy, batch, id);
	for (uint32_t id = policy->table.newest; id != NONE;
	     id = policy->table.blocks[id].older)
		if (policy->table.blocks[id].wanted)
			batch_page_in(policy, batch, id);
}

static void replan(struct policy *policy, uint64_t period, struct batch *batch)
{
	policy->planned_at = policy->table.operation;
	policy->planned_period = period;
	if (period) {
		count_uses(policy, period);
		plan(policy, period);
	} else {
		plan_by_frequency(policy);
	}
	carry_out(policy, batch);
	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer)
		policy->table.blocks[id].uses = 0;
}

static void use(struct policy *policy, const uint32_t *blocks, size_t count,
		struct batch *batch)
{
	uint64_t since = policy->table.operation - policy->planned_at;
	uint64_t period = cycle_period(policy->cycle);

	for (size_t i = 0; i < count; i++)
		batch_page_in(policy, batch, blocks[i]); /* only where there is room */
	if (policy->table.known_bytes <= policy->config.cap_bytes)
		return;
	if (period ? (!policy->planned_period || since >= 4 * period)
		   : since >= stretch(policy))
		replan(policy, period, batch);
}

const struct verbs policy_balanced = {.use = use, .moves = true};
