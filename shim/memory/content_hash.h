/* What a device frame holds, in 128 bits, computed by the GPU at the speed of its memory. The
 * pager's lock is held and its context is current. */
#ifndef LOWTIDE_CONTENT_HASH_H
#define LOWTIDE_CONTENT_HASH_H

#include "memory/memory.h"
#include "memory/start_step.h"

#define HASH_BATCH 1024 /* frames at once */

/* Loads our kernels and takes scratch memory (one small frame of the cap). Without kernels it
 * succeeds only where cold memory has no mapping; there is then no hash, and what leaves VRAM
 * is copied. *failure: the step that failed. */
CUresult content_hash_init(struct memory *memory, struct start_failure *failure);
static inline bool content_hash_can(const struct memory *memory)
{
	return memory->kernels.content_hash != NULL;
}
void content_hash_finish(struct memory *memory);
/* The same while the context lives: what was loaded and pinned goes too. */
void content_hash_undo(struct memory *memory);

/* Names the frame as number i < HASH_BATCH of those that are hashed next. */
void content_hash_name(struct memory *memory, size_t i, const struct frame *frame);
/* Hashes the first `count` of them in `stream`; waits for the result: that of number i is at 2
 * * i, until the next are named. NULL: it could not be had. */
const uint64_t *content_hash(struct memory *memory, size_t count, CUstream stream);
/* The kernel alone: params are the table and the sums, of `count` entries of at most `largest`
 * bytes. */
CUresult content_hash_launch(struct memory *memory, void **params, uint64_t largest,
			     size_t count, CUstream stream);
/* Where in the scratch frame, and in hash_host, rows for single frames begin. */
#define OVERLAP_ROWS_OFFSET ((size_t)64 << 10)
#define HASH_SCRATCH_BYTES ((size_t)128 << 10)

/* The same sum, by the processor; for the trial at start. */
void content_hash_of_bytes(const void *bytes, size_t count, uint64_t hash[2]);

#endif
