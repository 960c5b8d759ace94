/* Copies that name managed memory: shared by the one-dimensional and the boxed ones. */
#ifndef LOWTIDE_COPY_H
#define LOWTIDE_COPY_H

#include "hook/detour.h"
#include "hook/work.h"

/* When a copy returns to the program, as the driver documents it. */
enum copy_blocking {
	COPY_RETURNS,	     /* at once (or as the driver's own asynchronous copy does) */
	COPY_WAITS,	     /* when the bytes have arrived */
	COPY_WAITS_FOR_HOST, /* the same, unless both sides are the device's, in any form */
};

struct copy {
	CUdeviceptr dst, src;
	size_t bytes;
	CUstream stream; /* NULL made plain */
	enum copy_blocking blocking;
	bool reads_host; /* the source is, or may be, host memory */
	bool begun, in_parts;
	bool other_card;	     /* it goes by a detour */
	const struct detour *detour; /* begun by the caller, or NULL */
	struct pager_use use;
};

/* Where the program thinks an address is: what of ours is cold is still the device's to it. */
enum copy_place { COPY_DEVICE, COPY_PINNED, COPY_PAGEABLE };
enum copy_place copy_place_of(CUdeviceptr address);
/* Does a synchronous copy between the two wait, as the driver documents it? */
static inline bool copy_waits(CUdeviceptr dst, CUdeviceptr src)
{
	return copy_place_of(dst) != COPY_DEVICE || copy_place_of(src) != COPY_DEVICE;
}

/* Does either belong to another card than the current context's? */
static inline bool copy_is_of_other_card(CUdeviceptr dst, CUdeviceptr src)
{
	return detour_needed(dst) || detour_needed(src);
}

/* Should what is copied from there, so much in all, be looked through for a table of pointers?
 */
bool copy_may_hold_pointers(CUdeviceptr src, uint64_t bytes);
/* Then, each row of it. */
void copy_look_for_pointers(const void *bytes, size_t count);

/* True: the driver may do it whole. Always followed by copy_end. */
bool copy_begin(struct copy *copy);
CUresult copy_in_parts(struct copy *copy);
CUresult copy_end(struct copy *copy, CUresult result);

#endif
