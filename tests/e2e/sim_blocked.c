/*
 * Launches that name memory in RAM while another thread is inside a call that blocks: how many
 * milliseconds they took together, of which each may have cost a window's patience.
 */
#include "program.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PIECES 8
#define BYTES (4 * UNIT)
#define LAUNCHES 800

static CUdeviceptr resident, pieces[PIECES];
static atomic_bool goes;
static unsigned int *flag;

/* Pageable memory: the copy returns when it has arrived, and it waits for the flag. */
static void *waiter(void *unused)
{
	char *host = malloc(BYTES);
	CUdeviceptr at;
	CUstream stream;

	MUST(cuCtxSetCurrent(context));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuMemHostGetDevicePointer(&at, flag, 0));
	MUST(cuStreamWaitValue32(stream, at, 1, CU_STREAM_WAIT_VALUE_EQ));
	atomic_store(&goes, true);
	MUST(cuMemcpyDtoHAsync(host, resident, BYTES, stream));
	MUST(cuStreamDestroy(stream));
	free(host);
	return unused;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(void)
{
	pthread_t thread;
	CUstream stream;
	double began_ms;

	start();
	MUST(cuMemHostAlloc((void **)&flag, 4096, CU_MEMHOSTALLOC_DEVICEMAP));
	MUST(cuMemAlloc(&resident, BYTES));
	fill(resident, 1, BYTES, NULL);
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], 100 * i, BYTES, NULL);
	}
	increment(resident, 0, BYTES, NULL); /* it is there, and was used last */
	MUST(cuCtxSynchronize());
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	pthread_create(&thread, NULL, waiter, NULL);
	while (!atomic_load(&goes))
		sched_yield();
	began_ms = now_ms();
	for (unsigned int i = 0; i < LAUNCHES; i++)
		increment(pieces[i % PIECES], 1, BYTES, stream);
	printf("%.0f\n", now_ms() - began_ms);
	*(volatile unsigned int *)flag = 1;
	pthread_join(thread, NULL);
	MUST(cuCtxSynchronize());
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], 100 * i + LAUNCHES / PIECES, BYTES);
	return 0;
}
