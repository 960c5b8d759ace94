/*
 * The C library's own functions, behind ours of the same names. Written once, at the first call
 * of any of ours, when the process has one thread.
 */
#ifndef TOKEN_REAL_H
#define TOKEN_REAL_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#define REAL_FUNCTIONS(F)                                                                      \
	F(pthread_create)                                                                      \
	F(pthread_join)                                                                        \
	F(pthread_detach)                                                                      \
	F(pthread_mutex_lock)                                                                  \
	F(pthread_mutex_trylock)                                                               \
	F(pthread_mutex_clocklock)                                                             \
	F(pthread_mutex_unlock)                                                                \
	F(pthread_rwlock_rdlock)                                                               \
	F(pthread_rwlock_tryrdlock)                                                            \
	F(pthread_rwlock_wrlock)                                                               \
	F(pthread_rwlock_trywrlock)                                                            \
	F(pthread_rwlock_unlock)                                                               \
	F(pthread_once)                                                                        \
	F(pthread_cond_wait)                                                                   \
	F(pthread_cond_clockwait)                                                              \
	F(pthread_cond_signal)                                                                 \
	F(pthread_cond_broadcast)                                                              \
	F(sem_wait)                                                                            \
	F(sem_trywait)                                                                         \
	F(sem_clockwait)                                                                       \
	F(sem_post)                                                                            \
	F(sched_yield)                                                                         \
	F(pause)                                                                               \
	F(clock_gettime)                                                                       \
	F(clock_nanosleep)

struct real {
#define FIELD(name) __typeof__(&name) name;
	REAL_FUNCTIONS(FIELD)
#undef FIELD
};

extern struct real real;
void real_find(void);

#endif
