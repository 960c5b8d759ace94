/*
 * Feeds a fuzz target (tests/fuzz/) the same inputs each time: what it holds must hold in every
 * run of the unit tests too, not only where somebody fuzzes. It ends the test by abort().
 */
#ifndef LOWTIDE_UNIT_FED_H
#define LOWTIDE_UNIT_FED_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static inline void fed(uint64_t seed, unsigned int inputs, size_t length)
{
	uint8_t bytes[4096];

	for (seed = seed * 2 + 1; inputs; inputs--) {
		for (size_t i = 0; i < length; i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			bytes[i] = (uint8_t)(seed >> 56);
		}
		LLVMFuzzerTestOneInput(bytes, length);
	}
}

#endif
