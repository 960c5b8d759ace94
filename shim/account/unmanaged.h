/*
 * Unmanaged memory: each piece of VRAM that the program has of the driver, which we do not
 * page, with what was charged for it.
 *
 * Owns two tables, guarded by one lock: linear memory by its address, and physical memory of
 * the program's own virtual memory management by its handle. Every function may be called from
 * any thread; none calls the driver. A name the tables do not know (allocated before the cap
 * was in force) is not an error.
 */
#ifndef LOWTIDE_UNMANAGED_H
#define LOWTIDE_UNMANAGED_H

#include <stdbool.h>
#include <stdint.h>

struct outstanding;

/* Charges `bytes` on `device` before the driver is asked. False: it does not fit under the cap.
 */
bool unmanaged_charge(int device, uint64_t bytes);
/* The driver refused after all: takes the charge back. */
void unmanaged_uncharge(int device, uint64_t bytes);

/* The driver gave `address` for a charge of `bytes`: remember it, until unmanaged_detach. */
/* `context`: whose end frees it; 0 for memory of a pool that is charged by itself: it stays
 * charged. */
void unmanaged_remember(uint64_t address, int device, uint64_t context, uint64_t bytes);
/* The same for memory of a pool that may be destroyed, and is charged as a whole. That the end
 * of the context frees it is what the simulated card does; no real one was asked. */
void unmanaged_remember_outstanding(uint64_t address, int device, uint64_t context,
				    struct outstanding *pool);

/* Freeing, in two steps: the entry goes before the driver is asked (another thread may be given
 * the same address the moment it is free), the charge after. A device of -1: nothing was known
 * of the address. */
struct unmanaged {
	int device;
	uint64_t context;
	uint64_t bytes;
	struct outstanding *pool; /* NULL: charged by itself */
};
struct unmanaged unmanaged_detach(uint64_t address);
/* `freed`: the driver did it, the charge goes. Otherwise the entry comes back. */
void unmanaged_settle_free(struct unmanaged held, uint64_t address, bool freed);

/* The same for handles of cuMemCreate. Their memory lives until every handle is released and
 * every mapping is gone. */
void unmanaged_handle_created(uint64_t handle, int device, uint64_t bytes);
void unmanaged_handle_retained(uint64_t handle);
void unmanaged_handle_released(uint64_t handle);
void unmanaged_mapped(uint64_t address, uint64_t bytes, uint64_t handle);
void unmanaged_unmapped(uint64_t address, uint64_t bytes);

/* The context ended, and the linear memory made in it with it. */
void unmanaged_forget_context(uint64_t context);

/* Around a fork, in parent and child: neither is left with a held lock. */
void unmanaged_fork_prepare(void);
void unmanaged_fork_done(void);

#endif
