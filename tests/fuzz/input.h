/* A fuzzer's bytes, taken one after the other; zeros once there are no more. */
#ifndef LOWTIDE_FUZZ_INPUT_H
#define LOWTIDE_FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t input_byte(struct input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->at++;
}

static inline uint32_t input_half(struct input *input)
{
	uint32_t high = input_byte(input);

	return high << 8 | input_byte(input);
}

static inline uint32_t input_below(struct input *input, uint32_t bound)
{
	return (bound > 256 ? input_half(input) : input_byte(input)) % bound;
}

/* What must hold, said before the end. */
#define FUZZ_HOLD(what, ...)                                                                   \
	do {                                                                                   \
		if (!(what)) {                                                                 \
			fprintf(stderr, "does not hold: " __VA_ARGS__);                        \
			fputc('\n', stderr);                                                   \
			abort();                                                               \
		}                                                                              \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#endif
