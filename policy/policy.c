/* The public functions: they keep the table and the learner up to date, and hand each
 * decision to the acting policy. */
#include "policy.h"
#include "auto.h"
#include "core/batch.h"
#include "policies.h"

#include <stdlib.h>
#include <string.h>

static const struct row {
	const char *name;
	const char *description;
	const struct policy_kind *kind;
} rows[] = {
#define POLICY(name, description) {#name, description, &policy_kind_##name},
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

static const struct row *row_of(const struct policy_kind *kind)
{
	const struct row *row = rows;

	while (row->kind != kind)
		row++;
	return row;
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

struct policy *policy_create(const char *name, const struct policy_config *config)
{
	const struct row *row = row_named(name);
	struct policy *policy = row ? calloc(1, sizeof(*policy)) : NULL;

	if (!policy)
		return NULL;
	policy->kind = row->kind;
	policy->acting = row->kind;
	if (row->kind == &policy_kind_auto)
		auto_init(policy);
	policy->config = *config;
	table_init(&policy->table);
	if (!cycle_init(&policy->cycle)) {
		free(policy);
		return NULL;
	}
	return policy;
}

void policy_destroy(struct policy *policy)
{
	if (!policy)
		return;
	cycle_finish(&policy->cycle);
	table_finish(&policy->table);
	free(policy);
}

bool policy_block_added(struct policy *policy, uint32_t block, uint64_t bytes,
			uint32_t component, uint32_t group, bool resident, uint64_t now_ns)
{
	(void)now_ns;
	if (!table_add(&policy->table, block, bytes, component, group, resident))
		return false;
	if (cycle_reserve(&policy->cycle, policy->table.capacity))
		return true;
	table_remove(&policy->table, block);
	return false;
}

void policy_block_removed(struct policy *policy, uint32_t block)
{
	if (table_knows(&policy->table, block))
		table_remove(&policy->table, block);
}

void policy_block_moved(struct policy *policy, uint32_t block, bool resident)
{
	if (table_knows(&policy->table, block))
		table_move(&policy->table, block, resident);
}

void policy_block_pinned(struct policy *policy, uint32_t block, bool pinned)
{
	if (table_knows(&policy->table, block))
		table_pin(&policy->table, block, pinned);
}

void policy_block_uploaded(struct policy *policy, uint32_t block, uint64_t now_ns)
{
	(void)now_ns;
	if (table_knows(&policy->table, block))
		policy->table.entries[block].uploaded = true;
}

void policy_block_grouped(struct policy *policy, uint32_t block, uint32_t group)
{
	if (!table_knows(&policy->table, block))
		return;
	policy->table.entries[block].group = group;
	policy->table.changes++;
}

void policy_cap_changed(struct policy *policy, uint64_t cap_bytes)
{
	policy->config.cap_bytes = cap_bytes;
	policy->table.changes++;
}

bool policy_place_on_device(const struct policy *policy, uint64_t bytes)
{
	uint64_t cap = policy->config.cap_bytes;

	if (policy->acting->place_on_device)
		return policy->acting->place_on_device(policy, bytes);
	return bytes <= cap && policy->table.resident_bytes <= cap - bytes;
}

size_t policy_make_place(struct policy *policy, struct policy_action *actions, size_t max)
{
	struct batch batch;

	if (!policy->kind->pages || !policy->acting->make_place)
		return 0;
	batch_begin(&batch, policy, false, actions, max);
	policy->acting->make_place(policy, &batch);
	return batch_end(&batch);
}

size_t policy_use(struct policy *policy, const uint32_t *blocks, size_t count, uint64_t now_ns,
		  struct policy_action *actions, size_t max)
{
	struct table *table = &policy->table;
	struct batch batch;
	size_t fresh;

	if (!policy->kind->pages)
		return 0;
	fresh = table_use(table, blocks, count);
	if (fresh)
		cycle_observe(&policy->cycle, table->fresh, fresh, table->op, now_ns);
	if (policy->kind == &policy_kind_auto)
		auto_watch(policy, blocks, count, fresh);
	batch_begin(&batch, policy, true, actions, max);
	batch_trim(&batch, policy->config.cap_bytes);
	policy->acting->use(policy, blocks, count, &batch);
	return batch_end(&batch);
}

size_t policy_quiet(struct policy *policy, uint64_t now_ns, struct policy_action *actions,
		    size_t max)
{
	struct batch batch;

	(void)now_ns;
	if (!policy->kind->pages)
		return 0;
	batch_begin(&batch, policy, false, actions, max);
	batch_trim(&batch, policy->config.cap_bytes);
	if (policy->acting->quiet)
		policy->acting->quiet(policy, &batch);
	return batch_end(&batch);
}

size_t policy_pressure(struct policy *policy, uint64_t bytes, uint64_t now_ns,
		       struct policy_action *actions, size_t max)
{
	uint64_t resident = policy->table.resident_bytes;
	struct batch batch;

	(void)now_ns;
	if (!policy->kind->pages)
		return 0;
	batch_begin(&batch, policy, false, actions, max);
	batch_trim(&batch, resident > bytes ? resident - bytes : 0);
	return batch_end(&batch);
}

void policy_report(const struct policy *policy, struct policy_report *report)
{
	const struct row *row = row_of(policy->acting);

	*report = (struct policy_report){
	    .name = row->name,
	    .reason =
		policy->kind == &policy_kind_auto ? policy->chooser.reason : row->description,
	    .page_ins = policy->page_ins,
	    .evictions = policy->evictions,
	    .cycle_blocks = cycle_names(&policy->cycle),
	    .cycle_ns = policy->cycle.round_ns,
	};
}
