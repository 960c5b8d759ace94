/*
 * What every policy knows: the blocks, where they are, and in which order they were last named.
 * One table a policy object, so that changing the policy that decides changes nothing else.
 */
#ifndef LOWTIDE_POLICY_TABLE_H
#define LOWTIDE_POLICY_TABLE_H

#include "policy.h"

#define NONE UINT32_MAX

struct block {
	uint64_t bytes;
	uint64_t last_use; /* operation that named it last; 0: none yet */
	uint32_t component, group;
	uint32_t newer, older;	/* neighbours in the order of last use; NONE at the ends */
	uint32_t uses;		/* since the last count */
	uint64_t going, coming; /* the batch that moves it */
	bool known, resident, pinned, uploaded, wanted;
};

struct table {
	struct block *blocks; /* by the caller's ids */
	uint32_t count;	      /* ids below this may be known */
	uint32_t newest, oldest, known_count;
	uint64_t resident_bytes;
	uint64_t known_bytes;
	uint64_t operation; /* counts uses */
};

/* A batch of actions being written: it never passes the cap, and evictions stand before the
 * page-ins they make room for. */
struct batch {
	struct policy_action *actions;
	size_t count, max;
	uint64_t serial;
	uint64_t resident_bytes; /* once it is carried out */
};

struct cycle;

/* One policy: a row of policies.def. */
struct verbs {
	void (*use)(struct policy *policy, const uint32_t *blocks, size_t count,
		    struct batch *batch);
	void (*quiet)(struct policy *policy, struct batch *batch); /* NULL: nothing */
	bool moves; /* false: the cap is enforced by refusing */
};

struct policy {
	const struct verbs *verbs; /* that decide now */
	const char *name, *reason; /* of those */
	bool chooses;		   /* auto: `verbs` may change */
	struct policy_config config;
	struct table table;
	struct cycle *cycle;
	struct policy_report report;
	uint64_t serial;	 /* of the newest batch */
	uint64_t planned_at;	 /* balanced, auto: the operation of the last plan */
	uint64_t planned_period; /* and the cycle it was for; 0: by frequency */
	uint32_t group;		 /* group: the one that is in */
	uint64_t largest_operation_bytes;
};

static inline struct block *block_of(const struct policy *policy, uint32_t id)
{
	return id < policy->table.count && policy->table.blocks[id].known
		   ? &policy->table.blocks[id]
		   : NULL;
}

/* Named by the operation that is being decided about: not to be evicted by it. */
static inline bool named_now(const struct policy *policy, const struct block *block)
{
	return block->last_use == policy->table.operation;
}

static inline bool staying(const struct block *block, const struct batch *batch)
{
	return block->resident && block->going != batch->serial;
}

/* Each false if it cannot be: pinned, named now (evict), already so, past the cap, no room in
 * the batch. */
bool batch_evict(struct policy *policy, struct batch *batch, uint32_t id);
bool batch_page_in(struct policy *policy, struct batch *batch, uint32_t id);
/* Evicts the least recently used until `bytes` more fit under the cap. False: they will not. */
bool batch_make_room(struct policy *policy, struct batch *batch, uint64_t bytes);

/* The registry's members, and what others build on. */
extern const struct verbs policy_none, policy_lru, policy_sequential, policy_group,
    policy_balanced, policy_auto;
void policy_choose(struct policy *policy, const char *name, const char *reason);

#endif
