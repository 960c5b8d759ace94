/* Pure demand paging: a yardstick, because on a cyclic scan larger than the cap it misses
 * every time. */
#include "core/batch.h"
#include "policies.h"

static void lru_use(struct policy *policy, const uint32_t *blocks, size_t count,
		    struct batch *batch)
{
	for (size_t i = 0; i < count; i++)
		batch_page_in(batch, blocks[i], policy->config.cap_bytes, batch_oldest, NULL);
}

const struct policy_kind policy_kind_lru = {
    .pages = true,
    .use = lru_use,
};
