/*
 * Small allocations where nothing is paged (LOWTIDE_POLICY=none, a second context, no memory in
 * RAM that a GPU can reach): from slabs too, which lie in the driver's own memory there. The
 * driver packs small allocations as it likes and tells nobody; of a slab it is known to the
 * byte what it takes. Owns the slabs of each context, under one lock that is never held while
 * the driver makes or frees memory. Any thread.
 */
#ifndef LOWTIDE_DRIVER_SLABS_H
#define LOWTIDE_DRIVER_SLABS_H

#include "pager/pager.h"

/* DECLINED: not this one's business. REFUSED: *result says why. */
enum pager_answer driver_slabs_alloc(uint64_t bytes, CUdeviceptr *out, CUresult *result);
/* DECLINED: the address is in none. *result is what the program is told. */
enum pager_answer driver_slabs_free(CUdeviceptr address, CUresult *result);
/* The same in the order of `stream` (NULL made plain, not captured). */
enum pager_answer driver_slabs_free_after(CUdeviceptr address, CUstream stream,
					  CUresult *result);

/* Does the address lie in one? */
bool driver_slabs_hold(CUdeviceptr address);
/* The allocation there. False: none. */
bool driver_slabs_at(CUdeviceptr address, struct pager_component *out);
/* What to ask the driver about instead of the address: of what was freed, an address where
 * there is nothing. */
CUdeviceptr driver_slabs_shown(CUdeviceptr address);

/* CU_POINTER_ATTRIBUTE_SYNC_MEMOPS of the allocation there; the driver keeps it with the whole
 * slab. False: the address is in none. */
bool driver_slabs_set_sync_memops(CUdeviceptr address, bool on, CUresult *result);

/* On the device, in slabs that nothing is taken from. */
uint64_t driver_slabs_empty_bytes(int device);
/* The context is gone, and its slabs with it. */
void driver_slabs_context_ended(CUcontext context);

void driver_slabs_fork_prepare(void);
void driver_slabs_fork_parent(void);
void driver_slabs_fork_child(void);

#endif
