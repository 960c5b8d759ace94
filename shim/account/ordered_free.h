/*
 * Frees in stream order of memory that the driver made and is charged (unmanaged.h): the driver
 * has it until the stream gets there, so the charge stays until then. Owns the charges that
 * wait, each with an event behind its free, under one lock that is never held while the driver
 * is asked. Any thread.
 */
#ifndef LOWTIDE_ORDERED_FREE_H
#define LOWTIDE_ORDERED_FREE_H

#include <cuda.h>

/* cuMemFreeAsync with its charge. `stream` as the driver is to be given it for the free,
 * `named` the same one made plain (CU_STREAM_LEGACY, CU_STREAM_PER_THREAD). */
CUresult ordered_free(CUdeviceptr address, CUstream stream, CUstream named,
		      CUresult (*driver_free)(CUdeviceptr, CUstream));
/* The program waited: charges of what is free by now go, of the current context. */
void ordered_free_settle(void);
/* The context is gone, and what was being freed in it with it. */
void ordered_free_context_ended(CUcontext context);

void ordered_free_fork_prepare(void);
void ordered_free_fork_done(void);

#endif
