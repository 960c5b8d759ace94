/*
 * What is behind `struct policy`: the table of blocks, the learner, what each policy
 * remembers, and the vtable that each policy is. All state is here, none is global, so that
 * one policy may act for another (auto does) without anything being copied.
 *
 * Private to policy/; guarded by the caller's lock.
 */
#ifndef LOWTIDE_POLICY_STATE_H
#define LOWTIDE_POLICY_STATE_H

#include "core/cycle.h"
#include "core/table.h"
#include "policy.h"

struct batch;

struct policy_kind {
	bool pages; /* false: decides nothing, ever */
	void (*use)(struct policy *policy, const uint32_t *blocks, size_t count,
		    struct batch *batch);
	void (*quiet)(struct policy *policy, struct batch *batch); /* NULL: nothing put off */
	/* NULL: a new block begins in VRAM while it fits under the cap. */
	bool (*place_on_device)(const struct policy *policy, uint64_t bytes);
	/* NULL: what is in VRAM stays there. */
	void (*make_place)(struct policy *policy, struct batch *batch);
};

/* Rounds that a trial of streaming is timed for. The one before them, in which the resident
 * set changes, is not. */
#define MODE_TRIAL_ROUNDS 3

struct balanced_mode {
	bool streams; /* the current rounds stream, although moves stop the work */
	bool trying;  /* a trial of streaming is running: no verdict yet */
	bool verdict; /* measured; while the next three hold, there is no other trial */
	uint32_t names;
	uint64_t limit_bytes, known_bytes;
	uint32_t trials; /* begun so far, up to MOST_DOUBLINGS */
	/* Static: those without a move. In a trial: those since it began. Streaming: slow
	 * ones in a row. */
	uint32_t rounds;
	uint64_t static_ns, last_ns; /* a round without a move: what one takes; the last one */
	uint64_t trial_ns[MODE_TRIAL_ROUNDS]; /* what each round of the trial took */
	uint64_t moves;			      /* page_ins + evictions when the round began */
};

struct balanced_state {
	struct balanced_mode mode; /* mode.c */
	uint64_t starts;	   /* cycle.starts when the cycle was last looked at */
	uint32_t credit;     /* scan_resistant: blocks read in place that pay for a swap */
	uint32_t ready;	     /* scan_resistant: swaps put off until they are worth a window */
	bool static_set_due; /* static_set: its moves wait for the program to synchronise */
	bool quiet_seen; /* the program synchronised in this round, and so will in the next */
	bool set_chosen; /* resident_set: blocks are marked kept */
	uint64_t kept_bytes;  /* resident_set: what must stay: the marked blocks, and what the
				 round does not name but works with */
	uint64_t fingerprint; /* resident_set: of what the marks were computed from */
	uint64_t turns;	      /* resident_set: given out so far */
};

struct group_state {
	/* The groups named by the last use that had nothing left to move, and table.changes
	 * then: while both are the same, there is nothing to look for. */
	uint64_t idle_key;
	uint64_t idle_changes;
	uint64_t starts;	/* cycle.starts when groups were last looked at */
	uint64_t split_changes; /* table.changes after that */
	uint32_t phases;	/* groups made of learnt rounds */
};

#define AUTO_PHASES 8

struct auto_phase {
	uint32_t group;
	uint32_t names;
};

struct auto_state {
	const char *reason;
	uint64_t starts; /* cycle.starts at the last review */
	uint64_t reviewed_op;
	uint64_t widest_bytes; /* the most that one operation named since the last review */
	struct auto_phase phases[AUTO_PHASES]; /* [phase % AUTO_PHASES] is the running one */
	uint64_t phase;
};

struct policy {
	const struct policy_kind *kind;	  /* as asked for */
	const struct policy_kind *acting; /* what decides now; differs for auto only */
	struct policy_config config;
	struct table table;
	struct cycle cycle;
	struct balanced_state balanced;
	struct group_state group;
	struct auto_state chooser;
	uint64_t page_ins, evictions; /* asked for */
};

#endif
