/*
 * Stands for image generators: a text encoder that runs once, a large network that runs once a
 * step, a decoder that runs once; one allocation a tensor, activations reused, the legacy
 * stream.
 */
#include "common.h"

#include <stdlib.h>

struct part {
	struct tensor *tensors;
	unsigned long count;
};

struct model {
	struct program p;
	struct part encoder, unet, decoder;
	CUdeviceptr act[2];	/* the layers write them in turn */
	CUdeviceptr context;	/* what the text encoder made of the prompt */
	CUdeviceptr feature[2]; /* large activations: skip connections, at last the image */
	unsigned long feature_words;
	CUfunction layer, expand, inject, absorb, copy_words;
};

static struct part part_make(struct model *m, struct uploader *u, uint64_t bytes,
			     unsigned long count, unsigned long first)
{
	struct part part = {program_alloc(count * sizeof(*part.tensors)), count};

	for (unsigned long i = 0; i < count; i++) {
		part.tensors[i] = tensor_make(&m->p, bytes, count, i);
		part.tensors[i].key = tensor_key(&m->p, first + i);
		upload(u, &part.tensors[i], i & 1);
	}
	return part;
}

static void part_free(struct part *part)
{
	for (unsigned long i = 0; i < part->count; i++)
		tensor_free(&part->tensors[i]);
	free(part->tensors);
}

static void run_layer(struct model *m, CUdeviceptr weights, unsigned long words)
{
	double compute_ns = (double)m->p.o.compute_us * 1000;
	CUdeviceptr in = m->act[0], out = m->act[1];

	LAUNCH(m->layer, NULL, &weights, &words, &in, &out, &m->p.o.stride, &compute_ns);
	m->act[0] = out;
	m->act[1] = in;
}

static void run_part(struct model *m, const struct part *part)
{
	for (unsigned long i = 0; i < part->count; i++)
		run_layer(m, part->tensors[i].at, part->tensors[i].words);
}

static void run_expand(struct model *m, uint32_t key)
{
	LAUNCH(m->expand, NULL, &m->act[0], &m->feature[0], &m->feature_words, &key,
	       &m->p.o.stride);
}

/* Down, with a skip connection kept; up, with it taken in again. */
static void run_unet(struct model *m, uint32_t step)
{
	LAUNCH(m->inject, NULL, &m->act[0], &step);
	LAUNCH(m->absorb, NULL, &m->act[0], &m->context);
	for (unsigned long i = 0; i < m->unet.count; i++) {
		run_layer(m, m->unet.tensors[i].at, m->unet.tensors[i].words);
		if (i == m->unet.count / 4) {
			run_expand(m, step);
			LAUNCH(m->copy_words, NULL, &m->feature[1], &m->feature[0],
			       &m->feature_words, &m->p.o.stride);
		}
		if (i == m->unet.count * 3 / 4)
			run_layer(m, m->feature[1], m->feature_words);
	}
}

static unsigned long at_least_one(unsigned long n)
{
	return n ? n : 1;
}

int main(int argc, char **argv)
{
	struct model m;
	struct uploader u;
	struct options *o = &m.p.o;
	unsigned long encoder, decoder, unet;
	uint64_t bytes;
	uint32_t prompt[16];

	program_begin(&m.p, argc, argv, PROGRAM_OPTIONS);
	bytes = (uint64_t)o->mb << 20;
	encoder = at_least_one(o->tensors / 5);
	decoder = at_least_one(o->tensors / 10);
	unet = o->tensors > encoder + decoder ? o->tensors - encoder - decoder : 1;
	m.layer = program_kernel(&m.p, "layer");
	m.expand = program_kernel(&m.p, "expand");
	m.inject = program_kernel(&m.p, "inject");
	m.absorb = program_kernel(&m.p, "absorb");
	m.copy_words = program_kernel(&m.p, "copy_words");

	uploader_init(&u, &m.p, NULL);
	m.encoder = part_make(&m, &u, bytes / 5, encoder, 0);
	m.unet = part_make(&m, &u, bytes - bytes / 5 - bytes / 10, unet, encoder);
	m.decoder = part_make(&m, &u, bytes / 10, decoder, encoder + unet);
	uploader_finish(&u);
	m.feature_words =
	    bytes / 64 < 4ul << 20 ? bytes / 64 : 4ul << 20; /* of 1/16 of the weights */
	for (int i = 0; i < 2; i++) {
		m.act[i] = zeroed_words(WIDTH);
		m.feature[i] = zeroed_words(m.feature_words);
	}
	m.context = zeroed_words(WIDTH);

	for (uint32_t i = 0; i < 16; i++)
		prompt[i] = mix32((uint32_t)o->seed + i);
	TRY(cuMemcpyHtoD(m.act[0], prompt, sizeof(prompt)));
	run_part(&m, &m.encoder);
	TRY(cuMemcpyDtoD(m.context, m.act[0], WIDTH * 4));
	program_mark(&m.p, NULL);
	for (unsigned long step = 0; step < o->steps; step++) {
		run_unet(&m, (uint32_t)step);
		program_mark(&m.p, NULL);
	}
	run_part(&m, &m.decoder);
	run_expand(&m, 0);

	digest_device(&m.p, m.feature[0], m.feature_words * 4);
	part_free(&m.encoder);
	part_free(&m.unet);
	part_free(&m.decoder);
	for (int i = 0; i < 2; i++) {
		TRY(cuMemFree(m.act[i]));
		TRY(cuMemFree(m.feature[i]));
	}
	TRY(cuMemFree(m.context));
	program_end(&m.p);
	return 0;
}
