/* What every test of the simulator starts with: a driver, a context and the test kernels. */
#ifndef SIM_TEST_H
#define SIM_TEST_H

#include <criterion/criterion.h>
#include <cuda.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB 1024ul
#define MIB (1024ul * KIB)

#define OK(call) EXPECT(CUDA_SUCCESS, call)
#define EXPECT(want, call)                                                                     \
	do {                                                                                   \
		CUresult expect_got = (call);                                                  \
		cr_assert_eq(expect_got, (want), "%s: got %d, want %d", #call,                 \
			     (int)expect_got, (int)(want));                                    \
	} while (0)

/* Switches are read by cuInit, so a test calls setenv first. */
static inline CUcontext sim_start(void)
{
	CUdevice device;
	CUcontext context;

	setenv("LOWTIDE_SIM_VRAM", "64M", 0);
	OK(cuInit(0));
	OK(cuDeviceGet(&device, 0));
	OK(cuDevicePrimaryCtxRetain(&context, device));
	OK(cuCtxSetCurrent(context));
	return context;
}

static inline const char *sim_image_path(void)
{
	static char path[PATH_MAX + 32];
	const char *set = getenv("SIM_IMAGE");
	ssize_t length;
	char *slash;

	if (set)
		return set;
	length = readlink("/proc/self/exe", path, PATH_MAX);
	cr_assert_gt(length, 0);
	path[length] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash + 1, "sim_image.so");
	return path;
}

static inline CUfunction sim_function(const char *name)
{
	static CUmodule module;
	CUfunction function;

	if (!module)
		OK(cuModuleLoad(&module, sim_image_path()));
	OK(cuModuleGetFunction(&function, module, name));
	return function;
}

static inline CUdeviceptr sim_alloc(size_t bytes)
{
	CUdeviceptr ptr;

	OK(cuMemAlloc(&ptr, bytes));
	return ptr;
}

static inline CUresult sim_launch(CUfunction function, unsigned int blocks, CUstream stream,
				  void **params)
{
	return cuLaunchKernel(function, blocks, 1, 1, 1, 1, 1, 0, stream, params, NULL);
}

static inline CUresult sim_fill(CUdeviceptr out, unsigned int value, unsigned long n,
				unsigned int blocks, CUstream stream)
{
	void *params[] = {&out, &value, &n};

	return sim_launch(sim_function("fill"), blocks, stream, params);
}

static inline CUresult sim_increment(CUdeviceptr out, unsigned int by, unsigned long n,
				     CUstream stream)
{
	void *params[] = {&out, &by, &n};

	return sim_launch(sim_function("increment"), 4, stream, params);
}

static inline CUresult sim_spin(double ns, CUstream stream)
{
	void *params[] = {&ns};

	return sim_launch(sim_function("spin"), 1, stream, params);
}

/* Fails unless out[i] == value + i for every element. */
static inline void sim_check_fill(CUdeviceptr out, unsigned int value, unsigned long n)
{
	unsigned int *host = malloc(n * sizeof(*host));

	cr_assert_not_null(host);
	OK(cuMemcpyDtoH(host, out, n * sizeof(*host)));
	for (unsigned long i = 0; i < n; i++)
		cr_assert_eq(host[i], value + i, "element %lu is %u, want %lu", i, host[i],
			     value + i);
	free(host);
}

static inline size_t sim_free_bytes(void)
{
	size_t free_bytes, total;

	OK(cuMemGetInfo(&free_bytes, &total));
	return free_bytes;
}

#endif
