/*
 * The few things that only NVIDIA's management library tells: opened by name, optional, only
 * read from. Never used with the simulated driver, whose bus id may be that of a real card.
 */
#ifndef PROBE_NVML_H
#define PROBE_NVML_H

#include "gpu.h"

/* False: there is none, or it does not know the device. Once, before the others. */
bool nvml_start(const struct gpu *g);
bool nvml_used_bytes(uint64_t *out);   /* of VRAM, of all processes */
const char *nvml_driver_release(void); /* NULL: not known */
bool nvml_link(unsigned int *generation, unsigned int *width, bool of_now);

#endif
