/* Moving blocks between their homes, a batch at a time, in an open window. The pager's lock is
 * held. */
#ifndef LOWTIDE_TRANSIT_H
#define LOWTIDE_TRANSIT_H

#include "pager/pager.h"

/* Each block is resident; those with a host frame to go to leave VRAM, copied first unless
 * their host frame still holds the same bytes. Reorders `blocks`. The device frames become
 * spare. */
void transit_evict(struct pager *pager, uint32_t *blocks, size_t count);
/* Each block is cold; those for which there is a device frame come in. */
void transit_page_in(struct pager *pager, uint32_t *blocks, size_t count);

/* A host frame of a class, if need be the kept copy of a block that is resident. NULL: none. */
struct frame *transit_host_frame(struct pager *pager, unsigned int size_class);

#endif
