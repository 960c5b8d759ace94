/* Any text as any setting (tests/fuzz/settings.c says what holds). */
#include "fed.h"

#include "base/settings.h"

#include <criterion/criterion.h>
#include <string.h>

/* What is nearly right, too: a setting, and a few signs of those that values are made of. */
static void near_values(unsigned int which)
{
	static const char signs[] = "0123456789:,.%GMKiB";
	uint64_t state = which * 2 + 1;

	for (int i = 0; i < 3000; i++) {
		uint8_t bytes[16] = {(uint8_t)which};
		size_t length = 2 + (state >> 33) % 10;

		for (size_t at = 1; at < length; at++) {
			state = state * 6364136223846793005ull + 1442695040888963407ull;
			bytes[at] = (uint8_t)signs[(state >> 33) % (sizeof(signs) - 1)];
		}
		LLVMFuzzerTestOneInput(bytes, length);
	}
}

Test(settings, are_within_bounds_or_as_they_were_whatever_the_text)
{
	struct settings_row row;

	fed(3, 20000, 24);
	for (unsigned int which = 0; settings_row(which, &row); which++)
		near_values(which);
}
