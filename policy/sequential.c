/*
 * Only what the current operation names and what comes next is resident. Where moves stop the
 * work, a launch whose blocks are all resident asks for nothing, so that one stop serves as
 * many launches as the policy looks ahead.
 */
#include "core/batch.h"
#include "policies.h"

/* Blocks to bring in beyond those named. */
#define LOOK_AHEAD 2
/* Names of the cycle that one decision reads to find them. */
#define NAMES_SEEN_AHEAD 64

struct wanted {
	uint32_t *blocks;
	size_t count, most;
};

static void wanted_add(const struct policy *policy, struct wanted *wanted, uint32_t block)
{
	const struct table *table = &policy->table;

	if (!table_knows(table, block) || table_named_now(table, &table->entries[block]))
		return;
	for (size_t i = 0; i < wanted->count; i++)
		if (wanted->blocks[i] == block)
			return;
	wanted->blocks[wanted->count++] = block;
}

/* Before any repeat, the order of allocation is the best guess: layers are allocated in the
 * order in which they run. */
static void wanted_add_neighbours(const struct policy *policy, struct wanted *wanted,
				  uint32_t block)
{
	const struct table *table = &policy->table;
	uint32_t component;

	if (!table_knows(table, block))
		return;
	component = table->entries[block].component;
	while (wanted->count < wanted->most && table_knows(table, ++block) &&
	       table->entries[block].component == component)
		wanted_add(policy, wanted, block);
}

static void wanted_add_predicted(const struct policy *policy, struct wanted *wanted)
{
	uint64_t name = cycle_next(&policy->cycle), last = name + NAMES_SEEN_AHEAD, steps;
	uint32_t block;

	for (; wanted->count < wanted->most && name < last; name++) {
		if (!cycle_ahead(&policy->cycle, name, &block, &steps))
			return;
		wanted_add(policy, wanted, block);
	}
}

static bool is_wanted(const struct wanted *wanted, uint32_t block)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (wanted->blocks[i] == block)
			return true;
	return false;
}

static void evict_the_rest(struct policy *policy, const struct wanted *wanted,
			   struct batch *batch)
{
	struct table *table = &policy->table;

	for (uint32_t block = table->oldest[LIST_LOOSE]; block != BLOCK_NONE;
	     block = table->entries[block].newer)
		if (!is_wanted(wanted, block) &&
		    !table_is_scratch(table, &table->entries[block]))
			batch_evict(batch, block);
}

static bool any_cold(const struct batch *batch, const uint32_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (batch_may_page_in(batch, blocks[i]))
			return true;
	return false;
}

static void sequential_use(struct policy *policy, const uint32_t *blocks, size_t count,
			   struct batch *batch)
{
	uint64_t cap = policy->config.cap_bytes;
	struct wanted wanted = {.blocks = policy->table.order};

	wanted.most = policy->table.known < LOOK_AHEAD ? policy->table.known : LOOK_AHEAD;
	if (cycle_predicts(&policy->cycle))
		wanted_add_predicted(policy, &wanted);
	else if (count)
		wanted_add_neighbours(policy, &wanted, blocks[count - 1]);
	if (!any_cold(batch, blocks, count) &&
	    (!policy->config.overlap || !any_cold(batch, wanted.blocks, wanted.count)))
		return;
	evict_the_rest(policy, &wanted, batch);
	/* Scratch was spared above, but leaves if its room is needed. */
	for (size_t i = 0; i < count; i++)
		batch_page_in(batch, blocks[i], cap, batch_oldest, NULL);
	for (size_t i = 0; i < wanted.count; i++)
		batch_page_in(batch, wanted.blocks[i], cap, NULL, NULL);
}

const struct policy_kind policy_kind_sequential = {.pages = true, .use = sequential_use};
