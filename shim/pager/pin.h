/*
 * What keeps its home: the memory that graphs name, and components of which the driver was told
 * something that it keeps with what an address is mapped to. The pager's lock is held.
 */
#ifndef LOWTIDE_PIN_H
#define LOWTIDE_PIN_H

#include "pager/pager.h"

/* Sets or clears CU_POINTER_ATTRIBUTE_SYNC_MEMOPS of all of a component, and pins or unpins it.
 * The driver's error: nothing has changed. */
CUresult pin_sync_memops(struct pager *pager, struct component *component, bool on);
/* A piece of a slab is freed that has it; the slab keeps it while another piece does. */
void pin_piece_freed(struct pager *pager, struct slab_piece *piece);

#endif
