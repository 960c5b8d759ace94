/*
 * Stands for programs that change their weights while they run: a LoRA merged at one step and
 * taken out at a later one, parts zeroed, moved and restored by fills and copies of one and two
 * dimensions. Uses the legacy stream and a blocking one, which wait for each other.
 */
#include "common.h"

#include <stdlib.h>

struct model {
	struct program p;
	CUstream stream; /* blocking */
	struct tensor *tensors;
	CUdeviceptr lora, act[2];
	CUdeviceptr backup; /* of the largest tensor's size */
	CUfunction layer, scale_add, inject, fill_random;
};

enum { PITCH = 1024, ROW = 260 }; /* of a region with two dimensions, in bytes */

static void run_layers(struct model *m, uint32_t step)
{
	double compute_ns = (double)m->p.o.compute_us * 1000;

	LAUNCH(m->inject, m->stream, &m->act[0], &step);
	for (unsigned long i = 0; i < m->p.o.tensors; i++) {
		CUdeviceptr in = m->act[0], out = m->act[1];

		LAUNCH(m->layer, m->stream, &m->tensors[i].at, &m->tensors[i].words, &in, &out,
		       &m->p.o.stride, &compute_ns);
		m->act[0] = out;
		m->act[1] = in;
	}
}

/* Each second tensor, as adapters do not touch all layers. */
static void merge(struct model *m, uint32_t alpha)
{
	for (unsigned long i = 0; i < m->p.o.tensors; i += 2)
		LAUNCH(m->scale_add, NULL, &m->tensors[i].at, &m->tensors[i].words, &m->lora,
		       &alpha, &m->p.o.stride);
}

/* Copies a region of tensor `from` over the same region of tensor `to`, rows apart. */
static void copy_region(struct model *m, const struct tensor *to, const struct tensor *from)
{
	unsigned long words = to->words < from->words ? to->words : from->words;
	size_t rows = words * 4 / PITCH;
	CUDA_MEMCPY2D copy = {
	    .srcMemoryType = CU_MEMORYTYPE_DEVICE,
	    .srcDevice = from->at,
	    .srcPitch = PITCH,
	    .srcXInBytes = 8,
	    .srcY = rows / 3,
	    .dstMemoryType = CU_MEMORYTYPE_DEVICE,
	    .dstDevice = to->at,
	    .dstPitch = PITCH,
	    .dstXInBytes = 12,
	    .dstY = rows / 4,
	    .WidthInBytes = ROW,
	    .Height = rows / 2,
	};

	if (rows < 4)
		return;
	TRY(cuMemcpy2DAsync(&copy, m->stream));
	copy.srcXInBytes = 516;
	copy.dstXInBytes = 520;
	TRY(cuMemcpy2D(&copy));
}

/* A part kept, zeroed, used so, and put back. */
static void zero_and_restore(struct model *m, const struct tensor *t, uint32_t step)
{
	size_t from = t->words / 4 * 4, bytes = t->words / 2 * 4;

	TRY(cuMemcpyDtoDAsync(m->backup, t->at + from, bytes, m->stream));
	TRY(cuMemsetD8Async(t->at + from, 0, bytes, m->stream));
	run_layers(m, step);
	TRY(cuMemcpyDtoD(t->at + from, m->backup, bytes));
}

static void paint(const struct model *m, const struct tensor *t)
{
	size_t rows = t->words * 4 / PITCH;

	if (rows < 2)
		return;
	TRY(cuMemsetD2D32(t->at + 16, PITCH, 0x5eed1234u, ROW / 4, rows / 2));
	TRY(cuMemsetD2D16Async(t->at + 516, PITCH, 0x1234, ROW / 2, rows - 1, m->stream));
	TRY(cuMemsetD2D8(t->at + 901, PITCH, 0x5a, 33, rows / 2));
	TRY(cuMemsetD16(t->at + 2, 0xbeef, 7));
}

int main(int argc, char **argv)
{
	struct model m = {0};
	struct options *o = &m.p.o;
	struct tensor *t;
	struct uploader u;
	unsigned long last;

	program_begin(&m.p, argc, argv, PROGRAM_OPTIONS);
	m.layer = program_kernel(&m.p, "layer");
	m.scale_add = program_kernel(&m.p, "scale_add");
	m.inject = program_kernel(&m.p, "inject");
	m.fill_random = program_kernel(&m.p, "fill_random");
	TRY(cuStreamCreate(&m.stream, CU_STREAM_DEFAULT));

	last = o->tensors - 1;
	t = m.tensors = program_alloc(o->tensors * sizeof(*m.tensors));
	uploader_init(&u, &m.p, m.stream);
	for (unsigned long i = 0; i <= last; i++) {
		t[i] = tensor_make(&m.p, (uint64_t)o->mb << 20, o->tensors, i);
		if (i % 3) {
			upload(&u, &t[i], i & 1);
			continue;
		}
		/* Weights that no upload ever wrote: made on the device. */
		TRY(cuMemsetD32(t[i].at, 0, t[i].words));
		LAUNCH(m.fill_random, m.stream, &t[i].at, &t[i].words, &t[i].key, &o->stride);
	}
	uploader_finish(&u);
	m.lora = zeroed_words(WIDTH);
	TRY(cuMemsetD32(m.lora, 77, WIDTH));
	m.backup = zeroed_words(t[0].words);
	for (int i = 0; i < 2; i++)
		m.act[i] = zeroed_words(WIDTH);

	program_mark(&m.p, m.stream);
	for (unsigned long step = 0; step < o->steps; step++) {
		uint32_t key = (uint32_t)(o->seed + step);

		if (step == o->steps / 4)
			merge(&m, 3);
		if (step == o->steps * 3 / 4)
			merge(&m, (uint32_t)-3);
		if (step % 4 == 1)
			copy_region(&m, &t[last], &t[last / 2]);
		if (step % 4 == 2)
			paint(&m, &t[last / 3]);
		if (step % 4 == 3)
			zero_and_restore(&m, &t[last / 4], ~key);
		run_layers(&m, key);
		program_mark(&m.p, m.stream);
	}

	digest_device(&m.p, m.act[0], WIDTH * 4);
	for (unsigned long i = 0; i <= last; i++) {
		if (o->stride == 1)
			digest_device(&m.p, t[i].at, t[i].words * 4);
		tensor_free(&t[i]);
	}
	for (int i = 0; i < 2; i++)
		TRY(cuMemFree(m.act[i]));
	TRY(cuMemFree(m.lora));
	TRY(cuMemFree(m.backup));
	TRY(cuStreamDestroy(m.stream));
	free(t);
	program_end(&m.p);
	return 0;
}
