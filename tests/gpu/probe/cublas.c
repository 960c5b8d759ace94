#include "cublas.h"

#include "libraries.h"

#include <dlfcn.h>

enum { AS_IT_IS, TRANSPOSED }; /* cublasOperation_t */

static void *handle;
static int (*create)(void **);
static int (*set_stream)(void *, CUstream);
static int (*gemv)(void *, int, int, int, const float *, const float *, int, const float *, int,
		   const float *, float *, int);
static int (*gemm)(void *, int, int, int, int, int, const float *, const float *, int,
		   const float *, int, const float *, float *, int);

/* cudaDataType_t, cublasComputeType_t, cublasGemmAlgo_t */
enum { FP16 = 2, BF16 = 14, COMPUTE_32F = 68, DEFAULT_ALGORITHM = -1 };
static int (*gemm_of_any)(void *, int, int, int, int, int, const void *, const void *, int, int,
			  const void *, int, int, const void *, void *, int, int, int, int);

const char *cublas_start(const struct gpu *g)
{
	static const char *const names[] = {"libcublas.so.13", "libcublas.so.12",
					    "libcublas.so.11", "libcublas.so", NULL};
	const char *why;
	void *library = library_open(g, names, &why);

	if (!library)
		return why;
	LIBRARY_FIND(library, create, "cublasCreate_v2");
	LIBRARY_FIND(library, set_stream, "cublasSetStream_v2");
	LIBRARY_FIND(library, gemv, "cublasSgemv_v2");
	LIBRARY_FIND(library, gemm, "cublasSgemm_v2");
	LIBRARY_FIND(library, gemm_of_any, "cublasGemmEx");
	if (!create || !set_stream || !gemv || !gemm || !gemm_of_any)
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

bool cublas_matmat_half(CUdeviceptr a, CUdeviceptr b, CUdeviceptr c, uint64_t side, bool bf16)
{
	const float one = 1, zero = 0;
	int n = (int)side, type = bf16 ? BF16 : FP16;

	return !gemm_of_any(handle, AS_IT_IS, AS_IT_IS, n, n, n, &one, (const void *)b, type, n,
			    (const void *)a, type, n, &zero, (void *)c, type, n, COMPUTE_32F,
			    DEFAULT_ALGORITHM);
}
