/*
 * Children of the bare clone system call, which runs no fork handlers: each has whatever locks
 * and flags other threads held, and none of the threads. One that exits must not wait for
 * them. usage: sim_clone; prints how many children did.
 */
#include "program.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECES 14
#define BYTES (2 * MIB)
#define WORKERS 2
#define CHILDREN 150
/* Longer than any exit takes that waits for nothing, but for a machine that stalls. */
#define LONG_S 1
#define STALLS 1

static CUdeviceptr pieces[PIECES];
static atomic_bool over;

static void *work(void *unused)
{
	CUstream stream;

	(void)unused;
	MUST(cuCtxSetCurrent(context));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	while (!atomic_load(&over)) {
		CUdeviceptr at;

		for (int i = 0; i < PIECES; i++)
			increment(pieces[i], 0, 4096, stream);
		MUST(cuStreamSynchronize(stream));
		MUST(cuMemAlloc(&at, BYTES));
		MUST(cuMemFree(at));
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[WORKERS];
	int waited = 0, status;

	start();
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], i, BYTES, NULL);
	}
	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&threads[i], NULL, work, NULL))
			return 3;
	for (int i = 0; i < CHILDREN && waited <= STALLS; i++) {
		pid_t child;

		usleep(300);
		child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (!child) {
			alarm(LONG_S);
			exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 3;
		waited += status != 0;
	}
	atomic_store(&over, true);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], i, BYTES);
	printf("%d\n", waited);
	return waited > STALLS;
}
