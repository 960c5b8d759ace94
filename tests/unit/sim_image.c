/*
 * Kernels for the simulator's own tests and for programs under the preload. Built as shared
 * images, not as a test: as it is, with the kernels the other way round (SIM_IMAGE_REVERSED),
 * and without a word on their parameters (SIM_KERNEL_NO_INFO).
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* -O2 leaves the loops over words scalar */
#endif
#include "../sim/sim_kernel.h"
#include "../sim/sim_tensor.h"

KERNEL3(fill, unsigned int *, out, unsigned int, value, unsigned long, n)
{
	unsigned long from = n * sim_self->block / sim_self->blocks;
	unsigned long upto = n * (sim_self->block + 1) / sim_self->blocks;

	TOUCH_WRITE(&out[from], (upto - from) * sizeof(*out));
	FOR_EACH (i, n)
		out[i] = value + (unsigned int)i;
}

KERNEL3(increment, unsigned int *, out, unsigned int, by, unsigned long, n)
{
	TOUCH_WRITE(out, n * sizeof(*out));
	FOR_EACH (i, n)
		out[i] += by;
}

/* Reaches its memory for so long. */
KERNEL4(increment_slowly, unsigned int *, out, unsigned int, by, unsigned long, n, double, ns)
{
	unsigned long from = n * sim_self->block / sim_self->blocks;
	unsigned long upto = n * (sim_self->block + 1) / sim_self->blocks;

	TOUCH_WRITE(&out[from], (upto - from) * sizeof(*out));
	COMPUTE_NS(ns / (double)sim_self->blocks);
	FOR_EACH (i, n)
		out[i] += by;
}

KERNEL2(peek, const unsigned int *, in, unsigned int *, out)
{
	TOUCH_READ(in, sizeof(*in));
	TOUCH_WRITE(out, sizeof(*out));
	*out = *in;
}

/* Reads without declaring it: the fault comes from the mapping, not from the checker. */
KERNEL2(peek_undeclared, const unsigned int *, in, unsigned int *, out)
{
	(void)sim_self;
	*out = *(const volatile unsigned int *)in;
}

KERNEL1(spin, double, ns)
{
	COMPUTE_NS(ns);
}

KERNEL4(mixed, unsigned char, a, double, b, unsigned short, c, double *, out)
{
	TOUCH_WRITE(out, 3 * sizeof(*out));
	out[0] = a;
	out[1] = b;
	out[2] = c;
}

/* --- parameter lists of every kind; each kernel adds `by` to the first word of what it is
 * given --- */

struct operands {
	float pad;
	unsigned int *out;
	unsigned int by;
};

KERNEL2(by_struct, char, pad, struct operands, o)
{
	(void)pad;
	TOUCH_WRITE(o.out, sizeof(*o.out));
	*o.out += o.by;
}

#pragma pack(push, 4)
struct packed_operands {
	unsigned int by;
	unsigned int *out;
};
#pragma pack(pop)

KERNEL2(by_packed, unsigned int, pad, struct packed_operands, o)
{
	(void)pad;
	TOUCH_WRITE(o.out, sizeof(*o.out));
	*o.out += o.by;
}

struct large_operands {
	unsigned long pad[600];
	unsigned int *out;
};

KERNEL2(by_large, struct large_operands, o, unsigned int, by)
{
	TOUCH_WRITE(o.out, sizeof(*o.out));
	*o.out += by;
}

/* Hundreds of pointers, of which the last counts. */
struct many_operands {
	unsigned int *out[400];
};

KERNEL2(by_many, struct many_operands, o, unsigned int, by)
{
	TOUCH_WRITE(o.out[399], sizeof(*o.out[399]));
	*o.out[399] += by;
}

struct eight_words {
	uint64_t word[8];
};

KERNEL2(put_eight, uint64_t *, out, struct eight_words, words)
{
	TOUCH_WRITE(out, sizeof(words));
	for (int i = 0; i < 8; i++)
		out[i] = words.word[i];
}

struct tensor {
	uint64_t words[SIM_TENSOR_WORDS];
};

KERNEL2(by_tensor, struct tensor, map, unsigned int, by)
{
	unsigned int *out = (unsigned int *)(uintptr_t)sim_tensor_address(map.words);

	TOUCH_WRITE(out, sizeof(*out));
	*out += by;
}

/* The map lies in device memory. */
KERNEL2(by_tensor_at, const struct tensor *, map, unsigned int, by)
{
	unsigned int *out;

	TOUCH_READ(map, sizeof(*map));
	out = (unsigned int *)(uintptr_t)sim_tensor_address(map->words);
	TOUCH_WRITE(out, sizeof(*out));
	*out += by;
}

KERNEL0(nothing)
{
	COMPUTE_NS(100);
}

#ifdef SIM_IMAGE_REVERSED
KERNEL_IMAGE(KERNEL_ROW(nothing), KERNEL_ROW(increment_slowly), KERNEL_ROW(by_tensor_at),
	     KERNEL_ROW(by_tensor), KERNEL_ROW(put_eight), KERNEL_ROW(by_many),
	     KERNEL_ROW(by_large), KERNEL_ROW(by_packed), KERNEL_ROW(by_struct),
	     KERNEL_ROW(mixed), KERNEL_ROW(spin), KERNEL_ROW(peek_undeclared), KERNEL_ROW(peek),
	     KERNEL_ROW(increment), KERNEL_ROW(fill))
#else
KERNEL_IMAGE(KERNEL_ROW(fill), KERNEL_ROW(increment), KERNEL_ROW(increment_slowly),
	     KERNEL_ROW(peek), KERNEL_ROW(peek_undeclared), KERNEL_ROW(spin), KERNEL_ROW(mixed),
	     KERNEL_ROW(by_struct), KERNEL_ROW(by_packed), KERNEL_ROW(by_large),
	     KERNEL_ROW(by_many), KERNEL_ROW(put_eight), KERNEL_ROW(by_tensor),
	     KERNEL_ROW(by_tensor_at), KERNEL_ROW(nothing))
#endif
