/*
 * Locks: a thread that finds one taken waits without it, and tries again when it is given back.
 * Before each is taken, and after each is given back, another thread may go on.
 */
#include "token.h"

#include "real.h"

#include <errno.h>

/* The real ones return at once, or are only come to with the token let go. */
static int take(struct token_thread *self, void *lock, int (*try)(void *), int (*wait)(void *),
		const char *what)
{
	int error;

	while ((error = try(lock)) == EBUSY)
		if (token_wait(self, lock, what, TOKEN_NEVER) == TOKEN_LET_GO)
			return wait(lock);
	return error;
}

static int give_back(void *lock, int error)
{
	struct token_thread *self = token_self();

	token_wake(lock, false);
	if (self)
		token_pass(self);
	return error;
}

/* --- mutexes
 * --------------------------------------------------------------------------------------------
 */

static int mutex_try(void *mutex)
{
	return real.pthread_mutex_trylock(mutex);
}

static int mutex_wait(void *mutex)
{
	return real.pthread_mutex_lock(mutex);
}

int token_mutex_take(struct token_thread *self, pthread_mutex_t *mutex)
{
	return take(self, mutex, mutex_try, mutex_wait, "a mutex");
}

TOKEN_EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	struct token_thread *self = token_self();

	if (!self)
		return real.pthread_mutex_lock(mutex);
	token_pass(self);
	return token_mutex_take(self, mutex);
}

TOKEN_EXPORT int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	struct token_thread *self = token_self();

	if (self)
		token_pass(self);
	return real.pthread_mutex_trylock(mutex);
}

TOKEN_EXPORT int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
					 const struct timespec *until)
{
	struct token_thread *self = token_self();
	struct timespec by_machine;
	int error;

	(void)clock;
	if (self)
		token_pass(self);
	while (self && (error = real.pthread_mutex_trylock(mutex)) == EBUSY) {
		enum token_end end = token_wait(self, mutex, "a mutex", token_ns(until));

		if (end == TOKEN_LATE)
			return ETIMEDOUT;
		if (end == TOKEN_LET_GO)
			self = NULL;
	}
	if (self)
		return error;
	by_machine = token_real_time(until);
	return real.pthread_mutex_clocklock(mutex, CLOCK_REALTIME, &by_machine);
}

TOKEN_EXPORT int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
	return pthread_mutex_clocklock(mutex, CLOCK_REALTIME, until);
}

TOKEN_EXPORT int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	return give_back(mutex, real.pthread_mutex_unlock(mutex));
}

/* --- locks for many readers
 * ----------------------------------------------------------------------------- */

static int read_try(void *lock)
{
	return real.pthread_rwlock_tryrdlock(lock);
}

static int read_wait(void *lock)
{
	return real.pthread_rwlock_rdlock(lock);
}

static int write_try(void *lock)
{
	return real.pthread_rwlock_trywrlock(lock);
}

static int write_wait(void *lock)
{
	return real.pthread_rwlock_wrlock(lock);
}

TOKEN_EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	struct token_thread *self = token_self();

	if (!self)
		return real.pthread_rwlock_rdlock(lock);
	token_pass(self);
	return take(self, lock, read_try, read_wait, "a read lock");
}

TOKEN_EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	struct token_thread *self = token_self();

	if (!self)
		return real.pthread_rwlock_wrlock(lock);
	token_pass(self);
	return take(self, lock, write_try, write_wait, "a write lock");
}

TOKEN_EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
	struct token_thread *self = token_self();

	if (self)
		token_pass(self);
	return real.pthread_rwlock_tryrdlock(lock);
}

TOKEN_EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
	struct token_thread *self = token_self();

	if (self)
		token_pass(self);
	return real.pthread_rwlock_trywrlock(lock);
}

TOKEN_EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	return give_back(lock, real.pthread_rwlock_unlock(lock));
}
