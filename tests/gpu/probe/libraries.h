/* NVIDIA's libraries, where they are: by the loader's own ways, and in the folders that
 * LOWTIDE_PROBE_LIBRARIES names, between colons (PyTorch brings its own). One thread. */
#ifndef PROBE_LIBRARIES_H
#define PROBE_LIBRARIES_H

#include "gpu.h"

/* The first of the names (the last is NULL) that can be opened; NULL: none, and `why` is told.
 * On the simulated driver only from those folders, where a test puts its own: NVIDIA's speak to
 * NVIDIA's driver in private. */
void *library_open(const struct gpu *g, const char *const *names, const char **why);

/* Pointer = the library's function of that name, or NULL. */
#define LIBRARY_FIND(library, pointer, name)                                                   \
	((pointer) = __extension__(__typeof__(pointer)) dlsym((library), (name)))

#endif
