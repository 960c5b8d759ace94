/* Copies that name managed memory: shared by the one-dimensional and the boxed ones. */
#ifndef LOWTIDE_MEMCPY_H
#define LOWTIDE_MEMCPY_H

#include "hook/detour.h"
#include "hook/work.h"

/* When a copy returns to the program, as the driver documents it. */
enum memcpy_blocking {
	MEMCPY_RETURNS,	       /* at once (or as the driver's own asynchronous copy does) */
	MEMCPY_WAITS,	       /* when the bytes have arrived */
	MEMCPY_WAITS_FOR_HOST, /* the same, unless both sides are the device's, in any form */
};

struct memcpy_work {
	CUdeviceptr dst, src;
	size_t bytes;
	enum memcpy_blocking blocking;
	bool reads_host; /* the source is, or may be, host memory */
	bool in_parts;
	bool other_card;	     /* it goes by a detour */
	const struct detour *detour; /* begun by the caller, or NULL */
	struct work work;
};

/* What kind of memory the program takes an address for: paged memory is device memory to it,
 * wherever it is now. */
enum memcpy_place { MEMCPY_DEVICE, MEMCPY_PINNED, MEMCPY_PAGEABLE };
enum memcpy_place memcpy_place_of(CUdeviceptr address);
/* Does a synchronous copy between the two wait, as the driver documents it? */
static inline bool memcpy_waits(CUdeviceptr dst, CUdeviceptr src)
{
	return memcpy_place_of(dst) != MEMCPY_DEVICE || memcpy_place_of(src) != MEMCPY_DEVICE;
}

/* Does either belong to another card than the current context's? */
static inline bool memcpy_is_of_other_card(CUdeviceptr dst, CUdeviceptr src)
{
	return detour_needed(dst) || detour_needed(src);
}

/* Should `bytes` that are copied from there be searched for pointers? */
bool memcpy_may_hold_pointers(CUdeviceptr src, uint64_t bytes);
/* Searches one row of such a copy. */
void memcpy_look_for_pointers(const void *bytes, size_t count);

/* True: the driver may make the copy whole; false: memcpy_in_parts makes it. Either way
 * memcpy_end follows. */
bool memcpy_begin(struct memcpy_work *copy);
CUresult memcpy_in_parts(struct memcpy_work *copy);
CUresult memcpy_end(struct memcpy_work *copy, CUresult result);

#endif
