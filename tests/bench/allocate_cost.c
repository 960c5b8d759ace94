/*
 * What freeing one allocation and making another costs before it reaches the driver, beside so
 * many that live, each next to a hole as large, in a driver whose memory is there in name only.
 * usage: allocate_cost BYTES LIVE THREADS; prints the median in nanoseconds, over all threads,
 * of single pairs, less what reading the clock costs. Run with and without the library; the
 * difference is its own, with what the driver's other calls take that it makes.
 */
#include "cost.h"

#include <pthread.h>
#include <stdint.h>

#define PAIRS 16000 /* of all threads */

static CUcontext context;
static size_t bytes, share; /* of the living, each thread's */
static CUdeviceptr *living;
static float *samples;
static unsigned int threads;

static void *replace_many(void *number)
{
	uintptr_t thread = (uintptr_t)number;
	CUdeviceptr *mine = living + thread * share;
	uint64_t dice = thread;

	must(cuCtxSetCurrent(context), "cuCtxSetCurrent");
	for (unsigned int i = 0; i < PAIRS / threads; i++) {
		CUdeviceptr *one;
		double from;

		dice = dice * 6364136223846793005u + 1442695040888963407u;
		one = &mine[(dice >> 33) % share];
		from = now_ns();
		must(cuMemFree(*one), "cuMemFree");
		must(cuMemAlloc(one, bytes), "cuMemAlloc");
		samples[thread * (PAIRS / threads) + i] = (float)(now_ns() - from);
	}
	return NULL;
}

/* Twice as many as shall live, of which every second goes again. */
static void make_living(size_t count)
{
	CUdeviceptr *holes = malloc(count * sizeof(*holes));

	living = malloc(count * sizeof(*living));
	if (!holes || !living)
		exit(3);
	for (size_t i = 0; i < count; i++) {
		must(cuMemAlloc(&living[i], bytes), "cuMemAlloc");
		must(cuMemAlloc(&holes[i], bytes), "cuMemAlloc");
	}
	for (size_t i = 0; i < count; i++)
		must(cuMemFree(holes[i]), "cuMemFree");
	free(holes);
}

int main(int argc, char **argv)
{
	pthread_t thread[64];
	CUdeviceptr first;
	size_t count;

	bytes = argc == 4 ? strtoull(argv[1], NULL, 10) : 0;
	count = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
	threads = argc == 4 ? (unsigned int)atoi(argv[3]) : 0;
	if (!bytes || !threads || threads > 64 || count < threads)
		return 2;
	share = count / threads;
	samples = calloc(PAIRS, sizeof(*samples));
	if (!samples)
		return 3;
	context = context_make();
	/* The library tries what it needs when it begins, in memory that is there. */
	must(cuMemAlloc(&first, 4 << 20), "cuMemAlloc");
	simulate_nothing("sim_null_memory");
	make_living(count);
	for (uintptr_t i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, replace_many, (void *)i))
			return 3;
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("%.1f\n", median(samples, PAIRS / threads * threads) - clock_cost_ns());
	/* What is there in name only cannot be taken down. */
	fflush(stdout);
	_Exit(0);
}
