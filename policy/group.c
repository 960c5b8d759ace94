/*
 * When a block is used, its whole group comes in and all other groups go out. Of a group
 * larger than the cap the same members stay resident and the rest is used in place: to bring
 * in what is named next would evict what is named after it.
 */
#include "core/batch.h"
#include "policies.h"

static uint64_t group_key(const struct entry *entry)
{
	return entry->group ? entry->group : 1ull << 32 | entry->component;
}

static uint64_t mix_bits(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15;
	return x ^ x >> 29;
}

/* A key for the set of groups that the operation names; 0 = no named block is cold. */
static uint64_t key_of_use(const struct policy *policy, const struct batch *batch,
			   const uint32_t *blocks, size_t count)
{
	const struct table *table = &policy->table;
	uint64_t key = 1;
	bool cold = false;

	for (size_t i = 0; i < count; i++) {
		if (!table_knows(table, blocks[i]))
			continue;
		key += mix_bits(group_key(&table->entries[blocks[i]]));
		cold |= batch_may_page_in(batch, blocks[i]);
	}
	return cold ? key : 0;
}

static bool is_named_group(const struct table *table, const uint32_t *blocks, size_t count,
			   uint64_t key)
{
	for (size_t i = 0; i < count; i++)
		if (table_knows(table, blocks[i]) &&
		    group_key(&table->entries[blocks[i]]) == key)
			return true;
	return false;
}

/* The groups that the operation names, and the last answer: neighbouring blocks are mostly
 * of one group, so that it saves most searches. */
struct membership {
	const uint32_t *blocks;
	size_t count;
	uint64_t key;
	bool named, asked;
};

static bool is_member(const struct table *table, struct membership *membership, uint32_t block)
{
	uint64_t key = group_key(&table->entries[block]);

	if (!membership->asked || key != membership->key) {
		membership->named =
		    is_named_group(table, membership->blocks, membership->count, key);
		membership->key = key;
		membership->asked = true;
	}
	return membership->named;
}

/* A block of no group that was never uploaded: activations and the like, which all groups
 * work with. */
static bool is_loose(const struct entry *entry)
{
	return !entry->group && !entry->uploaded;
}

/* The room to leave for blocks that are loose and cold. */
static uint64_t loose_bytes(const struct policy *policy, const struct batch *batch)
{
	const struct table *table = &policy->table;
	uint64_t bytes = 0, most = policy->config.cap_bytes / 2;

	for (uint32_t block = 0; block < table->capacity; block++)
		if (batch_may_page_in(batch, block) && is_loose(&table->entries[block]))
			bytes += table->entries[block].bytes;
	return bytes < most ? bytes : most;
}

/* Does the operation name no block of any group? */
static bool names_loose_only(const struct table *table, const uint32_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (table_knows(table, blocks[i]) && !is_loose(&table->entries[blocks[i]]))
			return false;
	return true;
}

/* Groups that nobody has told the policy of get numbers above any that the caller gives. */
#define PHASE_GROUP 0x80000000u

enum { NOT_IN_ROUND, IN_ROUND, SPLIT };

static void mark_round(struct policy *policy)
{
	struct table *table = &policy->table;
	uint32_t block;
	uint64_t steps;

	for (uint32_t i = 0; i < table->capacity; i++)
		table->entries[i].score = NOT_IN_ROUND;
	for (uint64_t name = cycle_next(&policy->cycle);
	     cycle_ahead(&policy->cycle, name, &block, &steps); name++)
		if (table_knows(table, block) && table->entries[block].uploaded)
			table->entries[block].score = IN_ROUND;
}

/* Makes the members that the round names a group of their own, if the group is larger than
 * the cap and they are not all of it. */
static void split_group(struct policy *policy, uint32_t group)
{
	struct table *table = &policy->table;
	uint64_t whole = 0, part = 0;

	for (uint32_t i = 0; i < table->capacity; i++) {
		const struct entry *entry = &table->entries[i];

		if (!entry->known || entry->group != group)
			continue;
		whole += entry->bytes;
		part += entry->score == IN_ROUND ? entry->bytes : 0;
	}
	if (whole > policy->config.cap_bytes && part < whole)
		policy->group.phases++;
	for (uint32_t i = 0; i < table->capacity; i++) {
		struct entry *entry = &table->entries[i];

		if (!entry->known || entry->group != group || entry->score != IN_ROUND)
			continue;
		entry->score = SPLIT;
		if (whole > policy->config.cap_bytes && part < whole)
			entry->group = PHASE_GROUP | policy->group.phases;
	}
	table->changes++;
}

/* Models that were uploaded in one go look like one group. A learnt round tells which of
 * their blocks are used together. */
static void split_by_round(struct policy *policy)
{
	struct table *table = &policy->table;

	if (!policy->cycle.length || policy->cycle.rounds < 2 ||
	    policy->group.starts == policy->cycle.starts)
		return;
	policy->group.starts = policy->cycle.starts;
	if (policy->group.split_changes == table->changes)
		return;
	mark_round(policy);
	for (uint32_t i = 0; i < table->capacity; i++)
		if (table->entries[i].known && table->entries[i].score == IN_ROUND &&
		    table->entries[i].group)
			split_group(policy, table->entries[i].group);
	policy->group.split_changes = table->changes;
}

static void group_use(struct policy *policy, const uint32_t *blocks, size_t count,
		      struct batch *batch)
{
	struct table *table = &policy->table;
	struct group_state *state = &policy->group;
	struct membership membership = {.blocks = blocks, .count = count};
	uint64_t cap = policy->config.cap_bytes, key;

	split_by_round(policy);
	key = key_of_use(policy, batch, blocks, count);
	if (!key || (key == state->idle_key && table->changes == state->idle_changes))
		return;
	if (names_loose_only(table, blocks, count)) {
		for (size_t i = 0; i < count; i++)
			if (batch_may_page_in(batch, blocks[i]))
				batch_page_in(batch, blocks[i], cap, NULL, NULL);
		return;
	}
	for (uint32_t block = 0; block < table->capacity; block++)
		if (batch_may_evict(batch, block) && !is_member(table, &membership, block) &&
		    !is_loose(&table->entries[block]))
			batch_evict(batch, block);
	for (size_t i = 0; i < count; i++)
		if (batch_may_page_in(batch, blocks[i]) && is_loose(&table->entries[blocks[i]]))
			batch_page_in(batch, blocks[i], cap, NULL, NULL);
	cap -= loose_bytes(policy, batch);
	for (uint32_t block = 0; block < table->capacity; block++)
		if (batch_may_page_in(batch, block) && is_member(table, &membership, block))
			batch_page_in(batch, block, cap, NULL, NULL);
	if (batch->evictions + batch->page_ins)
		return;
	state->idle_key = key;
	state->idle_changes = table->changes;
}

const struct policy_kind policy_kind_group = {.pages = true, .use = group_use};
