/* Pure demand paging: what is named comes in, what was named longest ago goes. On a cycle
 * longer than the cap it misses every time, which is why it is only the reference. */
#include "table.h"

static void use(struct policy *policy, const uint32_t *blocks, size_t count,
		struct batch *batch)
{
	for (size_t i = 0; i < count; i++) {
		const struct block *block = block_of(policy, blocks[i]);

		if (block && !block->resident && batch_make_room(policy, batch, block->bytes))
			batch_page_in(policy, batch, blocks[i]);
	}
}

const struct verbs policy_lru = {.use = use, .moves = true};
