/*
 * Giving components back. What the program frees goes at once when the device has come to rest;
 * where that cannot be asked (a stream is being captured) or is not to be waited for (a free in
 * stream order), the component is parked: it is the program's no more, but stays mapped and
 * charged until nothing can be using it.
 *
 * Owns the pager's list of parked components. Unless it says otherwise, the pager's lock is
 * held and the gate may be in any state.
 */
#ifndef LOWTIDE_FREE_H
#define LOWTIDE_FREE_H

#include "pager/pager.h"

/* Waits until the context is idle, as the driver's own free does, and answers with its error.
 * *captured: something is being captured, nothing was waited for, and the driver would not
 * mind. No lock is held. */
CUresult free_await_idle(CUcontext context, bool *captured);

/* The frames of a block that nothing maps are spare. */
void block_free_frames(struct pager *pager, struct block *block);
/* Nothing uses the component. False: a mapping stayed, and so does the component. */
bool component_free(struct pager *pager, struct component *component);
/* The same of a piece of a slab; the slab goes with the last of them, but for one of a class.
 */
void piece_free(struct pager *pager, struct slab_piece *piece);
/* A slab that nothing is taken from goes. False: there is none, or its mapping stayed. */
bool slab_free_empty(struct pager *pager);
/* It goes once `event` is over, which is the pager's from now on; NULL: once the device has
 * been idle. */
void component_free_later(struct pager *pager, struct component *component, CUevent event);
void piece_free_later(struct pager *pager, struct slab_piece *piece, CUevent event);
/* Marks the parked pieces of slabs that nothing uses any more. Any owner's lock is held. */
void free_mark_ripe(struct slabs *slabs, CUcontext context);
/* What is parked and free to go goes. `idle`: the device is known to be idle and the gate shut;
 * else the driver is asked, unless something is being captured. */
void free_ripe(struct pager *pager, bool idle);
/* Lets the lock go and waits until something parked has gone. False: nothing did by then, or
 * will. */
bool free_wait(struct pager *pager, uint64_t until_ns);
/* The context is gone: everything goes, parked or not. */
void free_all(struct pager *pager);

#endif
