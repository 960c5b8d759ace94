/*
 * Stands for engines in the manner of llama.cpp: all tensors at offsets in one large
 * allocation, uploaded one by one, read in a cycle as decode does; arguments go packed, through
 * `extra`.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

struct layer_arguments {
	CUdeviceptr weights;
	unsigned long words;
	CUdeviceptr in, out;
	unsigned long stride;
	double compute_ns;
};

struct model {
	struct program p;
	CUstream stream;
	CUdeviceptr buffer;
	size_t buffer_bytes;
	struct tensor *tensors; /* parts of the buffer */
	CUdeviceptr act[2], token;
	CUfunction layer, inject, choose;
};

enum { ALIGNMENT = 128 }; /* of a tensor in the buffer */

static void make_tensors(struct model *m)
{
	struct options *o = &m->p.o;
	struct uploader u;

	m->tensors = program_alloc(o->tensors * sizeof(*m->tensors));
	for (unsigned long i = 0; i < o->tensors; i++) {
		struct tensor *t = &m->tensors[i];

		t->words = tensor_words((uint64_t)o->mb << 20, o->tensors, i);
		t->key = tensor_key(&m->p, i);
		t->at = m->buffer_bytes; /* for now, its offset */
		m->buffer_bytes += (t->words * 4 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	}
	TRY(cuMemAlloc(&m->buffer, m->buffer_bytes));
	uploader_init(&u, &m->p, m->stream);
	for (unsigned long i = 0; i < o->tensors; i++) {
		m->tensors[i].at += m->buffer;
		upload(&u, &m->tensors[i], false);
	}
	uploader_finish(&u);
}

static void run_layer(struct model *m, const struct tensor *t)
{
	struct layer_arguments arguments = {
	    t->at,     t->words,      m->act[0],
	    m->act[1], m->p.o.stride, (double)m->p.o.compute_us * 1000,
	};
	size_t bytes = sizeof(arguments);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &arguments,
			 CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};

	TRY(cuLaunchKernel(m->layer, BLOCKS, 1, 1, THREADS, 1, 1, 0, m->stream, NULL, extra));
	m->act[0] = arguments.out;
	m->act[1] = arguments.in;
}

int main(int argc, char **argv)
{
	struct model m = {0};
	struct options *o = &m.p.o;
	uint32_t token, vocabulary = 32000, *landing;
	unsigned long one = 1;

	program_begin(&m.p, argc, argv, PROGRAM_OPTIONS);
	m.layer = program_kernel(&m.p, "layer");
	m.inject = program_kernel(&m.p, "inject");
	m.choose = program_kernel(&m.p, "choose");
	TRY(cuStreamCreate(&m.stream, CU_STREAM_NON_BLOCKING));
	make_tensors(&m);
	for (int i = 0; i < 2; i++)
		m.act[i] = zeroed_words(WIDTH);
	m.token = zeroed_words(1);
	TRY(cuMemHostAlloc((void **)&landing, sizeof(*landing), 0));

	token = (uint32_t)o->seed;
	program_mark(&m.p, m.stream);
	for (unsigned long step = 0; step < o->steps; step++) {
		LAUNCH(m.inject, m.stream, &m.act[0], &token);
		for (unsigned long i = 0; i < o->tensors; i++)
			run_layer(&m, &m.tensors[i]);
		LAUNCH(m.choose, m.stream, &m.act[0], &m.token, &one, &vocabulary);
		TRY(cuMemcpyDtoHAsync(landing, m.token, sizeof(token), m.stream));
		program_mark(&m.p, m.stream);
		TRY(cuStreamSynchronize(m.stream));
		memcpy(&token, landing, sizeof(token));
		digest_host(&m.p, &token, sizeof(token));
	}

	/* One read across the border of two tensors: to the driver they are one allocation. */
	digest_device(&m.p, m.act[0], WIDTH * 4);
	if (o->stride == 1)
		digest_device(&m.p, m.buffer + m.buffer_bytes / 3, m.buffer_bytes / 8);
	TRY(cuMemFreeHost(landing));
	for (int i = 0; i < 2; i++)
		TRY(cuMemFree(m.act[i]));
	TRY(cuMemFree(m.token));
	TRY(cuMemFree(m.buffer));
	TRY(cuStreamDestroy(m.stream));
	free(m.tensors);
	program_end(&m.p);
	return 0;
}
