/*
 * Which pagers live, one a device at most, and whose addresses are whose. Owns the list and the
 * bounds of all arenas; any thread, no lock. A pager's memory stays when it has left: whoever
 * waited for its lock asks again.
 */
#ifndef LOWTIDE_REGISTRY_H
#define LOWTIDE_REGISTRY_H

#include "pager/pager.h"

/* NULL: none was made for the context, or it has left. */
struct pager *registry_of_context(CUcontext context);

/* It is ready to be used: from now on addresses are found in it. */
void registry_enter(struct pager *pager);
void registry_leave(const struct pager *pager);
/* In a forked child: none lives there. */
void registry_clear(void);

#endif
