#include "driver.h"

#include <cudaTypedefs.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct driver probe_driver;

static PFN_cuGetProcAddress_v12000 resolver; /* NULL: a driver before 12.0 */
static int driver_version = INT_MAX;	     /* INT_MAX: not known */

/* How cuGetProcAddress knows each function. */
struct form {
	const char *base;
	int since;
};

static const struct {
#define VERSIONED(base, since, stream, symbol) struct form symbol;
#include "../../../shim/driver/api.def"
} forms = {
#define VERSIONED(base, since, stream, symbol) {#base, since},
#include "../../../shim/driver/api.def"
};

/* By version where the driver knows versions, so that a call which it lacks is seen to lack
 * even if a symbol of that name is there. */
static void *find(const struct form *form, const char *symbol)
{
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;
	void *found = NULL;

	/* Asked for a later version of a call than it has, a driver answers with the one it
	 * has, which may take other parameters. */
	if (form->since > driver_version)
		return NULL;
	if (resolver)
		result = resolver(form->base, &found, form->since, CU_GET_PROC_ADDRESS_DEFAULT,
				  NULL);
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
#define OPTIONAL(symbol)                                                                       \
	probe_driver.symbol = __extension__(__typeof__(&symbol)) find(&forms.symbol, #symbol);
#define NEEDED(symbol)                                                                         \
	OPTIONAL(symbol)                                                                       \
	if (!probe_driver.symbol)                                                              \
		missing = #symbol;
#include "driver.def"
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
#define VMM(symbol)                                                                            \
	if (!cu(symbol))                                                                       \
		return false;
#include "driver.def"
	return true;
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
