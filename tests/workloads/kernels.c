/*
 * The kernels of all workloads: integer work whose result depends on every sampled word and not
 * on the order of blocks. Built by the C compiler for the simulator, by nvcc for a GPU; both
 * give the same words. No block reads what another block of its launch writes.
 */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC optimize("O3") /* -O2 leaves loops of unknown length scalar */
#endif

#include "kernels.h"
#include "sim_kernel.h"

/* The slice [SLICE_FROM(n), SLICE_TO(n)) of FOR_EACH (i, n) that this block of the simulator
 * runs. Only used in what vanishes under nvcc. */
#ifdef __CUDACC__
#define SPAN_READ(ptr, from, to) ((void)0)
#define SPAN_WRITE(ptr, from, to) ((void)0)
#else
#define SLICE_FROM(n) ((unsigned long)(n)*sim_self->block / sim_self->blocks)
#define SLICE_TO(n) ((unsigned long)(n) * (sim_self->block + 1) / sim_self->blocks)
#define SPAN(touch, ptr, from, to)                                                             \
	do {                                                                                   \
		unsigned long span_from = (from), span_to = (to);                              \
		if (span_from < span_to)                                                       \
			touch((ptr) + span_from, (span_to - span_from) * sizeof(*(ptr)));      \
	} while (0)
/* Where page `page` of an object begins, or the object ends. */
#define PAGES_END(bytes, page) ((page)*PAGE_BYTES < (bytes) ? (page)*PAGE_BYTES : (bytes))
#define SPAN_READ(ptr, from, to) SPAN(TOUCH_READ, ptr, from, to)
#define SPAN_WRITE(ptr, from, to) SPAN(TOUCH_WRITE, ptr, from, to)

/* Where this block's share of the samples among words [at, at + n) begins and ends; the shares
 * cover all of the words. */
static inline unsigned long share_edge(unsigned long at, unsigned long n, unsigned long stride,
				       unsigned long block, unsigned long blocks)
{
	unsigned long first = sample_at(at, stride), count = sample_at(at + n, stride) - first;
	unsigned long edge = (first + count * block / blocks) * stride;

	if (block == 0)
		return at;
	return block == blocks || edge > at + n ? at + n : edge;
}
#define SHARE_FROM(at, n, stride)                                                              \
	share_edge((at), (n), (stride), sim_self->block, sim_self->blocks)
#define SHARE_TO(at, n, stride)                                                                \
	share_edge((at), (n), (stride), sim_self->block + 1, sim_self->blocks)
#endif

#define ROWS_READ(ptr, n)                                                                      \
	SPAN_READ(ptr, row_start((n), SLICE_FROM(WIDTH)), row_start((n), SLICE_TO(WIDTH)))

#ifdef __CUDACC__
#define INSIDE static __device__ inline
#else
#define INSIDE static inline
#endif

INSIDE uint32_t term(uint32_t word, unsigned long i, uint32_t key)
{
	uint32_t x = word ^ ((uint32_t)i * 0x9e3779b1u) ^ key;

	x ^= x >> 15;
	x *= 0x2c1b3c6du;
	return x ^ (x >> 13);
}

/* A sum over the samples of row r. */
INSIDE uint32_t row_sum(const uint32_t *w, unsigned long n, unsigned long r, uint32_t key,
			unsigned long stride)
{
	unsigned long end = row_start(n, r + 1);
	uint32_t sum = key;

	if (stride == 1)
		for (unsigned long i = row_start(n, r); i < end; i++)
			sum += term(w[i], i, key);
	else
		for (unsigned long i = sample_at(row_start(n, r), stride) * stride; i < end;
		     i += stride)
			sum += term(w[i], i, key);
	return sum;
}

/* Of some inputs near and far, so that a few layers carry each input everywhere. */
INSIDE uint32_t row_key(const uint32_t *in, unsigned long r)
{
	uint32_t key = in[r];

	for (unsigned long far = 1; far < WIDTH; far *= 5)
		key = (key << 5 | key >> 27) + in[(r + far) & (WIDTH - 1)];
	return key;
}

/* --- weights and caches, read ------------------------------------------------------------- */

KERNEL6(layer, const uint32_t *, w, unsigned long, n, const uint32_t *, in, uint32_t *, out,
	unsigned long, stride, double, compute_ns)
{
	ROWS_READ(w, n);
	TOUCH_READ(in, WIDTH * sizeof(*in));
	SPAN_WRITE(out, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	COMPUTE_NS(compute_ns / (double)sim_self->blocks);
	FOR_EACH (r, WIDTH)
		out[r] = mix32(row_sum(w, n, r, row_key(in, r), stride));
}

/* Adds to `out`: a cache in several chunks is attended to chunk by chunk. */
KERNEL6(attend, const uint32_t *, kv, unsigned long, n, const uint32_t *, in, uint32_t *, out,
	unsigned long, stride, double, compute_ns)
{
	ROWS_READ(kv, n);
	TOUCH_READ(in, WIDTH * sizeof(*in));
	SPAN_READ(out, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	SPAN_WRITE(out, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	COMPUTE_NS(compute_ns / (double)sim_self->blocks);
	FOR_EACH (r, WIDTH)
		out[r] += mix32(row_sum(kv, n, r, row_key(in, r), stride));
}

/* The launch names the table; which tensor is read, the data at `pick` say. */
KERNEL5(gather_expert, const uint32_t *const *, table, const uint32_t *, pick, const uint32_t *,
	in, uint32_t *, out, struct extent, e)
{
	const uint32_t *w;

	TOUCH_READ(pick, sizeof(*pick));
	TOUCH_READ(table + *pick, sizeof(*table));
	w = table[*pick];
	ROWS_READ(w, e.words);
	TOUCH_READ(in, WIDTH * sizeof(*in));
	SPAN_READ(out, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	SPAN_WRITE(out, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	COMPUTE_NS(e.compute_ns / (double)sim_self->blocks);
	FOR_EACH (r, WIDTH)
		out[r] += mix32(row_sum(w, e.words, r, row_key(in, r), e.stride));
}

KERNEL4(checksum, const uint32_t *, x, unsigned long, n, uint32_t *, out, unsigned long, stride)
{
	ROWS_READ(x, n);
	SPAN_WRITE(out, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	FOR_EACH (r, WIDTH)
		out[r] = row_sum(x, n, r, 0, stride);
}

/* --- weights and caches, written ---------------------------------------------------------- */

KERNEL4(fill_random, uint32_t *, w, unsigned long, n, uint32_t, key, unsigned long, stride)
{
	SPAN_WRITE(w, SHARE_FROM(0, n, stride), SHARE_TO(0, n, stride));
	FOR_EACH (k, sample_at(n, stride))
		w[k * stride] = weight_word(key, k * stride);
}

/* w += alpha * d, where d grows out of the short vector `a`: what merging a LoRA does. The same
 * with -alpha undoes it. */
KERNEL5(scale_add, uint32_t *, w, unsigned long, n, const uint32_t *, a, uint32_t, alpha,
	unsigned long, stride)
{
	TOUCH_READ(a, WIDTH * sizeof(*a));
	SPAN_READ(w, SHARE_FROM(0, n, stride), SHARE_TO(0, n, stride));
	SPAN_WRITE(w, SHARE_FROM(0, n, stride), SHARE_TO(0, n, stride));
	FOR_EACH (k, sample_at(n, stride))
		w[k * stride] += alpha * (a[k * stride & (WIDTH - 1)] + (uint32_t)k);
}

/* Writes words [at, at + words) of a cache. */
KERNEL6(append, uint32_t *, kv, unsigned long, at, unsigned long, words, const uint32_t *, in,
	uint32_t, key, unsigned long, stride)
{
	unsigned long first = sample_at(at, stride);

	TOUCH_READ(in, WIDTH * sizeof(*in));
	SPAN_WRITE(kv, SHARE_FROM(at, words, stride), SHARE_TO(at, words, stride));
	FOR_EACH (k, sample_at(at + words, stride) - first) {
		unsigned long i = (first + k) * stride;

		kv[i] = mix32(in[i & (WIDTH - 1)] + key + (uint32_t)i * 0x9e3779b1u);
	}
}

KERNEL4(copy_words, uint32_t *, to, const uint32_t *, from, unsigned long, n, unsigned long,
	stride)
{
	SPAN_READ(from, SHARE_FROM(0, n, stride), SHARE_TO(0, n, stride));
	SPAN_WRITE(to, SHARE_FROM(0, n, stride), SHARE_TO(0, n, stride));
	FOR_EACH (k, sample_at(n, stride))
		to[k * stride] = from[k * stride];
}

/* --- activations -------------------------------------------------------------------------- */

/* A short activation becomes a tensor of n words. */
KERNEL5(expand, const uint32_t *, in, uint32_t *, out, unsigned long, n, uint32_t, key,
	unsigned long, stride)
{
	TOUCH_READ(in, WIDTH * sizeof(*in));
	SPAN_WRITE(out, SHARE_FROM(0, n, stride), SHARE_TO(0, n, stride));
	FOR_EACH (k, sample_at(n, stride)) {
		unsigned long i = k * stride;

		out[i] = mix32(in[i & (WIDTH - 1)] + key + (uint32_t)i * 0x9e3779b1u);
	}
}

/* A time step, or a token, enters the activation. */
KERNEL2(inject, uint32_t *, act, uint32_t, key)
{
	SPAN_READ(act, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	SPAN_WRITE(act, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	FOR_EACH (i, WIDTH)
		act[i] = mix32(act[i] + mix32(key + (uint32_t)i));
}

KERNEL2(absorb, uint32_t *, sum, const uint32_t *, act)
{
	SPAN_READ(act, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	SPAN_READ(sum, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	SPAN_WRITE(sum, SLICE_FROM(WIDTH), SLICE_TO(WIDTH));
	FOR_EACH (i, WIDTH)
		sum[i] = mix32(sum[i] * 3 + act[i]);
}

/* Entry j says which of `choices` the activation asks for. With one entry: the next token. */
KERNEL4(choose, const uint32_t *, act, uint32_t *, entries, unsigned long, count, uint32_t,
	choices)
{
	TOUCH_READ(act, WIDTH * sizeof(*act));
	SPAN_WRITE(entries, SLICE_FROM(count), SLICE_TO(count));
	FOR_EACH (j, count) {
		uint32_t sum = (uint32_t)j;

		for (unsigned long i = 0; i < WIDTH; i++)
			sum += term(act[i], i, (uint32_t)j * 0x85ebca6bu);
		entries[j] = mix32(sum) % choices;
	}
}

/* --- bytes, for churn --------------------------------------------------------------------- */

KERNEL4(scale_bytes, unsigned char *, x, unsigned long, n, uint32_t, factor, uint32_t, plus)
{
	SPAN_READ(x, SLICE_FROM(n), SLICE_TO(n));
	SPAN_WRITE(x, SLICE_FROM(n), SLICE_TO(n));
	FOR_EACH (i, n)
		x[i] = (unsigned char)(x[i] * factor + plus);
}

KERNEL4(xor_bytes, unsigned char *, to, const unsigned char *, from, unsigned long, n, uint32_t,
	key)
{
	SPAN_READ(from, SLICE_FROM(n), SLICE_TO(n));
	SPAN_READ(to, SLICE_FROM(n), SLICE_TO(n));
	SPAN_WRITE(to, SLICE_FROM(n), SLICE_TO(n));
	FOR_EACH (i, n)
		to[i] = (unsigned char)(to[i] ^ (from[i] + key));
}

/* --- pages, for stamps -------------------------------------------------------------------- */

/* Pages [first, first + pages) of an object of `bytes` bytes get the stamps of `key`. What lies
 * between the stamps of a page is left as it is. */
KERNEL5(stamp_pages, unsigned char *, object, unsigned long, bytes, unsigned long, first,
	unsigned long, pages, uint64_t, key)
{
	SPAN_WRITE(object, (first + SLICE_FROM(pages)) * PAGE_BYTES,
		   PAGES_END(bytes, first + SLICE_TO(pages)));
	FOR_EACH (i, pages)
		stamp_put(object + (first + i) * PAGE_BYTES, page_length(bytes, first + i),
			  page_stamp(key, first + i));
}

/* wrong[i] is not 0 afterwards if page first + i bears another stamp than want[i]. */
KERNEL6(check_pages, const unsigned char *, object, unsigned long, bytes, unsigned long, first,
	unsigned long, pages, const uint64_t *, want, unsigned char *, wrong)
{
	SPAN_READ(object, (first + SLICE_FROM(pages)) * PAGE_BYTES,
		  PAGES_END(bytes, first + SLICE_TO(pages)));
	SPAN_READ(want, SLICE_FROM(pages), SLICE_TO(pages));
	SPAN_WRITE(wrong, SLICE_FROM(pages), SLICE_TO(pages));
	FOR_EACH (i, pages)
		wrong[i] = stamp_differs(object + (first + i) * PAGE_BYTES,
					 page_length(bytes, first + i), want[i]);
}

KERNEL_IMAGE(KERNEL_ROW(layer), KERNEL_ROW(attend), KERNEL_ROW(gather_expert),
	     KERNEL_ROW(checksum), KERNEL_ROW(fill_random), KERNEL_ROW(scale_add),
	     KERNEL_ROW(append), KERNEL_ROW(copy_words), KERNEL_ROW(expand), KERNEL_ROW(inject),
	     KERNEL_ROW(absorb), KERNEL_ROW(choose), KERNEL_ROW(scale_bytes),
	     KERNEL_ROW(xor_bytes), KERNEL_ROW(stamp_pages), KERNEL_ROW(check_pages))
