/* Where the preload library is, and how it is named to the loader. */
#ifndef LOWTIDE_LIBRARY_H
#define LOWTIDE_LIBRARY_H

#include <stddef.h>

/* The folder this command lies in, links followed. 0 or -errno. */
int library_command_folder(char *folder, size_t room);

/* LOWTIDE_LIBRARY, else beside the command (a build folder), in ../lib, or where it was
 * configured to be installed; absolute. Says why not in a line: 0 or -errno. */
int library_find(char *path, size_t room);

/* Puts it before whatever LD_PRELOAD holds already. 0 or -errno. */
int library_preload(const char *path);

#endif
