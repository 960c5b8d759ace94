/*
 * The driver calls that the library makes of one allocation and one free, the first time (cold)
 * and the second (warm), as the simulated driver counts them. usage: sim_driver_calls
 * plain|ordered BYTES. Prints a line a call: its name, the bytes, cold or warm, how many driver
 * calls, and which. That one was made before (another size, which stays) keeps the pager's
 * start out of it.
 */
#include "program.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const functions[] = {
#define HOOKED(base, since, stream, symbol, paging) #symbol,
#define CALLED HOOKED
#define PASSED(base, since, stream, symbol) #symbol,
#include "../../shim/driver/api.def"
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static uint64_t before[FUNCTIONS];
static uint64_t (*counted)(const char *);

static void begin(void)
{
	for (size_t i = 0; i < FUNCTIONS; i++)
		before[i] = counted(functions[i]);
}

static void told(const char *call, size_t bytes, const char *when)
{
	uint64_t calls[FUNCTIONS], all = 0;
	const char *separator = "";

	for (size_t i = 0; i < FUNCTIONS; i++) {
		calls[i] = counted(functions[i]) - before[i];
		all += calls[i];
	}
	printf("%s\t%zu\t%s\t%" PRIu64 "\t", call, bytes, when, all);
	for (size_t i = 0; i < FUNCTIONS; i++) {
		if (!calls[i])
			continue;
		printf("%s%s %" PRIu64, separator, functions[i], calls[i]);
		separator = ", ";
	}
	puts("");
}

static void plain(size_t bytes, const char *when)
{
	CUdeviceptr at;

	begin();
	MUST(cuMemAlloc(&at, bytes));
	told("cuMemAlloc", bytes, when);
	begin();
	MUST(cuMemFree(at));
	told("cuMemFree", bytes, when);
}

static void ordered(size_t bytes, const char *when)
{
	CUdeviceptr at;
	CUstream stream;

	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	begin();
	MUST(cuMemAllocAsync(&at, bytes, stream));
	told("cuMemAllocAsync", bytes, when);
	begin();
	MUST(cuMemFreeAsync(at, stream));
	told("cuMemFreeAsync", bytes, when);
	MUST(cuStreamSynchronize(stream));
	MUST(cuStreamDestroy(stream));
}

int main(int argc, char **argv)
{
	void (*once)(size_t, const char *) =
	    argc == 3 && !strcmp(argv[1], "ordered") ? ordered : plain;
	size_t bytes = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	CUdeviceptr kept;

	if (!bytes)
		return 2;
	counted =
	    __extension__(uint64_t(*)(const char *)) dlsym(RTLD_DEFAULT, "lowtide_sim_counted");
	if (!counted)
		wrong("this is not the simulated driver");
	start();
	MUST(cuMemAlloc(&kept, 64 * MIB));
	once(bytes, "cold");
	once(bytes, "warm");
	MUST(cuMemFree(kept));
	return 0;
}
