/*
 * Stands for the decoding loop of a language model: all weights read once a token, in the same
 * order each time, and a cache that grows by whole chunks; a token goes back to the host a
 * step.
 */
#include "common.h"

#include <stdlib.h>

enum { ATTENTIONS = 4 }; /* how often a step reads the cache */

struct cache {
	CUdeviceptr *chunks;
	unsigned long count, room;
	unsigned long chunk_words, used_words; /* a chunk's size; in all chunks */
};

struct model {
	struct program p;
	CUstream stream;
	struct tensor *tensors;
	struct cache cache;
	CUdeviceptr act[2], token;
	CUfunction layer, attend, append, inject, choose;
};

/* By cuLaunchKernelEx, as newer runtimes launch. */
static void launch(const struct model *m, CUfunction kernel, void **params)
{
	CUlaunchConfig config = {.gridDimX = BLOCKS,
				 .gridDimY = 1,
				 .gridDimZ = 1,
				 .blockDimX = THREADS,
				 .blockDimY = 1,
				 .blockDimZ = 1,
				 .hStream = m->stream};

	TRY(cuLaunchKernelEx(&config, kernel, params, NULL));
}

static void cache_grow(struct cache *c)
{
	if (c->count == c->room) {
		c->room = c->room ? 2 * c->room : 8;
		c->chunks = realloc(c->chunks, c->room * sizeof(*c->chunks));
		if (!c->chunks)
			program_fail("realloc");
	}
	c->chunks[c->count++] = zeroed_words(c->chunk_words);
}

static void cache_append(struct model *m, unsigned long words, uint32_t key)
{
	struct cache *c = &m->cache;

	while (words) {
		unsigned long at = c->used_words % c->chunk_words, part = c->chunk_words - at;

		if (c->used_words == c->count * c->chunk_words)
			cache_grow(c);
		if (part > words)
			part = words;
		launch(m, m->append,
		       (void *[]){&c->chunks[c->used_words / c->chunk_words], &at, &part,
				  &m->act[0], &key, &m->p.o.stride});
		c->used_words += part;
		words -= part;
	}
}

/* Adds to act[1], and makes that the current activation. */
static void cache_attend(struct model *m)
{
	struct cache *c = &m->cache;
	double compute_ns = (double)m->p.o.compute_us * 1000 / (double)(c->count + 1);
	CUdeviceptr in = m->act[0], out = m->act[1];

	TRY(cuMemsetD32Async(out, 1, WIDTH, m->stream));
	for (unsigned long i = 0, left = c->used_words; left; i++) {
		unsigned long words = left < c->chunk_words ? left : c->chunk_words;

		launch(
		    m, m->attend,
		    (void *[]){&c->chunks[i], &words, &in, &out, &m->p.o.stride, &compute_ns});
		left -= words;
	}
	m->act[0] = out;
	m->act[1] = in;
}

static uint32_t decode(struct model *m, uint32_t token, unsigned long token_words)
{
	double compute_ns = (double)m->p.o.compute_us * 1000;
	unsigned long every = (m->p.o.tensors + ATTENTIONS - 1) / ATTENTIONS, one = 1;
	uint32_t vocabulary = 32000;

	launch(m, m->inject, (void *[]){&m->act[0], &token});
	cache_append(m, token_words, token);
	for (unsigned long i = 0; i < m->p.o.tensors; i++) {
		CUdeviceptr in = m->act[0], out = m->act[1];

		if (i % every == 0)
			cache_attend(m), in = m->act[0], out = m->act[1];
		launch(m, m->layer,
		       (void *[]){&m->tensors[i].at, &m->tensors[i].words, &in, &out,
				  &m->p.o.stride, &compute_ns});
		m->act[0] = out;
		m->act[1] = in;
	}
	launch(m, m->choose, (void *[]){&m->act[0], &m->token, &one, &vocabulary});
	TRY(cuMemcpyDtoHAsync(&token, m->token, sizeof(token), m->stream));
	program_mark(&m->p, m->stream);
	TRY(cuStreamSynchronize(m->stream));
	return token;
}

int main(int argc, char **argv)
{
	struct model m = {0};
	struct options *o = &m.p.o;
	struct uploader u;
	uint64_t bytes;
	uint32_t token;

	program_begin(&m.p, argc, argv, PROGRAM_OPTIONS);
	bytes = (uint64_t)o->mb << 20;
	m.layer = program_kernel(&m.p, "layer");
	m.attend = program_kernel(&m.p, "attend");
	m.append = program_kernel(&m.p, "append");
	m.inject = program_kernel(&m.p, "inject");
	m.choose = program_kernel(&m.p, "choose");
	TRY(cuStreamCreate(&m.stream, CU_STREAM_NON_BLOCKING));

	m.tensors = program_alloc(o->tensors * sizeof(*m.tensors));
	uploader_init(&u, &m.p, m.stream);
	for (unsigned long i = 0; i < o->tensors; i++) {
		m.tensors[i] = tensor_make(&m.p, bytes, o->tensors, i);
		upload(&u, &m.tensors[i], true);
	}
	uploader_finish(&u);
	for (int i = 0; i < 2; i++)
		m.act[i] = zeroed_words(WIDTH);
	m.token = zeroed_words(1);

	/* The prompt fills 1/32 of the weights' size; a token adds 1/256. */
	m.cache.chunk_words = bytes / 64 < 2ul << 20 ? (2ul << 20) / 4 : bytes / 64 / 4;
	token = (uint32_t)o->seed;
	launch(&m, m.inject, (void *[]){&m.act[0], &token});
	cache_append(&m, bytes / 32 / 4, token);

	program_mark(&m.p, m.stream);
	for (unsigned long step = 0; step < o->steps; step++) {
		token = decode(&m, token, bytes / 256 / 4);
		digest_host(&m.p, &token, sizeof(token));
	}

	digest_device(&m.p, m.act[0], WIDTH * 4);
	for (unsigned long i = 0; i < m.cache.count; i++) {
		digest_device(&m.p, m.cache.chunks[i], m.cache.chunk_words * 4);
		TRY(cuMemFree(m.cache.chunks[i]));
	}
	for (unsigned long i = 0; i < o->tensors; i++)
		tensor_free(&m.tensors[i]);
	for (int i = 0; i < 2; i++)
		TRY(cuMemFree(m.act[i]));
	TRY(cuMemFree(m.token));
	TRY(cuStreamDestroy(m.stream));
	free(m.tensors);
	free(m.cache.chunks);
	program_end(&m.p);
	return 0;
}
