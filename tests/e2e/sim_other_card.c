/*
 * Copies and fills of one card's memory while the other card's context is current, in a random
 * order that the seed gives; what each piece must hold is known throughout. Two simulated
 * devices. usage: sim_other_card SEED STEPS
 */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 6
#define BYTES (3 * UNIT)
#define WORDS ((unsigned int)(BYTES / 4))
#define PITCH ((size_t)4096)

static CUcontext contexts[2];
static CUmodule modules[2];
static CUstream streams[2];
static unsigned int *pinned, *pageable;
static uint32_t random_state;

static struct piece {
	CUdeviceptr at;
	unsigned int value, step; /* word i holds value + step * i */
} pieces[2][PIECES];

static unsigned int draw(unsigned int below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

static void go_to(int card)
{
	MUST(cuCtxSetCurrent(contexts[card]));
	context = contexts[card];
	module = modules[card];
}

static void expect(const struct piece *piece, const unsigned int *host, const char *what)
{
	for (unsigned int i = 0; i < WORDS; i++)
		if (host[i] != piece->value + piece->step * i) {
			fprintf(stderr, "%s: word %u is %u, not %u\n", what, i, host[i],
				piece->value + piece->step * i);
			exit(1);
		}
}

static void upload(struct piece *to, CUstream stream)
{
	unsigned int *from = draw(2) ? pinned : pageable;

	to->value = draw(1u << 20);
	to->step = 1;
	for (unsigned int i = 0; i < WORDS; i++)
		from[i] = to->value + i;
	switch (draw(3)) {
	case 0:
		MUST(cuMemcpyHtoD(to->at, from, BYTES));
		break;
	case 1:
		MUST(cuMemcpy(to->at, (CUdeviceptr)(uintptr_t)from, BYTES));
		break;
	default:
		MUST(cuMemcpyHtoDAsync(to->at, from, BYTES, stream));
		break;
	}
}

static void download(const struct piece *from, CUstream stream)
{
	unsigned int *to = draw(2) ? pinned : pageable;

	memset(to, 0xEE, BYTES);
	if (draw(2)) {
		MUST(cuStreamSynchronize(stream)); /* which the legacy one may not wait for */
		MUST(cuMemcpyDtoH(to, from->at, BYTES));
	} else {
		MUST(cuMemcpyDtoHAsync(to, from->at, BYTES, stream));
		MUST(cuStreamSynchronize(stream));
	}
	expect(from, to, "a download");
}

static void fill_with(struct piece *to, CUstream stream)
{
	to->value = draw(256) * 0x01010101u;
	to->step = 0;
	switch (draw(4)) {
	case 0:
		MUST(cuMemsetD8Async(to->at, (unsigned char)to->value, BYTES, stream));
		break;
	case 1:
		MUST(cuMemsetD16Async(to->at, (unsigned short)to->value, BYTES / 2, stream));
		break;
	case 2:
		MUST(cuMemsetD2D32Async(to->at, PITCH, to->value, PITCH / 4, BYTES / PITCH,
					stream));
		break;
	default:
		MUST(cuMemsetD32Async(to->at, to->value, WORDS, stream));
		break;
	}
}

static CUDA_MEMCPY2D rows(CUdeviceptr to, CUdeviceptr from)
{
	return (CUDA_MEMCPY2D){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			       .srcDevice = from,
			       .srcPitch = PITCH,
			       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			       .dstDevice = to,
			       .dstPitch = PITCH,
			       .WidthInBytes = PITCH,
			       .Height = BYTES / PITCH};
}

static void across(struct piece *to, int to_card, const struct piece *from, int from_card,
		   CUstream stream)
{
	CUDA_MEMCPY2D box = rows(to->at, from->at);

	switch (draw(5)) {
	case 0:
		MUST(cuMemcpyAsync(to->at, from->at, BYTES, stream));
		break;
	case 1:
		MUST(cuMemcpyDtoDAsync(to->at, from->at, BYTES, stream));
		break;
	case 2:
		/* As between other contexts of the cards, this one is given by its driver's
		 * rules. */
		MUST(cuMemcpyPeerAsync(to->at, contexts[to_card], from->at, contexts[from_card],
				       BYTES, stream));
		break;
	case 3:
		MUST(cuMemcpy2DAsync(&box, stream));
		break;
	default:
		MUST(cuStreamSynchronize(stream));
		MUST(cuMemcpyDtoD(to->at, from->at, BYTES));
		MUST(cuStreamSynchronize(NULL));
		break;
	}
	to->value = from->value;
	to->step = from->step;
}

static void kernel(struct piece *piece, CUstream stream)
{
	unsigned int by = draw(100);

	increment(piece->at, by, BYTES, stream);
	piece->value += by;
}

/* In one stream (NULL: the legacy one), a few operations of which each needs what the one
 * before did; the kernels' memory is the current card's. */
static void step(void)
{
	int card = (int)draw(2);
	struct piece *own = &pieces[card][draw(PIECES)], *others = &pieces[!card][draw(PIECES)],
		     *more = &pieces[draw(2)][draw(PIECES)];
	CUstream stream;

	go_to(card);
	stream = draw(3) ? streams[card] : NULL;
	switch (draw(6)) {
	case 0:
		upload(others, stream);
		if (draw(2))
			across(own, card, others, !card, stream);
		break;
	case 1:
		fill_with(others, stream);
		download(others, stream);
		break;
	case 2:
		kernel(own, stream);
		across(others, !card, own, card, stream);
		download(others, stream);
		break;
	case 3:
		across(own, card, others, !card, stream);
		kernel(own, stream);
		break;
	case 4:
		fill_with(own, stream);
		across(others, !card, own, card, stream);
		kernel(own, stream);
		break;
	default:
		/* What is under way between the cards is under way while others come and go. */
		across(others, !card, own, card, stream);
		for (unsigned int i = 0; i < PIECES; i++)
			if (&pieces[card][i] != own)
				kernel(&pieces[card][i], streams[card]);
		go_to(!card);
		for (unsigned int i = 0; i < 2 * PIECES; i++)
			if (&pieces[!card][i % PIECES] != others)
				kernel(&pieces[!card][i % PIECES], streams[!card]);
		MUST(cuCtxSynchronize());
		go_to(card);
		break;
	}
	MUST(cuCtxSynchronize());
	if (!draw(4))
		download(more, stream);
}

int main(int argc, char **argv)
{
	unsigned int steps = argc == 3 ? (unsigned int)atoi(argv[2]) : 40;

	random_state = argc == 3 ? (uint32_t)atoi(argv[1]) : 1;
	MUST(cuInit(0));
	for (int card = 0; card < 2; card++) {
		MUST(cuDevicePrimaryCtxRetain(&contexts[card], card));
		MUST(cuCtxSetCurrent(contexts[card]));
		MUST(cuModuleLoad(&modules[card], getenv("SIM_IMAGE")));
		MUST(cuStreamCreate(&streams[card], card ? CU_STREAM_NON_BLOCKING : 0));
		go_to(card);
		for (unsigned int i = 0; i < PIECES; i++) {
			struct piece *piece = &pieces[card][i];

			MUST(cuMemAlloc(&piece->at, BYTES));
			piece->value = 1000 * i;
			piece->step = 1;
			fill(piece->at, piece->value, BYTES, NULL);
		}
		MUST(cuCtxSynchronize());
	}
	MUST(cuMemHostAlloc((void **)&pinned, BYTES, CU_MEMHOSTALLOC_PORTABLE));
	pageable = malloc(BYTES);
	while (steps--)
		step();
	for (int current = 0; current < 2; current++) {
		go_to(current);
		for (int card = 0; card < 2; card++)
			for (unsigned int i = 0; i < PIECES; i++)
				download(&pieces[card][i], streams[current]);
	}
	for (int card = 0; card < 2; card++)
		for (unsigned int i = 0; i < PIECES; i++)
			MUST(cuMemFree(pieces[card][i].at));
	return 0;
}
