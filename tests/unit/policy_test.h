/*
 * A caller for policies under test: it holds every list of actions against the rules of
 * policy.h and carries it out at once, counting. Blocks are PAGE bytes unless said; time stands
 * still but for one microsecond an operation, or passes as on a card that is told what an
 * operation computes and what a stop costs beside its copies.
 */
#ifndef LOWTIDE_POLICY_TEST_H
#define LOWTIDE_POLICY_TEST_H

#include "policy.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#define PAGE (32ull << 20)
#define RIG_BLOCKS 1024
#define RIG_ACTIONS 4096

struct rig {
	struct policy *policy;
	struct policy_config config;
	struct rig_block {
		bool known, resident, pinned;
		uint64_t bytes;
	} blocks[RIG_BLOCKS];
	uint64_t resident_bytes, now_ns;
	uint64_t hits, misses; /* blocks named and resident, or not, when the operation came */
	uint64_t page_ins, evictions, in_place, batches;
	uint64_t compute_ns, stop_ns; /* 0: time stands still */
	size_t room;		      /* for actions; 0 = RIG_ACTIONS */
	bool refuses;		      /* carries nothing out */
};

static inline struct policy_config rig_config(uint64_t cap_bytes, bool overlap)
{
	return (struct policy_config){
	    .cap_bytes = cap_bytes,
	    .h2d_bytes_per_s = 25e9,
	    .d2h_bytes_per_s = 25e9,
	    .in_place_ratio = 0.6,
	    .switch_ns = 200000,
	    .overlap = overlap,
	};
}

static inline void rig_open(struct rig *rig, const char *name, struct policy_config config)
{
	*rig = (struct rig){.config = config};
	rig->policy = policy_create(name, &rig->config);
	cr_assert(rig->policy != NULL, "policy %s", name);
}

static inline void rig_close(struct rig *rig)
{
	policy_destroy(rig->policy);
}

static inline void rig_add(struct rig *rig, uint32_t block, uint64_t bytes, uint32_t component,
			   uint32_t group)
{
	bool resident = policy_place_on_device(rig->policy, bytes) &&
			rig->resident_bytes + bytes <= rig->config.cap_bytes;

	cr_assert(policy_block_added(rig->policy, block, bytes, component, group, resident,
				     rig->now_ns));
	rig->blocks[block] =
	    (struct rig_block){.known = true, .resident = resident, .bytes = bytes};
	rig->resident_bytes += resident ? bytes : 0;
}

/* Adds it in VRAM, in the place of what the policy offers for it first. False: it offers
 * nothing.
 */
static inline bool rig_add_in_place_of(struct rig *rig, uint32_t block, uint32_t *victim)
{
	struct policy_action actions[RIG_ACTIONS];

	if (!policy_make_place(rig->policy, actions, RIG_ACTIONS))
		return false;
	*victim = actions[0].block;
	cr_assert(actions[0].verb == POLICY_EVICT && rig->blocks[*victim].resident);
	rig->blocks[*victim].resident = false;
	rig->resident_bytes -= rig->blocks[*victim].bytes;
	policy_block_moved(rig->policy, *victim, false);
	rig_add(rig, block, rig->blocks[*victim].bytes, block, 0);
	cr_assert(rig->blocks[block].resident);
	return true;
}

static inline void rig_add_many(struct rig *rig, uint32_t first, uint32_t count, uint32_t group)
{
	for (uint32_t i = 0; i < count; i++)
		rig_add(rig, first + i, PAGE, 0, group);
}

static inline void rig_remove(struct rig *rig, uint32_t block)
{
	if (rig->blocks[block].resident)
		rig->resident_bytes -= rig->blocks[block].bytes;
	rig->blocks[block].known = rig->blocks[block].resident = false;
	policy_block_removed(rig->policy, block);
}

static inline bool rig_names(const uint32_t *blocks, size_t count, uint32_t block)
{
	for (size_t i = 0; i < count; i++)
		if (blocks[i] == block)
			return true;
	return false;
}

/* Holds the list against the rules as it is carried out in thought. */
static inline void rig_check(const struct rig *rig, const struct policy_action *actions,
			     size_t listed, const uint32_t *named, size_t count)
{
	static bool moved[RIG_BLOCKS];
	uint64_t bytes = rig->resident_bytes;
	enum policy_verb last = POLICY_EVICT;

	for (size_t i = 0; i < RIG_BLOCKS; i++)
		moved[i] = false;
	for (size_t i = 0; i < listed; i++) {
		const struct rig_block *block = &rig->blocks[actions[i].block];
		enum policy_verb verb = actions[i].verb;

		cr_assert(actions[i].block < RIG_BLOCKS && block->known, "action on no block");
		cr_assert_not(moved[actions[i].block], "two actions on one block");
		moved[actions[i].block] = true;
		cr_assert(verb == last || (verb == POLICY_PAGE_IN && last == POLICY_EVICT),
			  "evictions come first, then page-ins");
		last = verb;
		cr_assert_not(block->pinned, "a pinned block moves");
		if (verb == POLICY_EVICT) {
			cr_assert(block->resident, "evicts what is cold");
			cr_assert_not(rig_names(named, count, actions[i].block),
				      "evicts what is named");
			bytes -= block->bytes;
			continue;
		}
		cr_assert_not(block->resident, "pages in what is resident");
		bytes += block->bytes;
		cr_assert(bytes <= rig->config.cap_bytes, "pages in past the cap");
	}
}

static inline void rig_do(struct rig *rig, const struct policy_action *actions, size_t listed)
{
	uint64_t moves = rig->page_ins + rig->evictions;

	for (size_t i = 0; i < listed; i++) {
		struct rig_block *block = &rig->blocks[actions[i].block];
		bool in = actions[i].verb == POLICY_PAGE_IN;

		if (rig->refuses)
			continue;
		block->resident = in;
		rig->resident_bytes += in ? block->bytes : -block->bytes;
		rig->page_ins += in;
		rig->evictions += !in;
		policy_block_moved(rig->policy, actions[i].block, in);
	}
	rig->batches += rig->page_ins + rig->evictions > moves;
}

static inline size_t rig_room(const struct rig *rig)
{
	return rig->room ? rig->room : RIG_ACTIONS;
}

/* The moves just made stopped the work; the operation hides its reads in place as far as it
 * computes. */
static inline void rig_pass_time(struct rig *rig, const uint32_t *named, size_t count,
				 uint64_t came, uint64_t stops)
{
	double read_ns = 0, bus = rig->config.h2d_bytes_per_s / 1e9;

	for (size_t i = 0; i < count; i++)
		if (!rig->blocks[named[i]].resident)
			read_ns += (double)rig->blocks[named[i]].bytes / bus /
				   rig->config.in_place_ratio;
	rig->now_ns += stops * rig->stop_ns + (uint64_t)((double)(came * PAGE) / bus);
	rig->now_ns += read_ns > (double)rig->compute_ns ? (uint64_t)read_ns : rig->compute_ns;
}

/* What is named, cold, and not asked to come. */
static inline uint64_t rig_left_in_place(const struct rig *rig, const uint32_t *named,
					 size_t count, const struct policy_action *actions,
					 size_t listed)
{
	uint64_t left = 0;

	for (size_t i = 0; i < count; i++) {
		bool moves = !rig->blocks[named[i]].known || rig->blocks[named[i]].resident;

		for (size_t a = 0; a < listed; a++)
			moves |= actions[a].block == named[i];
		left += !moves;
	}
	return left;
}

static inline void rig_use_many(struct rig *rig, const uint32_t *named, size_t count)
{
	static struct policy_action actions[RIG_ACTIONS];
	uint64_t page_ins = rig->page_ins, batches = rig->batches;
	size_t listed;

	rig->now_ns += 1000;
	for (size_t i = 0; i < count; i++) {
		rig->hits += rig->blocks[named[i]].resident;
		rig->misses += !rig->blocks[named[i]].resident;
	}
	listed = policy_use(rig->policy, named, count, rig->now_ns, actions, rig_room(rig));
	cr_assert(le(sz, listed, rig_room(rig)));
	rig_check(rig, actions, listed, named, count);
	rig->in_place += rig_left_in_place(rig, named, count, actions, listed);
	rig_do(rig, actions, listed);
	if (rig->compute_ns)
		rig_pass_time(rig, named, count, rig->page_ins - page_ins,
			      rig->batches - batches);
}

static inline void rig_use(struct rig *rig, uint32_t block)
{
	rig_use_many(rig, &block, 1);
}

static inline void rig_scan(struct rig *rig, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		rig_use(rig, first + i);
}

static inline void rig_quiet(struct rig *rig)
{
	static struct policy_action actions[RIG_ACTIONS];
	size_t listed = policy_quiet(rig->policy, rig->now_ns, actions, rig_room(rig));

	rig_check(rig, actions, listed, NULL, 0);
	rig_do(rig, actions, listed);
}

/* Returns what was freed. */
static inline uint64_t rig_pressure(struct rig *rig, uint64_t bytes)
{
	static struct policy_action actions[RIG_ACTIONS];
	uint64_t before = rig->resident_bytes;
	size_t listed =
	    policy_pressure(rig->policy, bytes, rig->now_ns, actions, rig_room(rig));

	rig_check(rig, actions, listed, NULL, 0);
	rig_do(rig, actions, listed);
	return before - rig->resident_bytes;
}

static inline void rig_pin(struct rig *rig, uint32_t block, bool pinned)
{
	rig->blocks[block].pinned = pinned;
	policy_block_pinned(rig->policy, block, pinned);
}

static inline void rig_cap(struct rig *rig, uint64_t cap_bytes)
{
	rig->config.cap_bytes = cap_bytes;
	policy_cap_changed(rig->policy, cap_bytes);
}

static inline void rig_forget_counts(struct rig *rig)
{
	rig->hits = rig->misses = 0;
	rig->page_ins = rig->evictions = rig->in_place = rig->batches = 0;
}

static inline struct policy_report rig_report(const struct rig *rig)
{
	struct policy_report report;

	policy_report(rig->policy, &report);
	return report;
}

static inline uint64_t rig_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static inline void rig_rounds(struct rig *rig, int many, uint32_t first, uint32_t count)
{
	for (int i = 0; i < many; i++)
		rig_scan(rig, first, count);
}

#endif
