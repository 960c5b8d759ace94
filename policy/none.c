/* Nothing is paged. policy_use and its kin ask no further when `pages` is false; what does not
 * fit under the cap is the caller's to refuse. */
#include "policies.h"

static bool none_place_on_device(const struct policy *policy, uint64_t bytes)
{
	(void)policy, (void)bytes;
	return true;
}

const struct policy_kind policy_kind_none = {.pages = false,
					     .place_on_device = none_place_on_device};
