/*
 * Kernels that PTX text may name: on a GPU the text itself is compiled, here its C twin runs.
 * lowtide_content_hash: for each entry of a table of {address, bytes}, adds a 128-bit sum over
 * its 64-bit words to out[2 * entry] and out[2 * entry + 1]. Blocks (x: part, y: entry) may run
 * in any order.
 * lowtide_copy: `height` rows of `width` bytes. Blocks: x: part of a row, y: rows.
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

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("arch=x86-64-v4", "default"), optimize("O3")))
#endif
static void
add_hash(const uint64_t *words, uint64_t from, uint64_t upto, uint64_t *low, uint64_t *high)
{
	uint64_t sum_low = 0, sum_high = 0;

	for (uint64_t i = from; i < upto; i++) {
		uint64_t x = mix(words[i] + i * 0xA0761D6478BD642Full);

		sum_low += x;
		sum_high += (x ^ words[i]) * 0xE7037ED1A0B428DBull ^ x >> 17;
	}
	*low += sum_low;
	*high += sum_high;
}

KERNEL2(lowtide_content_hash, const uint64_t *, table, uint64_t *, out)
{
	unsigned long entry = sim_self->block_idx[1], part = sim_self->block_idx[0];
	unsigned long parts = sim_self->grid_dim[0];
	const uint64_t *words;
	uint64_t count, from, upto, low = 0, high = 0;

	TOUCH_READ(&table[2 * entry], 16);
	words = (const uint64_t *)(uintptr_t)table[2 * entry];
	count = table[2 * entry + 1] / 8;
	from = count * part / parts;
	upto = count * (part + 1) / parts;
	TOUCH_READ(&words[from], (upto - from) * 8);
	TOUCH_WRITE(&out[2 * entry], 16);
	add_hash(words, from, upto, &low, &high);
	out[2 * entry] += low;
	out[2 * entry + 1] += high;
}

KERNEL6(lowtide_copy, char *, dst, unsigned long, dst_pitch, const char *, src, unsigned long,
	src_pitch, unsigned long, width, unsigned long, height)
{
	unsigned long part = sim_self->block_idx[0], parts = sim_self->grid_dim[0];
	unsigned long from = width * part / parts, bytes = width * (part + 1) / parts - from;

	for (unsigned long row = sim_self->block_idx[1]; row < height && bytes;
	     row += sim_self->grid_dim[1]) {
		TOUCH_READ(src + row * src_pitch + from, bytes);
		TOUCH_WRITE(dst + row * dst_pitch + from, bytes);
		memcpy(dst + row * dst_pitch + from, src + row * src_pitch + from, bytes);
	}
}

const struct sim_kernel *const sim_builtin_kernels[] = {KERNEL_ROW(lowtide_content_hash),
							KERNEL_ROW(lowtide_copy)};
const size_t sim_builtin_kernel_count =
    sizeof(sim_builtin_kernels) / sizeof(sim_builtin_kernels[0]);
