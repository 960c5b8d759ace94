/*
 * Runs a trial in a process of its own and gathers what it tells, so that one that crashes,
 * hangs or loses its context says why and the others go on. This process never opens a driver.
 */
#ifndef PROBE_RUNNER_H
#define PROBE_RUNNER_H

#include <jansson.h>
#include <stdbool.h>

struct run {
	const char *driver; /* a path, or a name for dlopen */
	int device;
	bool quick;
};

/* {"name", "question", "status", "why", "figures", "facts", "checks"}; owned by the caller. A
 * failed check makes the trial failed. NULL: out of memory. */
json_t *runner_run(const struct run *how, const char *name, const char *question,
		   double limit_s);

#endif
