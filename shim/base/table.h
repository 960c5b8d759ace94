/*
 * uthash, for a library that may not end the process it is in: an entry for which there was no
 * memory in the table is marked `lost`, which every entry has, and stays its maker's.
 */
#ifndef LOWTIDE_TABLE_H
#define LOWTIDE_TABLE_H

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->lost = true)
#include <uthash.h>

#endif
