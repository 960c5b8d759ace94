/*
 * Running a program as if it had been run in this process's place.
 *
 * It stays in the same process group and session, with the same terminal. What the terminal
 * sends reaches both; what somebody sends to this process is handed on. When the program stops,
 * so does this process, and when this one continues, so does the program. Should this process
 * be killed, the kernel kills the program.
 */
#ifndef LOWTIDE_SUPERVISE_H
#define LOWTIDE_SUPERVISE_H

#include <stdbool.h>

struct ending {
	int status; /* what it ended with, where it ran and was not killed */
	int signal; /* what killed it; 0: nothing did */
};

/* Runs ARGV until it ends. `keep` is a descriptor it inherits, whatever its flags; -1: none.
 * 0, or -errno: it could not be executed, and did not run. The process must be single-threaded,
 * and about to end: signals stay blocked, because one that the program has outlived must not
 * end us instead. */
int supervise(char *const argv[], int keep, struct ending *ending);

/* Ends this process as the program ended: by the same signal. Does not return. */
void supervise_die_by(int signal) __attribute__((noreturn));

#endif
