#include "pager/small.h"

#include "door/driver.h"
#include "pager/ledger.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* ranked before the ledger's */
static uint64_t taken_bytes[LEDGER_DEVICES];		 /* guarded by lock */
static size_t free_before;				 /* guarded by lock */

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

bool small_allocating(int device)
{
	pthread_mutex_lock(&lock);
	if (!ledger_take(device, LEDGER_PAGE_BYTES)) {
		pthread_mutex_unlock(&lock);
		return false;
	}
	free_before = free_now();
	return true;
}

void small_allocated(int device)
{
	/* Anything but "no less than before" may be a page: other processes change the figure
	 * too. */
	if (free_before && free_now() >= free_before)
		ledger_give_back(device, LEDGER_PAGE_BYTES);
	else
		taken_bytes[device] += LEDGER_PAGE_BYTES;
	pthread_mutex_unlock(&lock);
}

void small_freeing(int device)
{
	(void)device;
	pthread_mutex_lock(&lock);
	free_before = free_now();
}

void small_freed(int device)
{
	/* Only exactly a page more is taken for one given back. */
	if (free_before && free_now() == free_before + LEDGER_PAGE_BYTES &&
	    taken_bytes[device] >= LEDGER_PAGE_BYTES) {
		taken_bytes[device] -= LEDGER_PAGE_BYTES;
		ledger_give_back(device, LEDGER_PAGE_BYTES);
	}
	pthread_mutex_unlock(&lock);
}

void small_measuring(void)
{
	pthread_mutex_lock(&lock);
	free_before = free_now();
}

uint64_t small_measured(void)
{
	size_t now = free_now();
	uint64_t bytes = free_before > now ? free_before - now : 0;

	return (bytes + LEDGER_PAGE_BYTES - 1) / LEDGER_PAGE_BYTES * LEDGER_PAGE_BYTES;
}

void small_keep(int device, uint64_t bytes)
{
	taken_bytes[device] += bytes;
}

void small_measured_done(void)
{
	pthread_mutex_unlock(&lock);
}

void small_none_left(int device)
{
	pthread_mutex_lock(&lock);
	ledger_give_back(device, taken_bytes[device]);
	taken_bytes[device] = 0;
	pthread_mutex_unlock(&lock);
}

void small_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void small_fork_done(void)
{
	pthread_mutex_unlock(&lock);
}
