/*
 * The resident set for a learnt cycle whose other blocks are streamed. It takes the blocks
 * that are used most often in a round first. Of blocks used equally often it takes small ones
 * first: to change the home of a small block costs nearly as much as of a large one, and one
 * size of frame then serves all that is streamed. Of those that fit only in part it takes a
 * share spread evenly along the round: if the first blocks of the round were resident, the bus
 * would be idle while the work is there and late afterwards; spread, the streamed blocks come
 * due at an even pace.
 *
 * The share is chosen by turns: the n-th block that is seen gets the turn frac(n * golden
 * ratio), and the blocks with the latest turns are kept. Whatever the size of the share, these
 * lie evenly along the round, and a share that changes a little changes few blocks.
 *
 * Blocks are only marked here: streaming brings the kept ones in when they are named, and
 * takes the frames of the others.
 */
#include "balanced/resident_set.h"
#include "balanced/limits.h"
#include "core/victims.h"

#define RING_BLOCKS 8
#define LEAST_RING 2
/* Operations after its use for which a block still holds its frame (ring_bytes). */
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
	uint64_t widest_bytes; /* the most that one step names */
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

/* The room to leave for streaming, the ring.
 *
 * At least two steps' worth: while one step uses its blocks, those of the next come in.
 * Also a used block keeps its frame until a few later operations are over (its copy out
 * waits for them; kernels may read two blocks in turns), and the streamed blocks of these
 * operations hold frames as well: as many as are streamed of the whole round. More room
 * only hides jitter, and costs: each block more in the ring is one more to stream. So it
 * gets a sixteenth of what is streamed at most. Where moves stop the work, one stop serves
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

/* Resident blocks that the round works with all along without newly naming them, and those
 * that cannot move. */
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

/* Makes victims_next return all blocks of the round, those that most deserve to stay first. */
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
