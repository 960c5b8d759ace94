#include "cublas.h"

#include <dlfcn.h>

enum { AS_IT_IS, TRANSPOSED }; /* cublasOperation_t */

static void *handle;
static int (*create)(void **);
static int (*set_stream)(void *, CUstream);
static int (*gemv)(void *, int, int, int, const float *, const float *, int, const float *, int,
		   const float *, float *, int);
static int (*gemm)(void *, int, int, int, int, int, const float *, const float *, int,
		   const float *, int, const float *, float *, int);

const char *cublas_start(const struct gpu *g)
{
	static const char *const names[] = {"libcublas.so.13", "libcublas.so.12",
					    "libcublas.so.11", "libcublas.so"};
	void *library = NULL;

	if (g->simulated)
		return "not tried: it speaks to NVIDIA's driver in private";
	for (size_t i = 0; !library && i < sizeof(names) / sizeof(names[0]); i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return "not here";
#define FIND(what, name) what = __extension__(__typeof__(what)) dlsym(library, name)
	FIND(create, "cublasCreate_v2");
	FIND(set_stream, "cublasSetStream_v2");
	FIND(gemv, "cublasSgemv_v2");
	FIND(gemm, "cublasSgemm_v2");
#undef FIND
	if (!create || !set_stream || !gemv || !gemm)
		return "it lacks a function";
	return create(&handle) || set_stream(handle, g->stream) ? "it does not start" : NULL;
}

/* cuBLAS counts by columns: a row-major matrix is its own transpose. */
bool cublas_matvec(CUdeviceptr a, CUdeviceptr x, CUdeviceptr y, uint64_t rows, uint64_t cols)
{
	const float one = 1, zero = 0;

	return !gemv(handle, TRANSPOSED, (int)cols, (int)rows, &one, (const float *)a,
		     (int)cols, (const float *)x, 1, &zero, (float *)y, 1);
}

bool cublas_matmat(CUdeviceptr a, CUdeviceptr b, CUdeviceptr c, uint64_t m, uint64_t n,
		   uint64_t k)
{
	const float one = 1, zero = 0;

	return !gemm(handle, AS_IT_IS, AS_IT_IS, (int)n, (int)m, (int)k, &one, (const float *)b,
		     (int)n, (const float *)a, (int)k, &zero, (float *)c, (int)n);
}
