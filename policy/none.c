/* Nothing is paged: where `pages` is false, policy.c asks for no decision. The caller
 * refuses what does not fit under the cap. */
#include "policies.h"

static bool none_place_on_device(const struct policy *policy, uint64_t bytes)
{
	(void)policy, (void)bytes;
	return true;
}

const struct policy_kind policy_kind_none = {.pages = false,
					     .place_on_device = none_place_on_device};
