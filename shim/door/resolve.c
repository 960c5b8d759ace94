#include "door/resolve.h"

#include "driver/driver.h"
#include "driver/export.h"
#include "base/log.h"
#include "base/settings.h"

#include <stdatomic.h>
#include <string.h>

static const struct row {
	const char *base, *symbol;
	int since;
	bool per_thread;
	void (*wrapper)(void);
} rows[] = {
#define HOOKED(base, since, stream, symbol, paging)                                            \
	{#base, #symbol, since, sizeof(#stream) > 1, (void (*)(void))symbol},
#include "driver/api.def"
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

void *resolve_symbol(const char *symbol)
{
	for (size_t i = 0; i < ROWS; i++)
		if (!strcmp(rows[i].symbol, symbol))
			return __extension__(void *) rows[i].wrapper;
	return NULL;
}

void *resolve_base(const char *base, int version, bool per_thread)
{
	const struct row *best = NULL;

	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];

		if (row->since > version || (row->per_thread && !per_thread) ||
		    strcmp(row->base, base))
			continue;
		/* Rows rise by version, and the per-thread flavour stands after the plain one.
		 */
		best = row;
	}
	if (!best)
		return NULL;
	return __extension__(void *) best->wrapper;
}

typedef CUresult (*ask_fn)(const char *symbol, void **pfn, int version, cuuint64_t flags);

static CUresult ask(const char *symbol, void **pfn, int version, cuuint64_t flags)
{
	return real(cuGetProcAddress)(symbol, pfn, version, flags);
}

static CUresult ask_v2(const char *symbol, void **pfn, int version, cuuint64_t flags)
{
	CUdriverProcAddressQueryResult unused;

	return real(cuGetProcAddress_v2)(symbol, pfn, version, flags, &unused);
}

/* What the driver answers for a CUDA version later than any that is known here may be a later
 * function of that name, with other parameters, though most never change: then it answers with
 * another one than for the last that is known. */
static bool is_later(const char *symbol, const void *pfn, int version, cuuint64_t flags,
		     ask_fn ask_driver)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	void *known = NULL;

	if (version <= KNOWN_CUDA_VERSION ||
	    (ask_driver(symbol, &known, KNOWN_CUDA_VERSION, flags) == CUDA_SUCCESS &&
	     known == pfn))
		return false;
	(void)settings_get(); /* they say where it goes */
	if (!atomic_flag_test_and_set(&said))
		log_warn("%s of CUDA %d.%d is not known to this version and left to the "
			 "driver: what it does is not seen (said once)",
			 symbol, version / 1000, version % 1000 / 10);
	return true;
}

/* Only where the driver has the function: what it lacks must go on being absent. */
static CUresult answer(CUresult result, const char *symbol, void **pfn, int version,
		       cuuint64_t flags, ask_fn ask_driver)
{
	void *wrapper;

	if (result != CUDA_SUCCESS || !pfn || !*pfn || !symbol)
		return result;
	wrapper = resolve_base(symbol, version,
			       flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
	if (wrapper && !is_later(symbol, *pfn, version, flags, ask_driver))
		*pfn = wrapper;
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGetProcAddress(const char *symbol, void **pfn, int cudaVersion,
					    cuuint64_t flags)
{
	if (!driver_has(cuGetProcAddress))
		return CUDA_ERROR_NOT_FOUND;
	return answer(real(cuGetProcAddress)(symbol, pfn, cudaVersion, flags), symbol, pfn,
		      cudaVersion, flags, ask);
}

LT_EXPORT CUresult CUDAAPI cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion,
					       cuuint64_t flags,
					       CUdriverProcAddressQueryResult *symbolStatus)
{
	if (!driver_has(cuGetProcAddress_v2))
		return CUDA_ERROR_NOT_FOUND;
	return answer(real(cuGetProcAddress_v2)(symbol, pfn, cudaVersion, flags, symbolStatus),
		      symbol, pfn, cudaVersion, flags, ask_v2);
}
