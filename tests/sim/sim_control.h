/*
 * The simulated driver's words to tests and benchmarks, beside its environment (README.md here
 * lists that). Linked with the driver, or found by dlsym where it may not be the simulated one.
 * Any thread; each takes the driver's lock.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include <cuda.h>
#include <stdint.h>

/* Where the byte is now: 1 in VRAM, 0 in RAM, -1 nowhere. */
int sim_in_vram(CUdeviceptr address);

/* From then on a launch does nothing and costs nothing. */
void sim_null_launches(void);

/* From then on memory is made, mapped and freed in name only, and nothing may be done with it.
 */
void sim_null_memory(void);

/* What this thread's calls have taken of the host's virtual time. */
double lowtide_sim_thread_ns(void);

/* A number of the report by its name there (bytes_h2d, remap_races, vram_peak, ...), as it is
 * now; or vram_now, host_now: what of the first card's memory, and of RAM, is taken; or
 * managed_now: what of the first card's memory is taken by managed memory; or how
 * often a driver function was called, by its name; or calls: of all of them.
 * UINT64_MAX: there is none of that name. */
uint64_t lowtide_sim_counted(const char *name);

/* As LOWTIDE_SIM_FAIL, from now on: the nth call of the function from here answers `code`
 * (0: each does). False: no room for another. */
int lowtide_sim_fail(const char *function, uint64_t nth, CUresult code);

#endif
