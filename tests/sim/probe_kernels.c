/*
 * C twins of the probe's kernels (tests/gpu/probe/kernels.cu), block by block. What a block is
 * about to read and write is declared, so that it is priced and checked as on any launch.
 */
#include "sim.h"

#include <string.h>

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xD6E8FEB86659FD93ull;
	x ^= x >> 29;
	x *= 0x9E3779B97F4A7C15ull;
	return x ^ x >> 32;
}

/* The slice of [0, n) that this block runs, as in FOR_EACH. */
#define SLICE_FROM(n) ((uint64_t)(n)*sim_self->block / sim_self->blocks)
#define SLICE_TO(n) ((uint64_t)(n) * (sim_self->block + 1) / sim_self->blocks)
#define SLICE_READ(ptr, n)                                                                     \
	TOUCH_READ((ptr) + SLICE_FROM(n), (SLICE_TO(n) - SLICE_FROM(n)) * sizeof(*(ptr)))
#define SLICE_WRITE(ptr, n)                                                                    \
	TOUCH_WRITE((ptr) + SLICE_FROM(n), (SLICE_TO(n) - SLICE_FROM(n)) * sizeof(*(ptr)))

static void begin(const struct sim_block *sim_self, uint32_t *begun)
{
	if (!begun || sim_self->block)
		return;
	TOUCH_WRITE(begun, sizeof(*begun));
	*(volatile uint32_t *)begun = 1;
}

static void add_up(const struct sim_block *sim_self, uint64_t *to, uint64_t mine)
{
	TOUCH_WRITE(to, sizeof(*to));
	*to += mine;
}

KERNEL3(probe_fill, uint64_t *, to, uint64_t, words, uint64_t, key)
{
	SLICE_WRITE(to, words);
	FOR_EACH (i, words)
		to[i] = mix(key + i);
}

KERNEL6(probe_check, uint64_t *, at, uint64_t, words, uint64_t, key, uint64_t, bumps, uint64_t,
	add, uint64_t *, wrong)
{
	uint64_t bad = 0;

	SLICE_READ(at, words);
	if (add)
		SLICE_WRITE(at, words);
	FOR_EACH (i, words) {
		uint64_t word = at[i];

		bad += word != mix(key + i) + bumps;
		if (add)
			at[i] = word + add;
	}
	add_up(sim_self, wrong, bad);
}

KERNEL3(probe_read, const uint64_t *, from, uint64_t, words, uint64_t *, sum)
{
	uint64_t mine = 0;

	SLICE_READ(from, words);
	FOR_EACH (i, words)
		mine += from[i];
	add_up(sim_self, sum, mine);
}

KERNEL4(probe_random, const uint64_t *, from, uint64_t, words, uint64_t, reads, uint64_t *, sum)
{
	uint64_t mine = 0;

	FOR_EACH (i, reads) {
		uint64_t at = mix(i) % words;

		TOUCH_READ(from + at / 4 * 4, 32); /* a sector */
		mine += from[at];
	}
	add_up(sim_self, sum, mine);
}

KERNEL3(probe_atomic, uint32_t *, at, uint64_t, words, uint64_t, of_system)
{
	(void)of_system;
	SLICE_READ(at, words);
	SLICE_WRITE(at, words);
	FOR_EACH (i, words)
		at[i]++;
}

KERNEL2(probe_spin, uint64_t, ns, uint32_t *, begun)
{
	begin(sim_self, begun);
	COMPUTE_NS((double)ns / (double)sim_self->blocks);
}

/* Once over the range is enough: what it touches stays touched until it ends. */
KERNEL5(probe_reread, const uint64_t *, from, uint64_t, words, uint64_t, ns, uint32_t *, begun,
	uint64_t *, sum)
{
	uint64_t mine = 0;

	begin(sim_self, begun);
	COMPUTE_NS((double)ns / (double)sim_self->blocks);
	SLICE_READ(from, words);
	FOR_EACH (i, words)
		mine += ((const volatile uint64_t *)from)[i];
	add_up(sim_self, sum, mine);
}

KERNEL5(probe_matvec, const float *, a, const float *, x, float *, y, uint64_t, rows, uint64_t,
	cols)
{
	TOUCH_READ(x, cols * sizeof(*x));
	TOUCH_READ(a + SLICE_FROM(rows) * cols,
		   (SLICE_TO(rows) - SLICE_FROM(rows)) * cols * sizeof(*a));
	SLICE_WRITE(y, rows);
	FOR_EACH (row, rows) {
		float sum = 0;

		for (uint64_t i = 0; i < cols; i++)
			sum += a[row * cols + i] * x[i];
		y[row] = sum;
	}
}

KERNEL5(probe_matmat, const float *, a, const float *, b, float *, c, uint64_t, n, uint64_t, k)
{
	uint64_t row = sim_self->block_idx[1] * 16ull, col = sim_self->block_idx[0] * 16ull;
	float sum[16][16] = {{0}};

	TOUCH_READ(a + row * k, 16 * k * sizeof(*a));
	for (uint64_t at = 0; at < k; at += 16) /* as many bytes as the tile, of its rows */
		TOUCH_READ(b + at * n, 16 * 16 * sizeof(*b));
	for (uint64_t at = 0; at < k; at++)
		for (int i = 0; i < 16; i++)
			for (int j = 0; j < 16; j++)
				sum[i][j] += a[(row + i) * k + at] * b[at * n + col + j];
	for (int i = 0; i < 16; i++) {
		TOUCH_WRITE(c + (row + i) * n + col, sizeof(sum[i]));
		memcpy(c + (row + i) * n + col, sum[i], sizeof(sum[i]));
	}
}

/* --- parameters only ---------------------------------------------------------------------- */

struct three {
	uint64_t x, y, z;
};

KERNEL1(probe_params_1, uint64_t, a)
{
	(void)sim_self, (void)a;
}

KERNEL4(probe_layout, unsigned char, a, uint64_t, b, struct three, c, unsigned short, d)
{
	(void)sim_self, (void)a, (void)b, (void)c, (void)d;
}

static void nothing(const struct sim_block *sim_self, const unsigned char *params)
{
	(void)sim_self, (void)params;
}

#define FIVE(i) 8 * (i), 8 * (i) + 8, 8 * (i) + 16, 8 * (i) + 24, 8 * (i) + 32
#define TWENTY(i) FIVE(i), FIVE(i + 5), FIVE(i + 10), FIVE(i + 15)
#define EIGHTS 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8
static const size_t offsets[60] = {TWENTY(0), TWENTY(20), TWENTY(40)};
static const size_t sizes[60] = {EIGHTS, EIGHTS, EIGHTS};
static const struct sim_kernel params_20 = {
    "probe_params_20", 20, offsets, sizes, 160, nothing};
static const struct sim_kernel params_60 = {
    "probe_params_60", 60, offsets, sizes, 480, nothing};

const struct sim_kernel *const sim_probe_kernels[] = {
    KERNEL_ROW(probe_fill),
    KERNEL_ROW(probe_check),
    KERNEL_ROW(probe_read),
    KERNEL_ROW(probe_random),
    KERNEL_ROW(probe_atomic),
    KERNEL_ROW(probe_spin),
    KERNEL_ROW(probe_reread),
    KERNEL_ROW(probe_matvec),
    KERNEL_ROW(probe_matmat),
    KERNEL_ROW(probe_params_1),
    KERNEL_ROW(probe_layout),
    &params_20,
    &params_60,
};
const size_t sim_probe_kernel_count = sizeof(sim_probe_kernels) / sizeof(sim_probe_kernels[0]);
