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
 * Owns a count by thread. Any thread, any lock; the pthread types are used as they are.
 */
#ifndef LOWTIDE_LOCK_H
#define LOWTIDE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* In between, nests: the calling thread is not cancelled. For waits, and for what is written or
 * read, outside locks. */
void lock_cancel_hold(void);
void lock_cancel_let(void);

void lock_take(pthread_mutex_t *lock);
bool lock_try(pthread_mutex_t *lock); /* true: it is taken */
void lock_give(pthread_mutex_t *lock);

/* Of many readers or one writer. */
bool lock_try_read(pthread_rwlock_t *lock); /* true: it is taken */
void lock_write(pthread_rwlock_t *lock);
void lock_give_shared(pthread_rwlock_t *lock); /* by a reader or the writer */

/* As pthread_once. */
void lock_once(pthread_once_t *once, void (*begin)(void));

void lock_nap(uint64_t ns);

#endif
