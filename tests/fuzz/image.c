/*
 * Any bytes as a module image. libFuzzer and AddressSanitizer look for reads outside them; here
 * it is held that what is told is usable: names within the input or what was unpacked from it,
 * parameters in order and within bounds.
 */
#include "image/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static volatile unsigned char touched;

static void hold(void *context, const struct image_kernel *kernel)
{
	size_t end = 0;

	(void)context;
	if (!kernel->name_length || kernel->param_count > IMAGE_PARAMS_MAX)
		abort();
	for (size_t i = 0; i < kernel->name_length; i++)
		touched ^= (unsigned char)kernel->name[i];
	for (size_t i = 0; i < kernel->param_count; i++) {
		if (kernel->params[i].offset < end || !kernel->params[i].bytes)
			abort();
		end = kernel->params[i].offset + kernel->params[i].bytes;
	}
	if (end > IMAGE_PARAM_BYTES_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct image_sink sink = {hold, NULL, 0};

	image_read(bytes, length, &sink);
	return 0;
}
