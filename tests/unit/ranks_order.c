/* Debug builds say where locks are taken the wrong way round. The parts of the library that do
 * are compiled for a debug build here, whatever the rest is. */
#include "base/lock.h"
#include "done_apart.h"
#include "order/gate.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <string.h>

static struct lock pools = LOCK(RANK_POOLS), streams = LOCK(RANK_STREAMS);
static struct lock pagers[2] = {LOCK(RANK_PAGER), LOCK(RANK_PAGER)};

static void check_aborts(void (*what)(void), const char *why)
{
	char said[1000];
	int status = done_apart(what, said);

	cr_assert(eq(int, status & 0x7f, SIGABRT), "%s", said);
	cr_assert(ne(ptr, strstr(said, why), NULL), "%s", said);
	cr_assert(ne(ptr, strstr(said, "ranks_order.c:"), NULL), "where: %s", said);
	cr_assert(eq(ptr, strchr(said, '\n'), said + strlen(said) - 1), "one line: %s", said);
}

static void check_passes(void (*what)(void))
{
	char said[1000];

	cr_assert(zero(int, done_apart(what, said)), "%s", said);
	cr_assert(zero(sz, strlen(said)), "%s", said);
}

static void in_order(void)
{
	for (int i = 0; i < 2; i++) {
		lock_take(&pools);
		lock_take(&pagers[0]);
		lock_take(&pagers[1]);
		gate_enter();
		gate_enter();
		lock_take(&streams);
		lock_give(&pools); /* in whichever order */
		lock_give(&streams);
		gate_leave();
		gate_leave();
		lock_give(&pagers[1]);
		lock_give(&pagers[0]);
	}
}

Test(ranks, lets_locks_be_taken_in_their_order)
{
	check_passes(in_order);
}

static void tried(void)
{
	lock_take(&streams);
	if (!lock_try(&pools) || lock_try(&streams))
		abort();
	lock_give(&pools);
	lock_give(&streams);
	lock_take(&pools);
}

Test(ranks, lets_any_lock_be_tried)
{
	check_passes(tried);
}

static void wrong_way_round(void)
{
	lock_take(&streams);
	lock_take(&pools);
}

Test(ranks, says_that_one_is_taken_under_one_that_ranks_after_it)
{
	check_aborts(wrong_way_round, "takes POOLS under, not before, STREAMS");
}

static void under_one_that_was_tried(void)
{
	lock_take(&pools);
	if (lock_try(&streams))
		lock_take(&pagers[0]);
}

Test(ranks, knows_what_was_tried)
{
	check_aborts(under_one_that_was_tried, "takes PAGER under, not before, STREAMS");
}

static void again(void)
{
	lock_take(&pools);
	lock_take(&pools);
}

Test(ranks, says_that_one_is_taken_again)
{
	check_aborts(again, "takes POOLS again, under POOLS");
}

static void pagers_backwards(void)
{
	lock_take(&pagers[1]);
	lock_take(&pagers[0]);
}

Test(ranks, says_that_pagers_are_not_taken_by_device)
{
	check_aborts(pagers_backwards, "takes PAGER under, not before, PAGER");
}

static void inside_the_gate(void)
{
	gate_enter();
	lock_take(&pagers[0]);
}

Test(ranks, says_that_a_lock_is_taken_inside_the_gate)
{
	check_aborts(inside_the_gate, "takes PAGER under, not before, GATE");
}

static void not_held(void)
{
	lock_take(&pools);
	lock_give(&streams);
}

Test(ranks, says_that_one_is_given_that_is_not_held)
{
	check_aborts(not_held, "gives STREAMS, which it does not hold");
}

static void none_held(void)
{
	lock_take(&pools);
	ranks_all_held(__FILE__, __LINE__);
}

Test(ranks, says_that_a_fork_would_overlook_one)
{
	check_aborts(none_held, "GREEN_CONTEXTS is not held");
}
