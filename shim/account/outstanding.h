/*
 * Outstanding: how many allocations of a pool of the program's own live or are still being
 * freed. The pool may be destroyed before them. From then on the driver answers no question
 * about it and releases it once none is outstanding; what it releases before is not documented,
 * so until then all of it stays charged.
 *
 * Owns one count a pool, all under one lock, below which there is the ledger alone. None calls
 * the driver. Any thread.
 */
#ifndef LOWTIDE_OUTSTANDING_H
#define LOWTIDE_OUTSTANDING_H

#include <stdint.h>

struct outstanding;

/* For a pool that lives. NULL: no memory. */
struct outstanding *outstanding_open(int device);
/* An allocation was made from it, or the last of its free has happened. */
void outstanding_add(struct outstanding *pool);
void outstanding_freed(struct outstanding *pool);
/* The pool is destroyed: `charged_bytes` of its device's account go with its last allocation.
 * The pool's name is not to be used again. */
void outstanding_pool_destroyed(struct outstanding *pool, uint64_t charged_bytes);

void outstanding_fork_prepare(void);
void outstanding_fork_done(void);

#endif
