/*
 * The learner: it predicts what the work names next from what it named before. A step is one
 * operation that newly names blocks. All steps are written to a history. A table maps the last
 * few steps to the place where the same ones stood in the history before; a follower starts
 * there, and with each new step goes one step on. While the steps it comes to are like those
 * that happen, what followed then is the prediction; this works across phases of different
 * length. A cycle is learnt once the follower has been right for a whole round.
 *
 * Owned by struct policy, guarded by the caller's lock. Steps and names are numbered from 1
 * and for ever; the history holds the last of them. Only cycle_init and cycle_reserve
 * allocate.
 */
#ifndef LOWTIDE_POLICY_CYCLE_H
#define LOWTIDE_POLICY_CYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CYCLE_NEVER UINT64_MAX

struct cycle_step {
	uint64_t hash;	/* of the set of blocks named */
	uint64_t first; /* the number of its first name */
	uint64_t op;
	uint32_t count;
};

struct cycle_name {
	uint64_t step;
	uint64_t before; /* number of the same block's name before this one; 0 = none */
	uint64_t after;	 /* and of the one after it */
	uint32_t block;
};

struct cycle {
	struct cycle_step *steps;
	struct cycle_name *names;
	uint64_t
	    *contexts;	/* hash of the last steps -> number of the step that last ended them */
	uint64_t *last; /* block -> number of its last name; 0 = none */
	uint64_t *upcoming; /* block -> name found to be the next expected; a hint */
	uint32_t last_capacity;
	uint64_t step, name; /* numbers of the newest */

	uint64_t at;	   /* the follower: the past step that matches the newest; 0 = lost */
	uint64_t followed; /* steps it has gone at this distance from the newest */
	uint64_t record;   /* one bit a guess, the newest lowest: was it right? */
	uint32_t misses;   /* wrong guesses in a row */
	/* The distance to the nearest repeat of the last steps, and for how many steps it
	 * has been the same. */
	uint64_t near_distance, near_run;

	uint64_t length;     /* of the learnt cycle in steps; 0 = none */
	uint64_t starts;     /* rounds begun so far, of all cycles */
	uint64_t rounds;     /* rounds begun so far, of this cycle */
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

/* Were the last guesses right often enough to act on the next ones? */
bool cycle_predicts(const struct cycle *cycle);
/* How many steps ahead the block is expected to be named again, 1 = by the next step;
 * CYCLE_NEVER: it is not expected. Only while cycle_predicts(). */
uint64_t cycle_steps_to(const struct cycle *cycle, uint32_t block);
/* The learnt cycle's length in names, and in operations; 0 = none is learnt. */
uint32_t cycle_names(const struct cycle *cycle);
uint64_t cycle_ops(const struct cycle *cycle);

/* Walks the names expected next, in order, one round at most:
 *   for (name = cycle_next(c); cycle_ahead(c, name, &block, &steps); name++) */
uint64_t cycle_next(const struct cycle *cycle);
bool cycle_ahead(const struct cycle *cycle, uint64_t name, uint32_t *block, uint64_t *steps);

#endif
