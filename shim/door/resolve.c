#include "door/resolve.h"

#include "base/log.h"
#include "base/settings.h"
#include "driver/driver.h"
#include "driver/export.h"

#include <stdatomic.h>
#include <string.h>

static const struct hooked {
	const char *base, *symbol;
	int since;
	bool per_thread;
	void (*wrapper)(void);
} functions[] = {
#define HOOKED(base, since, stream, symbol, paging)                                            \
	{#base, #symbol, since, sizeof(#stream) > 1, (void (*)(void))symbol},
#include "driver/api.def"
};

#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

void *resolve_symbol(const char *symbol)
{
	for (size_t i = 0; i < FUNCTIONS; i++)
		if (!strcmp(functions[i].symbol, symbol))
			return __extension__(void *) functions[i].wrapper;
	return NULL;
}

void *resolve_base(const char *base, int version, bool per_thread)
{
	const struct hooked *best = NULL;

	for (size_t i = 0; i < FUNCTIONS; i++) {
		const struct hooked *row = &functions[i];

		if (row->since > version || (row->per_thread && !per_thread) ||
		    strcmp(row->base, base))
			continue;
		best = row; /* in the order of api.def the last is the answer */
	}
	if (!best)
		return NULL;
	return __extension__(void *) best->wrapper;
}

/* What the driver itself answers. */
typedef CUresult (*ask_driver_fn)(const char *symbol, void **pfn, int version,
				  cuuint64_t flags);

static CUresult ask_driver(const char *symbol, void **pfn, int version, cuuint64_t flags)
{
	return real(cuGetProcAddress)(symbol, pfn, version, flags);
}

static CUresult ask_driver_v2(const char *symbol, void **pfn, int version, cuuint64_t flags)
{
	CUdriverProcAddressQueryResult unused;

	return real(cuGetProcAddress_v2)(symbol, pfn, version, flags, &unused);
}

/* Asked for a CUDA version later than KNOWN_CUDA_VERSION, the driver may answer with a form of
 * the function that is not known here and takes other parameters. Most functions have no such
 * form: then the answer is the same as for KNOWN_CUDA_VERSION. */
static bool is_unknown_form(const char *symbol, const void *pfn, int version, cuuint64_t flags,
			    ask_driver_fn ask)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	void *known = NULL;

	if (version <= KNOWN_CUDA_VERSION ||
	    (ask(symbol, &known, KNOWN_CUDA_VERSION, flags) == CUDA_SUCCESS && known == pfn))
		return false;
	(void)settings_get(); /* reads what the log needs to know */
	if (!atomic_flag_test_and_set(&said))
		log_warn("%s of CUDA %d.%d is not known to this version and left to the "
			 "driver: what it does is not seen (said once)",
			 symbol, version / 1000, version % 1000 / 10);
	return true;
}

/* Puts our wrapper in the place of the driver's answer, where there is one: what the driver
 * lacks must go on being absent. */
static CUresult answer_with_wrapper(CUresult result, const char *symbol, void **pfn,
				    int version, cuuint64_t flags, ask_driver_fn ask)
{
	void *wrapper;

	if (result != CUDA_SUCCESS || !pfn || !*pfn || !symbol)
		return result;
	wrapper = resolve_base(symbol, version,
			       flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
	if (wrapper && !is_unknown_form(symbol, *pfn, version, flags, ask))
		*pfn = wrapper;
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGetProcAddress(const char *symbol, void **pfn, int cudaVersion,
					    cuuint64_t flags)
{
	if (!driver_has(cuGetProcAddress))
		return CUDA_ERROR_NOT_FOUND;
	return answer_with_wrapper(real(cuGetProcAddress)(symbol, pfn, cudaVersion, flags),
				   symbol, pfn, cudaVersion, flags, ask_driver);
}

LT_EXPORT CUresult CUDAAPI cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion,
					       cuuint64_t flags,
					       CUdriverProcAddressQueryResult *symbolStatus)
{
	if (!driver_has(cuGetProcAddress_v2))
		return CUDA_ERROR_NOT_FOUND;
	return answer_with_wrapper(
	    real(cuGetProcAddress_v2)(symbol, pfn, cudaVersion, flags, symbolStatus), symbol,
	    pfn, cudaVersion, flags, ask_driver_v2);
}
