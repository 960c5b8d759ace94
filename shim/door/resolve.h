/*
 * Finds the wrapper for a function's name: the HOOKED rows of driver/api.def. Owns nothing. Any
 * thread, no lock.
 */
#ifndef LOWTIDE_RESOLVE_H
#define LOWTIDE_RESOLVE_H

#include <stdbool.h>

/* By exported symbol, exactly ("cuMemAlloc_v2"). NULL: not hooked. */
void *resolve_symbol(const char *symbol);

/* By base name, as cuGetProcAddress counts versions: the latest form at or below
 * `version`; if `per_thread`, the flavour for per-thread streams where there is one. NULL: not
 * hooked. */
void *resolve_base(const char *base, int version, bool per_thread);

#endif
