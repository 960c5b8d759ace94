/*
 * The files that this library writes at a user's word: the log, the statistics. Regular files
 * only, never through a symbolic link, so that a name in a folder where others may write
 * reaches no file that is theirs to choose, and no exit waits for a pipe's reader. Owns
 * nothing; any thread, no lock.
 */
#ifndef LOWTIDE_FILE_H
#define LOWTIDE_FILE_H

#include <stdbool.h>

/* The process has rights that whoever set its environment need not have: that environment
 * names no file, and says nothing. */
bool file_process_is_privileged(void);

/* Opens for writing at the end, after emptying it if `fresh`; made for this user alone if it is
 * not there. Not inherited by programs that are executed. -1: errno tells why; EINVAL: it is no
 * regular file. */
int file_open(const char *path, bool fresh);

#endif
