/*
 * Numbers measured again and again, and what is said of them: median, quartiles, the 99th
 * percentile, the largest. The memory is the caller's: samples_init and samples_finish bracket
 * its use. One thread at a time.
 */
#ifndef PROBE_SAMPLES_H
#define PROBE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

struct samples {
	double *values; /* in the order they came, until summarised */
	size_t count, room;
	bool lost; /* out of memory: some are not in `values` */
};

struct summary {
	double median, p25, p75, p99, max;
	size_t n; /* 0: the rest means nothing */
};

void samples_init(struct samples *s);
void samples_finish(struct samples *s);
void samples_add(struct samples *s, double value); /* what is not finite is not kept */

/* Percentiles lie between two samples, in proportion. Sorts the values. */
struct summary samples_summarise(struct samples *s);
/* At most `share` of them, from 0 to 1, are smaller. Sorts the values; 0 of none. */
double samples_percentile(struct samples *s, double share);

/* A loop that measures: go on while it says so. The first call starts the clock (the machine's
 * own: it bounds the run, it measures nothing). At least `least` rounds, then until `most` or
 * until the budget is spent. */
struct rounds {
	size_t least, most, done;
	double budget_ms, began_ms;
};
bool rounds_more(struct rounds *r);
double rounds_now_ms(void);

#endif
