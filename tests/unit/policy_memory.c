/* Every allocation of policy/ fails once: what then is told, and that all else is as it was. */
#include "policy_test.h"

#include <stdlib.h>

void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *was, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *was, size_t bytes);

static int fails_at; /* the nth from now; 0: none */

static bool fails(void)
{
	return fails_at && !--fails_at;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *was, size_t bytes)
{
	return fails() ? NULL : __real_realloc(was, bytes);
}

Test(memory, that_is_short_makes_no_policy)
{
	struct policy_config config = rig_config(4 * PAGE, true);
	struct policy *policy;
	int nth = 1;

	for (;; nth++) {
		fails_at = nth;
		policy = policy_create("lru", &config);
		if (policy)
			break;
		cr_assert(zero(int, fails_at), "allocation %d", nth);
	}
	cr_assert(ge(int, nth, 4), "some failed");
	policy_destroy(policy);
}

Test(memory, that_is_short_leaves_a_block_unknown)
{
	struct policy_action actions[8];
	int nth = 1;

	for (bool added = false; !added; nth++) {
		struct rig rig;

		fails_at = 0;
		rig_open(&rig, "lru", rig_config(4 * PAGE, true));
		rig_add_many(&rig, 0, 4, 0);
		fails_at = nth;
		/* Past what there is room for. */
		added = policy_block_added(rig.policy, 5000, PAGE, 0, 0, false, 0);
		fails_at = 0;
		if (!added) {
			cr_assert(
			    eq(sz, 0,
			       policy_use(rig.policy, (uint32_t[]){5000}, 1, 0, actions, 8)));
			/* It is tried again. */
			cr_assert(policy_block_added(rig.policy, 5000, PAGE, 0, 0, false, 0));
		}
		rig_close(&rig);
	}
	cr_assert(ge(int, nth, 6), "some failed");
}
