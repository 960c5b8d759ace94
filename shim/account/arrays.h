/*
 * What an array takes of VRAM. Texels lie in tiles, which differ from card to card: so the
 * driver is asked, by an array of the same shape that has no memory yet, once a shape. Owns the
 * answers, by shape. Any thread; no lock is held while the driver is asked.
 */
#ifndef LOWTIDE_ARRAYS_H
#define LOWTIDE_ARRAYS_H

#include <cuda.h>
#include <stdint.h>

/* In bytes, never less than the driver takes; of all its levels (1: a plain array), on the
 * current context's device. 0: it takes nothing yet (sparse, or mapped later), or the driver
 * would refuse it. */
uint64_t arrays_bytes(const CUDA_ARRAY3D_DESCRIPTOR *desc, unsigned int levels);

void arrays_fork_prepare(void);
void arrays_fork_done(void);

#endif
