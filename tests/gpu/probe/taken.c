#include "taken.h"

#include "nvml.h"

#include <stdarg.h>
#include <stdio.h>

struct taken taken_look(void)
{
	struct taken t = {.free_bytes = gpu_free_bytes()};

	t.has_nvml = nvml_used_bytes(&t.nvml_bytes);
	return t;
}

long long taken_say(const struct taken *before, const char *name, ...)
{
	struct taken now = taken_look();
	long long more = (long long)(before->free_bytes - now.free_bytes);
	char named[128];
	va_list rest;

	va_start(rest, name);
	vsnprintf(named, sizeof(named), name, rest);
	va_end(rest);
	answer_number(more, "%s/device_bytes", named);
	if (before->has_nvml && now.has_nvml)
		answer_number((long long)(now.nvml_bytes - before->nvml_bytes),
			      "%s/device_bytes_nvml", named);
	return more;
}
