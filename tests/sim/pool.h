/* Stream-ordered memory's seam to the rest of the simulator. */
#ifndef SIM_POOL_H
#define SIM_POOL_H

#include <cuda.h>
#include <stdbool.h>

/* Gives back what was freed in stream order and has been reached; call after each
 * synchronization. */
void sim_pool_reap(void);
/* cuMemFree of stream-ordered memory. False: it is none. */
bool sim_pool_free(CUdeviceptr address);
/* The context is gone, and what was made in it. */
void sim_pool_forget(CUcontext context);

#endif
