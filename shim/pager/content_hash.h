/* What a device frame holds, in 128 bits, computed by the GPU at the speed of its memory. The
 * pager's lock is held and its context is current. */
#ifndef LOWTIDE_CONTENT_HASH_H
#define LOWTIDE_CONTENT_HASH_H

#include "pager/pager.h"

#define HASH_BATCH 1024 /* frames at once */

/* Loads the kernel and takes scratch memory (one small frame of the cap). */
CUresult content_hash_init(struct pager *pager);
void content_hash_finish(struct pager *pager);

/* Hashes `count` <= HASH_BATCH frames into hashes[2 * i]; waits for the result. */
CUresult content_hash(struct pager *pager, struct frame *const *frames, size_t count,
		      uint64_t *hashes);
/* The same sum, by the processor; for the trial at start. */
void content_hash_of_bytes(const void *bytes, size_t count, uint64_t hash[2]);

#endif
