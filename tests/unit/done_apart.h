/* What ends a process is done in one of its own, and what it says is read. */
#ifndef DONE_APART_H
#define DONE_APART_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a process of its own said until it ended, in `said`. Returns how it ended. */
static int done_apart(void (*what)(void), char said[1000])
{
	ssize_t count, used = 0;
	int ends[2], status;
	pid_t child;

	cr_assert(zero(int, pipe(ends)));
	child = fork();
	if (!child) {
		dup2(ends[1], STDERR_FILENO);
		alarm(20); /* where nothing is said, some of these wait for ever */
		what();
		_exit(0);
	}
	close(ends[1]);
	while ((count = read(ends[0], said + used, (size_t)(999 - used))) > 0)
		used += count;
	said[used] = 0;
	close(ends[0]);
	cr_assert(eq(int, waitpid(child, &status, 0), child));
	return status;
}

#endif
