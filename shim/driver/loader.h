/*
 * The C library's own dlsym and dlopen, behind the ones that this library exports (door/).
 *
 * Owns their addresses. They are found with dlvsym, by version, because asking dlsym for itself
 * would ask our own. Any thread, no lock: all threads that come first find the same addresses.
 */
#ifndef LOWTIDE_LOADER_H
#define LOWTIDE_LOADER_H

#include <dlfcn.h>

typedef void *(*loader_dlsym_fn)(void *handle, const char *name);
typedef void *(*loader_dlopen_fn)(const char *file, int mode);

void *loader_dlsym(void *handle, const char *name);
void *loader_dlopen(const char *file, int mode);

/* For whoever must jump to the real functions, not call them (door/dlsym_entry.S): the
 * addresses, NULL until the function below has run. Written only in loader.c. */
extern _Atomic(loader_dlsym_fn) loader_real_dlsym;
extern _Atomic(loader_dlopen_fn) loader_real_dlopen;

void loader_find_dlsym(void);
void loader_find_dlopen(void);

#endif
