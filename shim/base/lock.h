/*
 * Locks, and what else a thread may not be cancelled in.
 *
 * A program may cancel a thread while it is inside a hook. Cancellation is deferred to the next
 * cancellation point (nanosleep, write, a wait for a condition, and whatever the driver calls);
 * one that were met under a lock of ours would leave the lock held for ever. So every lock is
 * taken and given back through these functions, and while a thread holds any, it is not
 * cancelled: the request stays pending until it has given the last one back. The gate does the
 * same for those inside it.
 *
 * Each lock has a rank, and is taken only under locks that rank before it: ranks.def has them
 * all in their order, and a debug build (-DLOWTIDE_DEBUG) sees to it. One that is only tried
 * may have any rank. Owns a count by thread. Any thread.
 */
#ifndef LOWTIDE_LOCK_H
#define LOWTIDE_LOCK_H

#include "base/ranks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
	pthread_mutex_t mutex; /* for conditions to wait with */
	enum lock_rank rank;   /* immutable */
};

#define LOCK(rank)                                                                             \
	{                                                                                      \
		PTHREAD_MUTEX_INITIALIZER, rank                                                \
	}
void lock_init(struct lock *lock, enum lock_rank rank);

/* In between, nests: the calling thread is not cancelled. For waits, and for what is written or
 * read, outside locks. */
void lock_cancel_hold(void);
void lock_cancel_let(void);

void lock_take(struct lock *lock);
bool lock_try(struct lock *lock); /* true: it is taken */
void lock_give(struct lock *lock);

/* As pthread_once. */
void lock_once(pthread_once_t *once, void (*begin)(void));

void lock_nap(uint64_t ns);

#ifdef LOWTIDE_DEBUG
#define lock_take(lock) (ranks_take(lock, (lock)->rank, __FILE__, __LINE__), (lock_take)(lock))
#define lock_try(lock) ((lock_try)(lock) && ranks_hold(lock, (lock)->rank, __FILE__, __LINE__))
#define lock_give(lock) (ranks_give(lock, (lock)->rank, __FILE__, __LINE__), (lock_give)(lock))
#endif

#endif
