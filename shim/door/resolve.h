/*
 * From a name to our wrapper. Owns nothing; the table is the HOOKED rows of driver/api.def. Any
 * thread, no lock.
 */
#ifndef LOWTIDE_RESOLVE_H
#define LOWTIDE_RESOLVE_H

#include <stdbool.h>

/* By exported symbol, exactly ("cuMemAlloc_v2"). NULL: not hooked. */
void *resolve_symbol(const char *symbol);

/* By base name, as cuGetProcAddress counts versions: the newest ABI at or below `version`;
 * `per_thread` prefers the per-thread-stream flavour where one exists. NULL: not hooked. */
void *resolve_base(const char *base, int version, bool per_thread);

#endif
