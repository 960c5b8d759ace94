/*
 * CU_POINTER_ATTRIBUTE_SYNC_MEMOPS of paged memory. The driver keeps it with what an address is
 * mapped to, so a component that has it is brought into VRAM, and keeps its home. Any thread;
 * no lock held, not inside the gate.
 */
#ifndef LOWTIDE_SYNC_MEMOPS_H
#define LOWTIDE_SYNC_MEMOPS_H

#include <cuda.h>

#include <stdbool.h>

struct pager;
struct slab_piece;

/* False: the address is in no component. OUT_OF_MEMORY: it does not fit into VRAM. */
bool sync_memops_set(CUdeviceptr address, bool on, CUresult *result);
/* A piece that has it is freed; its slab keeps it while another piece has it. The pager's lock
 * is held. */
void sync_memops_piece_freed(struct pager *pager, struct slab_piece *piece);

#endif
