/*
 * The device memory that is taken, by the driver's own figure and, where it is, by NVML's:
 * looked at before and after. Other processes move both. One thread.
 */
#ifndef PROBE_TAKEN_H
#define PROBE_TAKEN_H

#include "gpu.h"

struct taken {
	uint64_t free_bytes, nvml_bytes;
	bool has_nvml; /* nvml_start has been called, and found it */
};

struct taken taken_look(void);
/* What more is taken now, as facts NAME/device_bytes and NAME/device_bytes_nvml. The driver's
 * figure is returned. */
long long taken_say(const struct taken *before, const char *name, ...)
    __attribute__((format(printf, 2, 3)));

#endif
