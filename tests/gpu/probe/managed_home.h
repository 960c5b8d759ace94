/*
 * What the parts of trial_managed_home share: managed memory that is filled with a pattern, and
 * what kernels say of it. A call that must work but fails ends the trial. One thread.
 */
#ifndef PROBE_MANAGED_HOME_H
#define PROBE_MANAGED_HOME_H

#include "managed.h"

#define HOME_KEY 77

struct home {
	const struct gpu *g;
	CUdeviceptr at;
	size_t bytes;
	CUfunction recheck;
	CUstream moving;
	CUevent moved;		   /* the processor sleeps until then */
	double resident_read_gbps; /* on the card */
	double to_ram_us;	   /* of a prefetch of all of it, when its bytes cross */
	uint64_t bumps;		   /* since it was filled */
};

void home_advise(const struct home *h, CUmem_advise advice, enum side side);
/* All of it goes there, and has come. */
void home_settle(const struct home *h, enum side side);
void home_refill(struct home *h); /* with the pattern of HOME_KEY */
/* Is every word what it should be? Read by a kernel, wherever it is. */
bool home_is_whole(const struct home *h);
/* Figures `who`/first_read, which may bring the pages over, and /read; the median of the
 * second. */
double home_read_gbps(const struct home *h, const char *who);
/* Read so slowly again and again, it still lies in RAM. */
bool home_read_over_bus(const struct home *h, double gbps);

/* managed_moves.c: prefetches, and copies that are only read and then dropped. */
void home_prefetches(struct home *h);
void home_read_mostly(struct home *h);
/* managed_under.c: prefetches under kernels. Both end the trial if its context is lost. */
void home_under_writer(struct home *h);
void home_under_reader(struct home *h);

#endif
