/* cuGetProcAddress: by name, version and stream flavour. */
#include "functions.h"
#include "sim.h"

#include <string.h>

/* Whether a driver of this version has it at all. */
static bool driver_has(const struct sim_function *function)
{
	return function->since <= sim_config.driver_version &&
	       sim_function_is_simulated(function);
}

SIM_EXPORT CUresult cuGetProcAddress_v2(const char *name, void **out, int version,
					cuuint64_t flags, CUdriverProcAddressQueryResult *why)
{
	CUdriverProcAddressQueryResult reason = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	bool per_thread = flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
	const void *found = NULL;

	SIM_CALL_ANYWHERE();
	if (!name || !out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	/* A per-thread flavour, where there is one, comes after the plain rows of its name and
	 * wins. */
	for (const struct sim_function *f = sim_functions; f->base; f++) {
		if (strcmp(f->base, name) != 0 || (f->per_thread && !per_thread) ||
		    !driver_has(f))
			continue;
		if (f->since <= version) {
			found = f->address;
			reason = CU_GET_PROC_ADDRESS_SUCCESS;
		} else if (!found) {
			reason = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
		}
	}
	if (why)
		*why = reason;
	*out = (void *)(uintptr_t)found;
	SIM_ANSWER(found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND);
}

SIM_EXPORT CUresult cuGetProcAddress(const char *name, void **out, int version,
				     cuuint64_t flags)
{
	return cuGetProcAddress_v2(name, out, version, flags, NULL);
}
