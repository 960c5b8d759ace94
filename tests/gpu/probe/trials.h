/*
 * The trials, one row each in trials.def, and the two functions that come before them.
 * Each runs in a process of its own and ends it (answer.h), or returns when it is done.
 */
#ifndef PROBE_TRIALS_H
#define PROBE_TRIALS_H

#include "gpu.h"

struct trial {
	const char *name;
	int group; /* of the questions in tests/gpu/README.md */
	unsigned int limit_s, quick_limit_s;
	void (*run)(struct gpu *g);
	const char *question;
};
extern const struct trial probe_trials[];
extern const size_t probe_trial_count;
const struct trial *trial_named(const char *name); /* NULL: there is none */

_Noreturn void identity(int ordinal); /* what device and machine this is; no context is made */
/* Through MPS: a fault would end other people's work too. */
bool device_is_shared(const struct gpu *g);

/* Before the context that trial_memory is to weigh is made. */
void memory_note_before(const struct gpu *g);

#define TRIAL(name, group, limit_s, quick_limit_s, question) void trial_##name(struct gpu *g);
#include "trials.def"
#undef TRIAL

#endif
