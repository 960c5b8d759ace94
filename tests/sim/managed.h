/*
 * Managed memory: where each page of it is, and what moves it. Its bytes stay in one file in
 * RAM (linear.c), so that the processor always reads what a kernel wrote; what a page's place
 * decides is what a kernel's access costs and how much VRAM is taken. A page is 2 MiB, counted
 * from the allocation's start. The processor's own accesses are not seen and move nothing.
 *
 * managed.c has the pages and what kernels do to them, managed_calls.c what the program asks
 * for. All with the lock.
 */
#ifndef SIM_MANAGED_H
#define SIM_MANAGED_H

#include "sim.h"

#define SIM_IN_RAM SIM_DEVICES /* a place beside the devices */
#define SIM_AT(place) (1u << (place))

struct sim_page {
	unsigned int where;	  /* SIM_AT(place) of each place that has its bytes: one, but
				     of read-mostly pages */
	unsigned int accessed_by; /* SIM_AT(place) of each that was advised */
	unsigned int mapped;	  /* SIM_AT(device): by a fault, to where the page is in RAM */
	bool read_mostly;
	CUmemLocation preferred, prefetched; /* of type INVALID: none */
	unsigned long long arrived;	     /* in VRAM: what came first goes first */
	/* The newest operation that accessed it and that moved it; kept only where what one
	 * does to the other is planted. */
	struct sim_mark *accessed, *moved;
};

struct sim_managed {
	struct sim_managed *next;
	uintptr_t start;
	size_t bytes, count;
	struct sim_page pages[];
};

/* False: out of host memory. */
bool sim_managed_add(uintptr_t start, size_t bytes);
void sim_managed_forget(uintptr_t start); /* what it took of VRAM is given back */
/* The pages that hold [start, start + bytes), all of one allocation; NULL: it is not that. */
struct sim_managed *sim_managed_pages(uintptr_t start, size_t bytes, size_t *first,
				      size_t *last);
size_t sim_page_bytes(const struct sim_managed *m, size_t i);

/* Of a range that is being accessed, what is managed. */
struct sim_managed_touch {
	uint64_t vram_bytes;  /* of the range: accessed where the device has it */
	uint64_t moved_bytes; /* came over the bus for that */
	double stall_ns;      /* of faults and of what had to come first */
};
/* A kernel's access. False: an illegal one, where that is planted. */
bool sim_managed_touch(struct sim_op *op, uintptr_t start, size_t bytes, bool write,
		       struct sim_managed_touch *out);
/* Something else has written there: copies that were only read are no more. */
void sim_managed_written(uintptr_t start, size_t bytes);
bool sim_managed_in_ram(uintptr_t address); /* none of its copies is in VRAM */

/* A prefetch of the page, to a device or to SIM_IN_RAM; adds what of it must cross the bus. A
 * page that finds no room stays where it is. False: an illegal access, where that is planted.
 */
bool sim_managed_prefetch(struct sim_op *op, struct sim_managed *m, size_t i, int place,
			  uint64_t *crossed);
/* Its copies become one: in `place`, if that has one, else in any; SIM_DEVICES + 1: no matter.
 */
void sim_managed_unify(struct sim_managed *m, size_t i, int place);

/* Pages go to RAM until so much of the device's memory is free; false: there are not enough. */
bool sim_managed_make_room(int device, uint64_t bytes);
/* What all of them take of the device's memory. */
uint64_t sim_managed_used(int device);

#endif
