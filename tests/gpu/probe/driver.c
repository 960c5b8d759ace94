#include "driver.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct driver probe_driver;

static PFN_cuGetProcAddress_v12000 resolver; /* NULL: a driver before 12.0 */
static int driver_version = INT_MAX;	     /* INT_MAX: not known */

/* By version where the driver knows versions, so that a call which it lacks is seen to lack
 * even if a symbol of that name is there. */
static void *find(const char *base, int since, const char *symbol)
{
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;
	void *found = NULL;

	/* Asked for a later version of a call than it has, a driver answers with the one it
	 * has, which may take other parameters. */
	if (since > driver_version)
		return NULL;
	if (resolver)
		result = resolver(base, &found, since, CU_GET_PROC_ADDRESS_DEFAULT, NULL);
	if (result == CUDA_SUCCESS || result == CUDA_ERROR_NOT_FOUND)
		return found;
	return dlsym(probe_driver.library,
		     symbol); /* it resolves nothing, as a toolkit's stub */
}

static void ask_version(void)
{
	PFN_cuDriverGetVersion_v2020 ask = __extension__(PFN_cuDriverGetVersion_v2020)
	    dlsym(probe_driver.library, "cuDriverGetVersion");
	int version;

	if (ask && ask(&version) == CUDA_SUCCESS && version > 0)
		driver_version = version;
}

bool driver_open(const char *path, const char **why, bool *absent)
{
	static char text[512];
	const char *missing = NULL;

	*why = text;

	probe_driver.path = path;
	probe_driver.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!probe_driver.library) {
		snprintf(text, sizeof(text), "%s", dlerror());
		*absent = true;
		return false;
	}
	resolver = __extension__(PFN_cuGetProcAddress_v12000)
	    dlsym(probe_driver.library, "cuGetProcAddress_v2");
	ask_version();
#define MAY(base, since, symbol)                                                               \
	probe_driver.symbol = __extension__(PFN_##base##_v##since) find(#base, since, #symbol);
#define NEED(base, since, symbol)                                                              \
	MAY(base, since, symbol)                                                               \
	if (!probe_driver.symbol)                                                              \
		missing = #symbol;
#include "driver.def"
#undef NEED
#undef MAY
	/* The simulated driver's: on it, the machine's clock would time the simulator. */
	probe_driver.simulated_ns = __extension__(double (*)(void))
	    dlsym(probe_driver.library, "lowtide_sim_thread_ns");
	if (!missing)
		return true;
	snprintf(text, sizeof(text), "%s does not offer %s", path, missing);
	*absent = false;
	return false;
}

bool driver_has_vmm(void)
{
	return cu(cuMemAddressReserve) && cu(cuMemAddressFree) && cu(cuMemCreate) &&
	       cu(cuMemRelease) && cu(cuMemMap) && cu(cuMemUnmap) && cu(cuMemSetAccess) &&
	       cu(cuMemGetAllocationGranularity);
}

const char *driver_error_name(CUresult result)
{
	static _Thread_local char number[32];
	const char *name = NULL;

	if (cu(cuGetErrorName) && cu(cuGetErrorName)(result, &name) == CUDA_SUCCESS && name)
		return name;
	snprintf(number, sizeof(number), "error %d", (int)result);
	return number;
}
