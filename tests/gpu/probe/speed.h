/* How fast a kernel reads and writes memory, wherever it is. One thread. */
#ifndef PROBE_SPEED_H
#define PROBE_SPEED_H

#include "gpu.h"

/* Figures `who`/read, /write (GB/s), /random (million reads of one sector a second), and
 * /read_4_kernels: four streams at once. */
void speed_of_kernels(const struct gpu *g, CUdeviceptr at, size_t bytes, const char *who);

enum direction { COPY_IN, COPY_OUT, COPY_ON_DEVICE };
/* One asynchronous copy, timed on the device, again and again. from, to: device addresses, or a
 * host pointer where the direction has one. */
void speed_of_copy(const struct gpu *g, enum direction direction, CUdeviceptr to,
		   CUdeviceptr from, size_t bytes, struct samples *gbps);
CUresult copy_start(enum direction direction, CUdeviceptr to, CUdeviceptr from, size_t bytes,
		    CUstream in);

#endif
