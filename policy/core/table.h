/*
 * The blocks a policy knows, shared by all policies so that changing from one to another is
 * free. Each block is on one list, by where it is and whether it may move; each list is
 * ordered by recency. Operations are numbered from 1: `op` is the policy's only clock.
 *
 * Owned by struct policy, guarded by the caller's lock. Only table_add allocates.
 */
#ifndef LOWTIDE_POLICY_TABLE_H
#define LOWTIDE_POLICY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_NONE UINT32_MAX

/* A block named again within so many operations goes on with the same use: neighbouring kernels
 * share blocks, and scratch is named by nearly all of them. */
#define TABLE_RUN_GAP 2

enum table_list { LIST_COLD, LIST_LOOSE, LIST_KEPT, LIST_PINNED, LIST_COUNT };

enum entry_plan { PLAN_NOTHING, PLAN_EVICT, PLAN_PAGE_IN };

struct entry {
	uint64_t bytes;
	uint64_t born_op;
	uint64_t last_op;    /* the last that named it; 0 = none */
	uint64_t visit_op;   /* the first of its last visit (table.c: visit_ops) */
	uint64_t earlier_op; /* the last of the visit before; 0 = none */
	uint64_t score;	     /* scratch of victims.c */
	uint64_t turn; /* scratch of resident_set.c, kept while the block lives; 0 = none yet */
	uint32_t component;
	uint32_t group; /* 0 = its component is its group */
	uint32_t newer, older;
	uint32_t run;	     /* operations that named it since the last gap (TABLE_RUN_GAP) */
	uint32_t run_before; /* the same of the run before */
	uint32_t uses;	     /* operations that named it since rates were last taken */
	uint32_t rate;	     /* uses per round, as static_set.c or resident_set.c scales it */
	uint8_t list;
	uint8_t plan; /* of the batch being built */
	bool known, resident, pinned, uploaded;
	bool kept; /* balanced: part of the chosen resident set */
};

struct table {
	struct entry *entries;
	uint32_t *order; /* scratch, room for every block */
	uint32_t order_count;
	uint32_t *fresh; /* scratch, room for every block */
	uint32_t capacity;
	uint32_t known;
	uint32_t newest[LIST_COUNT], oldest[LIST_COUNT];
	uint64_t known_bytes, resident_bytes;
	uint64_t op;	  /* operations so far */
	uint64_t changes; /* grows with whatever could change a decision, except a use */
};

void table_init(struct table *table);
void table_finish(struct table *table);

/* False: out of memory, and the table is as it was. */
bool table_add(struct table *table, uint32_t block, uint64_t bytes, uint32_t component,
	       uint32_t group, bool resident);
void table_remove(struct table *table, uint32_t block);
void table_move(struct table *table, uint32_t block, bool resident);
void table_pin(struct table *table, uint32_t block, bool pinned);
void table_keep(struct table *table, uint32_t block, bool kept);

/* Begins operation op + 1, which names these blocks. Writes to `fresh` those that the
 * operations just before did not name, and returns how many. */
size_t table_use(struct table *table, const uint32_t *blocks, size_t count);

static inline bool table_knows(const struct table *table, uint32_t block)
{
	return block < table->capacity && table->entries[block].known;
}

static inline bool table_named_now(const struct table *table, const struct entry *entry)
{
	return table->op && entry->last_op == table->op;
}

static inline bool table_in_run(const struct table *table, const struct entry *entry)
{
	return entry->last_op && table->op - entry->last_op <= TABLE_RUN_GAP;
}

/* A block that kernels write and operation after operation names is scratch memory. To
 * evict it between two operations that both need it would only move it twice. */
static inline bool table_is_scratch(const struct table *table, const struct entry *entry)
{
	return !entry->uploaded && entry->run >= 3 && table_in_run(table, entry);
}

#endif
