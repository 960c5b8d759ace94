#include "driver/driver.h"

#include "base/lock.h"
#include "driver/loader.h"

#include <pthread.h>

/* Each symbol has the type that the toolkit gives the function of that version: a row that is
 * wrong, or a wrapper whose parameters are others, does not compile. */
#define VERSIONED(base, since, stream, symbol)                                                 \
	_Static_assert(                                                                        \
	    __builtin_types_compatible_p(__typeof__(&symbol), PFN_##base##_v##since##stream),  \
	    #symbol " has another signature in these headers");
#include "driver/api.def"

struct driver lt_driver;

static void *library; /* its handle; NULL: none. Immutable after load_once. */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load_once(void)
{
	void *handle = loader_dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return;
#define HOOKED(base, since, stream, symbol, paging)                                            \
	lt_driver.symbol =                                                                     \
	    __extension__(PFN_##base##_v##since##stream) loader_dlsym(handle, #symbol);
#define CALLED HOOKED
#include "driver/api.def"
	library = handle;
}

CUresult driver_load(void)
{
	lock_once(&once, load_once);
	return library ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

bool driver_can_page(void)
{
#define MISSING_OPTIONAL(symbol) false
#define MISSING_NEEDED(symbol) !real(symbol)
#define HOOKED(base, since, stream, symbol, paging)                                            \
	if (MISSING_##paging(symbol))                                                          \
		return false;
#define CALLED HOOKED
#include "driver/api.def"
	return true;
}
