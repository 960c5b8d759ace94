#include "lock.h"

#include <time.h>

/* Here they are themselves, not what a debug build calls in their place. */
#undef lock_take
#undef lock_try
#undef lock_give

/* How many reasons this thread has not to be cancelled, and what it was set to before the
 * first. */
static _Thread_local unsigned int held;
static _Thread_local int state_before;

void lock_cancel_hold(void)
{
	int state;

	if (held++)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	state_before = state;
}

void lock_cancel_let(void)
{
	if (!--held)
		pthread_setcancelstate(state_before, &(int){0});
}

void lock_init(struct lock *lock, enum lock_rank rank)
{
	pthread_mutex_init(&lock->mutex, NULL);
	lock->rank = rank;
}

void lock_take(struct lock *lock)
{
	lock_cancel_hold();
	pthread_mutex_lock(&lock->mutex);
}

bool lock_try(struct lock *lock)
{
	lock_cancel_hold();
	if (!pthread_mutex_trylock(&lock->mutex))
		return true;
	lock_cancel_let();
	return false;
}

void lock_give(struct lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
	lock_cancel_let();
}

void lock_once(pthread_once_t *once, void (*begin)(void))
{
	lock_cancel_hold();
	pthread_once(once, begin);
	lock_cancel_let();
}

void lock_nap(uint64_t ns)
{
	const struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	lock_cancel_hold();
	nanosleep(&time, NULL);
	lock_cancel_let();
}
