/*
 * The resident set for a learnt cycle where moves stop the work and cold blocks can be read in
 * place: the blocks that are used most often in a round, whatever their place in it. A block
 * moves only if what this saves pays for the move, over as many rounds as the cycle has lasted
 * so far, which is how long it may be expected to go on. Of blocks used equally often, those
 * that are resident stay.
 */
#include "balanced/static_set.h"
#include "balanced/limits.h"

/* Rates are uses per round, in sixteenths. */
#define RATE_ONE 16
#define SMOOTHING 8

/* Up to 48 uses per round each rate has a bucket of its own, beyond that each power of two:
 * few enough for a small stack. */
#define EXACT_BUCKETS (48 * RATE_ONE)
#define BUCKETS (EXACT_BUCKETS + 32)

void static_set_measure(struct policy *policy)
{
	struct table *table = &policy->table;
	uint64_t round_ops = cycle_ops(&policy->cycle);

	for (uint32_t block = 0; block < table->capacity; block++) {
		struct entry *entry = &table->entries[block];
		uint32_t uses =
		    entry->uses < UINT32_MAX / RATE_ONE ? entry->uses * RATE_ONE : UINT32_MAX;

		entry->uses = 0;
		if (!entry->known)
			continue;
		if (table->op - entry->last_op > round_ops + round_ops / 2)
			entry->rate = 0; /* not of this cycle */
		else if (!entry->rate || policy->cycle.rounds == 1)
			entry->rate = uses;
		else
			entry->rate += uses / SMOOTHING - entry->rate / SMOOTHING;
	}
}

static uint32_t bucket_of(uint32_t rate)
{
	uint32_t bucket = EXACT_BUCKETS;

	if (rate < EXACT_BUCKETS)
		return rate;
	for (rate /= EXACT_BUCKETS; rate > 1; rate /= 2)
		bucket++;
	return bucket;
}

/* Lists all blocks that are not pinned in table.order, rarest used first. */
static void sort_by_rate(struct policy *policy)
{
	struct table *table = &policy->table;
	uint32_t starts[BUCKETS + 1] = {0};

	for (int list = LIST_COLD; list <= LIST_KEPT; list++)
		for (uint32_t block = table->oldest[list]; block != BLOCK_NONE;
		     block = table->entries[block].newer)
			starts[bucket_of(table->entries[block].rate) + 1]++;
	for (uint32_t i = 1; i <= BUCKETS; i++)
		starts[i] += starts[i - 1];
	table->order_count = starts[BUCKETS];
	for (int list = LIST_COLD; list <= LIST_KEPT; list++)
		for (uint32_t block = table->oldest[list]; block != BLOCK_NONE;
		     block = table->entries[block].newer)
			table->order[starts[bucket_of(table->entries[block].rate)]++] = block;
}

static bool swap_pays(const struct policy *policy, const struct entry *in,
		      const struct entry *out)
{
	const struct policy_config *config = &policy->config;
	double bytes = (double)in->bytes, saved, cost, rounds = (double)policy->cycle.rounds;

	/* At least a quarter more often, or blocks would swap as often as rates vary. */
	if (!out->rate)
		return in->rate > 0;
	if (in->rate <= out->rate + out->rate / 4)
		return false;
	if (config->h2d_bytes_per_s <= 0 || config->d2h_bytes_per_s <= 0)
		return true;
	saved = (in->rate - out->rate) / (double)RATE_ONE * bytes /
		(config->in_place_ratio * config->h2d_bytes_per_s);
	cost = bytes / config->h2d_bytes_per_s + 2 * config->switch_ns / 1e9;
	if (!out->uploaded)
		cost += bytes / config->d2h_bytes_per_s;
	return saved * rounds >= cost;
}

struct search {
	const struct entry *in;
	uint32_t next; /* index into table.order: all before it may not leave any more */
};

static uint32_t rarest_victim(struct batch *batch, const void *argument)
{
	const struct search *search = argument;
	const struct table *table = &batch->policy->table;

	for (uint32_t i = search->next; i < table->order_count; i++) {
		uint32_t block = table->order[i];

		if (!batch_may_evict(batch, block))
			continue;
		return swap_pays(batch->policy, search->in, &table->entries[block])
			   ? block
			   : BLOCK_NONE;
	}
	return BLOCK_NONE;
}

void static_set_move(struct policy *policy, struct batch *batch)
{
	struct table *table = &policy->table;
	struct search search = {.next = 0};

	sort_by_rate(policy);
	for (uint32_t i = table->order_count; i-- > 0;) {
		search.in = &table->entries[table->order[i]];
		if (!search.in->rate)
			return;
		if (!batch_may_page_in(batch, table->order[i]))
			continue;
		while (search.next < i && !batch_may_evict(batch, table->order[search.next]))
			search.next++;
		/* A block that is too large may fail where the next one fits. But if the
		 * swap does not pay for this one, it does not for those used less either. */
		if (!batch_page_in(batch, table->order[i], balanced_limit(policy),
				   rarest_victim, &search) &&
		    search.in->bytes <= balanced_limit(policy) &&
		    batch->resident_bytes + search.in->bytes > balanced_limit(policy))
			return;
	}
}
