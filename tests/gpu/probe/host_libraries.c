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
#include <stdlib.h>
#include <string.h>

enum { OPERAND_A, OPERAND_B, RESULT, PLACES_USED };

/* Each of them in both homes, with the same bytes. */
struct operands {
	struct block of[PLACES_USED];
	size_t bytes[PLACES_USED]; /* that are used */
};

/* Small numbers of 16 or 32 bits, made on the host. */
static void fill_numbers(CUdeviceptr at, size_t bytes, bool wide)
{
	unsigned char *numbers = malloc(bytes);

	if (!numbers)
		answer_failed("out of memory");
	for (size_t i = 0; i < bytes / 4; i++) {
		float x = (float)(gpu_word(5, i) >> 40) / (float)(1 << 25) - 0.25f;
		uint32_t bits;

		memcpy(&bits, &x, 4);
		/* bf16 is the upper half of a float; two of them here. */
		if (!wide)
			bits = bits >> 16 | (bits & 0xffff0000u);
		memcpy(numbers + 4 * i, &bits, 4);
	}
	TRY(cu(cuMemcpyHtoD_v2)(at, numbers, bytes));
	TRY(cu(cuCtxSynchronize)());
	free(numbers);
}

static size_t whole_frames(size_t bytes)
{
	return (bytes + 2 * MIB - 1) / (2 * MIB) * (2 * MIB);
}

static struct operands operands_make(const struct gpu *g, size_t a, size_t b, size_t result,
				     bool wide)
{
	struct places places = places_need_host(g);
	struct operands o = {.bytes = {a, b, result}};

	for (int i = 0; i < PLACES_USED; i++) {
		blocks_make(g, &places, whole_frames(o.bytes[i]), 1, &o.of[i]);
		if (i == RESULT)
			continue;
		fill_numbers(o.of[i].alias[ON_HOST], o.bytes[i], wide);
		block_copy(&o.of[i], ON_DEVICE, g->stream);
	}
	TRY(cu(cuStreamSynchronize)(g->stream));
	return o;
}

typedef bool (*computing)(void *how, const CUdeviceptr at[PLACES_USED]);

/* false: it was refused, or the context is lost; both are answers. */
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
	TRY(cu(cuMemcpyDtoH_v2)(bytes, at[RESULT], o->bytes[RESULT]));
	gpu_start_watch(g, &watch, g->stream);
	if (!run(how, at))
		return false;
	us = gpu_stop_watch_us(&watch, g->stream);
	answer_value(us, "us", "%s", name);
	return true;
}

static bool all_zero(const unsigned char *bytes, size_t count)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, count - 1);
}

static void compare(const struct gpu *g, const struct operands *o, computing run, void *how)
{
	size_t bytes = o->bytes[RESULT];
	unsigned char *resident = malloc(bytes), *cold = malloc(bytes);

	if (!resident || !cold)
		answer_failed("out of memory");
	if (!compute(g, o, ON_DEVICE, ON_DEVICE, run, how, "resident", resident))
		answer_done();
	answer_check(!all_zero(resident, bytes), "all zero",
		     "resident: something was computed");
	if (compute(g, o, ON_HOST, ON_DEVICE, run, how, "operands_on_host", cold))
		answer_check(!memcmp(cold, resident, bytes), "the results differ",
			     "operands on the host: the same result");
	if (compute(g, o, ON_HOST, ON_HOST, run, how, "all_on_host", cold))
		answer_check(!memcmp(cold, resident, bytes), "the results differ",
			     "all on the host: the same result");
	free(resident);
	free(cold);
}

static bool product(void *how, const CUdeviceptr at[PLACES_USED])
{
	return cublas_matmat_bf16(at[OPERAND_A], at[OPERAND_B], at[RESULT],
				  *(const uint64_t *)how);
}

void trial_host_cublas(struct gpu *g)
{
	uint64_t side = g->quick ? 2048 : 4096;
	const char *why;
	struct operands o;

	answer_step("starting cuBLAS");
	why = cublas_start(g);
	if (why)
		answer_skipped("cuBLAS: %s", why);
	o = operands_make(g, side * side * 2, side * side * 2, side * side * 2, false);
	compare(g, &o, product, &side);
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
			  true);
	compare(g, &o, convolution, &c);
}
