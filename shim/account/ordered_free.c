#include "account/ordered_free.h"

#include "driver/driver.h"
#include "base/lock.h"
#include "account/unmanaged.h"
#include "order/streams.h"
#include "order/captures.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct waiting {
	struct waiting *next;
	struct unmanaged held;
	CUcontext context;
	CUevent event;
};

#define SETTLE_AT 128 /* a guess: so many events are worth some questions */

static struct waiting *all; /* guarded by lock */
/* How many, and from how many on they are looked at although nobody waits: a program that only
 * polls would have more and more events. Guarded by lock. */
static unsigned int count, settle_at = SETTLE_AT;
static struct lock lock = LOCK(RANK_ORDERED_FREES);
static atomic_bool any; /* atomic: there may be some */

/* True: it is time to look at them. */
static bool add(struct waiting *list)
{
	struct waiting **last = &list;
	unsigned int added = 0;
	bool many;

	for (; *last; last = &(*last)->next)
		added++;
	lock_take(&lock);
	count += added;
	many = count > settle_at;
	*last = all;
	all = list;
	atomic_store(&any, all != NULL);
	lock_give(&lock);
	return many;
}

static void settle_many(void)
{
	ordered_free_settle();
	lock_take(&lock);
	settle_at = count > SETTLE_AT / 2 ? 2 * count : SETTLE_AT;
	lock_give(&lock);
}

static struct waiting *take_of(CUcontext context)
{
	struct waiting *taken = NULL;

	lock_take(&lock);
	for (struct waiting **link = &all; *link;) {
		struct waiting *one = *link;

		if (one->context != context) {
			link = &one->next;
			continue;
		}
		*link = one->next;
		one->next = taken;
		taken = one;
		count--;
	}
	lock_give(&lock);
	return taken;
}

static bool driver_can(void)
{
	return real(cuCtxGetCurrent) && real(cuEventCreate) && real(cuEventRecord) &&
	       real(cuEventQuery) && real(cuEventSynchronize) && real(cuEventDestroy_v2);
}

/* The driver has been told to free it. Where no event can be had for it, it is waited for; but
 * memory of a pool, charged as a whole, then counts as outstanding for ever: a driver that need
 * not wait for it is not made to. */
static void charge_until_freed(struct unmanaged held, CUstream named)
{
	struct waiting *one = calloc(1, sizeof(*one));
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	if (one && driver_can() && real(cuCtxGetCurrent)(&one->context) == CUDA_SUCCESS)
		one->event = streams_event_behind(named, &result);
	if (one && one->event) {
		one->held = held;
		if (add(one))
			settle_many();
		return;
	}
	free(one);
	if (held.pool)
		return;
	if (real(cuStreamSynchronize))
		real(cuStreamSynchronize)(named);
	unmanaged_settle_free(held, 0, true);
}

CUresult ordered_free(CUdeviceptr address, CUstream stream, CUstream named,
		      CUresult (*driver_free)(CUdeviceptr, CUstream))
{
	struct unmanaged held = unmanaged_detach(address);
	CUresult result = driver_free(address, stream);

	if (held.device >= 0 && result == CUDA_SUCCESS)
		charge_until_freed(held, named);
	else
		unmanaged_settle_free(held, address, result == CUDA_SUCCESS);
	return result;
}

/* Waiting for what is over takes no time, and is when the driver takes the memory back. */
static bool is_freed(const struct waiting *one)
{
	return real(cuEventQuery)(one->event) == CUDA_SUCCESS &&
	       real(cuEventSynchronize)(one->event) == CUDA_SUCCESS;
}

void ordered_free_settle(void)
{
	struct waiting *list, *later = NULL;
	CUcontext context;

	/* A capture forbids the question, and ends in an error. */
	if (!atomic_load_explicit(&any, memory_order_relaxed) || captures_any() ||
	    real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS)
		return;
	list = take_of(context);
	while (list) {
		struct waiting *one = list;

		list = one->next;
		if (!is_freed(one)) {
			one->next = later;
			later = one;
			continue;
		}
		real(cuEventDestroy_v2)(one->event);
		unmanaged_settle_free(one->held, 0, true);
		free(one);
	}
	add(later);
}

void ordered_free_context_ended(CUcontext context)
{
	struct waiting *list = take_of(context);

	while (list) {
		struct waiting *one = list;

		list = one->next;
		unmanaged_settle_free(one->held, 0, true);
		free(one);
	}
}

void ordered_free_fork_prepare(void)
{
	lock_take(&lock);
}

void ordered_free_fork_done(void)
{
	lock_give(&lock);
}
