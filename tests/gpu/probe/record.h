/*
 * What a trial's process has told, line by line (answer.h), as one JSON object: {"name",
 * "question", "status", "why", "figures", "facts", "checks"}. One thread.
 */
#ifndef PROBE_RECORD_H
#define PROBE_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct record {
	json_t *trial;	/* the caller's, in the end */
	char step[256]; /* what it said it was at */
	bool ended;	/* it said how it ended */
	bool check_failed;
};

/* How the process ended. */
struct ending {
	bool in_time, reaped;
	int status; /* of waitpid, if reaped */
	double limit_s;
};

json_t *record_new(const char *name, const char *question); /* NULL: out of memory */
/* A line without its end; what is not one of ours is passed over. */
void record_take(struct record *record, const char *line, size_t bytes);
/* Nothing more comes. NULL: there never was a process. A check that does not hold makes the
 * trial a failed one, as does a process that did not say how it ended. */
void record_end(struct record *record, const struct ending *ending);

#endif
