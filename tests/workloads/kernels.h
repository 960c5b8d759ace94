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

/* --- pages with a stamp, for stamps ---------------------------------------------------------
 * A page of PAGE_BYTES bears 64 bits at its beginning and, if it is whole, again at its end.
 * The last page of an object may be shorter than its stamp: then it bears the first bytes of
 * it.
 */
#define PAGE_BYTES 4096ul
#define STAMP_BYTES 8ul

/* The stamp of page i of what `key` names: no two pages, objects or times share one. */
BOTH_HOMES uint64_t page_stamp(uint64_t key, unsigned long i)
{
	uint64_t x = key + i * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* How long page i of an object of so many bytes is. */
BOTH_HOMES unsigned long page_length(unsigned long bytes, unsigned long i)
{
	unsigned long left = bytes - i * PAGE_BYTES;

	return left < PAGE_BYTES ? left : PAGE_BYTES;
}

BOTH_HOMES void stamp_put(unsigned char *page, unsigned long length, uint64_t stamp)
{
	for (unsigned long i = 0; i < STAMP_BYTES && i < length; i++)
		page[i] = (unsigned char)(stamp >> 8 * i);
	for (unsigned long i = 0; i < STAMP_BYTES && length == PAGE_BYTES; i++)
		page[PAGE_BYTES - STAMP_BYTES + i] = (unsigned char)(stamp >> 8 * i);
}

/* 0 only if the page bears the stamp. */
BOTH_HOMES unsigned char stamp_differs(const unsigned char *page, unsigned long length,
				       uint64_t stamp)
{
	unsigned char differs = 0;

	for (unsigned long i = 0; i < STAMP_BYTES && i < length; i++)
		differs |= (unsigned char)(page[i] ^ (unsigned char)(stamp >> 8 * i));
	for (unsigned long i = 0; i < STAMP_BYTES && length == PAGE_BYTES; i++)
		differs |= (unsigned char)(page[PAGE_BYTES - STAMP_BYTES + i] ^
					   (unsigned char)(stamp >> 8 * i));
	return differs;
}

#endif
