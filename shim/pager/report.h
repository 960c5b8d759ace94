/* What the program is told about memory on a device, by LOWTIDE_REPORT. Any thread, no lock. */
#ifndef LOWTIDE_REPORT_H
#define LOWTIDE_REPORT_H

#include <stddef.h>

/* Of the current device. In: the driver's own figures, in bytes. */
void report_memory(size_t *free_bytes, size_t *total_bytes);
/* The total alone, for cuDeviceTotalMem. */
size_t report_total(int device, size_t total_bytes);

#endif
