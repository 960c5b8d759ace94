/*
 * Stands for pipelines: three threads with a non-blocking stream and weights of their own hand
 * each step on by events; the main thread collects the results on a blocking stream.
 */
#include "common.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { STAGES = 3, SLOTS = 4, PATCH_WORDS = 16384 };

struct model;

struct stage {
	struct model *m;
	unsigned int number;
	unsigned long first, count; /* its tensors: a range of all */
	CUstream stream;
	CUdeviceptr scratch;
	CUevent done[SLOTS]; /* this stage's part of the step in that slot */
	pthread_t thread;
};

struct model {
	struct program p;
	struct stage stages[STAGES];
	CUstream main_stream; /* blocking */
	CUevent taken[SLOTS]; /* the slot's activation may be written again */
	CUdeviceptr act[SLOTS], sum, legacy;
	CUfunction layer, inject, absorb, checksum;
	pthread_barrier_t uploaded; /* all weights are there */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* How many steps' events have been recorded, by stage; the last is the main thread's.
	 * Guarded by lock: a wait for an event that is not yet recorded waits for nothing. */
	unsigned long recorded[STAGES + 1];
};

static void tell(struct model *m, unsigned int stage)
{
	pthread_mutex_lock(&m->lock);
	m->recorded[stage]++;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

static void wait_for(struct model *m, unsigned int stage, unsigned long steps)
{
	pthread_mutex_lock(&m->lock);
	while (m->recorded[stage] < steps)
		pthread_cond_wait(&m->changed, &m->lock);
	pthread_mutex_unlock(&m->lock);
}

/* Some words of a tensor come anew from the host each step, while other streams compute. */
static void patch(struct stage *s, const struct tensor *t, unsigned long step, uint32_t *from,
		  CUevent taken)
{
	unsigned long words = t->words < PATCH_WORDS ? t->words : PATCH_WORDS;

	TRY(cuEventSynchronize(taken));
	for (unsigned long i = 0; i < words; i++)
		from[i] = weight_word(t->key + (uint32_t)step, i);
	TRY(cuMemcpyHtoDAsync(t->at + (t->words - words) * 4, from, words * 4, s->stream));
	TRY(cuEventRecord(taken, s->stream));
}

static void run_step(struct stage *s, struct tensor *tensors, unsigned long step)
{
	struct model *m = s->m;
	double compute_ns = (double)m->p.o.compute_us * 1000;
	unsigned int slot = step % SLOTS;
	uint32_t key = (uint32_t)(m->p.o.seed + step);

	if (s->number == 0) {
		if (step >= SLOTS) {
			wait_for(m, STAGES, step - SLOTS + 1);
			TRY(cuStreamWaitEvent(s->stream, m->taken[slot], 0));
		}
		TRY(cuMemsetD32Async(m->act[slot], key, WIDTH, s->stream));
	} else {
		wait_for(m, s->number - 1, step + 1);
		TRY(cuStreamWaitEvent(s->stream, m->stages[s->number - 1].done[slot], 0));
	}
	LAUNCH(m->inject, s->stream, &m->act[slot], &key);
	for (unsigned long i = 0; i < s->count; i++) {
		LAUNCH(m->layer, s->stream, &tensors[i].at, &tensors[i].words, &m->act[slot],
		       &s->scratch, &m->p.o.stride, &compute_ns);
		LAUNCH(m->absorb, s->stream, &m->act[slot], &s->scratch);
	}
	TRY(cuEventRecord(s->done[slot], s->stream));
	tell(m, s->number);
}

static void *run_stage(void *argument)
{
	struct stage *s = argument;
	struct model *m = s->m;
	struct options *o = &m->p.o;
	struct tensor *tensors = program_alloc((s->count + 1) * sizeof(*tensors));
	struct uploader u;
	uint32_t *pinned;
	CUevent taken;

	TRY(cuCtxSetCurrent(m->p.context));
	uploader_init(&u, &m->p, s->stream);
	for (unsigned long i = 0; i < s->count; i++) {
		tensors[i] =
		    tensor_make(&m->p, (uint64_t)o->mb << 20, o->tensors, s->first + i);
		upload(&u, &tensors[i], i & 1);
	}
	uploader_finish(&u);
	TRY(cuMemHostAlloc((void **)&pinned, PATCH_WORDS * 4, 0));
	TRY(cuEventCreate(&taken, CU_EVENT_DISABLE_TIMING));
	s->scratch = zeroed_words(WIDTH);
	pthread_barrier_wait(&m->uploaded);

	for (unsigned long step = 0; step < o->steps; step++) {
		if (s->count)
			patch(s, &tensors[step % s->count], step, pinned, taken);
		run_step(s, tensors, step);
	}

	TRY(cuStreamSynchronize(s->stream));
	TRY(cuEventDestroy(taken));
	TRY(cuMemFreeHost(pinned));
	TRY(cuMemFree(s->scratch));
	for (unsigned long i = 0; i < s->count; i++)
		tensor_free(&tensors[i]);
	free(tensors);
	return NULL;
}

static void collect(struct model *m, unsigned long step)
{
	unsigned int slot = step % SLOTS;

	wait_for(m, STAGES - 1, step + 1);
	TRY(cuStreamWaitEvent(m->main_stream, m->stages[STAGES - 1].done[slot], 0));
	LAUNCH(m->absorb, m->main_stream, &m->sum, &m->act[slot]);
	TRY(cuEventRecord(m->taken[slot], m->main_stream));
	tell(m, STAGES);
	/* Between two operations of a blocking stream, one of the legacy stream. */
	LAUNCH(m->checksum, NULL, &m->sum, &(unsigned long){WIDTH}, &m->legacy, &m->p.o.stride);
	LAUNCH(m->absorb, m->main_stream, &m->sum, &m->legacy);
	program_mark(&m->p, m->main_stream);
}

int main(int argc, char **argv)
{
	struct model m;
	unsigned long steps, tensors;

	memset(&m, 0, sizeof(m));
	program_begin(&m.p, argc, argv, PROGRAM_OPTIONS);
	steps = m.p.o.steps;
	tensors = m.p.o.tensors;
	pthread_mutex_init(&m.lock, NULL);
	pthread_cond_init(&m.changed, NULL);
	m.layer = program_kernel(&m.p, "layer");
	m.inject = program_kernel(&m.p, "inject");
	m.absorb = program_kernel(&m.p, "absorb");
	m.checksum = program_kernel(&m.p, "checksum");
	TRY(cuStreamCreate(&m.main_stream, CU_STREAM_DEFAULT));
	m.sum = zeroed_words(WIDTH);
	m.legacy = zeroed_words(WIDTH);
	for (int i = 0; i < SLOTS; i++) {
		m.act[i] = zeroed_words(WIDTH);
		TRY(cuEventCreate(&m.taken[i], CU_EVENT_DISABLE_TIMING));
	}
	for (unsigned int i = 0; i < STAGES; i++) {
		struct stage *s = &m.stages[i];

		s->m = &m;
		s->number = i;
		s->first = tensors * i / STAGES;
		s->count = tensors * (i + 1) / STAGES - s->first;
		TRY(cuStreamCreate(&s->stream, CU_STREAM_NON_BLOCKING));
		for (int e = 0; e < SLOTS; e++)
			TRY(cuEventCreate(&s->done[e], CU_EVENT_DISABLE_TIMING));
	}

	pthread_barrier_init(&m.uploaded, NULL, STAGES + 1);
	for (int i = 0; i < STAGES; i++)
		if (pthread_create(&m.stages[i].thread, NULL, run_stage, &m.stages[i]))
			program_fail("pthread_create");
	pthread_barrier_wait(&m.uploaded);
	program_mark(&m.p, m.main_stream);
	for (unsigned long step = 0; step < steps; step++)
		collect(&m, step);
	for (int i = 0; i < STAGES; i++)
		pthread_join(m.stages[i].thread, NULL);

	digest_device(&m.p, m.sum, WIDTH * 4);
	for (int i = 0; i < STAGES; i++) {
		for (int e = 0; e < SLOTS; e++)
			TRY(cuEventDestroy(m.stages[i].done[e]));
		TRY(cuStreamDestroy(m.stages[i].stream));
	}
	for (int i = 0; i < SLOTS; i++) {
		TRY(cuEventDestroy(m.taken[i]));
		TRY(cuMemFree(m.act[i]));
	}
	TRY(cuMemFree(m.sum));
	TRY(cuMemFree(m.legacy));
	TRY(cuStreamDestroy(m.main_stream));
	pthread_barrier_destroy(&m.uploaded);
	pthread_cond_destroy(&m.changed);
	pthread_mutex_destroy(&m.lock);
	program_end(&m.p);
	return 0;
}
