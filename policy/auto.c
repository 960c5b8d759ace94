/*
 * Chooses which policy acts. The choice is reviewed when a round of a cycle begins, and every
 * REVIEW_OPS operations where there is none. All policies share the table and the learner, so
 * that a change moves nothing by itself.
 */
#include "auto.h"
#include "balanced/resident_set.h"
#include "policies.h"

#define REVIEW_OPS 1024
/* A phase is long if each block of its group is named so often on average. */
#define LONG_PHASE 3

static void watch_phase(struct auto_state *state, uint32_t group, size_t names)
{
	struct auto_phase *phase = &state->phases[state->phase % AUTO_PHASES];

	if (!group)
		return;
	if (phase->group && phase->group != group)
		phase = &state->phases[++state->phase % AUTO_PHASES];
	if (phase->group != group)
		*phase = (struct auto_phase){.group = group};
	phase->names += (uint32_t)names;
}

static void measure_group(const struct table *table, uint32_t group, uint64_t *bytes,
			  uint64_t *blocks)
{
	*bytes = *blocks = 0;
	for (uint32_t block = 0; block < table->capacity; block++)
		if (table->entries[block].known && table->entries[block].group == group) {
			*bytes += table->entries[block].bytes;
			++*blocks;
		}
}

/* Does each group of the recent phases fit the cap, and are the phases long on average? The
 * running phase counts only if it is long already. */
static bool has_long_phases(const struct policy *policy)
{
	const struct auto_state *state = &policy->chooser;
	uint64_t bytes, blocks, named = 0, needed = 0, phases = 0;

	for (uint64_t i = 0; i < AUTO_PHASES && i <= state->phase; i++) {
		const struct auto_phase *phase =
		    &state->phases[(state->phase - i) % AUTO_PHASES];

		measure_group(&policy->table, phase->group, &bytes, &blocks);
		if (!phase->group || !blocks)
			continue;
		if (bytes > policy->config.cap_bytes)
			return false;
		if (i == 0 && phase->names < LONG_PHASE * blocks)
			continue;
		named += phase->names;
		needed += LONG_PHASE * blocks;
		phases++;
	}
	return phases >= 2 && named >= needed;
}

static void review_choice(struct policy *policy)
{
	struct auto_state *state = &policy->chooser;
	const struct policy_kind *before = policy->acting;
	uint64_t cap = policy->config.cap_bytes;

	if (policy->table.known_bytes <= cap) {
		policy->acting = &policy_kind_balanced;
		state->reason = "everything fits under the cap";
	} else if (state->widest_bytes > cap - cap / 4 && state->widest_bytes <= cap) {
		policy->acting = &policy_kind_sequential;
		state->reason = "one operation needs nearly all of the cap";
	} else if (has_long_phases(policy)) {
		policy->acting = &policy_kind_group;
		state->reason = "each group fits the cap and is used for long";
	} else {
		policy->acting = &policy_kind_balanced;
		state->reason = policy->cycle.length
				    ? "a cycle larger than the cap has been learnt"
				    : "more than the cap is in use and no cycle is learnt";
	}
	/* To another policy the marks mean nothing, but keep blocks off the list it evicts
	 * from. */
	if (policy->acting != before)
		resident_set_forget(policy);
	state->starts = policy->cycle.starts;
	state->reviewed_op = policy->table.op;
	state->widest_bytes = 0;
}

void auto_init(struct policy *policy)
{
	policy->acting = &policy_kind_balanced;
	policy->chooser.reason = "too little has run for a choice";
}

void auto_watch(struct policy *policy, const uint32_t *blocks, size_t count, size_t fresh)
{
	struct auto_state *state = &policy->chooser;
	const struct table *table = &policy->table;
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		if (table_knows(table, blocks[i]))
			bytes += table->entries[blocks[i]].bytes;
	if (bytes > state->widest_bytes)
		state->widest_bytes = bytes;
	if (fresh)
		watch_phase(state, table->entries[table->fresh[0]].group, fresh);
	if (state->starts != policy->cycle.starts ||
	    table->op - state->reviewed_op >= REVIEW_OPS)
		review_choice(policy);
}

/* Has no decisions of its own: auto_init() and auto_watch() put another policy in charge. */
const struct policy_kind policy_kind_auto = {.pages = true};
