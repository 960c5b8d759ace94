/*
 * What is used beyond what is asked for. A pointer asks for the extent it points into, and what
 * an upload taught may be stale: then the rest of a tensor stays in RAM for ever, used there
 * over the bus, and nothing names it. So once in a while a cold block that nothing asks for,
 * though launches use its component, is hashed, and again when they have: if it has changed,
 * all that is known of the component's extents is forgotten. One block at a time.
 *
 * The pager's lock is held, its context is current, and the program has just waited for work.
 */
#ifndef LOWTIDE_AUDIT_H
#define LOWTIDE_AUDIT_H

#include "pager/pager.h"

void audit_step(struct pager *pager);

#endif
