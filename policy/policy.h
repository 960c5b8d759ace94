/*
 * Decisions: which blocks should be in VRAM. Events in, actions out; nothing else.
 *
 * A policy knows blocks by small integer ids that the caller chooses (dense, reused after
 * removal), their sizes, the component and group each belongs to, and what it is told happened.
 * It never sees an address, a clock, a lock or a file: time arrives as `now_ns`, and the caller
 * executes the actions and reports their effect with policy_block_moved(). The same object code
 * decides in the preloaded library and in the replay.
 *
 * Contract for the whole interface: pointers are never NULL unless said; functions are total
 * (they cannot fail, except policy_create and policy_block_added, which allocate); one policy
 * belongs to one device and is guarded by the caller's lock. Nothing is allocated on the
 * decision path (use, tick, pressure).
 */
#ifndef LOWTIDE_POLICY_H
#define LOWTIDE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct policy;

enum policy_verb {
	POLICY_PAGE_IN, /* move the block to VRAM; the caller skips it if no frame is free by
			   then */
	POLICY_EVICT,	/* move the block to its host frame */
};

/* Executed in order: a policy lists the evictions that make room before the page-ins that need
 * it. */
struct policy_action {
	enum policy_verb verb;
	uint32_t block;
};

/* What the policy decides under. Bytes, bytes per second, ratios; immutable after
 * policy_create. */
struct policy_config {
	uint64_t cap_bytes;	/* VRAM that device frames may take, all together */
	uint64_t low_bytes;	/* balanced: evict down to this mark once above high_bytes */
	uint64_t high_bytes;	/* balanced: nothing moves below this; 0 = cap_bytes */
	double h2d_bytes_per_s; /* bus rate towards the device */
	double d2h_bytes_per_s; /* bus rate towards the host */
	double in_place_ratio;	/* zero-copy rate as a share of h2d_bytes_per_s, 0..1; 0 = never
				   in place */
	double switch_ns;	/* price of changing one block's home, both directions alike */
	bool overlap;		/* moves run beside the work; false: each batch of moves stops
				   all work for as long as its copies take (strict) */
};

/* Counts since creation, for reports. */
struct policy_report {
	const char *name;   /* of the policy that decides now (auto names its choice) */
	const char *reason; /* one sentence: why (auto), or the policy's own description */
	uint64_t page_ins;  /* actions asked for, by verb */
	uint64_t evictions;
	uint32_t cycle_blocks; /* length of the learnt cycle in blocks named; 0 = none learnt */
	uint64_t cycle_ns;     /* time between the last two starts of the cycle; 0 = unknown */
};

/* The registry, from policies.def: NULL past the end. */
const char *policy_name(size_t index);
const char *
policy_description(const char *name); /* one line; NULL if there is no such policy */

/* NULL: no such policy (see policy_name) or out of memory. */
struct policy *policy_create(const char *name, const struct policy_config *config);
void policy_destroy(struct policy *policy); /* NULL is fine */

/* A block exists from now on. `group` is 0 when unknown. False: out of memory, the block stays
 * unknown to the policy, which then never names it. `resident`: where it starts. */
bool policy_block_added(struct policy *policy, uint32_t block, uint64_t bytes,
			uint32_t component, uint32_t group, bool resident, uint64_t now_ns);
void policy_block_removed(struct policy *policy, uint32_t block);
/* The caller has moved the block, or failed to: it is where `resident` says. */
void policy_block_moved(struct policy *policy, uint32_t block, bool resident);
/* The block may not be moved (captured graph, registration), or may be again. */
void policy_block_pinned(struct policy *policy, uint32_t block, bool pinned);
/* A copy from the host has filled the block, not a kernel: it is likely a weight. */
void policy_block_uploaded(struct policy *policy, uint32_t block, uint64_t now_ns);
void policy_block_grouped(struct policy *policy, uint32_t block, uint32_t group);
/* The cap has changed, because something that cannot page took VRAM or gave it back. */
void policy_cap_changed(struct policy *policy, uint64_t cap_bytes);

/* Where should a new block of so many bytes begin? True: VRAM, if the caller has a frame free.
 */
bool policy_place_on_device(const struct policy *policy, uint64_t bytes);

/* A new block found no room in VRAM. Lists evictions that would make room, best victims
 * first: the caller carries out as few as serve, or none. 0: all that is resident deserves
 * VRAM more. */
size_t policy_make_place(struct policy *policy, struct policy_action *actions, size_t max);

/* An operation names these blocks (each once). Writes at most `max` actions, returns how many.
 * The caller asks before the operation runs and may execute none of them. A block named and not
 * resident, with no action for it, is used in place. */
size_t policy_use(struct policy *policy, const uint32_t *blocks, size_t count, uint64_t now_ns,
		  struct policy_action *actions, size_t max);
/* Nothing is running (the program synchronised): a good moment for moves that were put off. */
size_t policy_quiet(struct policy *policy, uint64_t now_ns, struct policy_action *actions,
		    size_t max);
/* Something that cannot page needs `bytes` of VRAM. Lists evictions, best victims first,
 * that free at least so much if that is possible. */
size_t policy_pressure(struct policy *policy, uint64_t bytes, uint64_t now_ns,
		       struct policy_action *actions, size_t max);

void policy_report(const struct policy *policy, struct policy_report *report);

#endif
