#include "trials.h"

#include <string.h>

const struct trial probe_trials[] = {
#define TRIAL(name, group, limit_s, quick_limit_s, question)                                   \
	{#name, group, limit_s, quick_limit_s, trial_##name, question},
#include "trials.def"
#undef TRIAL
};
const size_t probe_trial_count = sizeof(probe_trials) / sizeof(probe_trials[0]);

const struct trial *trial_named(const char *name)
{
	for (size_t i = 0; i < probe_trial_count; i++)
		if (!strcmp(probe_trials[i].name, name))
			return &probe_trials[i];
	return NULL;
}
