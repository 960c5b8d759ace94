/*
 * The C library's own dlsym and dlopen, behind ours.
 *
 * Found with dlvsym by version, because asking dlsym for itself would ask us. Any thread, no
 * lock: every thread that comes first finds the same pointers.
 */
#ifndef LOWTIDE_DLSYM_H
#define LOWTIDE_DLSYM_H

#include <dlfcn.h>

void *door_real_dlsym(void *handle, const char *name);
void *door_real_dlopen(const char *file, int mode);

#endif
