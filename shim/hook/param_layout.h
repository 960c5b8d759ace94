/*
 * How a kernel's parameters lie, as far as pointers go: where in each of them one could be.
 * Owns every layout there is, each once and for ever: few differ, and a launch may be reading
 * one whenever a module goes. Any thread; one lock of its own, the last in rank.
 */
#ifndef LOWTIDE_LAYOUT_H
#define LOWTIDE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_PARAMS_MAX 4096

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->lost = true)
#include <uthash.h>

/* Parameter `index` may hold a pointer at 0, step, 2 * step, ... from its start. */
struct layout_param {
	uint32_t index, step, count;
};

struct layout {
	bool known; /* false: nothing is known of the kernel */
	bool lost;
	size_t count; /* of parameters that are wide enough for a pointer */
	UT_hash_handle hh;
	struct layout_param params[];
};

extern const struct layout layout_unknown;

/* Where pointers may lie in a parameter that is `bytes` wide, `offset` bytes into the packed
 * buffer. count is 0 where there is no room for one. */
struct layout_param layout_param(uint32_t index, size_t offset, size_t bytes);

/* The one layout of these parameters; layout_unknown if memory ran out. */
const struct layout *layout_intern(const struct layout_param *params, size_t count);

void layout_fork_prepare(void);
void layout_fork_done(void);

#endif
