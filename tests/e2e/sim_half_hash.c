/*
 * A kernel changes eight words of a block so that one half of its 128-bit content hash stays
 * what it was: the block is dirty all the same. usage: sim_half_hash low|high, with SIM_IMAGE
 * naming the test kernels and HASH_KERNELS the library's own, as PTX: the hash is asked of that
 * kernel, so that a change of it makes the program fail rather than prove nothing.
 */
#include "program.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHANGED 8
#define PIECES 6
#define PIECE_BYTES ((size_t)8 << 20)
#define WORDS (PIECE_BYTES / 8)
#define FIRST (WORDS - 1000) /* of the words that change: not in the first 2 MiB */
#define CHOICES ((size_t)1 << 17)
#define ROUNDS 12
#define CHANGING_ROUND 8
#define ROOM ((size_t)1 << 18)

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xD6E8FEB86659FD93ull;
	x ^= x >> 29;
	x *= 0x9E3779B97F4A7C15ull;
	return x ^ x >> 32;
}

static uint64_t summand(int half, uint64_t word, uint64_t index)
{
	uint64_t x = mix(word + index * 0xA0761D6478BD642Full);

	return half ? (x ^ word) * 0xE7037ED1A0B428DBull ^ x >> 17 : x;
}

/* By how much the hash changes if the word `from + k` becomes choice[k], for each k of a range.
 */
struct change {
	uint64_t value, choice[CHANGED];
};
struct list {
	struct change *change;
	size_t count;
};

static struct list list_new(size_t room)
{
	struct list list = {malloc(room * sizeof(*list.change)), 0};

	if (!list.change)
		wrong("no memory for the search");
	return list;
}

static unsigned int key_shift;
static uint64_t key_mask;

static uint64_t key(uint64_t value)
{
	return value >> key_shift & key_mask;
}

static int by_key(const void *a, const void *b)
{
	uint64_t x = key(((const struct change *)a)->value);
	uint64_t y = key(((const struct change *)b)->value);

	return x < y ? -1 : x > y;
}

/* What one of each adds up to with `bits` zero bits from `shift` on, where below all are zero.
 * Frees both. */
static struct list merge(struct list a, struct list b, unsigned int shift, unsigned int bits)
{
	struct list out = list_new(ROOM);

	key_shift = shift;
	key_mask = ((uint64_t)1 << bits) - 1;
	qsort(b.change, b.count, sizeof(*b.change), by_key);
	for (size_t i = 0; i < a.count; i++) {
		uint64_t wanted = key(-a.change[i].value);
		size_t low = 0, high = b.count;

		while (low < high) {
			size_t middle = (low + high) / 2;

			if (key(b.change[middle].value) < wanted)
				low = middle + 1;
			else
				high = middle;
		}
		for (; low < b.count && key(b.change[low].value) == wanted && out.count < ROOM;
		     low++) {
			struct change *sum = &out.change[out.count++];

			sum->value = a.change[i].value + b.change[low].value;
			for (int k = 0; k < CHANGED; k++)
				sum->choice[k] =
				    a.change[i].choice[k] + b.change[low].choice[k];
		}
	}
	free(a.change);
	free(b.change);
	return out;
}

/* The generalized birthday problem, by Wagner's tree: 16 bits, 16 more, and the other 32. */
static void find_same_half(int half, const uint64_t *words, uint64_t *changed)
{
	struct list list[CHANGED];

	for (int k = 0; k < CHANGED; k++) {
		list[k] = list_new(CHOICES);
		for (uint64_t i = 1; i <= CHOICES; i++) {
			struct change *change = &list[k].change[list[k].count++];
			uint64_t index = FIRST + (uint64_t)k;

			memset(change, 0, sizeof(*change));
			change->choice[k] = mix(i);
			change->value = summand(half, change->choice[k], index) -
					summand(half, words[index], index);
		}
	}
	for (int k = 0; k < 4; k++)
		list[k] = merge(list[2 * k], list[2 * k + 1], 0, 16);
	for (int k = 0; k < 2; k++)
		list[k] = merge(list[2 * k], list[2 * k + 1], 16, 16);
	list[0] = merge(list[0], list[1], 32, 32);
	if (!list[0].count)
		wrong("no such words were found");
	memcpy(changed, list[0].change[0].choice, CHANGED * sizeof(*changed));
	free(list[0].change);
}

/* By the library's kernel, of bytes that it does not page: nothing has been used up yet. */
static void hash_of(const uint64_t *words, uint64_t hash[2])
{
	CUmodule kernels;
	CUfunction content_hash;
	CUdeviceptr piece, table, sums;
	uint64_t row[2];
	void *params[] = {&table, &sums};

	MUST(cuModuleLoad(&kernels, getenv("HASH_KERNELS")));
	MUST(cuModuleGetFunction(&content_hash, kernels, "lowtide_content_hash"));
	MUST(cuMemAlloc(&piece, PIECE_BYTES));
	MUST(cuMemAlloc(&table, sizeof(row)));
	MUST(cuMemAlloc(&sums, sizeof(row)));
	row[0] = piece;
	row[1] = PIECE_BYTES;
	MUST(cuMemcpyHtoD(piece, words, PIECE_BYTES));
	MUST(cuMemcpyHtoD(table, row, sizeof(row)));
	MUST(cuMemsetD8(sums, 0, sizeof(row)));
	MUST(cuLaunchKernel(content_hash, 4, 1, 1, 256, 1, 1, 0, NULL, params, NULL));
	MUST(cuMemcpyDtoH(hash, sums, sizeof(row)));
	MUST(cuMemFree(piece));
	MUST(cuMemFree(table));
	MUST(cuMemFree(sums));
	MUST(cuModuleUnload(kernels));
}

static void run(int half)
{
	uint64_t *words = malloc(PIECE_BYTES), *seen = malloc(PIECE_BYTES);
	uint64_t before[2], after[2], changed[CHANGED];
	CUdeviceptr piece[PIECES], at;
	void *params[] = {&at, changed};

	if (!words || !seen)
		wrong("no memory");
	start();
	for (size_t i = 0; i < WORDS; i++)
		words[i] = mix(i);
	hash_of(words, before);
	find_same_half(half, words, changed);
	memcpy(seen, words, PIECE_BYTES);
	memcpy(seen + FIRST, changed, sizeof(changed));
	hash_of(seen, after);
	if (before[half] != after[half] || before[!half] == after[!half])
		wrong("the kernel's hash is another one than this program's");
	for (int i = 0; i < PIECES; i++)
		MUST(cuMemAlloc(&piece[i], PIECE_BYTES));
	for (int i = 0; i < PIECES; i++)
		MUST(cuMemcpyHtoD(piece[i], words, PIECE_BYTES));
	/* Each in turn, changing nothing but once: out and in again, clean, and once not. */
	for (int round = 0; round < ROUNDS; round++) {
		at = piece[0] + FIRST * 8;
		if (round == CHANGING_ROUND)
			MUST(cuLaunchKernel(function("put_eight"), 1, 1, 1, 1, 1, 1, 0, NULL,
					    params, NULL));
		for (int i = 0; i < PIECES; i++)
			increment(piece[i], 0, PIECE_BYTES, NULL);
		MUST(cuCtxSynchronize());
	}
	MUST(cuMemcpyDtoH(words, piece[0], PIECE_BYTES));
	if (memcmp(words, seen, PIECE_BYTES) != 0)
		wrong("a change that half a hash does not show was lost");
	for (int i = 0; i < PIECES; i++)
		MUST(cuMemFree(piece[i]));
	free(words);
	free(seen);
}

static void low(void)
{
	run(0);
}

static void high(void)
{
	run(1);
}

int main(int argc, char **argv)
{
	static const struct program_case cases[] = {CASE(low), CASE(high)};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
