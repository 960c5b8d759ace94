/* The probe's statistics. */
#include "samples.h"

#include <criterion/criterion.h>
#include <math.h>

static struct summary of(const double *values, size_t count)
{
	struct summary sum;
	struct samples s;

	samples_init(&s);
	for (size_t i = 0; i < count; i++)
		samples_add(&s, values[i]);
	sum = samples_summarise(&s);
	samples_finish(&s);
	return sum;
}

static void is(double got, double want, const char *what)
{
	cr_assert_lt(fabs(got - want), 1e-12, "%s: got %.17g, want %.17g", what, got, want);
}

Test(samples, of_nothing_are_none)
{
	cr_assert_eq(of(NULL, 0).n, 0);
}

Test(samples, one_is_its_own_summary)
{
	struct summary s = of((double[]){7}, 1);

	is(s.median, 7, "median");
	is(s.p25, 7, "p25");
	is(s.p75, 7, "p75");
	is(s.p99, 7, "p99");
	is(s.max, 7, "max");
	cr_assert_eq(s.n, 1);
}

Test(samples, percentiles_do_not_depend_on_the_order)
{
	double up[] = {1, 2, 3, 4, 5}, mixed[] = {4, 1, 5, 3, 2};
	struct summary a = of(up, 5), b = of(mixed, 5);

	is(a.median, 3, "median");
	is(a.p25, 2, "p25");
	is(a.p75, 4, "p75");
	is(a.max, 5, "max");
	is(b.median, a.median, "median of the others");
	is(b.p25, a.p25, "p25 of the others");
	is(b.p75, a.p75, "p75 of the others");
}

Test(samples, a_rare_one_is_told_by_its_own_percentile)
{
	struct samples s;

	samples_init(&s);
	is(samples_percentile(&s, 0.999), 0, "of none");
	for (int i = 1000; i >= 0; i--)
		samples_add(&s, i == 1000 ? 5000 : i);
	is(samples_percentile(&s, 0.999), 999, "p99.9");
	is(samples_percentile(&s, 1), 5000, "the largest");
	samples_finish(&s);
}

Test(samples, a_percentile_between_two_samples_lies_between_them_in_proportion)
{
	struct summary s = of((double[]){10, 20, 30, 40}, 4);

	is(s.median, 25, "median");
	is(s.p25, 17.5, "p25");
	is(s.p75, 32.5, "p75");
	is(s.p99, 39.7, "p99");
}

Test(samples, one_outlier_moves_the_maximum_and_not_the_median)
{
	double values[1000];
	struct summary s;

	for (int i = 0; i < 1000; i++)
		values[i] = 2;
	values[500] = 2000;
	s = of(values, 1000);
	is(s.median, 2, "median");
	is(s.p99, 2, "p99");
	is(s.max, 2000, "max");
	cr_assert_eq(s.n, 1000);
}

Test(samples, what_is_no_number_is_not_kept)
{
	struct summary s = of((double[]){1, NAN, INFINITY, 3, -INFINITY}, 5);

	cr_assert_eq(s.n, 2);
	is(s.median, 2, "median");
	is(s.max, 3, "max");
}

Test(samples, rounds_end_at_the_most)
{
	struct rounds r = {.least = 1, .most = 10, .budget_ms = 1e9};
	int done = 0;

	while (rounds_more(&r))
		done++;
	cr_assert_eq(done, 10);
}

Test(samples, rounds_reach_the_least_when_the_budget_is_spent)
{
	struct rounds r = {.least = 4, .most = 1000, .budget_ms = 0};
	int done = 0;

	while (rounds_more(&r)) {
		double until = rounds_now_ms() + 1;

		while (rounds_now_ms() < until)
			;
		done++;
	}
	cr_assert_eq(done, 4);
}
