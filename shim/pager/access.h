/* Access to mapped memory for a device; retries what the driver says is not ready yet. */
#ifndef LOWTIDE_ACCESS_H
#define LOWTIDE_ACCESS_H

#include <cuda.h>

/* Reading and writing, for the device and for nobody else. */
CUresult access_allow(CUdeviceptr start, size_t bytes, int device);

#endif
