/*
 * What threads wait for that is no lock: conditions, semaphores, barriers, initialisations.
 */
#include "token.h"

#include "real.h"

#include <errno.h>
#include <stdatomic.h>

/* --- conditions
 * ----------------------------------------------------------------------------------------- */

/* `until`: NULL: for ever. Nobody comes between the unlocking and the wait, as it must be. */
static int wait_for(struct token_thread *self, pthread_cond_t *condition,
		    pthread_mutex_t *mutex, uint64_t until_ns)
{
	int error = real.pthread_mutex_unlock(mutex);
	enum token_end end;

	if (error)
		return error;
	token_wake(mutex, false);
	end = token_wait(self, condition, "a condition", until_ns);
	if (end == TOKEN_LET_GO) /* a wake-up for no reason is allowed */
		return real.pthread_mutex_lock(mutex);
	error = token_mutex_take(self, mutex);
	return error || end != TOKEN_LATE ? error : ETIMEDOUT;
}

TOKEN_EXPORT int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	struct token_thread *self = token_self();

	return self ? wait_for(self, condition, mutex, TOKEN_NEVER)
		    : real.pthread_cond_wait(condition, mutex);
}

TOKEN_EXPORT int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
					clockid_t clock, const struct timespec *until)
{
	struct token_thread *self = token_self();
	struct timespec by_machine;

	(void)clock;
	if (self)
		return wait_for(self, condition, mutex, token_ns(until));
	by_machine = token_real_time(until);
	return real.pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &by_machine);
}

TOKEN_EXPORT int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
					const struct timespec *until)
{
	return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, until);
}

TOKEN_EXPORT int pthread_cond_signal(pthread_cond_t *condition)
{
	struct token_thread *self = token_self();

	token_wake(condition, true);
	real.pthread_cond_signal(condition);
	if (self)
		token_pass(self);
	return 0;
}

TOKEN_EXPORT int pthread_cond_broadcast(pthread_cond_t *condition)
{
	struct token_thread *self = token_self();

	token_wake(condition, false);
	real.pthread_cond_broadcast(condition);
	if (self)
		token_pass(self);
	return 0;
}

/* --- semaphores
 * ----------------------------------------------------------------------------------------- */

/* 0, or ETIMEDOUT, or EINTR for what the real one is to be asked once more. */
static int take(struct token_thread *self, sem_t *semaphore, uint64_t until_ns)
{
	token_pass(self);
	while (real.sem_trywait(semaphore)) {
		enum token_end end = token_wait(self, semaphore, "a semaphore", until_ns);

		if (end == TOKEN_LET_GO)
			return EINTR;
		if (end == TOKEN_LATE)
			return ETIMEDOUT;
	}
	return 0;
}

TOKEN_EXPORT int sem_wait(sem_t *semaphore)
{
	struct token_thread *self = token_self();

	if (self && !take(self, semaphore, TOKEN_NEVER))
		return 0;
	return real.sem_wait(semaphore);
}

TOKEN_EXPORT int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
	struct token_thread *self = token_self();
	struct timespec by_machine;
	int error = self ? take(self, semaphore, token_ns(until)) : EINTR;

	(void)clock;
	if (error == EINTR) {
		by_machine = token_real_time(until);
		return real.sem_clockwait(semaphore, CLOCK_REALTIME, &by_machine);
	}
	if (error)
		errno = error;
	return error ? -1 : 0;
}

TOKEN_EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
	return sem_clockwait(semaphore, CLOCK_REALTIME, until);
}

TOKEN_EXPORT int sem_trywait(sem_t *semaphore)
{
	struct token_thread *self = token_self();

	if (self)
		token_pass(self);
	return real.sem_trywait(semaphore);
}

TOKEN_EXPORT int sem_post(sem_t *semaphore)
{
	struct token_thread *self = token_self();
	int answer = real.sem_post(semaphore);

	token_wake(semaphore, false);
	if (self)
		token_pass(self);
	return answer;
}

/* --- barriers: wholly ours, in the memory that the program gives for one
 * -------------------------------- */

struct barrier {
	unsigned int count;
	atomic_uint arrived, round;
};

_Static_assert(sizeof(struct barrier) <= sizeof(pthread_barrier_t), "a barrier has room");

TOKEN_EXPORT int pthread_barrier_init(pthread_barrier_t *restrict barrier,
				      const pthread_barrierattr_t *restrict attributes,
				      unsigned int count)
{
	struct barrier *b = (struct barrier *)barrier;

	(void)attributes;
	if (!count)
		return EINVAL;
	b->count = count;
	atomic_init(&b->arrived, 0);
	atomic_init(&b->round, 0);
	return 0;
}

TOKEN_EXPORT int pthread_barrier_destroy(pthread_barrier_t *barrier)
{
	(void)barrier;
	return 0;
}

TOKEN_EXPORT int pthread_barrier_wait(pthread_barrier_t *barrier)
{
	struct barrier *b = (struct barrier *)barrier;
	struct token_thread *self = token_self();
	const struct timespec moment = {0, 100000};
	unsigned int round;

	if (self)
		token_pass(self);
	round = atomic_load(&b->round);
	if (atomic_fetch_add(&b->arrived, 1) + 1 == b->count) {
		atomic_store(&b->arrived, 0);
		atomic_fetch_add(&b->round, 1);
		token_wake(barrier, false);
		return PTHREAD_BARRIER_SERIAL_THREAD;
	}
	while (atomic_load(&b->round) == round)
		if (!self)
			real.clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
		else if (token_wait(self, barrier, "a barrier", TOKEN_NEVER) == TOKEN_LET_GO)
			self = NULL;
	return 0;
}

/* --- initialisations
 * ------------------------------------------------------------------------------------ */

struct initialisation {
	struct initialisation *next;
	const pthread_once_t *control;
};

static struct initialisation *under_way; /* guarded by the token */

static bool is_under_way(const pthread_once_t *control)
{
	for (const struct initialisation *i = under_way; i; i = i->next)
		if (i->control == control)
			return true;
	return false;
}

TOKEN_EXPORT int pthread_once(pthread_once_t *control, void (*routine)(void))
{
	struct token_thread *self = token_self();
	struct initialisation ours = {NULL, control}, **link = &under_way;
	int error;

	if (!self)
		return real.pthread_once(control, routine);
	while (is_under_way(control))
		if (token_wait(self, control, "an initialisation", TOKEN_NEVER) == TOKEN_LET_GO)
			return real.pthread_once(control, routine);
	ours.next = under_way;
	under_way = &ours;
	error = real.pthread_once(control, routine);
	while (*link && *link != &ours)
		link = &(*link)->next;
	if (*link)
		*link = ours.next;
	token_wake(control, false);
	return error;
}
