/*
 * What arrays are charged. How the driver lays one out it says nowhere, so what it takes is
 * measured: free memory before and after, one such call at a time. Before that, what its texels
 * need at least is charged, so that one that cannot fit is not made. Owns nothing; any thread,
 * no lock held.
 */
#ifndef LOWTIDE_ARRAY_CHARGE_H
#define LOWTIDE_ARRAY_CHARGE_H

#include <cuda.h>

#include <stdint.h>

struct array_charge {
	int device; /* -1: nothing is charged */
	uint64_t least_bytes, charged_bytes;
};

/* `least_bytes`: of its texels; 0 if unknown. OUT_OF_MEMORY: not under the cap. Success holds a
 * lock until array_charge_settle, which always follows. */
CUresult array_charge_ask(struct array_charge *charge, uint64_t least_bytes);
/* After the driver answered. One that turns out not to fit is destroyed again. Returns what the
 * program is told. */
CUresult array_charge_settle(const struct array_charge *charge, CUresult result,
			     uint64_t handle, CUresult (*destroy)(CUdeviceptr));

#endif
