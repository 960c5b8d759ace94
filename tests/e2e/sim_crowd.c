/*
 * A crowd: threads that allocate, launch, copy, capture, free, and hand memory to one another
 * by events, whatever the seed's dice say. usage: sim_crowd SEED, with SIM_IMAGE naming the
 * test kernels. Each piece of memory is known to hold `value + i` in word i; exits 1 where it
 * does not.
 */
#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Half of the block size that it is built for. */
#ifndef BLOCK_MIB
#define BLOCK_MIB 2
#endif
#define UNIT ((size_t)BLOCK_MIB << 19)
#define THREADS 3
#define OWN 5			       /* pieces of each thread */
#define TABLE 4			       /* pieces that anyone may take for one of his */
#define OPS (BLOCK_MIB > 2 ? 60 : 120) /* of each thread; fewer where each moves more */
#define LARGEST (4 * UNIT)

struct piece {
	CUdeviceptr at;
	size_t bytes;
	unsigned int value;
	CUevent done; /* of all work that was given to the device for it */
};

static CUcontext context;
static CUfunction fill, increment;
static struct piece table[TABLE]; /* guarded by lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t seed;

struct one {
	uint64_t dice;
	CUstream stream;
	struct piece own[OWN];
	unsigned int *pinned;
};

static void must_(CUresult result, const char *what, int line)
{
	const char *name = "?";

	if (result == CUDA_SUCCESS)
		return;
	cuGetErrorName(result, &name);
	fprintf(stderr, "line %d: %s: %s\n", line, what, name);
	exit(3);
}
#define MUST(call) must_((call), #call, __LINE__)

static unsigned int roll(struct one *me, unsigned int n)
{
	me->dice = me->dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(me->dice >> 33) % n;
}

static struct piece *any(struct one *me)
{
	return &me->own[roll(me, OWN)];
}

static void launch(struct one *me, CUfunction function, const struct piece *p, unsigned int by)
{
	unsigned long n = p->bytes / 4;
	CUdeviceptr at = p->at;
	void *params[] = {&at, &by, &n};

	MUST(cuLaunchKernel(function, 8, 1, 1, 1, 1, 1, 0, me->stream, params, NULL));
}

static void make(struct one *me, struct piece *p)
{
	p->bytes = (1 + roll(me, 4)) * UNIT;
	p->value = roll(me, 1000000);
	MUST(cuMemAlloc(&p->at, p->bytes));
	launch(me, fill, p, p->value);
}

/* --- what one may do
 * ------------------------------------------------------------------------------------ */

static void add(struct one *me)
{
	struct piece *p = any(me);

	launch(me, increment, p, 3);
	p->value += 3;
}

static void copy_between(struct one *me)
{
	struct piece *from = any(me), *to = any(me);
	size_t bytes = from->bytes;

	if (from == to || to->bytes > bytes)
		return;
	bytes = to->bytes;
	MUST(cuMemcpyDtoDAsync(to->at, from->at, bytes, me->stream));
	to->value = from->value;
}

static void upload(struct one *me)
{
	struct piece *p = any(me);

	MUST(cuStreamSynchronize(me->stream));
	p->value = roll(me, 1000000);
	for (unsigned int i = 0; i < p->bytes / 4; i++)
		me->pinned[i] = p->value + i;
	if (roll(me, 2))
		MUST(cuMemcpyHtoDAsync(p->at, me->pinned, p->bytes, me->stream));
	else
		MUST(cuMemcpyHtoD(p->at, me->pinned, p->bytes));
}

static void check(struct one *me, const struct piece *p)
{
	MUST(cuStreamSynchronize(me->stream)); /* an upload may still read what it is from */
	memset(me->pinned, 0, p->bytes);
	if (roll(me, 2)) {
		MUST(cuMemcpyDtoHAsync(me->pinned, p->at, p->bytes, me->stream));
		MUST(cuStreamSynchronize(me->stream));
	} else {
		MUST(cuMemcpyDtoH(me->pinned, p->at, p->bytes));
	}
	for (unsigned int i = 0; i < p->bytes / 4; i++)
		if (me->pinned[i] != p->value + i) {
			fprintf(stderr, "word %u of %zu is %u, not %u\n", i, p->bytes / 4,
				me->pinned[i], p->value + i);
			exit(1);
		}
}

static void download(struct one *me)
{
	check(me, any(me));
}

static void renew(struct one *me)
{
	struct piece *p = any(me);

	if (roll(me, 2))
		MUST(cuMemFreeAsync(p->at, me->stream));
	else
		MUST(cuMemFree(p->at));
	make(me, p);
}

/* What is in the table may still be worked on, by whoever put it there. */
static void swap(struct one *me)
{
	struct piece *mine = any(me), *other = &table[roll(me, TABLE)], taken;

	MUST(cuEventRecord(mine->done, me->stream));
	pthread_mutex_lock(&lock);
	taken = *other;
	*other = *mine;
	pthread_mutex_unlock(&lock);
	*mine = taken;
	MUST(cuStreamWaitEvent(me->stream, taken.done, 0));
}

static void capture(struct one *me)
{
	struct piece *p = any(me);
	unsigned int times = 1 + roll(me, 2);
	CUgraphExec exec;
	CUgraph graph;

	MUST(cuStreamBeginCapture(me->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	launch(me, increment, p, 1);
	MUST(cuStreamEndCapture(me->stream, &graph));
	MUST(cuGraphInstantiate(&exec, graph, 0));
	for (unsigned int i = 0; i < times; i++) {
		MUST(cuGraphLaunch(exec, me->stream));
		p->value++;
	}
	if (roll(me, 2))
		MUST(cuStreamSynchronize(me->stream));
	MUST(cuGraphExecDestroy(exec));
	MUST(cuGraphDestroy(graph));
}

static void change_streams(struct one *me)
{
	CUstream before = me->stream;
	CUevent done;

	MUST(cuEventCreate(&done, CU_EVENT_DISABLE_TIMING));
	MUST(cuEventRecord(done, before));
	MUST(cuStreamCreate(&me->stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamWaitEvent(me->stream, done, 0));
	MUST(cuStreamDestroy(before));
	MUST(cuEventDestroy(done));
}

static void wait(struct one *me)
{
	MUST(cuStreamSynchronize(me->stream));
}

static void *live(void *who)
{
	static void (*const ways[])(struct one *) = {
	    add,   add,	 add,  add,	 copy_between, copy_between,   upload, renew,
	    renew, swap, swap, download, capture,      change_streams, wait};
	struct one me = {.dice = seed * 31 + (uintptr_t)who};

	MUST(cuCtxSetCurrent(context));
	MUST(cuStreamCreate(&me.stream, CU_STREAM_NON_BLOCKING));
	MUST(cuMemHostAlloc((void **)&me.pinned, LARGEST, 0));
	for (int i = 0; i < OWN; i++) {
		make(&me, &me.own[i]);
		MUST(cuEventCreate(&me.own[i].done, CU_EVENT_DISABLE_TIMING));
	}
	for (int i = 0; i < OPS; i++)
		ways[roll(&me, sizeof(ways) / sizeof(ways[0]))](&me);
	for (int i = 0; i < OWN; i++) {
		check(&me, &me.own[i]);
		MUST(cuMemFree(me.own[i].at));
		MUST(cuEventDestroy(me.own[i].done));
	}
	MUST(cuMemFreeHost(me.pinned));
	MUST(cuStreamDestroy(me.stream));
	return NULL;
}

int main(int argc, char **argv)
{
	struct one me = {.dice = 5};
	pthread_t threads[THREADS];
	CUmodule module;

	seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	MUST(cuInit(0));
	MUST(cuDevicePrimaryCtxRetain(&context, 0));
	MUST(cuCtxSetCurrent(context));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
	MUST(cuModuleGetFunction(&fill, module, "fill"));
	MUST(cuModuleGetFunction(&increment, module, "increment"));
	MUST(cuMemHostAlloc((void **)&me.pinned, LARGEST, 0));
	for (int i = 0; i < TABLE; i++) {
		make(&me, &table[i]);
		MUST(cuEventCreate(&table[i].done, CU_EVENT_DISABLE_TIMING));
	}
	MUST(cuCtxSynchronize());
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, live, (void *)i))
			return 3;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < TABLE; i++) {
		check(&me, &table[i]);
		MUST(cuMemFree(table[i].at));
		MUST(cuEventDestroy(table[i].done));
	}
	MUST(cuMemFreeHost(me.pinned));
	return 0;
}
