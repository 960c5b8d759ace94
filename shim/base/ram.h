/*
 * How much RAM may still be taken: what the machine has available, and what the control groups
 * this process lives in leave of it. Reads files of /proc and /sys; keeps nothing. Any thread.
 */
#ifndef LOWTIDE_RAM_H
#define LOWTIDE_RAM_H

#include <stdint.h>

/* The smaller of the two below. */
uint64_t ram_available_bytes(void);

/* MemAvailable; 0 where it is not known. */
uint64_t ram_machine_bytes(void);

/* What the tightest of the control groups around this process leaves; UINT64_MAX: none limits
 * it. `root` is put before each path: "" outside tests. */
uint64_t ram_group_bytes(const char *root);

#endif
