/*
 * What the probe uses of cuBLAS and cuDNN, for the simulated driver, on which NVIDIA's own
 * cannot run: the "result" is the first operand's bytes, copied in stream order. FAKE_MATH says
 * what goes otherwise where an operand or the result lies in RAM: refuses: an error;
 * other_bits: the last bit of the result's first number; wrong: other numbers; faults: a kernel
 * that touches what is not mapped. It need not compute: the probe asks whether the places
 * matter.
 */
#include <cuda.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { DONE = 0, FAILED = 14 };

/* The probe uses no other library of these names on the simulated driver. */
EXPORT extern const int lowtide_test_library;
const int lowtide_test_library = 1;

static CUstream stream; /* one handle, one thread */

static int is(const char *what)
{
	const char *manner = getenv("FAKE_MATH");

	return manner && !strcmp(manner, what);
}

static void *of_driver(const char *name)
{
	void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);

	return driver ? dlsym(driver, name) : NULL;
}
#define DRIVER(result, name, ...)                                                              \
	result (*name)(__VA_ARGS__) = __extension__(__typeof__(name)) of_driver(#name);        \
	if (!name)                                                                             \
	return FAILED

static int in_ram(const void *address)
{
	unsigned int type = 0;

	DRIVER(CUresult, cuPointerGetAttribute, void *, CUpointer_attribute, CUdeviceptr);
	return cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
				     (CUdeviceptr)address) == CUDA_SUCCESS &&
	       type == CU_MEMORYTYPE_HOST;
}

static int fault(void)
{
	static const char text[] = ".version 6.0\n.target sm_60\n.visible .entry probe_fill(\n";
	CUdeviceptr nowhere = 4096;
	unsigned long long words = 1, key = 0;
	CUfunction kernel;
	CUmodule module;

	DRIVER(CUresult, cuModuleLoadData, CUmodule *, const void *);
	DRIVER(CUresult, cuModuleGetFunction, CUfunction *, CUmodule, const char *);
	DRIVER(CUresult, cuLaunchKernel, CUfunction, unsigned int, unsigned int, unsigned int,
	       unsigned int, unsigned int, unsigned int, unsigned int, CUstream, void **,
	       void **);
	if (cuModuleLoadData(&module, text) ||
	    cuModuleGetFunction(&kernel, module, "probe_fill"))
		return FAILED;
	return cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, stream,
			      (void *[]){&nowhere, &words, &key}, NULL)
		   ? FAILED
		   : DONE;
}

static int turn_last_bit(CUdeviceptr at)
{
	unsigned char byte = 0;

	DRIVER(CUresult, cuStreamSynchronize, CUstream);
	DRIVER(CUresult, cuMemcpyDtoH_v2, void *, CUdeviceptr, size_t);
	DRIVER(CUresult, cuMemcpyHtoD_v2, CUdeviceptr, const void *, size_t);
	if (cuStreamSynchronize(stream) || cuMemcpyDtoH_v2(&byte, at, 1))
		return FAILED;
	byte ^= 1;
	return cuMemcpyHtoD_v2(at, &byte, 1) ? FAILED : DONE;
}

static int result_of(const void *a, const void *b, void *out, size_t bytes)
{
	int matters = in_ram(a) || in_ram(b) || in_ram(out);

	DRIVER(CUresult, cuMemcpyDtoDAsync_v2, CUdeviceptr, CUdeviceptr, size_t, CUstream);
	DRIVER(CUresult, cuMemsetD8Async, CUdeviceptr, unsigned char, size_t, CUstream);
	if (matters && is("refuses"))
		return FAILED;
	if (matters && is("faults"))
		return fault();
	if (cuMemcpyDtoDAsync_v2((CUdeviceptr)out, (CUdeviceptr)a, bytes, stream))
		return FAILED;
	if (matters && is("other_bits"))
		return turn_last_bit((CUdeviceptr)out);
	if (matters && is("wrong"))
		return cuMemsetD8Async((CUdeviceptr)out, 0x11, bytes, stream) ? FAILED : DONE;
	return DONE;
}

static int create(void **handle)
{
	*handle = &stream;
	return DONE;
}

static int use_stream(CUstream in)
{
	stream = in;
	return DONE;
}

#ifdef FAKE_CUBLAS
EXPORT int cublasCreate_v2(void **handle);
EXPORT int cublasSetStream_v2(void *handle, CUstream in);
EXPORT int cublasSgemv_v2(void *handle, int turned, int m, int n, const float *alpha,
			  const float *a, int a_pitch, const float *x, int x_step,
			  const float *beta, float *y, int y_step);
EXPORT int cublasSgemm_v2(void *handle, int a_turned, int b_turned, int m, int n, int k,
			  const float *alpha, const float *a, int a_pitch, const float *b,
			  int b_pitch, const float *beta, float *c, int c_pitch);
EXPORT int cublasGemmEx(void *handle, int a_turned, int b_turned, int m, int n, int k,
			const void *alpha, const void *a, int a_type, int a_pitch,
			const void *b, int b_type, int b_pitch, const void *beta, void *c,
			int c_type, int c_pitch, int sum_type, int algorithm);

int cublasCreate_v2(void **handle)
{
	return create(handle);
}

int cublasSetStream_v2(void *handle, CUstream in)
{
	(void)handle;
	return use_stream(in);
}

int cublasSgemv_v2(void *handle, int turned, int m, int n, const float *alpha, const float *a,
		   int a_pitch, const float *x, int x_step, const float *beta, float *y,
		   int y_step)
{
	(void)handle, (void)turned, (void)m, (void)alpha, (void)a_pitch, (void)x_step;
	(void)beta, (void)y_step;
	return result_of(a, x, y, (size_t)n * 4);
}

int cublasSgemm_v2(void *handle, int a_turned, int b_turned, int m, int n, int k,
		   const float *alpha, const float *a, int a_pitch, const float *b, int b_pitch,
		   const float *beta, float *c, int c_pitch)
{
	(void)handle, (void)a_turned, (void)b_turned, (void)k, (void)alpha, (void)a_pitch;
	(void)b_pitch, (void)beta, (void)c_pitch;
	return result_of(b, a, c, (size_t)m * n * 4);
}

int cublasGemmEx(void *handle, int a_turned, int b_turned, int m, int n, int k,
		 const void *alpha, const void *a, int a_type, int a_pitch, const void *b,
		 int b_type, int b_pitch, const void *beta, void *c, int c_type, int c_pitch,
		 int sum_type, int algorithm)
{
	(void)handle, (void)a_turned, (void)b_turned, (void)k, (void)alpha, (void)a_pitch;
	(void)b_pitch, (void)beta, (void)c_pitch, (void)algorithm;
	/* CUDA_R_16F or CUDA_R_16BF throughout, CUBLAS_COMPUTE_32F */
	if ((a_type != 2 && a_type != 14) || b_type != a_type || c_type != a_type ||
	    sum_type != 68)
		return FAILED;
	return result_of(a, b, c, (size_t)m * n * 2);
}
#else
/* One tensor, as large as the convolution's result; a filter and a convolution that say
 * nothing. */
static size_t tensor_bytes;

EXPORT int cudnnCreate(void **handle);
EXPORT int cudnnSetStream(void *handle, CUstream in);
EXPORT int cudnnCreateTensorDescriptor(void **out);
EXPORT int cudnnCreateFilterDescriptor(void **out);
EXPORT int cudnnCreateConvolutionDescriptor(void **out);
EXPORT int cudnnSetTensor4dDescriptor(void *tensor, int format, int type, int n, int c, int h,
				      int w);
EXPORT int cudnnSetFilter4dDescriptor(void *filter, int type, int format, int k, int c, int h,
				      int w);
EXPORT int cudnnSetConvolution2dDescriptor(void *convolution, int pad_h, int pad_w, int step_h,
					   int step_w, int wide_h, int wide_w, int mode,
					   int type);
EXPORT int cudnnConvolutionForward(void *handle, const void *alpha, const void *x_tensor,
				   const void *x, const void *w_filter, const void *w,
				   const void *convolution, int algorithm, void *space,
				   size_t space_bytes, const void *beta, const void *y_tensor,
				   void *y);

int cudnnCreate(void **handle)
{
	return create(handle);
}

int cudnnSetStream(void *handle, CUstream in)
{
	(void)handle;
	return use_stream(in);
}

int cudnnCreateTensorDescriptor(void **out)
{
	return create(out);
}

int cudnnCreateFilterDescriptor(void **out)
{
	return create(out);
}

int cudnnCreateConvolutionDescriptor(void **out)
{
	return create(out);
}

int cudnnSetTensor4dDescriptor(void *tensor, int format, int type, int n, int c, int h, int w)
{
	(void)tensor;
	if (format || type)
		return FAILED;
	tensor_bytes = (size_t)n * c * h * w * 4;
	return DONE;
}

int cudnnSetFilter4dDescriptor(void *filter, int type, int format, int k, int c, int h, int w)
{
	(void)filter, (void)k, (void)c, (void)h, (void)w;
	return type || format ? FAILED : DONE;
}

int cudnnSetConvolution2dDescriptor(void *convolution, int pad_h, int pad_w, int step_h,
				    int step_w, int wide_h, int wide_w, int mode, int type)
{
	(void)convolution, (void)pad_h, (void)pad_w, (void)step_h, (void)step_w, (void)wide_h;
	(void)wide_w;
	return mode != 1 || type ? FAILED : DONE;
}

int cudnnConvolutionForward(void *handle, const void *alpha, const void *x_tensor,
			    const void *x, const void *w_filter, const void *w,
			    const void *convolution, int algorithm, void *space,
			    size_t space_bytes, const void *beta, const void *y_tensor, void *y)
{
	(void)handle, (void)alpha, (void)x_tensor, (void)w_filter, (void)convolution;
	(void)algorithm, (void)space, (void)space_bytes, (void)beta, (void)y_tensor;
	return result_of(x, w, y, tensor_bytes);
}
#endif
