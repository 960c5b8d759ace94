/*
 * Admission: may this allocation be made on the current device?
 *
 * The one place where hooks meet the ledger and the settings. Owns nothing; any thread, no lock
 * held. A device's account is opened at its first allocation, with the cap that LOWTIDE_VRAM
 * gives for it.
 */
#ifndef LOWTIDE_ADMISSION_H
#define LOWTIDE_ADMISSION_H

#include <cuda.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens the device's account in the ledger, with its cap; at most once. */
void admission_open_account(int device);

/* Where VRAM under the cap may come from when an allocation does not fit, in the order in which
 * they are asked: a function that frees `bytes` on a device, or says that it could not. Set by
 * whoever has something to give, before it has. */
enum admission_reclaim {
	RECLAIM_SPARE, /* nothing of the program's */
	RECLAIM_PAGED, /* what can go to RAM */
	ADMISSION_RECLAIMS
};
void admission_reclaims(enum admission_reclaim which, bool (*reclaim)(int, uint64_t));

/* False under LOWTIDE_DISABLE=1: then nothing is charged and nothing refused. */
bool admission_in_force(void);

/* Charges `bytes` to the current context's device. CUDA_ERROR_OUT_OF_MEMORY: it does not fit,
 * as on a smaller card; another error: the driver's. *device is -1 where nothing was charged
 * (no context, a size of 0): the driver then answers for itself. */
CUresult admission_ask(size_t bytes, int *device);
/* The same for a device that the call names itself. */
bool admission_ask_device(int device, size_t bytes);

/* So many whole pages, for what is measured: given back by ledger_give_back. Says nothing. */
bool admission_ask_pages(int device, size_t bytes);
/* What is refused, and why; again for less than half of it. */
void admission_say_refused(int device, size_t bytes);
/* The current context's device; -1: nothing is to be charged there, or the driver knows none.
 */
CUresult admission_current_device(size_t bytes, int *device);

/* After the driver answered: remembers the memory if `result` is success, takes the charge back
 * if not. Returns `result`. Always follows admission_ask that said yes. */
CUresult admission_settle(CUresult result, int device, size_t bytes, CUdeviceptr address);
/* The same two for memory of a pool, which outlives the context it was asked for in. */
CUresult admission_ask_pooled(size_t bytes, int *device);
CUresult admission_settle_pooled(CUresult result, int device, size_t bytes,
				 CUdeviceptr address);

/* The driver had none, although there is room under the cap: others fill the card. What can
 * page gives way. True: it is worth another try. *tries begins with 0. */
bool admission_retry(CUresult result, int device, size_t bytes, int *tries);
/* All of these for what only takes a size. */
CUresult admission_alloc(size_t bytes, CUresult (*driver_alloc)(CUdeviceptr *, size_t),
			 CUdeviceptr *out);

/* Frees through the driver and gives the charge back. */
CUresult admission_free(CUdeviceptr address, CUresult (*driver_free)(CUdeviceptr));

#endif
