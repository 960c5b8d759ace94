/*
 * An ordinary program that takes memory in every way it can until the driver refuses, gives it
 * back, and does it again from two threads. Prints what it saw; knows nothing of Lowtide.
 */
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 2048

static CUdeviceptr pointers[MOST];

static int take_all(size_t bytes, CUresult *last)
{
	int count = 0;

	while (count < MOST && !(*last = cuMemAlloc(&pointers[count], bytes)))
		count++;
	return count;
}

static void give_all(int count)
{
	for (int i = 0; i < count; i++)
		cuMemFree(pointers[i]);
}

static void *churn(void *seed)
{
	CUdeviceptr held[16] = {0};
	unsigned int state = (unsigned int)(size_t)seed;

	for (int i = 0; i < 20000; i++) {
		unsigned int slot = (unsigned int)rand_r(&state) % 16;

		if (held[slot]) {
			if (cuMemFree(held[slot]))
				return (void *)1;
			held[slot] = 0;
		} else if (cuMemAlloc(&held[slot], (size_t)(rand_r(&state) % 24 + 1) << 20)) {
			held[slot] = 0;
		}
	}
	for (int i = 0; i < 16; i++)
		if (held[i] && cuMemFree(held[i]))
			return (void *)1;
	return NULL;
}

/* The fake driver's own words on what it gave. */
static unsigned long long fake(const char *name)
{
	unsigned long long (*ask)(void) =
	    __extension__(unsigned long long (*)(void)) dlsym(RTLD_DEFAULT, name);

	return ask ? ask() : 0;
}

int main(void)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};
	CUmemGenericAllocationHandle handle;
	pthread_t threads[4];
	size_t free_bytes, total, shown, bad = 0;
	CUdeviceptr one;
	CUresult last;
	int count;

	cuInit(0);
	for (int round = 0; round < 2; round++) {
		count = take_all(32 << 20, &last);
		printf("round %d: %d of 32 MiB, then error %d\n", round, count, last);
		give_all(count);
	}
	printf("bad free: %d\n", cuMemFree(1));
	if (!cuMemAllocAsync(&one, 64 << 20, NULL))
		printf("async free: %d\n", cuMemFreeAsync(one, NULL));
	if (!cuMemCreate(&handle, 64 << 20, &prop, 0)) {
		CUdeviceptr at = handle + 0x10000000ull;

		printf("map: %d\n", cuMemMap(at, 64 << 20, 0, handle, 0));
		cuMemRelease(handle);
		count = take_all(32 << 20, &last);
		printf("beside a mapping: %d of 32 MiB\n", count);
		give_all(count);
		cuMemUnmap(at, 64 << 20);
	}
	for (int round = 0; round < 2; round++) {
		CUresult (*create)(CUcontext *, unsigned int, CUdevice) =
		    __extension__(CUresult(*)(CUcontext *, unsigned int, CUdevice))
			dlsym(RTLD_DEFAULT, "cuCtxCreate_v2");
		CUcontext context;

		create(&context, 0, 0);
		count = take_all(32 << 20, &last);
		printf("in a context, round %d: %d of 32 MiB\n", round, count);
		cuCtxDestroy(context);
	}
	for (size_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
	for (int i = 0; i < 4; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		bad += wrong != NULL;
	}
	printf("threads wrong: %zu\n", bad);
	count = take_all(32 << 20, &last);
	printf("after: %d of 32 MiB\n", count);
	cuMemGetInfo(&free_bytes, &total);
	cuDeviceTotalMem(&shown, 0);
	printf("told: free %zu total %zu device %zu MiB\n", free_bytes >> 20, total >> 20,
	       shown >> 20);
	give_all(count);
	fflush(stdout);
	if (!fork()) {
		printf("child: %d\n", cuMemAlloc(&one, 32 << 20));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	fprintf(stderr, "peak %llu held %llu MiB\n", fake("fake_peak_bytes") >> 20,
		fake("fake_held_bytes") >> 20);
	return 0;
}
