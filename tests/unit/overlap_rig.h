/* Moves beside the program's work, on the rig: what their tests share. */
#ifndef OVERLAP_RIG_H
#define OVERLAP_RIG_H

#include "moves_rig.h"
#include "move/overlap.h"
#include "pager/pager_internal.h"
#include "move/transfer.h"

static inline void overlap_start(void)
{
	rig_start();
	fences_init(&rig.pager.mover.fences);
	rig.pager.mover.overlap = overlap_create();
	cr_assert(rig.pager.mover.overlap != NULL);
}

/* Named by launches often enough that nothing else is likely to reach it. */
static inline uint32_t known_component(size_t count, unsigned int size_class,
				       enum block_home home, uint64_t content)
{
	uint32_t first = rig_component(count, size_class, home, content);

	rig.pager.memory.table.components[rig_block(first)->component].named = 100;
	return first;
}

static inline struct component *component_of(uint32_t id)
{
	return &rig.pager.memory.table.components[rig_block(id)->component];
}

static inline size_t want(enum policy_verb verb, uint32_t first, size_t count)
{
	struct policy_action actions[RIG_BLOCKS];

	for (uint32_t i = 0; i < count; i++)
		actions[i] = (struct policy_action){.verb = verb, .block = first + i};
	return overlap_want(&rig.pager.mover, actions, count);
}

static inline enum transfer_state way_of(uint32_t id)
{
	return rig_block(id)->transfer
		   ? rig.pager.mover.overlap->transfers[rig_block(id)->transfer - 1].state
		   : TRANSFER_NONE;
}

static inline void step(void)
{
	overlap_step(&rig.pager.mover);
}

/* Until nothing is on its way: the GPU has time between steps. */
static inline void step_to_the_end(void)
{
	for (int i = 0; overlap_busy(&rig.pager.mover) && i < 200; i++) {
		step();
		rig_run();
	}
	cr_assert_not(overlap_busy(&rig.pager.mover));
}

/* In, as it would come: hashed. */
static inline uint32_t resident_and_hashed(size_t count, uint64_t content)
{
	uint32_t b = known_component(count, 1, HOME_HOST, content);

	want(POLICY_PAGE_IN, b, count);
	step_to_the_end();
	for (uint32_t i = 0; i < count; i++) {
		CHECK_HOME(b + i, HOME_DEVICE);
		cr_assert(rig_block(b + i)->hashed);
	}
	return b;
}

#endif
