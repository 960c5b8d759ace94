#include "hook/param_layout.h"

#include "base/lock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MOST 4

const struct param_layout param_layout_unknown = {.known = false};

static struct lock lock = LOCK(RANK_PARAM_LAYOUTS);
static struct param_layout
    *layouts; /* guarded by lock; what it holds is immutable, never freed */

/* A struct by value is as aligned as its widest member. One whose place or size is no multiple
 * of 8 can only hold a pointer off its natural alignment: it is packed, and packing to N leaves
 * its size a multiple of N. So steps of what divides both find every pointer of such structs,
 * and steps of 4 those of structs packed to 4 whose size does not tell. */
struct param_layout_words param_layout_words(uint32_t index, size_t offset, size_t bytes)
{
	size_t both = offset | bytes, step = both & (~both + 1);

	if (bytes < 8)
		return (struct param_layout_words){index, 8, 0};
	if (bytes == 8 && offset % 8 == 0)
		return (struct param_layout_words){index, 8, 1};
	if (step > STEP_MOST)
		step = STEP_MOST;
	return (struct param_layout_words){index, (uint32_t)step,
					   (uint32_t)((bytes - 8) / step + 1)};
}

const struct param_layout *param_layout_intern(const struct param_layout_words *params,
					       size_t count)
{
	static const struct param_layout_words none[1];
	const void *key = count ? params : none;
	/* Of none, the key is one of zeroes: no key is empty. */
	size_t key_bytes = (count ? count : 1) * sizeof(*params);
	struct param_layout *layout;

	lock_take(&lock);
	HASH_FIND(hh, layouts, key, key_bytes, layout);
	if (!layout) {
		layout = calloc(1, sizeof(*layout) + key_bytes);
		if (layout) {
			layout->known = true;
			layout->count = count;
			memcpy(layout->params, key, key_bytes);
			HASH_ADD(hh, layouts, params[0], key_bytes, layout);
			if (layout->lost) {
				free(layout);
				layout = NULL;
			}
		}
	}
	lock_give(&lock);
	return layout ? layout : &param_layout_unknown;
}

void param_layout_fork_prepare(void)
{
	lock_take(&lock);
}

void param_layout_fork_done(void)
{
	lock_give(&lock);
}
