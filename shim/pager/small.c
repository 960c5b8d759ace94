#include "pager/small.h"

#include "door/driver.h"
#include "lock.h"
#include "pager/ledger.h"

#include <pthread.h>
#include <stdatomic.h>

/* Ranked after the pagers' and before the ledger's. Whoever measures holds it alone; who
 * changes by a known size what is free, beside others who do. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
/* Pages by context; what finds no place stays on the account. */
#define CONTEXTS 64
static struct {
	uint64_t context, bytes;
	int device;
} taken[CONTEXTS];	   /* guarded by lock */
static size_t free_before; /* guarded by lock */
/* What is given back beside a measurement: counted, not locked out. */
static atomic_uint releasing, released;		       /* now, and ever */
static unsigned int releasing_before, released_before; /* guarded by lock */

bool small_is(uint64_t bytes)
{
	return bytes < LEDGER_SMALL_BYTES;
}

static size_t free_now(void)
{
	size_t free_bytes = 0, total_bytes;

	return real(cuMemGetInfo_v2) &&
		       real(cuMemGetInfo_v2)(&free_bytes, &total_bytes) == CUDA_SUCCESS
		   ? free_bytes
		   : 0;
}

static void measure(void)
{
	releasing_before = atomic_load(&releasing);
	released_before = atomic_load(&released);
	free_before = free_now();
}

/* Nobody gave memory back meanwhile, that we know of: what is free tells what this call did. */
static bool alone(void)
{
	return !releasing_before && released_before == atomic_load(&released) &&
	       !atomic_load(&releasing);
}

static uint64_t *taken_by(int device, uint64_t context)
{
	size_t unused = CONTEXTS;

	for (size_t i = 0; i < CONTEXTS; i++) {
		if (taken[i].bytes && taken[i].context == context && taken[i].device == device)
			return &taken[i].bytes;
		if (!taken[i].bytes && unused == CONTEXTS)
			unused = i;
	}
	if (unused == CONTEXTS)
		return NULL;
	taken[unused].context = context;
	taken[unused].device = device;
	return &taken[unused].bytes;
}

bool small_allocating(int device)
{
	lock_write(&lock);
	if (!ledger_take(device, LEDGER_PAGE_BYTES)) {
		lock_give_shared(&lock);
		return false;
	}
	measure();
	return true;
}

void small_allocated(int device, uint64_t context)
{
	/* Anything but "no less than before" may be a page: other processes change the figure
	 * too. */
	if (free_before && free_now() >= free_before && alone())
		ledger_give_back(device, LEDGER_PAGE_BYTES);
	else
		small_keep(device, context, LEDGER_PAGE_BYTES);
	lock_give_shared(&lock);
}

void small_freeing(int device)
{
	(void)device;
	lock_write(&lock);
	measure();
}

void small_freed(int device, uint64_t context)
{
	uint64_t *bytes = taken_by(device, context);

	/* Only exactly a page more is taken for one given back. */
	if (free_before && free_now() == free_before + LEDGER_PAGE_BYTES && bytes &&
	    *bytes >= LEDGER_PAGE_BYTES && alone()) {
		*bytes -= LEDGER_PAGE_BYTES;
		ledger_give_back(device, LEDGER_PAGE_BYTES);
	}
	lock_give_shared(&lock);
}

void small_measuring(void)
{
	lock_write(&lock);
	measure();
}

uint64_t small_measured(void)
{
	size_t now = free_now();
	uint64_t bytes = free_before > now ? free_before - now : 0;

	return (bytes + LEDGER_PAGE_BYTES - 1) / LEDGER_PAGE_BYTES * LEDGER_PAGE_BYTES;
}

void small_keep(int device, uint64_t context, uint64_t bytes)
{
	uint64_t *kept = taken_by(device, context);

	if (kept)
		*kept += bytes;
}

void small_measured_done(void)
{
	lock_give_shared(&lock);
}

void small_context_ended(uint64_t context)
{
	lock_write(&lock);
	for (size_t i = 0; i < CONTEXTS; i++) {
		if (!taken[i].bytes || taken[i].context != context)
			continue;
		ledger_give_back(taken[i].device, taken[i].bytes);
		taken[i].bytes = 0;
	}
	lock_give_shared(&lock);
}

bool small_changing(void)
{
	if (lock_try_read(&lock))
		return true;
	small_releasing();
	return false;
}

void small_changed(bool excluded)
{
	if (excluded)
		lock_give_shared(&lock);
	else
		small_released();
}

void small_releasing(void)
{
	atomic_fetch_add(&releasing, 1);
}

void small_released(void)
{
	atomic_fetch_add(&released, 1);
	atomic_fetch_sub(&releasing, 1);
}

void small_fork_prepare(void)
{
	lock_write(&lock);
}

void small_fork_parent(void)
{
	lock_give_shared(&lock);
}

/* A lock for writing knows its thread by a number, and the child's only thread has another. */
void small_fork_child(void)
{
	pthread_rwlock_init(&lock, NULL);
	lock_cancel_let();
	atomic_store(&releasing, 0);
}
