/*
 * Each function of shim/driver/api.def that some file here defines is simulated. To ask for the
 * address of one that nobody defines is no error, because the references are weak; but then the
 * loader may have found the wrapper of the library under test.
 */
#include "functions.h"

#include <stdint.h>

#define VERSIONED(base, since, stream, symbol)                                                 \
	extern const char symbol_##symbol[] __asm__(#symbol) __attribute__((weak));
#include "../../shim/driver/api.def"

const struct sim_function sim_functions[] = {
#define VERSIONED(base, since, stream, symbol)                                                 \
	{#base, since, sizeof(#stream) > 1, symbol_##symbol},
#include "../../shim/driver/api.def"
    {0}};

/* Where this library begins and ends, as the linker tells it. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

/* Not by dladdr: that takes the loader's lock, and callers hold the simulator's. */
bool sim_function_is_simulated(const struct sim_function *function)
{
	uintptr_t address = (uintptr_t)function->address;

	return address >= (uintptr_t)__ehdr_start && address < (uintptr_t)_end;
}
