#include "account/unmanaged.h"
#include "account/ledger.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1ull << 20)

Test(ledger, refuses_what_would_pass_the_cap_and_takes_nothing)
{
	ledger_open(0, 10 * MIB);
	cr_assert(ledger_take(0, 6 * MIB));
	cr_assert_not(ledger_take(0, 6 * MIB));
	cr_assert(eq(u64, ledger_taken_bytes(0), 6 * MIB));
	cr_assert(ledger_take(0, 4 * MIB));
	cr_assert_not(ledger_take(0, 1));
}

Test(ledger, is_not_fooled_by_a_size_that_wraps)
{
	ledger_open(0, 10 * MIB);
	cr_assert(ledger_take(0, 4 * MIB));
	cr_assert_not(ledger_take(0, UINT64_MAX - MIB));
	cr_assert(eq(u64, ledger_charge_bytes(UINT64_MAX), UINT64_MAX));
}

Test(ledger, has_no_cap_until_it_is_opened_and_keeps_its_first)
{
	cr_assert(ledger_take(3, 1ull << 50));
	ledger_give_back(3, 1ull << 50);
	ledger_open(3, MIB);
	ledger_open(3, 100 * MIB);
	cr_assert(eq(u64, ledger_cap_bytes(3), MIB));
	cr_assert_not(ledger_take(3, 2 * MIB));
}

Test(ledger, never_gives_back_more_than_was_taken)
{
	ledger_open(0, 10 * MIB);
	cr_assert(ledger_take(0, MIB));
	ledger_give_back(0, 5 * MIB);
	cr_assert(eq(u64, ledger_taken_bytes(0), 0));
	cr_assert(eq(u64, ledger_peak_bytes(0), MIB));
}

Test(ledger, charges_ten_thousand_tiny_allocations_for_the_pages_they_can_share)
{
	ledger_open(0, 64 * MIB);
	for (int i = 0; i < 10000; i++)
		cr_assert(ledger_take_small(0, 100), "tiny allocation %d", i);
	/* 10,000 x 512 bytes fill four pages by half, and there may be four more. */
	cr_assert(eq(u64, ledger_taken_bytes(0), 8 * LEDGER_PAGE_BYTES));
	for (int i = 0; i < 9998; i++)
		ledger_give_back_small(0);
	cr_assert(eq(u64, ledger_taken_bytes(0), 2 * LEDGER_PAGE_BYTES),
		  "each survivor may keep a page");
	ledger_give_back_small(0);
	ledger_give_back_small(0);
	cr_assert(eq(u64, ledger_taken_bytes(0), 0));
}

Test(ledger, charges_for_the_pages_that_survivors_of_much_freed_memory_keep)
{
	ledger_open(0, 64 * MIB);
	/* One in a thousand survives: the driver may have begun a page for each MiB. */
	for (int i = 0; i < 20000; i++) {
		cr_assert(ledger_take_small(0, 512));
		if (i % 1000)
			ledger_give_back_small(0);
	}
	cr_assert(ge(u64, ledger_taken_bytes(0), 10 * LEDGER_PAGE_BYTES));
	cr_assert(le(u64, ledger_taken_bytes(0), 20 * LEDGER_PAGE_BYTES));
}

Test(ledger, takes_nothing_for_a_small_one_that_does_not_fit)
{
	ledger_open(0, 2 * LEDGER_PAGE_BYTES);
	cr_assert(ledger_take_small(0, 100));
	cr_assert(ledger_take_small(0, 100));
	cr_assert_not(ledger_take_small(0, 100));
	ledger_give_back_small(0);
	cr_assert(eq(u64, ledger_taken_bytes(0), LEDGER_PAGE_BYTES));
}

static void *take_and_give_back(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20000; i++)
		if (ledger_take(0, 3 * MIB)) {
			if (ledger_taken_bytes(0) > 10 * MIB)
				return (void *)1;
			ledger_give_back(0, 3 * MIB);
		}
	return NULL;
}

Test(ledger, stays_under_the_cap_with_eight_threads_taking)
{
	pthread_t threads[8];

	ledger_open(0, 10 * MIB);
	for (int i = 0; i < 8; i++)
		cr_assert(
		    zero(int, pthread_create(&threads[i], NULL, take_and_give_back, NULL)));
	for (int i = 0; i < 8; i++) {
		void *seen;

		pthread_join(threads[i], &seen);
		cr_assert(zero(ptr, seen), "thread %d saw the cap passed", i);
	}
	cr_assert(eq(u64, ledger_taken_bytes(0), 0));
	cr_assert(le(u64, ledger_peak_bytes(0), 10 * MIB));
}

Test(holding, gives_an_allocation_back_once)
{
	ledger_open(0, 10 * MIB);
	cr_assert(unmanaged_charge(0, 3 * MIB));
	unmanaged_remember(0x1000, 0, 5, 3 * MIB);
	cr_assert(eq(u64, ledger_taken_bytes(0), 4 * MIB), "3 MiB take two pages");
	unmanaged_settle_free(unmanaged_detach(0x1000), 0x1000, true);
	unmanaged_settle_free(unmanaged_detach(0x1000), 0x1000, true);
	unmanaged_settle_free(unmanaged_detach(0x2000), 0x2000, true);
	cr_assert(eq(u64, ledger_taken_bytes(0), 0));
}

Test(holding, keeps_the_charge_of_an_allocation_the_driver_would_not_free)
{
	ledger_open(0, 10 * MIB);
	cr_assert(unmanaged_charge(0, 4 * MIB));
	unmanaged_remember(0x1000, 0, 5, 4 * MIB);
	unmanaged_settle_free(unmanaged_detach(0x1000), 0x1000, false);
	cr_assert(eq(u64, ledger_taken_bytes(0), 4 * MIB));
	unmanaged_settle_free(unmanaged_detach(0x1000), 0x1000, true);
	cr_assert(eq(u64, ledger_taken_bytes(0), 0));
}

Test(holding, keeps_physical_memory_until_the_last_handle_and_the_last_mapping_are_gone)
{
	ledger_open(0, 10 * MIB);
	cr_assert(unmanaged_charge(0, 4 * MIB));
	unmanaged_handle_created(7, 0, 4 * MIB);
	unmanaged_mapped(0x10000000, 4 * MIB, 7);
	unmanaged_mapped(0x20000000, 4 * MIB, 7);
	unmanaged_handle_retained(7);
	unmanaged_handle_released(7);
	unmanaged_handle_released(7);
	cr_assert(eq(u64, ledger_taken_bytes(0), 4 * MIB), "still mapped twice");
	unmanaged_unmapped(0x10000000, 4 * MIB);
	cr_assert(eq(u64, ledger_taken_bytes(0), 4 * MIB), "still mapped once");
	unmanaged_unmapped(0x20000000, 4 * MIB);
	cr_assert(eq(u64, ledger_taken_bytes(0), 0));
}

Test(holding, keeps_physical_memory_that_was_never_mapped_until_each_handle_is_gone)
{
	ledger_open(0, 10 * MIB);
	cr_assert(unmanaged_charge(0, 4 * MIB));
	unmanaged_handle_created(7, 0, 4 * MIB);
	unmanaged_handle_retained(7);
	unmanaged_handle_released(7);
	cr_assert(eq(u64, ledger_taken_bytes(0), 4 * MIB), "one is left");
	unmanaged_handle_released(7);
	cr_assert(eq(u64, ledger_taken_bytes(0), 0));
}

Test(holding, forgets_only_what_the_ended_context_made)
{
	ledger_open(0, 10 * MIB);
	for (uint64_t context = 0; context < 3; context++) {
		cr_assert(unmanaged_charge(0, 2 * MIB));
		unmanaged_remember(0x1000 * (context + 1), 0, context, 2 * MIB);
	}
	unmanaged_forget_context(2);
	cr_assert(eq(u64, ledger_taken_bytes(0), 4 * MIB));
	unmanaged_forget_context(0);
	cr_assert(eq(u64, ledger_taken_bytes(0), 4 * MIB),
		  "0 is no context: pools outlive them all");
}

static atomic_bool forks_over;

static void *charge_small_until_over(void *unused)
{
	(void)unused;
	while (!atomic_load(&forks_over)) {
		if (unmanaged_charge(0, 100))
			unmanaged_remember(0x1000, 0, 5, 100);
		unmanaged_settle_free(unmanaged_detach(0x1000), 0x1000, true);
	}
	return NULL;
}

Test(holding, leaves_no_lock_held_in_a_child_forked_while_another_thread_allocates,
     .timeout = 60)
{
	pthread_t thread;

	ledger_open(0, 10 * MIB);
	pthread_atfork(unmanaged_fork_prepare, unmanaged_fork_done, unmanaged_fork_done);
	cr_assert(zero(int, pthread_create(&thread, NULL, charge_small_until_over, NULL)));
	for (int i = 0; i < 300; i++) {
		pid_t child = fork();
		int status;

		if (!child) {
			alarm(5); /* a held lock would hang here */
			unmanaged_charge(0, 100);
			unmanaged_remember(0x9000, 0, 5, 100);
			_exit(0);
		}
		waitpid(child, &status, 0);
		cr_assert(zero(int, status), "child %d ended by itself", i);
	}
	atomic_store(&forks_over, true);
	pthread_join(thread, NULL);
}

Test(holding, ends_every_mapping_in_a_range_that_is_unmapped)
{
	ledger_open(0, 100 * MIB);
	for (uint64_t handle = 1; handle <= 3; handle++) {
		cr_assert(unmanaged_charge(0, 4 * MIB));
		unmanaged_handle_created(handle, 0, 4 * MIB);
		unmanaged_mapped(handle * 4 * MIB, 4 * MIB, handle);
		unmanaged_handle_released(handle);
	}
	unmanaged_unmapped(4 * MIB, 8 * MIB);
	cr_assert(eq(u64, ledger_taken_bytes(0), 4 * MIB));
	unmanaged_unmapped(12 * MIB, 4 * MIB);
	cr_assert(eq(u64, ledger_taken_bytes(0), 0));
}

Test(holding, keeps_physical_memory_that_was_retained)
{
	ledger_open(0, 100 * MIB);
	cr_assert(unmanaged_charge(0, 4 * MIB));
	unmanaged_handle_created(7, 0, 4 * MIB);
	unmanaged_handle_retained(7);
	unmanaged_handle_released(7);
	cr_assert(eq(u64, ledger_taken_bytes(0), 4 * MIB));
	unmanaged_handle_released(7);
	cr_assert(eq(u64, ledger_taken_bytes(0), 0));
}
