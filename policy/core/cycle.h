/*
 * What comes next, learnt from what came before. The work's operations, reduced to the blocks
 * each newly names, are written to a history; a table from the last few steps to where they
 * last stood in it finds the place where the past looks like now, and a follower walks on from
 * there. While its guesses come true, what followed then is what follows now: that predicts
 * across phases of different length. A cycle is learnt once the follower has gone a whole
 * round.
 *
 * Owned by struct policy, guarded by the caller's lock. Steps and names are numbered from 1 and
 * for ever; the history holds the last of them. Only cycle_init and cycle_reserve allocate.
 */
#ifndef LOWTIDE_POLICY_CYCLE_H
#define LOWTIDE_POLICY_CYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CYCLE_NEVER UINT64_MAX

struct cycle_step {
	uint64_t hash;	/* of the set named */
	uint64_t first; /* number of its first name */
	uint64_t op;
	uint32_t count;
};

struct cycle_name {
	uint64_t step;
	uint64_t before; /* number of the same block's name before this; 0 = none */
	uint64_t after;	 /* and after */
	uint32_t block;
};

struct cycle {
	struct cycle_step *steps;
	struct cycle_name *names;
	uint64_t
	    *contexts;	/* hash of the last steps -> number of the step they last ended in */
	uint64_t *last; /* block -> number of its last name; 0 = none */
	uint64_t *upcoming; /* block -> name found to be the next expected; a hint */
	uint32_t last_capacity;
	uint64_t step, name; /* numbers of the newest */

	uint64_t at;	   /* step of the past that matches the newest; 0 = lost */
	uint64_t followed; /* steps walked at this distance */
	uint64_t record;   /* a bit a guess, newest lowest: did it come true */
	uint32_t misses;   /* in a row */
	uint64_t near_distance, near_run; /* the nearest repeat, and how long it has held */

	uint64_t length;     /* of the learnt cycle in steps; 0 = none */
	uint64_t starts;     /* rounds begun, of all cycles */
	uint64_t rounds;     /* rounds begun of this cycle */
	uint64_t start_step; /* where the last round began */
	uint64_t start_ns;
	uint64_t round_ns; /* time between the last two starts; 0 = unknown */
};

bool cycle_init(struct cycle *cycle);
void cycle_finish(struct cycle *cycle);
/* Room for blocks 0 .. blocks - 1. False: out of memory. */
bool cycle_reserve(struct cycle *cycle, uint32_t blocks);

/* Operation `op` newly names these blocks, each known by cycle_reserve; count > 0. */
void cycle_observe(struct cycle *cycle, const uint32_t *blocks, size_t count, uint64_t op,
		   uint64_t now_ns);

/* Good enough at guessing, lately, to be acted on? */
bool cycle_predicts(const struct cycle *cycle);
/* Steps until the block is named again, 1 = by the next; CYCLE_NEVER if that is not in sight.
 * Only while cycle_predicts(). */
uint64_t cycle_steps_to(const struct cycle *cycle, uint32_t block);
/* Length of the learnt cycle in names, in operations; 0 = none learnt. */
uint32_t cycle_names(const struct cycle *cycle);
uint64_t cycle_ops(const struct cycle *cycle);

/* The names expected next, in order, one round at most:
 *   for (name = cycle_next(c); cycle_ahead(c, name, &block, &steps); name++) */
uint64_t cycle_next(const struct cycle *cycle);
bool cycle_ahead(const struct cycle *cycle, uint64_t name, uint32_t *block, uint64_t *steps);

#endif
