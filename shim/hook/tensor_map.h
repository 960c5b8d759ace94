/*
 * Tensor maps (TMA descriptors): 128 opaque bytes that hold an address, passed by value or
 * lying in device memory. Where the address stands in one of the words, as it is, the ordinary
 * scan of parameters and of uploaded tables finds it. Where it does not, the bytes are
 * remembered with their address here, so that a launch that is given them names it, and what it
 * points into only moves in windows.
 *
 * Owns that table, which is bounded: the oldest of two that meet in it is forgotten. One lock.
 */
#ifndef LOWTIDE_TENSOR_MAP_H
#define LOWTIDE_TENSOR_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TENSOR_MAP_BYTES 128

/* Some map has been remembered: launches have to look. Atomic; set once. */
extern atomic_bool tensor_maps_remembered;

/* The addresses of remembered maps among these bytes, at every `step` from their start. */
size_t tensor_maps_named(const unsigned char *bytes, size_t count, size_t step,
			 uint64_t *addresses, size_t room);

void tensor_maps_fork_prepare(void);
void tensor_maps_fork_done(void);

#endif
