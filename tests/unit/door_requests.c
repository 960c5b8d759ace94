/*
 * Replays what the CUDA 13.0 runtime asks cuGetProcAddress for. Each hooked name must come back
 * as the wrapper of the right version and stream flavour, everything else must be left to the
 * driver. The expectations are written by hand, not taken from the hook table.
 */
#include "door/resolve.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#define REQUESTS "tests/golden/cudart-13.0-requests.tsv"

static const struct {
	const char *name;
	int version, flags;
	const char *symbol;
} expected[] = {
    {"cuGetProcAddress", 11030, 0, "cuGetProcAddress"},
    {"cuGetProcAddress", 12000, 0, "cuGetProcAddress_v2"},
    {"cuDeviceTotalMem", 3020, 0, "cuDeviceTotalMem_v2"},
    /* the runtime asks for version 7000, which is the older symbol of this function */
    {"cuDevicePrimaryCtxReset", 7000, 0, "cuDevicePrimaryCtxReset"},
    {"cuMemGetInfo", 3020, 0, "cuMemGetInfo_v2"},
    {"cuMemAllocManaged", 6000, 0, "cuMemAllocManaged"},
    {"cuMemAlloc", 3020, 0, "cuMemAlloc_v2"},
    {"cuMemAllocPitch", 3020, 0, "cuMemAllocPitch_v2"},
    {"cuMemFree", 3020, 0, "cuMemFree_v2"},
    {"cuMemAllocAsync", 11020, 0, "cuMemAllocAsync"},
    {"cuMemAllocAsync", 11020, 2, "cuMemAllocAsync_ptsz"},
    {"cuMemAllocFromPoolAsync", 11020, 0, "cuMemAllocFromPoolAsync"},
    {"cuMemAllocFromPoolAsync", 11020, 2, "cuMemAllocFromPoolAsync_ptsz"},
    {"cuMemFreeAsync", 11020, 0, "cuMemFreeAsync"},
    {"cuMemFreeAsync", 11020, 2, "cuMemFreeAsync_ptsz"},
};

#define EXPECTED (sizeof(expected) / sizeof(expected[0]))

static const char *expected_symbol(const char *name, int version, int flags)
{
	for (size_t i = 0; i < EXPECTED; i++)
		if (!strcmp(expected[i].name, name) && expected[i].version == version &&
		    expected[i].flags == flags)
			return expected[i].symbol;
	return NULL;
}

Test(requests, of_the_runtime_get_our_wrapper_or_the_drivers_own)
{
	FILE *file = fopen(REQUESTS, "r");
	char line[256], name[128];
	int version, flags, asked = 0, ours = 0;

	cr_assert(ne(ptr, file, NULL), "%s is here", REQUESTS);
	while (fgets(line, sizeof(line), file)) {
		const char *symbol;
		void *wrapper;

		if (line[0] == '#' || sscanf(line, "%127s %d %d", name, &version, &flags) != 3)
			continue;
		asked++;
		wrapper = resolve_base(name, version, flags == 2);
		symbol = expected_symbol(name, version, flags);
		if (!symbol) {
			cr_assert(zero(ptr, wrapper), "%s %d %d is the driver's to answer",
				  name, version, flags);
			continue;
		}
		ours++;
		cr_assert(eq(ptr, wrapper, resolve_symbol(symbol)), "%s %d %d is %s", name,
			  version, flags, symbol);
		cr_assert(ne(ptr, wrapper, NULL), "%s has a wrapper", symbol);
	}
	fclose(file);
	cr_assert(ge(int, asked, 439), "the file has every request");
	cr_assert(eq(int, ours, (int)EXPECTED), "each is asked for, once");
}

Test(resolve, knows_only_exact_names)
{
	static const char *const strangers[] = {
	    "cu", "cuMem", "cuMemAlloc", "cuMemAlloc_v", "cudnnCreate", "cuMemAlloc_v22", ""};

	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		cr_assert(zero(ptr, resolve_symbol(strangers[i])), "\"%s\"", strangers[i]);
}

Test(resolve, leaves_a_version_older_than_any_it_hooks_to_the_driver)
{
	cr_assert(zero(ptr, resolve_base("cuMemAlloc", 2000, false)));
	cr_assert(zero(ptr, resolve_base("cuGetProcAddress", 11020, false)));
}

Test(resolve, gives_the_plain_flavour_where_no_per_thread_one_exists)
{
	cr_assert(
	    eq(ptr, resolve_base("cuMemAlloc", 12000, true), resolve_symbol("cuMemAlloc_v2")));
}
