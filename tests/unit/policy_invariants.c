/* Any stream of events, any row: the lists keep the rules of policy.h (rig_check holds them).
 */
#include "policy_test.h"

#include <string.h>

#define LIVE 96

struct walk {
	struct rig rig;
	uint64_t seed;
	uint32_t scan_at;
};

static uint64_t below(struct walk *walk, uint64_t bound)
{
	return rig_random(&walk->seed) % bound;
}

static void add_one(struct walk *walk)
{
	uint32_t block = (uint32_t)below(walk, LIVE);
	uint64_t sizes[] = {2 << 20, 16 << 20, PAGE, PAGE, PAGE};

	if (!walk->rig.blocks[block].known)
		rig_add(&walk->rig, block, sizes[below(walk, 5)], block / 16,
			(uint32_t)below(walk, 4));
}

/* Part random, part a scan in order, so that the learner has something to be wrong about. */
static void use_some(struct walk *walk)
{
	uint32_t named[8], block;
	size_t count = 0, wanted = 1 + below(walk, 6);
	bool scans = below(walk, 8) != 0;

	while (count < wanted) {
		block = scans ? walk->scan_at++ % LIVE : (uint32_t)below(walk, LIVE);
		if (!rig_names(named, count, block) && walk->rig.blocks[block].known)
			named[count++] = block;
		else if (!scans || below(walk, 4) == 0)
			break;
	}
	if (count)
		rig_use_many(&walk->rig, named, count);
}

static void step(struct walk *walk)
{
	struct rig *rig = &walk->rig;
	uint32_t block = (uint32_t)below(walk, LIVE);

	switch (below(walk, 64)) {
	case 0:
	case 1:
		if (rig->blocks[block].known && !rig->blocks[block].pinned)
			rig_remove(rig, block);
		break;
	case 2:
	case 3:
		add_one(walk);
		break;
	case 4:
		if (rig->blocks[block].known)
			rig_pin(rig, block, !rig->blocks[block].pinned && below(walk, 3) == 0);
		break;
	case 5:
		rig_quiet(rig);
		break;
	case 6:
		rig_pressure(rig, below(walk, 8) * PAGE);
		break;
	case 7:
		rig_cap(rig, (8 + below(walk, 60)) * PAGE);
		break;
	case 8:
		policy_block_grouped(rig->policy, block, (uint32_t)below(walk, 5));
		policy_block_uploaded(rig->policy, block, rig->now_ns);
		break;
	case 9:
		rig->room = below(walk, 2) ? 0 : 1 + below(walk, 5);
		break;
	case 10:
		rig->refuses = below(walk, 4) == 0;
		break;
	default:
		use_some(walk);
	}
}

static void random_events(const char *name, bool overlap, double ratio, uint64_t seed)
{
	static struct walk walk;
	struct policy_config config = rig_config(40 * PAGE, overlap);

	config.in_place_ratio = ratio;
	walk = (struct walk){.seed = seed * 2654435761u + 1};
	if (seed % 3 == 0) {
		config.high_bytes = 30 * PAGE;
		config.low_bytes = 25 * PAGE;
	}
	rig_open(&walk.rig, name, config);
	for (uint32_t i = 0; i < LIVE; i++)
		add_one(&walk);
	for (int i = 0; i < 8000; i++)
		step(&walk);
	rig_close(&walk.rig);
}

Test(rules, hold_for_every_row_under_random_events)
{
	for (size_t row = 0; policy_name(row); row++)
		for (uint64_t seed = 1; seed <= 12; seed++) {
			random_events(policy_name(row), false, 0.6, seed);
			random_events(policy_name(row), true, 0.6, seed);
			random_events(policy_name(row), seed % 2, 0, seed);
		}
}

Test(rules, leave_decisions_to_the_caller_who_may_do_nothing)
{
	for (size_t row = 0; policy_name(row); row++) {
		struct rig rig;
		struct policy_action actions[64];

		rig_open(&rig, policy_name(row), rig_config(4 * PAGE, true));
		rig_add_many(&rig, 0, 8, 0);
		rig.refuses = true;
		for (int i = 0; i < 10; i++)
			rig_scan(&rig, 0, 8);
		for (uint32_t i = 0; i < 4; i++)
			cr_assert(rig.blocks[i].resident);
		/* The same question has the same answer while nothing is carried out. */
		if (!strcmp(policy_name(row), "lru"))
			for (int i = 0; i < 3; i++)
				cr_assert(eq(sz, 2,
					     policy_use(rig.policy, (uint32_t[]){7}, 1, 0,
							actions, 64)));
		rig_close(&rig);
	}
}

Test(rules, let_an_id_be_used_again_for_another_block)
{
	struct rig rig;

	rig_open(&rig, "lru", rig_config(4 * PAGE, true));
	rig_add_many(&rig, 0, 6, 0);
	rig_remove(&rig, 0);
	rig_add(&rig, 0, 2 * PAGE, 1, 0);
	cr_assert_not(rig.blocks[0].resident, "three pages are in use, two do not fit");
	rig_use(&rig, 0);
	cr_assert(rig.blocks[0].resident);
	cr_assert(eq(u64, rig.evictions, 1));
	rig_close(&rig);
}

Test(rules, ignore_what_they_do_not_know)
{
	for (size_t row = 0; policy_name(row); row++) {
		struct policy_config config = rig_config(4 * PAGE, true);
		struct policy *policy = policy_create(policy_name(row), &config);
		struct policy_action actions[4];

		policy_block_removed(policy, 7);
		policy_block_moved(policy, 1u << 30, true);
		policy_block_pinned(policy, 9, true);
		policy_block_uploaded(policy, 9, 0);
		policy_block_grouped(policy, 9, 3);
		cr_assert(
		    eq(sz, 0, policy_use(policy, (uint32_t[]){5, 1u << 30}, 2, 0, actions, 4)));
		cr_assert(eq(sz, 0, policy_quiet(policy, 0, actions, 4)));
		cr_assert(eq(sz, 0, policy_pressure(policy, PAGE, 0, actions, 4)));
		policy_destroy(policy);
	}
	policy_destroy(NULL);
}

Test(rules, cut_a_list_where_it_is_still_true)
{
	for (size_t room = 1; room <= 6; room++) {
		struct rig rig;

		rig_open(&rig, "lru", rig_config(8 * PAGE, true));
		rig_add_many(&rig, 0, 8, 0);
		rig_add(&rig, 8, 3 * PAGE, 1, 0);
		rig_scan(&rig, 0, 8);
		rig.room = room;
		rig_use(&rig, 8);
		cr_assert(eq(u64, rig.page_ins, room >= 4), "room for %zu", room);
		cr_assert(eq(u64, rig.evictions, room >= 4 ? 3 : 0), "room for %zu", room);
		cr_assert(eq(u64, rig.in_place, room < 4), "room for %zu", room);
		rig_close(&rig);
	}
}

Test(registry, lists_every_row_once_with_its_description)
{
	size_t rows = 0;

	for (; policy_name(rows); rows++) {
		cr_assert(policy_description(policy_name(rows)) != NULL);
		for (size_t i = 0; i < rows; i++)
			cr_assert(strcmp(policy_name(i), policy_name(rows)) != 0);
	}
	cr_assert(eq(sz, rows, 6));
	cr_assert_not(policy_name(rows + 1000));
	cr_assert_not(policy_description("fifo"));
	cr_assert_not(policy_create("", &(struct policy_config){.cap_bytes = 1}));
}
