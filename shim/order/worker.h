/*
 * The worker: goes on with what is on its way while the program does something else: computes
 * on the processor, or waits for the GPU. What a step is, whoever uses it says.
 *
 * A thread of ours does it, started with the first move; under LOWTIDE_TEST_THREAD=0, where one
 * seed must be one run, whoever waits takes the steps. Owns the thread and its wake-up; own
 * lock, taken inside the pager's.
 */
#ifndef LOWTIDE_WORKER_H
#define LOWTIDE_WORKER_H

#include <stdbool.h>

/* The thread's work: one step of everything on its way. False: a further one would bring
 * nothing on. Before the first worker_wake. */
void worker_does(bool (*step)(void));
/* Something is on its way. The pager's lock is held. */
void worker_wake(void);
/* No thread of ours steps: whoever waits should. */
bool worker_is_absent(void);
/* Returns once the thread is in no call of the driver, and keeps it out until worker_resume:
 * a context may be about to end. Nests. */
void worker_pause(void);
void worker_resume(void);

void worker_fork_prepare(void);
void worker_fork_parent(void);
void worker_fork_child(void);

#endif
