/* cuBLAS, where it is: opened by name, optional. One thread. */
#ifndef PROBE_CUBLAS_H
#define PROBE_CUBLAS_H

#include "gpu.h"

/* NULL: ready. Else why it is not used. */
const char *cublas_start(const struct gpu *g);
/* Row-major, as the probe's own kernels: y = A x; C (m x n) = A (m x k) B (k x n). */
bool cublas_matvec(CUdeviceptr a, CUdeviceptr x, CUdeviceptr y, uint64_t rows, uint64_t cols);
bool cublas_matmat(CUdeviceptr a, CUdeviceptr b, CUdeviceptr c, uint64_t m, uint64_t n,
		   uint64_t k);

/* c = a b, square, in bf16 or fp16 with sums of 32 bits: what runs on tensor cores. */
bool cublas_matmat_half(CUdeviceptr a, CUdeviceptr b, CUdeviceptr c, uint64_t side, bool bf16);

#endif
