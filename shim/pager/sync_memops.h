/*
 * CU_POINTER_ATTRIBUTE_SYNC_MEMOPS of paged memory. The driver keeps it with what an address is
 * mapped to, so a component that has it is brought into VRAM, and keeps its home. Any thread;
 * no lock held, not inside the gate.
 */
#ifndef LOWTIDE_SYNC_MEMOPS_H
#define LOWTIDE_SYNC_MEMOPS_H

#include <cuda.h>

#include <stdbool.h>

/* False: the address is in no component. OUT_OF_MEMORY: it does not fit into VRAM. */
bool sync_memops_set(CUdeviceptr address, bool on, CUresult *result);

#endif
