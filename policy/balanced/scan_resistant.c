/*
 * Replacement before a cycle is learnt, and where there is none to learn. A block comes in
 * only when it was used on two visits since its victim was last used, so that a scan larger
 * than the cap moves nothing, however often it repeats. Also each swap costs credit, which
 * each read of a cold block earns, so that random use (experts drawn by chance) cannot make it
 * thrash.
 */
#include "balanced/scan_resistant.h"
#include "balanced/limits.h"

#define SWAP_COST 4
#define MOST_CREDIT 64
#define SWAPS_PER_WINDOW 8
#define MOST_LOOKED_AT 1024
#define NEWEST_LOOKED_AT 16

/* The block was not used for several times as many operations as there are blocks: its
 * phase is over. */
static bool is_dead(const struct table *table, const struct entry *entry)
{
	return table->op - entry->last_op > 4 * (uint64_t)table->known + 64;
}

static bool deserves_place_of(const struct policy *policy, uint32_t block, uint32_t victim)
{
	const struct table *table = &policy->table;
	const struct entry *in = &table->entries[block], *out;

	if (victim == BLOCK_NONE)
		return false;
	out = &table->entries[victim];
	if (in->earlier_op <= out->last_op)
		return false;
	return is_dead(table, out) || policy->balanced.credit >= SWAP_COST;
}

static uint32_t oldest_victim(struct batch *batch, const void *argument)
{
	const uint32_t *block = argument;

	if (!deserves_place_of(batch->policy, *block, batch_peek_oldest(batch)))
		return BLOCK_NONE;
	return batch_oldest(batch, NULL);
}

static bool swap_in(struct policy *policy, uint32_t block, struct batch *batch)
{
	size_t evictions = batch->evictions;
	uint32_t cost = SWAP_COST;

	if (!batch_page_in(batch, block, balanced_limit(policy), oldest_victim, &block))
		return false;
	if (batch->evictions > evictions)
		policy->balanced.credit -=
		    policy->balanced.credit < cost ? policy->balanced.credit : cost;
	return true;
}

/* The victim where no block may stay cold: one of the most recently used, for on a scan
 * these are needed last. Of the last few it is the one that was used least often, and none
 * that is in use all the time. */
static uint32_t newest_victim(struct batch *batch, const void *unused)
{
	const struct table *table = &batch->policy->table;
	uint32_t block = table->newest[LIST_LOOSE], best = BLOCK_NONE;

	(void)unused;
	for (int seen = 0; block != BLOCK_NONE && seen < NEWEST_LOOKED_AT;
	     block = table->entries[block].older) {
		const struct entry *entry = &table->entries[block];

		if (!batch_may_evict(batch, block) ||
		    (entry->run > 1 && table_in_run(table, entry)))
			continue;
		if (best == BLOCK_NONE || entry->uses < table->entries[best].uses)
			best = block;
		seen++;
	}
	return best == BLOCK_NONE ? batch_oldest(batch, NULL) : best;
}

/* Swaps the most recently used cold blocks with the least recently used resident ones. */
static void make_swaps(struct policy *policy, struct batch *batch)
{
	const struct table *table = &policy->table;
	uint32_t block = table->newest[LIST_COLD];

	for (int i = 0; block != BLOCK_NONE && i < MOST_LOOKED_AT; i++) {
		/* Nothing speaks for a block that was never used. */
		if (table->entries[block].last_op)
			swap_in(policy, block, batch);
		block = table->entries[block].older;
	}
	policy->balanced.ready = 0;
}

static void count_put_off(struct policy *policy, uint32_t block, struct batch *batch)
{
	uint64_t bytes = policy->table.entries[block].bytes, limit = balanced_limit(policy);
	bool room = bytes <= limit && batch->resident_bytes <= limit - bytes;

	if (room || deserves_place_of(policy, block, batch_peek_oldest(batch)))
		policy->balanced.ready++;
}

void scan_resistant_use(struct policy *policy, const uint32_t *blocks, size_t count,
			struct batch *batch)
{
	struct balanced_state *state = &policy->balanced;
	bool at_once = policy->config.overlap || !balanced_in_place(policy);

	for (size_t i = 0; i < count; i++) {
		if (!batch_may_page_in(batch, blocks[i]))
			continue;
		state->credit += state->credit < MOST_CREDIT;
		if (!at_once)
			count_put_off(policy, blocks[i], batch);
		else if (!swap_in(policy, blocks[i], batch) && !balanced_in_place(policy))
			batch_page_in(batch, blocks[i], balanced_limit(policy), newest_victim,
				      NULL);
	}
	if (state->ready >= SWAPS_PER_WINDOW)
		make_swaps(policy, batch);
}

void scan_resistant_quiet(struct policy *policy, struct batch *batch)
{
	if (policy->balanced.ready)
		make_swaps(policy, batch);
}
