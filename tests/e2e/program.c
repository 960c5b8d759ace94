#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* -O2 leaves the loops over words scalar */
#endif
#include "program.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CUcontext context;
CUmodule module;

void must_(CUresult result, CUresult want, const char *what, const char *file, int line)
{
	const char *name = "?";

	if (result == want)
		return;
	cuGetErrorName(result, &name);
	fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, name);
	exit(3);
}

void wrong(const char *what)
{
	fprintf(stderr, "wrong: %s\n", what);
	exit(1);
}

void start(void)
{
	MUST(cuInit(0));
	MUST(cuDevicePrimaryCtxRetain(&context, 0));
	MUST(cuCtxSetCurrent(context));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
}

CUfunction function(const char *kernel)
{
	CUfunction f;

	MUST(cuModuleGetFunction(&f, module, kernel));
	return f;
}

any_function driver_function(const char *name, int version, cuuint64_t flags)
{
	CUdriverProcAddressQueryResult why;
	any_function callable;
	void *found = NULL;

	MUST(cuGetProcAddress(name, &found, version, flags, &why));
	if (!found)
		wrong(name);
	memcpy(&callable, &found, sizeof(callable));
	return callable;
}

CUresult launch(const char *kernel, CUdeviceptr at, unsigned int value, size_t bytes,
		CUstream stream)
{
	unsigned long n = bytes / 4;
	void *params[] = {&at, &value, &n};

	return cuLaunchKernel(function(kernel), 8, 1, 1, 1, 1, 1, 0, stream, params, NULL);
}

void fill(CUdeviceptr at, unsigned int value, size_t bytes, CUstream stream)
{
	MUST(launch("fill", at, value, bytes, stream));
}

void increment(CUdeviceptr at, unsigned int by, size_t bytes, CUstream stream)
{
	MUST(launch("increment", at, by, bytes, stream));
}

void check(CUdeviceptr at, unsigned int value, size_t bytes)
{
	unsigned int *host = malloc(bytes), differs = 0;

	MUST(cuMemcpyDtoH(host, at, bytes));
	for (unsigned int i = 0; i < bytes / 4; i++)
		differs |= host[i] ^ (value + i);
	if (differs)
		wrong("a word");
	free(host);
}

int in_vram(CUdeviceptr at)
{
	int (*ask)(CUdeviceptr) =
	    __extension__(int (*)(CUdeviceptr)) dlsym(RTLD_DEFAULT, "sim_in_vram");

	if (!ask)
		wrong("this is not the simulated driver");
	return ask(at);
}

int run_case(const struct program_case *cases, size_t count, int argc, char **argv)
{
	for (size_t i = 0; i < count; i++) {
		if (argc == 2 && !strcmp(cases[i].name, argv[1])) {
			cases[i].run();
			return 0;
		}
		if (argc == 1)
			puts(cases[i].name);
	}
	return argc == 1 ? 0 : 2;
}
