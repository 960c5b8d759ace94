/*
 * How a kernel's parameters lie, as far as pointers go: where in each of them one could be.
 * Owns every layout there is, each once and for ever: few differ, and a launch may be reading
 * one whenever a module goes. Any thread; one lock of its own.
 */
#ifndef LOWTIDE_PARAM_LAYOUT_H
#define LOWTIDE_PARAM_LAYOUT_H

#include "base/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARAM_LAYOUT_MOST 4096

/* Parameter `index` may hold a pointer at 0, step, 2 * step, ... from its start. */
struct param_layout_words {
	uint32_t index, step, count;
};

struct param_layout {
	bool known; /* false: nothing is known of the kernel */
	bool lost;
	size_t count; /* of parameters that are wide enough for a pointer */
	UT_hash_handle hh;
	struct param_layout_words params[];
};

extern const struct param_layout param_layout_unknown;

/* Where pointers may lie in a parameter that is `bytes` wide, `offset` bytes into the packed
 * buffer. count is 0 where there is no room for one. */
struct param_layout_words param_layout_words(uint32_t index, size_t offset, size_t bytes);

/* The one layout of these parameters; param_layout_unknown if memory ran out. */
const struct param_layout *param_layout_intern(const struct param_layout_words *params,
					       size_t count);

void param_layout_fork_prepare(void);
void param_layout_fork_done(void);

#endif
