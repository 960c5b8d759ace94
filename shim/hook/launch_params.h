/*
 * Which managed addresses a launch names: every word of every parameter that could be one. Owns
 * the cache of parameter layouts, by function handle; reading it takes no lock.
 */
#ifndef LOWTIDE_LAUNCH_PARAMS_H
#define LOWTIDE_LAUNCH_PARAMS_H

#include <cuda.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAUNCH_PARAMS_FEW 256
/* More than any launch can name: 32,764 bytes of parameters hold no more pointers. */
#define LAUNCH_PARAMS_MOST 4096

/* Writes at most `room` addresses; returns how many. Parameters come one by one (`params`) or
 * packed (`extra`), as cuLaunchKernel takes them. *unknown: it may name more than was found. */
size_t launch_params_named(CUfunction function, void **params, void **extra,
			   uint64_t *addresses, size_t room, bool *unknown);

/* Called before functions go: others may then get their handles. */
void launch_params_forget(void);

/* Kernels, and launches of them, of whose parameters nothing could be known: on all devices,
 * since the process began. */
struct launch_params_unknown {
	uint64_t kernels, launches;
};
struct launch_params_unknown launch_params_unknown(void);

void launch_params_fork_prepare(void);
void launch_params_fork_done(void);

#endif
