/*
 * Question 1: operands of cuBLAS and cuDNN in host frames. Their kernels use whatever the card
 * has (tensor cores, TMA), so this asks for all ways at once. The same product or convolution
 * with its operands in device frames, in host frames, and the result in a host frame; each
 * library in a trial, and so a process, of its own.
 */
#include "cublas.h"
#include "frame.h"
#include "libraries.h"
#include "trials.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OPERAND_A, OPERAND_B, RESULT, PLACES_USED };
enum number { FLOAT32, BFLOAT16, FLOAT16 };

/* Each of them in both homes, with the same bytes. */
struct operands {
	struct block of[PLACES_USED];
	size_t bytes[PLACES_USED]; /* that are used */
	enum number number;
};

/* --- numbers ---------------------------------------------------------------------------------
 */

/* Two of 16 bits with one value, or one of 32. Too small for 16 bits is zero. */
static uint32_t number_write(enum number number, float value)
{
	uint32_t bits, half;

	memcpy(&bits, &value, 4);
	if (number == FLOAT32)
		return bits;
	half = bits >> 16; /* bf16 is the upper half of a float */
	if (number == FLOAT16) {
		uint32_t exponent = bits >> 23 & 0xff, sign = bits >> 16 & 0x8000;

		half = exponent < 113 ? sign
				      : sign | (exponent - 112) << 10 | (bits >> 13 & 0x3ff);
	}
	return half | half << 16;
}

static float number_read(enum number number, const unsigned char *at)
{
	uint16_t half;
	uint32_t bits;
	float value;

	if (number == FLOAT32) {
		memcpy(&value, at, 4);
		return value;
	}
	memcpy(&half, at, 2);
	bits = (uint32_t)half << 16;
	if (number == FLOAT16) {
		int exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;

		value = exponent == 31 ? (fraction ? NAN : INFINITY)
			: exponent     ? ldexpf((float)(fraction | 0x400), exponent - 25)
				       : ldexpf((float)fraction, -24);
		return half & 0x8000 ? -value : value;
	}
	memcpy(&value, &bits, 4);
	return value;
}

/* Sums may be rounded in another order; a wrong operand shows far above that. */
static bool nearly_same(enum number number, const unsigned char *a, const unsigned char *b,
			size_t bytes)
{
	size_t size = number == FLOAT32 ? 4 : 2;
	float largest = 0;

	for (size_t at = 0; at < bytes; at += size)
		largest = fmaxf(largest, fabsf(number_read(number, b + at)));
	for (size_t at = 0; at < bytes; at += size)
		/* Not less than: NaN is not near. */
		if (!(fabsf(number_read(number, a + at) - number_read(number, b + at)) <=
		      largest / 100))
			return false;
	return true;
}

/* --- operands --------------------------------------------------------------------------------
 */

/* Small numbers, made on the host. To a device frame: whether copies between malloc's memory
 * and host frames work is another question (host_pageable). */
static void fill_numbers(const struct gpu *g, const struct block *block, size_t bytes,
			 enum number number)
{
	uint32_t *words = malloc(bytes);

	if (!words)
		answer_failed("out of memory");
	for (size_t i = 0; i < bytes / 4; i++)
		words[i] = number_write(
		    number, (float)(gpu_word(5, i) >> 40) / (float)(1 << 25) - 0.25f);
	TRY(cu(cuMemcpyHtoD_v2)(block->alias[ON_DEVICE], words, bytes));
	TRY(cu(cuCtxSynchronize)());
	free(words);
	block_copy(block, ON_HOST, g->stream);
	TRY(cu(cuStreamSynchronize)(g->stream));
}

static size_t whole_frames(size_t bytes)
{
	return (bytes + 2 * MIB - 1) / (2 * MIB) * (2 * MIB);
}

static struct operands operands_make(const struct gpu *g, size_t a, size_t b, size_t result,
				     enum number number)
{
	struct places places = places_need_host(g);
	struct operands o = {.bytes = {a, b, result}, .number = number};

	for (int i = 0; i < PLACES_USED; i++) {
		blocks_make(g, &places, whole_frames(o.bytes[i]), 1, &o.of[i]);
		if (i != RESULT)
			fill_numbers(g, &o.of[i], o.bytes[i], number);
	}
	return o;
}

/* --- the same, wherever they are -------------------------------------------------------------
 */

typedef bool (*computing)(void *how, const CUdeviceptr at[PLACES_USED]);

/* false: it was refused; a lost context ends the trial; both are answers. */
static bool compute(const struct gpu *g, const struct operands *o, enum home in, enum home out,
		    computing run, void *how, const char *name, void *bytes)
{
	CUdeviceptr at[PLACES_USED] = {o->of[OPERAND_A].alias[in], o->of[OPERAND_B].alias[in],
				       o->of[RESULT].alias[out]};
	struct stopwatch watch = gpu_stopwatch();
	CUresult result;
	double us;

	answer_step("%s", name);
	TRY(cu(cuMemsetD32Async)(at[RESULT], 0, o->bytes[RESULT] / 4, g->stream));
	if (!run(how, at)) {
		answer_text("refused by the library", "%s", name);
		return false;
	}
	result = cu(cuStreamSynchronize)(g->stream);
	answer_result(result, "%s", name);
	if (result != CUDA_SUCCESS) {
		answer_text("the rest: the context is lost", "not_asked");
		answer_done();
	}
	gpu_start_watch(g, &watch, g->stream);
	if (!run(how, at)) {
		answer_text("refused by the library the second time", "%s", name);
		return false;
	}
	us = gpu_stop_watch_us(&watch, g->stream);
	answer_value(us, "us", "%s", name);
	if (out == ON_HOST)
		block_copy(&o->of[RESULT], ON_DEVICE, g->stream);
	TRY(cu(cuStreamSynchronize)(g->stream));
	TRY(cu(cuMemcpyDtoH_v2)(bytes, o->of[RESULT].alias[ON_DEVICE], o->bytes[RESULT]));
	return true;
}

static bool all_zero(const unsigned char *bytes, size_t count)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, count - 1);
}

/* That a library says the same to the last bit, it does not promise. */
static void compare(const struct gpu *g, const struct operands *o, computing run, void *how)
{
	static const struct {
		const char *name;
		enum home in, out;
	} cold[] = {{"operands_on_host", ON_HOST, ON_DEVICE},
		    {"result_on_host", ON_DEVICE, ON_HOST},
		    {"all_on_host", ON_HOST, ON_HOST}};
	size_t bytes = o->bytes[RESULT];
	unsigned char *resident = malloc(bytes), *other = malloc(bytes);

	if (!resident || !other)
		answer_failed("out of memory");
	if (!compute(g, o, ON_DEVICE, ON_DEVICE, run, how, "resident", resident))
		answer_done();
	answer_check(!all_zero(resident, bytes), "all zero",
		     "resident: something was computed");
	for (size_t i = 0; i < sizeof(cold) / sizeof(cold[0]); i++) {
		if (!compute(g, o, cold[i].in, cold[i].out, run, how, cold[i].name, other))
			continue;
		answer_yes_no(!memcmp(other, resident, bytes), "%s/same_bits", cold[i].name);
		answer_check(nearly_same(o->number, other, resident, bytes),
			     "the results differ", "%s: the result is right", cold[i].name);
	}
	free(resident);
	free(other);
}

/* --- cuBLAS ----------------------------------------------------------------------------------
 */

struct product {
	uint64_t side;
	bool bf16;
};

static bool product(void *how, const CUdeviceptr at[PLACES_USED])
{
	const struct product *p = how;

	return cublas_matmat_half(at[OPERAND_A], at[OPERAND_B], at[RESULT], p->side, p->bf16);
}

static void products(const struct gpu *g, bool bf16)
{
	struct product p = {.side = g->quick ? 2048 : 4096, .bf16 = bf16};
	size_t bytes = p.side * p.side * 2;
	const char *why;
	struct operands o;

	answer_step("starting cuBLAS");
	why = cublas_start(g);
	if (why)
		answer_skipped("cuBLAS: %s", why);
	o = operands_make(g, bytes, bytes, bytes, bf16 ? BFLOAT16 : FLOAT16);
	compare(g, &o, product, &p);
}

void trial_host_cublas(struct gpu *g)
{
	products(g, true);
}

void trial_host_cublas_fp16(struct gpu *g)
{
	products(g, false);
}

/* --- cuDNN -----------------------------------------------------------------------------------
 */

/* cudnnTensorFormat_t, cudnnDataType_t, cudnnConvolutionMode_t, cudnnConvolutionFwdAlgo_t */
enum { NCHW = 0, FLOATS = 0, CROSS_CORRELATION = 1, IMPLICIT_GEMM = 0 };
enum { IMAGES = 8, CHANNELS = 64, SIDE = 64, FILTER = 3 };

struct cudnn {
	void *handle, *image, *filter, *convolution;
	int (*create)(void **);
	int (*set_stream)(void *, CUstream);
	int (*tensor_create)(void **), (*filter_create)(void **),
	    (*convolution_create)(void **);
	int (*tensor_set)(void *, int, int, int, int, int, int);
	int (*filter_set)(void *, int, int, int, int, int, int);
	int (*convolution_set)(void *, int, int, int, int, int, int, int, int);
	int (*forward)(void *, const void *, const void *, const void *, const void *,
		       const void *, const void *, int, void *, size_t, const void *,
		       const void *, void *);
};

/* NULL, or why not. */
static const char *cudnn_start(const struct gpu *g, struct cudnn *c)
{
	static const char *const names[] = {"libcudnn.so.9", "libcudnn.so.8", "libcudnn.so",
					    NULL};
	const char *why;
	void *library = library_open(g, names, &why);

	if (!library)
		return why;
	LIBRARY_FIND(library, c->create, "cudnnCreate");
	LIBRARY_FIND(library, c->set_stream, "cudnnSetStream");
	LIBRARY_FIND(library, c->tensor_create, "cudnnCreateTensorDescriptor");
	LIBRARY_FIND(library, c->tensor_set, "cudnnSetTensor4dDescriptor");
	LIBRARY_FIND(library, c->filter_create, "cudnnCreateFilterDescriptor");
	LIBRARY_FIND(library, c->filter_set, "cudnnSetFilter4dDescriptor");
	LIBRARY_FIND(library, c->convolution_create, "cudnnCreateConvolutionDescriptor");
	LIBRARY_FIND(library, c->convolution_set, "cudnnSetConvolution2dDescriptor");
	LIBRARY_FIND(library, c->forward, "cudnnConvolutionForward");
	if (!c->create || !c->set_stream || !c->tensor_create || !c->tensor_set ||
	    !c->filter_create || !c->filter_set || !c->convolution_create ||
	    !c->convolution_set || !c->forward)
		return "it lacks a function";
	if (c->create(&c->handle) || c->set_stream(c->handle, g->stream))
		return "it does not start";
	if (c->tensor_create(&c->image) || c->filter_create(&c->filter) ||
	    c->convolution_create(&c->convolution) ||
	    c->tensor_set(c->image, NCHW, FLOATS, IMAGES, CHANNELS, SIDE, SIDE) ||
	    c->filter_set(c->filter, FLOATS, NCHW, CHANNELS, CHANNELS, FILTER, FILTER) ||
	    c->convolution_set(c->convolution, 1, 1, 1, 1, 1, 1, CROSS_CORRELATION, FLOATS))
		return "it takes no description";
	return NULL;
}

/* As large as its input: with a border of one. */
static bool convolution(void *how, const CUdeviceptr at[PLACES_USED])
{
	const struct cudnn *c = how;
	const float one = 1, zero = 0;

	return !c->forward(c->handle, &one, c->image, (const void *)at[OPERAND_A], c->filter,
			   (const void *)at[OPERAND_B], c->convolution, IMPLICIT_GEMM, NULL, 0,
			   &zero, c->image, (void *)at[RESULT]);
}

void trial_host_cudnn(struct gpu *g)
{
	const size_t image = (size_t)IMAGES * CHANNELS * SIDE * SIDE * 4;
	struct cudnn c = {0};
	const char *why;
	struct operands o;

	answer_step("starting cuDNN");
	why = cudnn_start(g, &c);
	if (why)
		answer_skipped("cuDNN: %s", why);
	o = operands_make(g, image, (size_t)CHANNELS * CHANNELS * FILTER * FILTER * 4, image,
			  FLOAT32);
	compare(g, &o, convolution, &c);
}
