/*
 * What the kernels and the programs that launch them agree on. Included by nvcc, gcc and clang.
 * An activation is a vector of WIDTH words. A weight tensor of n words is WIDTH rows, row r
 * from word n * r / WIDTH on. With a stride s only the words whose index is a multiple of s
 * take part.
 */
#ifndef WORKLOADS_KERNELS_H
#define WORKLOADS_KERNELS_H

#include <stdint.h>

#define WIDTH 4096ul /* a power of two */

#ifdef __CUDACC__
#define BOTH_HOMES static __host__ __device__ inline
#else
#define BOTH_HOMES static inline
#endif

/* A kernel parameter that is passed by value. */
struct extent {
	unsigned long words, stride;
	double compute_ns;
};

/* Bijective, so that one changed bit always shows. */
BOTH_HOMES uint32_t mix32(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ (x >> 16);
}

/* Word i of the tensor that `key` names. */
BOTH_HOMES uint32_t weight_word(uint32_t key, unsigned long i)
{
	return mix32((uint32_t)i * 0x9e3779b1u + (uint32_t)(i >> 32) + key);
}

BOTH_HOMES unsigned long row_start(unsigned long words, unsigned long row)
{
	return words / WIDTH * row + words % WIDTH * row / WIDTH;
}

/* The number of the first sample at or after word i. */
BOTH_HOMES unsigned long sample_at(unsigned long i, unsigned long stride)
{
	return (i + stride - 1) / stride;
}

#endif
