#include "policy.h"

#include "cycle.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

static const struct row {
	const char *name, *description;
	const struct verbs *verbs;
} rows[] = {
#define POLICY(name, entry, description) {#name, description, &entry},
#include "policies.def"
#undef POLICY
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *row_named(const char *name)
{
	for (size_t i = 0; i < ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

const char *policy_name(size_t index)
{
	return index < ROWS ? rows[index].name : NULL;
}

const char *policy_description(const char *name)
{
	const struct row *row = row_named(name);

	return row ? row->description : NULL;
}

void policy_choose(struct policy *policy, const char *name, const char *reason)
{
	const struct row *row = row_named(name);

	if (policy->verbs != row->verbs)
		policy->group = NONE;
	policy->verbs = row->verbs;
	policy->name = row->name;
	policy->reason = reason;
}

struct policy *policy_create(const char *name, const struct policy_config *config)
{
	const struct row *row = row_named(name);
	struct policy *policy = row ? calloc(1, sizeof(*policy)) : NULL;

	if (!policy)
		return NULL;
	policy->cycle = cycle_create();
	if (!policy->cycle) {
		free(policy);
		return NULL;
	}
	policy->config = *config;
	policy->table.newest = policy->table.oldest = NONE;
	policy->table.operation = 1; /* a block never named has 0 */
	policy->chooses = row->verbs == &policy_auto;
	policy_choose(policy, row->name, row->description);
	if (policy->chooses)
		policy_choose(policy, "balanced",
			      "auto: nothing is known yet, and balanced moves least");
	return policy;
}

void policy_destroy(struct policy *policy)
{
	if (!policy)
		return;
	cycle_destroy(policy->cycle);
	free(policy->table.blocks);
	free(policy);
}

/* --- the order of last use
 * ------------------------------------------------------------------------------- */

static void unlink_block(struct table *table, uint32_t id)
{
	struct block *block = &table->blocks[id];

	*(block->newer == NONE ? &table->newest : &table->blocks[block->newer].older) =
	    block->older;
	*(block->older == NONE ? &table->oldest : &table->blocks[block->older].newer) =
	    block->newer;
}

static void link_newest(struct table *table, uint32_t id)
{
	struct block *block = &table->blocks[id];

	block->newer = NONE;
	block->older = table->newest;
	*(table->newest == NONE ? &table->oldest : &table->blocks[table->newest].newer) = id;
	table->newest = id;
}

/* --- events
 * --------------------------------------------------------------------------------------------------
 */

static bool reserve(struct table *table, uint32_t id)
{
	uint32_t count = table->count ? table->count : 256;
	struct block *grown;

	if (id < table->count)
		return true;
	while (count <= id)
		count *= 2;
	grown = realloc(table->blocks, count * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + table->count, 0, (count - table->count) * sizeof(*grown));
	table->blocks = grown;
	table->count = count;
	return true;
}

bool policy_block_added(struct policy *policy, uint32_t id, uint64_t bytes, uint32_t component,
			uint32_t group, bool resident, uint64_t now_ns)
{
	struct table *table = &policy->table;

	(void)now_ns;
	if (id >= NONE / 2 || !reserve(table, id))
		return false;
	policy_block_removed(policy, id);
	table->blocks[id] = (struct block){.bytes = bytes,
					   .component = component,
					   .group = group,
					   .known = true,
					   .resident = resident};
	link_newest(table, id);
	table->known_bytes += bytes;
	table->known_count++;
	if (resident)
		table->resident_bytes += bytes;
	return true;
}

void policy_block_removed(struct policy *policy, uint32_t id)
{
	struct block *block = block_of(policy, id);

	if (!block)
		return;
	unlink_block(&policy->table, id);
	policy->table.known_bytes -= block->bytes;
	policy->table.known_count--;
	if (block->resident)
		policy->table.resident_bytes -= block->bytes;
	block->known = false;
}

void policy_block_moved(struct policy *policy, uint32_t id, bool resident)
{
	struct block *block = block_of(policy, id);

	if (!block || block->resident == resident)
		return;
	block->resident = resident;
	policy->table.resident_bytes += resident ? block->bytes : -block->bytes;
}

void policy_block_pinned(struct policy *policy, uint32_t id, bool pinned)
{
	struct block *block = block_of(policy, id);

	if (block)
		block->pinned = pinned;
}

void policy_block_uploaded(struct policy *policy, uint32_t id, uint64_t now_ns)
{
	struct block *block = block_of(policy, id);

	(void)now_ns;
	if (block)
		block->uploaded = true;
}

void policy_block_grouped(struct policy *policy, uint32_t id, uint32_t group)
{
	struct block *block = block_of(policy, id);

	if (block)
		block->group = group;
}

void policy_cap_changed(struct policy *policy, uint64_t cap_bytes)
{
	policy->config.cap_bytes = cap_bytes;
}

bool policy_place_on_device(const struct policy *policy, uint64_t bytes)
{
	uint64_t cap = policy->config.cap_bytes;

	return bytes <= cap && policy->table.resident_bytes <= cap - bytes;
}

/* --- decisions
 * ---------------------------------------------------------------------------------------------------
 */

static struct batch batch_begin(struct policy *policy, struct policy_action *actions,
				size_t max)
{
	return (struct batch){actions, 0, max, ++policy->serial, policy->table.resident_bytes};
}

static void name_blocks(struct policy *policy, const uint32_t *blocks, size_t count)
{
	uint64_t bytes = 0;

	policy->table.operation++;
	for (size_t i = 0; i < count; i++) {
		struct block *block = block_of(policy, blocks[i]);

		if (!block)
			continue;
		block->last_use = policy->table.operation;
		block->uses++;
		bytes += block->bytes;
		unlink_block(&policy->table, blocks[i]);
		link_newest(&policy->table, blocks[i]);
	}
	if (bytes > policy->largest_operation_bytes)
		policy->largest_operation_bytes = bytes;
	cycle_learn(policy->cycle, blocks, count);
}

static void say_what_stays_cold(struct policy *policy, const uint32_t *blocks, size_t count,
				struct batch *batch)
{
	for (size_t i = 0; i < count && batch->count < batch->max; i++) {
		const struct block *block = block_of(policy, blocks[i]);

		if (!block || block->resident || block->coming == batch->serial)
			continue;
		batch->actions[batch->count++] =
		    (struct policy_action){POLICY_IN_PLACE, blocks[i]};
		policy->report.in_place++;
	}
}

size_t policy_use(struct policy *policy, const uint32_t *blocks, size_t count, uint64_t now_ns,
		  struct policy_action *actions, size_t max)
{
	struct batch batch = batch_begin(policy, actions, max);

	(void)now_ns;
	name_blocks(policy, blocks, count);
	if (policy->chooses)
		policy_auto.use(policy, blocks, count, &batch);
	if (policy->verbs->moves) {
		batch_make_room(policy, &batch, 0); /* the cap may have shrunk */
		policy->verbs->use(policy, blocks, count, &batch);
	}
	say_what_stays_cold(policy, blocks, count, &batch);
	return batch.count;
}

size_t policy_quiet(struct policy *policy, uint64_t now_ns, struct policy_action *actions,
		    size_t max)
{
	struct batch batch = batch_begin(policy, actions, max);

	(void)now_ns;
	policy->table.operation++; /* what the last operation named may go */
	if (policy->verbs->moves) {
		batch_make_room(policy, &batch, 0);
		if (policy->verbs->quiet)
			policy->verbs->quiet(policy, &batch);
	}
	return batch.count;
}

size_t policy_pressure(struct policy *policy, uint64_t bytes, uint64_t now_ns,
		       struct policy_action *actions, size_t max)
{
	struct batch batch = batch_begin(policy, actions, max);
	uint32_t id = policy->table.oldest;
	uint64_t before = batch.resident_bytes;

	(void)now_ns;
	policy->table.operation++;
	for (; policy->verbs->moves && id != NONE && before - batch.resident_bytes < bytes;
	     id = policy->table.blocks[id].newer)
		batch_evict(policy, &batch, id);
	return batch.count;
}

void policy_report(const struct policy *policy, struct policy_report *report)
{
	*report = policy->report;
	report->name = policy->name;
	report->reason = policy->reason;
	report->cycle_blocks = (uint32_t)cycle_period(policy->cycle);
}
