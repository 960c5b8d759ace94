/* Access to mapped memory for a device; retries what the driver says is not ready yet. */
#ifndef LOWTIDE_ACCESS_H
#define LOWTIDE_ACCESS_H

#include <cuda.h>

#include <stdbool.h>

/* Reading and writing: for the device whose memory it is, and for those that were given access
 * to it. */
CUresult access_allow(CUdeviceptr start, size_t bytes, int device);
/* From now on also for `peer`. False: it was so already. */
bool access_add_peer(int device, int peer);

#endif
