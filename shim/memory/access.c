#include "memory/access.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "base/lock.h"
#include "base/settings.h"

#include <stdatomic.h>

#define FIRST_NAP_NS 20000
#define LONGEST_NAP_NS 100000

static _Atomic uint64_t peers[SETTINGS_DEVICES]; /* by device, a bit a peer; atomic */

bool access_add_peer(int device, int peer)
{
	uint64_t bit;

	if (device < 0 || device >= SETTINGS_DEVICES || peer < 0 || peer >= SETTINGS_DEVICES)
		return false;
	bit = (uint64_t)1 << peer;
	return !(atomic_fetch_or(&peers[device], bit) & bit);
}

/* cuMemSetAccess may say NOT_READY while work runs (seen on Windows drivers). That work ends,
 * and more does not come without bound: whoever launches what could matter waits for the lock
 * that the caller holds, or at the gate. */
static CUresult allow(CUdeviceptr start, size_t bytes, int device)
{
	const CUmemAccessDesc desc = {
	    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
	    .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
	};
	CUresult result = real(cuMemSetAccess)(start, bytes, &desc, 1);
	uint64_t nap_ns = FIRST_NAP_NS, until_ns;

	if (result != CUDA_ERROR_NOT_READY)
		return result;
	until_ns = clock_now_ns() + settings_get()->patience_ns;
	while (result == CUDA_ERROR_NOT_READY && clock_now_ns() < until_ns) {
		lock_nap(nap_ns);
		nap_ns = nap_ns < LONGEST_NAP_NS ? 2 * nap_ns : LONGEST_NAP_NS;
		result = real(cuMemSetAccess)(start, bytes, &desc, 1);
	}
	return result;
}

CUresult access_allow(CUdeviceptr start, size_t bytes, int device)
{
	CUresult result = allow(start, bytes, device);
	uint64_t others = device < SETTINGS_DEVICES ? atomic_load(&peers[device]) : 0;

	for (int peer = 0; others && result == CUDA_SUCCESS; peer++, others >>= 1)
		if (others & 1)
			result = allow(start, bytes, peer);
	return result;
}
