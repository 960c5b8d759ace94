/*
 * What is behind `struct policy`: the blocks, the learner, what each row remembers, and the
 * vtable that a row of policies.def is. All state is here, none is global, and a row may act
 * for another (auto does) without anything being carried over.
 *
 * Private to policy/; guarded by the caller's lock.
 */
#ifndef LOWTIDE_POLICY_STATE_H
#define LOWTIDE_POLICY_STATE_H

#include "core/cycle.h"
#include "policy.h"
#include "core/table.h"

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

/* After one that changes the set. */
#define MODE_TRIAL_ROUNDS 3

struct balanced_mode {
	bool streams; /* now, although moves stop the work */
	bool trying;  /* no verdict yet */
	bool verdict; /* for what stands below: no trial */
	uint32_t names;
	uint64_t limit_bytes, known_bytes;
	uint32_t trials; /* begun */
	uint32_t rounds; /* without a move; of the trial; of streaming that was slow */
	uint64_t static_ns,
	    last_ns; /* of rounds without a move: what one takes, and the last */
	uint64_t trial_ns[MODE_TRIAL_ROUNDS]; /* of the trial */
	uint64_t moves;			      /* asked for so far, when the round began */
};

struct balanced_state {
	struct balanced_mode mode; /* mode.c */
	uint64_t starts;	   /* cycle.starts when the cycle was last looked at */
	uint32_t credit;      /* scan_resistant: blocks read in place that pay for a swap */
	uint32_t ready;	      /* scan_resistant: swaps put off until they are worth a window */
	bool static_set_due;  /* static_set: the set has not been held against the cycle yet */
	bool quiet_seen;      /* in this round: the next one will have a free window too */
	bool set_chosen;      /* blocks are marked kept */
	uint64_t kept_bytes;  /* resident_set: the target's size */
	uint64_t fingerprint; /* resident_set: what the target was computed from */
	uint64_t turns;	      /* resident_set: given out so far */
};

struct group_state {
	/* The last decision that found nothing left to do. */
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
	uint64_t widest_bytes; /* that one operation named since the last review */
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
