/*
 * Which managed addresses a launch names: every aligned word of every parameter that could be
 * one. Owns the cache of parameter layouts, by function handle; reading it takes no lock.
 */
#ifndef LOWTIDE_PARAMS_H
#define LOWTIDE_PARAMS_H

#include <cuda.h>

#include <stddef.h>
#include <stdint.h>

#define PARAMS_NAMED_MAX 256

/* Writes at most PARAMS_NAMED_MAX addresses; returns how many. Parameters come one by one
 * (`params`) or packed
 * (`extra`), as cuLaunchKernel takes them. */
size_t params_named(CUfunction function, void **params, void **extra, uint64_t *addresses);

/* Functions may have gone: their handles may come again for others. */
void params_forget(void);

void params_fork_prepare(void);
void params_fork_done(void);

#endif
