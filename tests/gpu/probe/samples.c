#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void samples_init(struct samples *s)
{
	memset(s, 0, sizeof(*s));
}

void samples_finish(struct samples *s)
{
	free(s->values);
	samples_init(s);
}

void samples_add(struct samples *s, double value)
{
	if (!isfinite(value))
		return;
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		double *grown = realloc(s->values, room * sizeof(*grown));

		if (!grown) {
			s->lost = true;
			return;
		}
		s->values = grown;
		s->room = room;
	}
	s->values[s->count++] = value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(const struct samples *s, double share)
{
	double at = share * (double)(s->count - 1);
	size_t low = (size_t)at;

	if (low + 1 >= s->count)
		return s->values[s->count - 1];
	return s->values[low] + (at - (double)low) * (s->values[low + 1] - s->values[low]);
}

static void sort(struct samples *s)
{
	qsort(s->values, s->count, sizeof(*s->values), by_value);
}

double samples_percentile(struct samples *s, double share)
{
	if (!s->count)
		return 0;
	sort(s);
	return percentile(s, share);
}

struct summary samples_summarise(struct samples *s)
{
	if (!s->count)
		return (struct summary){0};
	sort(s);
	return (struct summary){.median = percentile(s, 0.5),
				.p25 = percentile(s, 0.25),
				.p75 = percentile(s, 0.75),
				.p99 = percentile(s, 0.99),
				.max = s->values[s->count - 1],
				.n = s->count};
}

double rounds_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

bool rounds_more(struct rounds *r)
{
	if (!r->done)
		r->began_ms = rounds_now_ms();
	if (r->done >= r->most ||
	    (r->done >= r->least && rounds_now_ms() - r->began_ms > r->budget_ms))
		return false;
	r->done++;
	return true;
}
