#include "core/victims.h"

#define NOT_IN_SIGHT (1ull << 48)

uint64_t victims_next_use(const struct policy *policy, uint32_t block)
{
	const struct table *table = &policy->table;
	const struct entry *entry = &table->entries[block];
	uint64_t steps = cycle_steps_to(&policy->cycle, block);

	/* The learner knows only where runs begin. In the middle of one, the next use is by
	 * the next operation. */
	if (table_in_run(table, entry) &&
	    (entry->run < entry->run_before || steps == CYCLE_NEVER))
		return 1;
	return steps;
}

uint64_t victims_score(const struct policy *policy, uint32_t block)
{
	uint64_t age = policy->table.op - policy->table.entries[block].last_op, steps;

	if (!cycle_predicts(&policy->cycle))
		return age;
	steps = victims_next_use(policy, block);
	return steps == CYCLE_NEVER ? NOT_IN_SIGHT + age : steps;
}

static bool is_worse(const struct table *table, uint32_t a, uint32_t b)
{
	return table->entries[table->order[a]].score < table->entries[table->order[b]].score;
}

static void heap_sift_down(struct table *table, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1, swap;

		if (child >= table->order_count)
			return;
		if (child + 1 < table->order_count && is_worse(table, child, child + 1))
			child++;
		if (!is_worse(table, at, child))
			return;
		swap = table->order[at];
		table->order[at] = table->order[child];
		table->order[child] = swap;
		at = child;
	}
}

void victims_gather(struct policy *policy)
{
	struct table *table = &policy->table;

	table->order_count = 0;
	for (int list = LIST_LOOSE; list <= LIST_KEPT; list++)
		for (uint32_t block = table->oldest[list]; block != BLOCK_NONE;
		     block = table->entries[block].newer) {
			struct entry *entry = &table->entries[block];

			entry->score = victims_score(policy, block);
			table->order[table->order_count++] = block;
		}
	victims_sort(policy);
}

void victims_sort(struct policy *policy)
{
	for (uint32_t i = policy->table.order_count / 2; i-- > 0;)
		heap_sift_down(&policy->table, i);
}

uint32_t victims_next(struct policy *policy)
{
	struct table *table = &policy->table;
	uint32_t best;

	if (!table->order_count)
		return BLOCK_NONE;
	best = table->order[0];
	table->order[0] = table->order[--table->order_count];
	heap_sift_down(table, 0);
	return best;
}
