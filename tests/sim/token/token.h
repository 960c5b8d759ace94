/*
 * The token: of a program's threads one runs at a time, and a seed says who goes on.
 *
 * A library to preload beside the simulated GPU's programs. It answers for the C library's
 * threads, locks, waits and clocks; at each of these calls (and so at each driver call, which
 * takes the simulator's lock) the token may pass to another thread. Nothing runs beside its
 * holder, so one seed is one interleaving.
 *
 * token.c owns who runs; the other files are the C library's functions, written over its few.
 * `guard` (token.c) is for threads that do not take part: one that was not made by
 * pthread_create, all once the token was let go.
 */
#ifndef TOKEN_TOKEN_H
#define TOKEN_TOKEN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define TOKEN_EXPORT __attribute__((visibility("default")))
#define TOKEN_NEVER UINT64_MAX

/* Guarded by the guard, but what is said to be the thread's own. */
struct token_thread {
	struct token_thread *next; /* in order of birth */
	enum { TOKEN_READY, TOKEN_WAITING, TOKEN_OUTSIDE, TOKEN_OVER } state;
	const void *object; /* what it waits for */
	const char *what;   /* its kind, for people */
	uint64_t until_ns;
	unsigned int aside;    /* until so many passes: taken only if no other can go on */
	bool late;	       /* woken by the clock */
	bool detached;	       /* nobody will join it */
	_Atomic uint32_t goes; /* it has the token; a futex */
	bool keeps;	       /* its own: it forks, and no other must come between */
	int rounds;	       /* its own: of the destructors of its keys */
	pthread_t handle;      /* immutable once it has run */
	void *(*routine)(void *);
	void *argument;
};

/* The calling thread, which has the token. NULL: it does not take part, and the real functions
 * are to be used. */
struct token_thread *token_self(void);

/* Another may go on; under `yield` one does, if any can. */
void token_pass(struct token_thread *self);
void token_yield(struct token_thread *self);

enum token_end { TOKEN_WOKEN, TOKEN_LATE, TOKEN_LET_GO };
/* Until somebody wakes this object, or it is `until_ns`; spurious ends are possible. After
 * TOKEN_LET_GO the real functions are to be used. */
enum token_end token_wait(struct token_thread *self, const void *object, const char *what,
			  uint64_t until_ns);
/* Any thread, with the token or without. `one`: whom, the seed says. */
void token_wake(const void *object, bool one);

/* The thread goes into a call that ends when it pleases, and comes back. */
void token_leave(struct token_thread *self);
void token_return(struct token_thread *self);

/* Births and deaths (thread.c). */
void token_add(struct token_thread *thread);
void token_begin(struct token_thread *thread);
void token_remove(struct token_thread *thread);
void token_end(struct token_thread *self);
struct token_thread *token_find(pthread_t handle);
void token_forget_others(void);			    /* in a forked child */
void token_thread_main(struct token_thread *first); /* the process's first */

/* The clock (time.c): moves by what is done, and to the next deadline when all wait. */
uint64_t token_now_ns(void);
void token_spend(uint64_t ns);
void token_reach(uint64_t now_ns);
void token_clock_let_go(void);
uint64_t token_ns(const struct timespec *time);
/* The same moment by the machine's CLOCK_REALTIME. */
struct timespec token_real_time(const struct timespec *until);

/* After this, a mutex or another lock is held (mutex.c). */
int token_mutex_take(struct token_thread *self, pthread_mutex_t *mutex);

#endif
