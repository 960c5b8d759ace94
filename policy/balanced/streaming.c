/*
 * Blocks that are not kept pass through the ring: as soon as a block in it has been used, its
 * frame goes to the next cold block that the cycle will name. A victim is never needed sooner
 * than the block that takes its place, which also bounds how far ahead blocks come in.
 */
#include "balanced/streaming.h"
#include "balanced/limits.h"
#include "core/victims.h"

/* Names that one decision reads. Fewer where no cycle is learnt: the last guesses were
 * right, but the work may go on in another way than it did then. */
#define NAMES_SEEN_AHEAD 256
#define NAMES_GUESSED_AHEAD 16
#define LOOSE_LOOKED_AT 64

struct farthest {
	uint32_t block;
	uint64_t steps;
};

/* The block is new in this round: the learner knows nothing of it, or something about
 * another block that had its id before. */
static bool is_young(const struct policy *policy, const struct entry *entry)
{
	return !entry->turn && policy->table.op - entry->born_op <= cycle_ops(&policy->cycle);
}

static void consider_victim(struct batch *batch, uint32_t block, struct farthest *best)
{
	uint64_t steps;

	if (!batch_may_evict(batch, block) ||
	    is_young(batch->policy, &batch->policy->table.entries[block]))
		return;
	steps = victims_next_use(batch->policy, block);
	if (best->block != BLOCK_NONE && steps <= best->steps)
		return;
	*best = (struct farthest){block, steps};
}

/* The loose block whose next use is farthest, if that is later than `argument`, in steps.
 * The list is as short as the ring, but long while the resident set is still changing. Then
 * only its two ends are looked at: at one end blocks unused for longest, whose phase is
 * over, at the other those just used, whose next use is far. */
static uint32_t farthest_loose(struct batch *batch, const void *argument)
{
	const uint64_t *sooner = argument;
	const struct table *table = &batch->policy->table;
	struct farthest best = {BLOCK_NONE, 0};
	uint32_t block = table->oldest[LIST_LOOSE];

	for (int i = 0; block != BLOCK_NONE && i < LOOSE_LOOKED_AT; i++) {
		consider_victim(batch, block, &best);
		block = table->entries[block].newer;
	}
	if (block != BLOCK_NONE) {
		block = table->newest[LIST_LOOSE];
		for (int i = 0; i < LOOSE_LOOKED_AT; i++) { /* the list holds more than that */
			consider_victim(batch, block, &best);
			block = table->entries[block].older;
		}
	}
	return best.block != BLOCK_NONE && best.steps > *sooner ? best.block : BLOCK_NONE;
}

/* The block is named and still cold, so it is late. To wait for its copy pays if the block
 * stays resident, or if several kernels read it; else the bus is better spent on blocks
 * that are named later. Where moves stop the work no copy is on its way, and one stop
 * brings this block and later ones. */
static bool worth_waiting(const struct policy *policy, const struct entry *entry)
{
	return entry->kept || entry->run_before > 1 || !policy->config.overlap ||
	       !balanced_in_place(policy);
}

static bool never_fits(const struct policy *policy, uint32_t block)
{
	const struct entry *entry = &policy->table.entries[block];

	return !entry->kept &&
	       policy->balanced.kept_bytes + entry->bytes > balanced_limit(policy);
}

static void page_in_ahead(struct policy *policy, struct batch *batch)
{
	uint64_t limit = balanced_limit(policy), steps;
	uint64_t name = cycle_next(&policy->cycle);
	uint64_t end = name + (policy->cycle.length ? NAMES_SEEN_AHEAD : NAMES_GUESSED_AHEAD);
	uint32_t block;

	for (; name < end && cycle_ahead(&policy->cycle, name, &block, &steps); name++) {
		if (!batch_may_page_in(batch, block) || never_fits(policy, block))
			continue;
		if (table_named_now(&policy->table, &policy->table.entries[block]))
			continue;
		if (!batch_page_in(batch, block, limit, farthest_loose, &steps))
			return;
	}
}

/* A block that is new while a round repeats will be part of the next one. To take a frame
 * of the ring costs the copy of one block; to begin in RAM costs a new host frame, and
 * reads over the bus. */
void streaming_make_place(struct batch *batch)
{
	uint64_t now = 0;
	uint32_t block;

	do
		block = farthest_loose(batch, &now);
	while (block != BLOCK_NONE && batch_evict(batch, block));
}

void streaming_use(struct policy *policy, const uint32_t *blocks, size_t count,
		   struct batch *batch)
{
	uint64_t limit = balanced_limit(policy), now = 0;
	bool cold = false;

	for (size_t i = 0; i < count; i++) {
		if (!batch_may_page_in(batch, blocks[i]))
			continue;
		cold = true;
		if (worth_waiting(policy, &policy->table.entries[blocks[i]]))
			batch_page_in(batch, blocks[i], limit, farthest_loose, &now);
	}
	/* Where moves stop the work, one stop serves as many blocks as the ring holds. */
	if (cold || policy->config.overlap)
		page_in_ahead(policy, batch);
}
