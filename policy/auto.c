/* Chooses among the others, rarely, and says why. */
#include "cycle.h"
#include "table.h"

#define OFTEN 512 /* operations between two looks */

struct groups {
	uint32_t first;
	bool several, all_fit;
};

static struct groups look_at_groups(const struct policy *policy)
{
	struct groups groups = {.all_fit = true};
	uint64_t bytes[64] = {0};

	for (uint32_t id = policy->table.oldest; id != NONE;
	     id = policy->table.blocks[id].newer) {
		const struct block *block = &policy->table.blocks[id];

		if (!block->group)
			continue;
		if (!groups.first)
			groups.first = block->group;
		groups.several = groups.several || block->group != groups.first;
		bytes[block->group % 64] += block->bytes;
		groups.all_fit = groups.all_fit &&
				 bytes[block->group % 64] <= policy->config.cap_bytes / 10 * 9;
	}
	return groups;
}

static void use(struct policy *policy, const uint32_t *blocks, size_t count,
		struct batch *batch)
{
	struct groups groups;

	(void)blocks, (void)count, (void)batch;
	if (policy->table.operation % OFTEN != 2)
		return;
	groups = look_at_groups(policy);
	if (policy->table.known_bytes <= policy->config.cap_bytes)
		policy_choose(policy, "balanced",
			      "auto: everything fits under the cap, nothing needs to move");
	else if (policy->largest_operation_bytes > policy->config.cap_bytes / 10 * 8)
		policy_choose(policy, "sequential",
			      "auto: one operation needs nearly all of the cap");
	else if (groups.several && groups.all_fit)
		policy_choose(policy, "group",
			      "auto: several groups, each of which fits under the cap alone");
	else
		policy_choose(policy, "balanced", "auto: one working set larger than the cap");
}

const struct verbs policy_auto = {.use = use, .moves = true};
