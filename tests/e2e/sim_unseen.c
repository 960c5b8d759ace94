/*
 * Memory that is allocated past whatever answers for the driver: by the driver's own function,
 * found with the C library's own dlsym. usage: sim_unseen seen|unseen
 */
#include "program.h"

#include <dlfcn.h>
#include <gnu/lib-names.h>
#include <stddef.h>

typedef void *(*dlsym_fn)(void *, const char *);
typedef CUresult (*alloc_fn)(CUdeviceptr *, size_t);

static alloc_fn drivers_own(void)
{
	void *c = dlopen(LIBC_SO, RTLD_NOW), *driver = dlopen("libcuda.so.1", RTLD_NOW);
	dlsym_fn own_dlsym = c ? __extension__(dlsym_fn) dlsym(c, "dlsym") : NULL;
	alloc_fn found =
	    own_dlsym ? __extension__(alloc_fn) own_dlsym(driver, "cuMemAlloc_v2") : NULL;

	if (!found)
		wrong("no function of the driver's own");
	return found;
}

static void free_three(alloc_fn alloc)
{
	CUdeviceptr at[3];

	start();
	for (int i = 0; i < 3; i++)
		MUST(alloc(&at[i], 4 * MIB));
	MUST(cuMemFree(0));
	for (int i = 0; i < 3; i++)
		MUST(cuMemFree(at[i]));
	MUST_FAIL(CUDA_ERROR_INVALID_VALUE, cuMemFree(at[0]));
}

static void seen(void)
{
	free_three(cuMemAlloc);
}

static void unseen(void)
{
	free_three(drivers_own());
}

int main(int argc, char **argv)
{
	static const struct program_case cases[] = {CASE(seen), CASE(unseen)};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
