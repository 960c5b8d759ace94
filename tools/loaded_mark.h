/*
 * How the library tells that it has loaded (the other end is shim/door/loaded.c): a memory file
 * that a program inherits, named in LOWTIDE_LOADED. A file, not a pipe, so that nobody can
 * block on it or die of it.
 */
#ifndef LOWTIDE_LOADED_MARK_H
#define LOWTIDE_LOADED_MARK_H

#include <stdbool.h>

struct loaded_mark {
	int file;      /* closed on exec, unless whoever executes sees to it */
	char text[80]; /* the value of LOWTIDE_LOADED */
};

/* 0 or -errno. */
int loaded_mark_init(struct loaded_mark *mark);
void loaded_mark_finish(struct loaded_mark *mark);

/* Some process that inherited it has the library. */
bool loaded_mark_seen(const struct loaded_mark *mark);

#endif
