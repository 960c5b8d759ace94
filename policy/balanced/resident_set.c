/*
 * The resident set for a learnt cycle where moves run beside the work: what is used most often
 * in a round first; of what is used as often, small blocks before large ones, because changing
 * a home costs nearly as much for a small block and one size of frame then serves the whole
 * stream; and of those that fit only in part a share spread evenly along the round. A resident
 * prefix would leave the bus idle while it is computed and behind afterwards; spread, what must
 * be streamed comes due at an even pace.
 *
 * The share is taken by turns: block n of the round, counted when it was first seen, has the
 * turn frac(n * golden ratio), and the latest turns are kept. Whatever the share, these lie
 * evenly along the round, and a share that changes a little changes few blocks.
 *
 * Blocks are only marked: the stream brings kept ones in as their turn comes, and takes the
 * others' frames.
 */
#include "balanced/resident_set.h"
#include "balanced/limits.h"
#include "core/victims.h"

#define RING_BLOCKS 8
#define LEAST_RING 2
#define LATER_OPS 4
#define MOST_RATE 63
#define GOLDEN 0x9E3779B97F4A7C15ull
#define TURN_BITS 57

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

void resident_set_forget(struct policy *policy)
{
	if (policy->balanced.set_chosen)
		unmark_all(policy);
	policy->balanced.set_chosen = false;
	policy->balanced.kept_bytes = 0;
}

struct round {
	uint64_t cycle_bytes, largest_bytes;
	uint64_t widest_bytes; /* that one step names */
};

static void count_names(struct policy *policy, struct round *round)
{
	struct table *table = &policy->table;
	uint64_t steps, step = 0, step_bytes = 0;
	uint32_t block;

	*round = (struct round){0};
	for (uint64_t name = cycle_next(&policy->cycle);
	     cycle_ahead(&policy->cycle, name, &block, &steps); name++) {
		struct entry *entry = &table->entries[block];

		if (!table_knows(table, block) || entry->pinned)
			continue;
		step_bytes = steps == step ? step_bytes + entry->bytes : entry->bytes;
		step = steps;
		if (step_bytes > round->widest_bytes)
			round->widest_bytes = step_bytes;
		if (!entry->rate)
			round->cycle_bytes += entry->bytes;
		entry->rate += entry->rate < MOST_RATE;
		if (entry->bytes > round->largest_bytes)
			round->largest_bytes = entry->bytes;
		if (!entry->turn)
			entry->turn = ++policy->balanced.turns * GOLDEN;
	}
}

/* What one step streams in passes what the step before did: two steps' worth is the least that
 * has nobody wait. A block that was used stays until a few later operations are over (the grace
 * after it; kernels that read two blocks in turns), and those of them that stream hold frames
 * too: as many as the stream's share of the round. More only hides jitter, and each is a block
 * more to stream: up to a sixteenth of the stream. Where moves stop the work, one stop serves
 * as many blocks as the ring holds. */
static uint64_t ring_bytes(const struct policy *policy, const struct round *round)
{
	uint64_t limit = balanced_limit(policy), largest = round->largest_bytes;
	uint64_t stream = round->cycle_bytes > limit ? round->cycle_bytes - limit : 0;
	uint64_t blocks, step, least = LEAST_RING;

	if (!largest)
		return 0;
	blocks = stream / 16 / largest < RING_BLOCKS ? stream / 16 / largest : RING_BLOCKS;
	if (stream) {
		double share = (double)stream / (double)round->cycle_bytes;

		step = (uint64_t)(share * (double)round->widest_bytes / (double)largest) + 1;
		least += (uint64_t)(share * LATER_OPS + 0.5);
		if (!policy->config.overlap)
			least = RESIDENT_SET_BATCH_RING;
		least = 2 * step > least ? 2 * step : least;
	}
	if (least > limit / 3 / largest)
		least = limit / 3 / largest > 2 ? limit / 3 / largest : 2;
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

/* All of the round, what most deserves to stay first, to be had from victims_next. */
static void rank_by_worth(struct policy *policy, const struct round *round)
{
	struct table *table = &policy->table;

	table->order_count = 0;
	for (uint32_t block = 0; block < table->capacity; block++) {
		struct entry *entry = &table->entries[block];
		bool small = 2 * entry->bytes <= round->largest_bytes;

		if (!entry->known || !entry->rate)
			continue;
		entry->score = (uint64_t)entry->rate << (TURN_BITS + 1) |
			       (uint64_t)small << TURN_BITS | entry->turn >> (64 - TURN_BITS);
		table->order[table->order_count++] = block;
	}
	victims_sort(policy);
}

static uint64_t fingerprint_of(const struct policy *policy)
{
	return (policy->cycle.length << 32 ^ cycle_names(&policy->cycle)) * 31 +
	       balanced_limit(policy) * 17 + policy->table.known_bytes;
}

void resident_set_choose(struct policy *policy)
{
	struct balanced_state *state = &policy->balanced;
	uint64_t limit = balanced_limit(policy), room, other, ring;
	struct round round;
	uint32_t block;

	if (state->set_chosen && state->fingerprint == fingerprint_of(policy))
		return;
	unmark_all(policy);
	count_names(policy, &round);
	other = other_bytes(policy);
	ring = round.cycle_bytes + other > limit ? ring_bytes(policy, &round) : 0;
	room = limit > other + ring ? limit - other - ring : 0;
	state->kept_bytes = other;
	state->set_chosen = true;
	state->fingerprint = fingerprint_of(policy);
	rank_by_worth(policy, &round);
	while (room && (block = victims_next(policy)) != BLOCK_NONE) {
		uint64_t bytes = policy->table.entries[block].bytes;

		if (bytes > room)
			continue;
		table_keep(&policy->table, block, true);
		state->kept_bytes += bytes;
		room -= bytes;
	}
}
