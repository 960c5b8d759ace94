/* What the programs that measure the library's own cost share: a context on the simulated
 * driver, which is then told to do nothing, and the median of short times. */
#ifndef BENCH_COST_H
#define BENCH_COST_H

#include <cuda.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline void must(CUresult result, const char *what)
{
	if (result == CUDA_SUCCESS)
		return;
	fprintf(stderr, "%s: error %d\n", what, (int)result);
	exit(3);
}

static inline CUcontext context_make(void)
{
	CUcontext context;

	must(cuInit(0), "cuInit");
	must(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
	must(cuCtxSetCurrent(context), "cuCtxSetCurrent");
	return context;
}

/* From here on the driver only looks as if it did what this switch of the simulator is for. */
static inline void simulate_nothing(const char *name)
{
	void (*null_work)(void) = __extension__(void (*)(void)) dlsym(RTLD_DEFAULT, name);

	if (!null_work) {
		fprintf(stderr, "not the simulated driver\n");
		exit(2);
	}
	null_work();
}

static inline int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* Sorts them, too. */
static inline double median(float *ns, size_t count)
{
	qsort(ns, count, sizeof(*ns), ascending);
	return ns[count / 2];
}

static inline double clock_cost_ns(void)
{
	static float ns[10001];

	for (int i = 0; i < 10001; i++) {
		double from = now_ns();

		ns[i] = (float)(now_ns() - from);
	}
	return median(ns, 10001);
}

#endif
