/* Running a helper program and taking what it prints, for at most so long. */
#ifndef LOWTIDE_CAPTURE_H
#define LOWTIDE_CAPTURE_H

#include <stddef.h>

/* Runs ARGV (by path) in a process group of its own; stdin is empty, stderr is lost. What it
 * printed is in *text, to be freed, ended by a zero byte; the exit status in *status, or minus
 * the signal. 0; -ETIMEDOUT: it, and what it started, was killed; or another -errno. */
int capture(char *const argv[], int seconds, char **text, int *status);

#endif
