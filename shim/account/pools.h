/*
 * Stream-ordered memory. A pool takes more from the device than is asked of it, and keeps what
 * is freed until somebody waits, or for good; so what is charged for it is what the driver says
 * it has reserved. Owns one account a pool. Where the driver does not say, each allocation is
 * charged for what was asked.
 */
#ifndef LOWTIDE_POOLS_H
#define LOWTIDE_POOLS_H

#include <cuda.h>

#include <stdbool.h>
#include <stddef.h>

struct pool_request {
	int device; /* -1: nothing is charged */
	size_t bytes;
	CUmemoryPool pool; /* NULL: charged for what was asked */
};

/* Before an allocation from the pool (NULL: the device's current one). As admission_ask. Holds
 * a lock until pools_settle, which always follows success. */
CUresult pools_ask(struct pool_request *request, CUmemoryPool pool, size_t bytes);
/* After it: the driver's answer, and the address. Returns what the program is told; if that is
 * out-of-memory the memory has been freed again, in `stream`. */
CUresult pools_settle(const struct pool_request *request, CUresult result, CUdeviceptr address,
		      CUstream stream);

/* The program has waited, or trimmed: pools may have given memory back. */
void pools_refresh(void);
CUresult pools_destroy(CUmemoryPool pool, CUresult (*driver_destroy)(CUmemoryPool));

void pools_fork_prepare(void);
void pools_fork_done(void);

#endif
