/*
 * What a launch costs before it reaches the driver: twenty pointers, all resident, into a
 * driver that does nothing. usage: launch_cost IMAGE THREADS; prints the median and the 99th
 * percentile in nanoseconds, over all threads, of single launches, less what reading the clock
 * costs. Run with and without the library; the difference is its own.
 */
#include "cost.h"

#include <pthread.h>

#define LAUNCHES 200000
#define WARM_UP 20000

static CUcontext context;
static CUfunction function;
static CUdeviceptr buffers[20];

static void *launch_many(void *samples)
{
	float *ns = samples;
	void *params[20];

	must(cuCtxSetCurrent(context), "cuCtxSetCurrent");
	for (int i = 0; i < 20; i++)
		params[i] = &buffers[i];
	for (int i = -WARM_UP; i < LAUNCHES; i++) {
		double from = now_ns(), upto;

		cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL);
		upto = now_ns();
		if (i >= 0)
			ns[i] = (float)(upto - from);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[2]) : 1;
	float *ns = malloc(sizeof(*ns) * LAUNCHES * (size_t)threads);
	pthread_t thread[64];
	CUmodule module;
	double clock_ns;

	if (argc != 3 || threads < 1 || threads > 64 || !ns)
		return 2;
	context = context_make();
	must(cuModuleLoad(&module, argv[1]), "cuModuleLoad");
	must(cuModuleGetFunction(&function, module, "twenty"), "cuModuleGetFunction");
	for (int i = 0; i < 20; i++)
		must(cuMemAlloc(&buffers[i], 2 << 20), "cuMemAlloc");
	simulate_nothing("sim_null_launches");
	for (int i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, launch_many,
				   ns + (size_t)LAUNCHES * (size_t)i))
			return 3;
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	clock_ns = clock_cost_ns();
	printf("%.1f ", median(ns, LAUNCHES * (size_t)threads) - clock_ns);
	printf("%.1f\n", ns[LAUNCHES * (size_t)threads / 100 * 99] - clock_ns);
	return 0;
}
