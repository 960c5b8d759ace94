/*
 * The resident set for a learnt cycle where moves run beside the work: what is used most often
 * in a round first, and of the class that fits only in part a share spread evenly along the
 * round. A resident prefix would leave the bus idle while it is computed and behind afterwards;
 * spread, what must be streamed comes due at an even pace.
 *
 * Blocks are only marked: the stream brings kept ones in as their turn comes, and takes the
 * others' frames.
 */
#include "balanced.h"

#define RING_BLOCKS 8
#define LEAST_RING 4
#define MOST_RATE 63

static void unmark_all(struct policy *policy)
{
	struct table *table = &policy->table;

	for (uint32_t block = 0; block < table->capacity; block++) {
		if (!table->entries[block].known)
			continue;
		table_keep(table, block, false);
		table->entries[block].rate = 0;
	}
}

void spread_forget(struct policy *policy)
{
	if (policy->balanced.spread)
		unmark_all(policy);
	policy->balanced.spread = false;
	policy->balanced.kept_bytes = 0;
}

struct round {
	uint64_t first, last; /* names */
	uint64_t least;	      /* name of the block with the smallest id: the same wherever the
				 round is cut, so the same set is chosen */
	uint64_t bytes[MOST_RATE + 1]; /* by namings in the round */
	uint64_t cycle_bytes, largest_bytes;
	uint64_t widest_bytes; /* that one step names */
};

static void count_names(struct policy *policy, struct round *round)
{
	struct table *table = &policy->table;
	uint32_t block, least = BLOCK_NONE;
	uint64_t steps, step = 0, step_bytes = 0;

	*round = (struct round){.first = cycle_next(&policy->cycle)};
	for (round->last = round->first;
	     cycle_ahead(&policy->cycle, round->last, &block, &steps); round->last++) {
		struct entry *entry = &table->entries[block];

		if (!table_knows(table, block) || entry->pinned)
			continue;
		step_bytes = steps == step ? step_bytes + entry->bytes : entry->bytes;
		step = steps;
		if (step_bytes > round->widest_bytes)
			round->widest_bytes = step_bytes;
		if (block < least) {
			least = block;
			round->least = round->last;
		}
		if (entry->rate == MOST_RATE)
			continue;
		if (!entry->rate)
			round->cycle_bytes += entry->bytes;
		else
			round->bytes[entry->rate] -= entry->bytes;
		round->bytes[++entry->rate] += entry->bytes;
		if (entry->bytes > round->largest_bytes)
			round->largest_bytes = entry->bytes;
	}
}

/* What one step streams in passes what the step before did: two steps' worth is the least that
 * has nobody wait. Kernels may read two blocks in turns, hence four where they are not most of
 * what there is; more than a few only hide jitter. */
static uint64_t ring_bytes(const struct policy *policy, const struct round *round)
{
	uint64_t limit = balanced_limit(policy), largest = round->largest_bytes;
	uint64_t blocks, step, least = LEAST_RING;

	if (!largest)
		return 0;
	blocks = limit / 8 / largest < RING_BLOCKS ? limit / 8 / largest : RING_BLOCKS;
	if (round->cycle_bytes > limit) {
		double streamed = 1 - (double)limit / (double)round->cycle_bytes;

		step = (uint64_t)(streamed * (double)round->widest_bytes / (double)largest) + 1;
		least = 2 * step > least ? 2 * step : least;
	}
	if (least > limit / 2 / largest || (least == LEAST_RING && least > limit / 4 / largest))
		least = 2;
	return (blocks > least ? blocks : least) * largest;
}

/* What the round does not name anew but works with all along, and what cannot move. */
static uint64_t other_bytes(const struct policy *policy)
{
	const struct table *table = &policy->table;
	uint64_t bytes = 0;

	for (int list = LIST_LOOSE; list <= LIST_PINNED; list++)
		for (uint32_t block = table->oldest[list]; block != BLOCK_NONE;
		     block = table->entries[block].newer) {
			const struct entry *entry = &table->entries[block];

			if (entry->resident &&
			    (entry->pinned || (!entry->rate && table_in_run(table, entry))))
				bytes += entry->bytes;
		}
	return bytes;
}

/* `part` of the `whole` bytes of this rate, evenly: each block adds its share, and one is kept
 * whenever the shares have added up to it. */
static void keep_evenly(struct policy *policy, const struct round *round, uint32_t rate,
			double part, double whole)
{
	struct table *table = &policy->table;
	uint64_t names = round->last - round->first, steps;
	double due = 0, left = part;
	uint32_t block;

	for (uint64_t i = 0; i < names; i++) {
		uint64_t name = round->first + (round->least - round->first + i) % names;
		struct entry *entry;

		if (!cycle_ahead(&policy->cycle, name, &block, &steps) ||
		    !table_knows(table, block))
			continue;
		entry = &table->entries[block];
		if (entry->rate != rate || entry->pinned)
			continue;
		entry->rate = 0; /* its later names are the same block */
		due += (double)entry->bytes * part / whole;
		/* The half evens out rounding where the last block completes the sum. */
		if (due + 0.5 < (double)entry->bytes || left + 0.5 < (double)entry->bytes)
			continue;
		due -= (double)entry->bytes;
		left -= (double)entry->bytes;
		policy->balanced.kept_bytes += entry->bytes;
		table_keep(table, block, true);
	}
}

static uint64_t fingerprint_of(const struct policy *policy)
{
	return (policy->cycle.length << 32 ^ cycle_names(&policy->cycle)) * 31 +
	       balanced_limit(policy) * 17 + policy->table.known_bytes;
}

void spread_choose(struct policy *policy)
{
	struct balanced_state *state = &policy->balanced;
	uint64_t limit = balanced_limit(policy), room, other, ring;
	struct round round;

	if (state->spread && state->fingerprint == fingerprint_of(policy))
		return;
	unmark_all(policy);
	count_names(policy, &round);
	other = other_bytes(policy);
	ring = round.cycle_bytes + other > limit ? ring_bytes(policy, &round) : 0;
	room = limit > other + ring ? limit - other - ring : 0;
	state->kept_bytes = other;
	state->spread = true;
	state->fingerprint = fingerprint_of(policy);
	for (uint32_t rate = MOST_RATE; rate > 0 && room; rate--) {
		uint64_t whole = round.bytes[rate], part = whole < room ? whole : room;

		if (whole)
			keep_evenly(policy, &round, rate, (double)part, (double)whole);
		room -= part;
	}
}
