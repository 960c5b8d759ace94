/* cuGetProcAddress: by name, version and stream flavour. */
#include "sim.h"

#include <string.h>

/* Protected: this library's own function, never the one that somebody preloaded under the same
 * name. */
#define FUNCTION(base, since, stream, symbol)                                                  \
	extern const char symbol_##symbol[] __asm__(#symbol)                                   \
	    __attribute__((visibility("protected")));
#include "functions.def"
#undef FUNCTION

static const struct {
	const char *base;
	int since;
	bool per_thread;
	const void *address;
} functions[] = {
#define FUNCTION(base, since, stream, symbol)                                                  \
	{#base, since, sizeof(#stream) > 1, symbol_##symbol},
#include "functions.def"
#undef FUNCTION
};

#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))
/* Drivers before this know no parameter layouts. */
#define PARAM_INFO_SINCE 12040

static bool absent(const char *base, int since)
{
	if (since > sim_config.driver_version)
		return true;
	return sim_config.driver_version < PARAM_INFO_SINCE &&
	       (!strcmp(base, "cuFuncGetParamInfo") || !strcmp(base, "cuKernelGetParamInfo"));
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
	for (size_t i = 0; i < FUNCTIONS; i++) {
		if (strcmp(functions[i].base, name) != 0 ||
		    (functions[i].per_thread && !per_thread))
			continue;
		if (absent(functions[i].base, functions[i].since))
			continue;
		if (functions[i].since <= version) {
			found = functions[i].address;
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
