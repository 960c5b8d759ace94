#include "lock.h"

#include <time.h>

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

void lock_take(pthread_mutex_t *lock)
{
	lock_cancel_hold();
	pthread_mutex_lock(lock);
}

bool lock_try(pthread_mutex_t *lock)
{
	lock_cancel_hold();
	if (!pthread_mutex_trylock(lock))
		return true;
	lock_cancel_let();
	return false;
}

void lock_give(pthread_mutex_t *lock)
{
	pthread_mutex_unlock(lock);
	lock_cancel_let();
}

bool lock_try_read(pthread_rwlock_t *lock)
{
	lock_cancel_hold();
	if (!pthread_rwlock_tryrdlock(lock))
		return true;
	lock_cancel_let();
	return false;
}

void lock_write(pthread_rwlock_t *lock)
{
	lock_cancel_hold();
	pthread_rwlock_wrlock(lock);
}

void lock_give_shared(pthread_rwlock_t *lock)
{
	pthread_rwlock_unlock(lock);
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
