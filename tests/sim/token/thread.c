/*
 * A thread's life: it has the token from its first instruction to the end of its last key's
 * destructor.
 */
#include "token.h"

#include "real.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static pthread_key_t key;

/* Called again in each round of destructors, so that those of other keys have run before the
 * token goes on. */
static void end_thread(void *thread)
{
	struct token_thread *self = thread;

	if (++self->rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
		pthread_setspecific(key, self);
	else
		token_end(self);
}

/* --- fork
 * ----------------------------------------------------------------------------------------------
 */

/* Handlers of others may take locks before and give them back after: they may wait, but no
 * other thread comes between without need, since in the child there is none. */
static void keep_for_fork(void)
{
	struct token_thread *self = token_self();

	if (self)
		self->keeps = true;
}

static void fork_is_over(void)
{
	struct token_thread *self = token_self();

	if (self)
		self->keeps = false;
}

static void begin_child(void)
{
	token_forget_others();
	fork_is_over();
}

void token_thread_main(struct token_thread *first)
{
	pthread_key_create(&key, end_thread);
	pthread_setspecific(key, first);
	pthread_atfork(keep_for_fork, fork_is_over, begin_child);
}

/* --- the C library's
 * ------------------------------------------------------------------------------------ */

static void *run(void *thread)
{
	struct token_thread *self = thread;

	pthread_setspecific(key, self);
	token_begin(self);
	return self->routine(self->argument);
}

TOKEN_EXPORT int pthread_create(pthread_t *handle, const pthread_attr_t *attributes,
				void *(*routine)(void *), void *argument)
{
	struct token_thread *self = token_self(), *thread;
	int error, detached = PTHREAD_CREATE_JOINABLE;

	if (!self)
		return real.pthread_create(handle, attributes, routine, argument);
	thread = calloc(1, sizeof(*thread));
	if (!thread)
		return EAGAIN;
	if (attributes)
		pthread_attr_getdetachstate(attributes, &detached);
	thread->detached = detached == PTHREAD_CREATE_DETACHED;
	thread->routine = routine;
	thread->argument = argument;
	token_add(thread);
	error = real.pthread_create(&thread->handle, attributes, run, thread);
	if (error) {
		token_remove(thread);
		return error;
	}
	*handle = thread->handle;
	token_pass(self);
	return 0;
}

TOKEN_EXPORT int pthread_join(pthread_t handle, void **result)
{
	struct token_thread *self = token_self(), *thread = token_find(handle);
	int error;

	while (self && thread && thread != self && thread->state != TOKEN_OVER)
		if (token_wait(self, thread, "a thread's end", TOKEN_NEVER) == TOKEN_LET_GO)
			self = NULL;
	error = real.pthread_join(handle, result);
	if (!error && thread)
		token_remove(thread);
	return error;
}

TOKEN_EXPORT int pthread_detach(pthread_t handle)
{
	struct token_thread *self = token_self(), *thread = self ? token_find(handle) : NULL;
	int error = real.pthread_detach(handle);

	if (!error && thread)
		thread->detached = true;
	if (!error && thread && thread->state == TOKEN_OVER)
		token_remove(thread);
	if (self)
		token_pass(self);
	return error;
}

TOKEN_EXPORT int pause(void)
{
	struct token_thread *self = token_self();
	int answer;

	if (!self)
		return real.pause();
	token_leave(self);
	answer = real.pause();
	token_return(self);
	return answer;
}
