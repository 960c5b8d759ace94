/*
 * Copies and memsets that name the memory of one card while another card's context is current.
 * Plain allocations allow that; paged memory is mapped for its own card only. So such work goes
 * into a stream of that card's, made for it, between what the program's stream holds already
 * and what comes later; each card's drain knows of it.
 *
 * Begun and ended inside the gate, by one thread; takes the fences' and the streams' locks.
 */
#ifndef LOWTIDE_DETOUR_H
#define LOWTIDE_DETOUR_H

#include "pager/pager.h"

struct detour {
	CUstream stream; /* the program's, NULL made plain */
	unsigned int count;
	struct {
		struct pager *pager;
		CUstream carrier;
	} by[2];
};

/* Is it memory of ours on another device than the current context's? */
bool detour_needed(CUdeviceptr address);

/* For the owners of the two addresses, of which one may be nobody. Not success: nothing was
 * begun. */
CUresult detour_begin(struct detour *detour, CUstream stream, CUdeviceptr one,
		      CUdeviceptr other);
/* A copy, with one home each side; `host`: which side is host memory, or is reached as if it
 * were. */
struct detour_side {
	CUdeviceptr at, reached;
	bool host;
};
CUresult detour_copy(const struct detour *detour, const struct detour_side *dst,
		     const struct detour_side *src, size_t bytes, bool ram_to_ram);
/* `unit`: 1, 2 or 4 bytes. */
CUresult detour_memset(const struct detour *detour, CUdeviceptr start, unsigned int unit,
		       unsigned int value, size_t bytes);
/* Memory that was used keeps its home until the work is over. */
void detour_end(struct detour *detour, struct pager_use *use);

#endif
