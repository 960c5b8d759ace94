/*
 * Stands for mixtures of experts: the data choose which weights are read, through a table of
 * pointers in device memory; a launch names the table and no weights. On the per-thread stream.
 */
#include "common.h"

#include <stdlib.h>

enum { EXPERTS = 8, CHOSEN = 2 }; /* of a layer; for a token */

struct model {
	struct program p;
	CUstream stream;
	unsigned long layers, experts; /* experts: of one layer */
	struct tensor *dense;	       /* one a layer */
	struct tensor *expert;	       /* layer l has [l * experts, (l + 1) * experts) */
	CUdeviceptr *pointers;	       /* as in the table; pinned */
	CUdeviceptr table;	       /* of the experts' addresses */
	CUdeviceptr act[2], picks;
	CUfunction layer, gather, choose, inject, absorb;
};

static void make_weights(struct model *m, uint64_t bytes)
{
	unsigned long all = m->layers * m->experts;
	uint64_t dense_bytes = bytes / 5;
	struct uploader u;

	m->dense = program_alloc(m->layers * sizeof(*m->dense));
	m->expert = program_alloc(all * sizeof(*m->expert));
	TRY(cuMemHostAlloc((void **)&m->pointers, all * sizeof(*m->pointers), 0));
	uploader_init(&u, &m->p, m->stream);
	for (unsigned long l = 0; l < m->layers; l++) {
		m->dense[l] = tensor_make(&m->p, dense_bytes, m->layers, l);
		upload(&u, &m->dense[l], true);
		for (unsigned long e = l * m->experts; e < (l + 1) * m->experts; e++) {
			struct tensor t = {0};

			/* All of one size: a launch does not know which it will read. */
			t.words = tensor_words((bytes - dense_bytes) / all, 1, 0);
			t.key = tensor_key(&m->p, m->layers + e);
			TRY(cuMemAlloc(&t.at, t.words * 4));
			upload(&u, &t, e & 1);
			m->expert[e] = t;
			m->pointers[e] = t.at;
		}
	}
	uploader_finish(&u);
	TRY(cuMemAlloc(&m->table, all * sizeof(*m->pointers)));
	TRY(cuMemcpyHtoD(m->table, m->pointers, all * sizeof(*m->pointers)));
	TRY(cuStreamSynchronize(NULL));
}

static void run_layer(struct model *m, unsigned long l)
{
	struct extent extent = {m->expert[0].words, m->p.o.stride,
				(double)m->p.o.compute_us * 1000 / CHOSEN};
	double compute_ns = (double)m->p.o.compute_us * 1000;
	CUdeviceptr table = m->table + l * m->experts * sizeof(*m->pointers);
	unsigned long chosen = CHOSEN;
	uint32_t choices = (uint32_t)m->experts;
	CUdeviceptr in = m->act[0], out = m->act[1];

	LAUNCH(m->layer, m->stream, &m->dense[l].at, &m->dense[l].words, &in, &out,
	       &m->p.o.stride, &compute_ns);
	LAUNCH(m->choose, m->stream, &out, &m->picks, &chosen, &choices);
	TRY(cuMemsetD32Async(in, 1, WIDTH, m->stream));
	for (unsigned long c = 0; c < CHOSEN; c++) {
		CUdeviceptr pick = m->picks + c * 4;

		LAUNCH(m->gather, m->stream, &table, &pick, &out, &in, &extent);
	}
	LAUNCH(m->absorb, m->stream, &in, &out);
}

/* Two experts of each layer change places, in the table alone. */
static void swap_experts(struct model *m)
{
	for (unsigned long l = 0; m->experts > 1 && l < m->layers; l++) {
		CUdeviceptr *row = &m->pointers[l * m->experts], first = row[0];

		row[0] = row[m->experts - 1];
		row[m->experts - 1] = first;
	}
	TRY(cuMemcpyHtoDAsync(m->table, m->pointers,
			      m->layers * m->experts * sizeof(*m->pointers), m->stream));
}

int main(int argc, char **argv)
{
	struct model m = {0};
	struct options *o = &m.p.o;

	program_begin(&m.p, argc, argv, PROGRAM_OPTIONS);
	m.stream = CU_STREAM_PER_THREAD;
	m.layer = program_kernel(&m.p, "layer");
	m.gather = program_kernel(&m.p, "gather_expert");
	m.choose = program_kernel(&m.p, "choose");
	m.inject = program_kernel(&m.p, "inject");
	m.absorb = program_kernel(&m.p, "absorb");
	m.experts = o->tensors <= EXPERTS ? (o->tensors > 1 ? o->tensors - 1 : 1) : EXPERTS;
	m.layers = o->tensors / (m.experts + 1);
	if (!m.layers)
		m.layers = 1;
	make_weights(&m, (uint64_t)o->mb << 20);
	for (int i = 0; i < 2; i++)
		m.act[i] = zeroed_words(WIDTH);
	m.picks = zeroed_words(CHOSEN);

	program_mark(&m.p, m.stream);
	for (unsigned long step = 0; step < o->steps; step++) {
		uint32_t token = (uint32_t)(o->seed + step), picks[CHOSEN];

		LAUNCH(m.inject, m.stream, &m.act[0], &token);
		for (unsigned long l = 0; l < m.layers; l++)
			run_layer(&m, l);
		program_mark(&m.p, m.stream);
		TRY(cuMemcpyDtoHAsync(picks, m.picks, sizeof(picks), m.stream));
		TRY(cuStreamSynchronize(m.stream));
		digest_host(&m.p, picks, sizeof(picks));
		if (step == o->steps / 2)
			swap_experts(&m);
	}

	digest_device(&m.p, m.act[0], WIDTH * 4);
	for (unsigned long l = 0; l < m.layers; l++)
		tensor_free(&m.dense[l]);
	for (unsigned long e = 0; e < m.layers * m.experts; e++)
		tensor_free(&m.expert[e]);
	for (int i = 0; i < 2; i++)
		TRY(cuMemFree(m.act[i]));
	TRY(cuMemFree(m.picks));
	TRY(cuMemFree(m.table));
	TRY(cuMemFreeHost(m.pointers));
	free(m.dense);
	free(m.expert);
	program_end(&m.p);
	return 0;
}
