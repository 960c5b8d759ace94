/* Slabs: which piece an allocation gets, whom an address names, and what is left of a slab. */
#include "memory/slab.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#define START 0x508100000000ull
#define KIB 1024ull

static struct slabs slabs;
static uint64_t ids;

static uint64_t take(uint64_t bytes)
{
	struct slab *slab = slabs_with_room(&slabs, bytes);
	static uint64_t next = START;

	if (!slab) {
		slab = slabs_add(&slabs, next, bytes);
		next += 2 * SLAB_BYTES;
	}
	cr_assert(not(zero(ptr, slab)));
	return slab_take(&slabs, slab, bytes, ++ids);
}

/* The only slab that has room for so many bytes. */
static struct slab *the_slab(uint64_t bytes)
{
	struct slab *slab = slabs_with_room(&slabs, bytes);

	cr_assert(not(zero(ptr, slab)));
	return slab;
}

Test(slab, holds_every_size_in_a_piece_no_more_than_a_third_larger)
{
	for (uint64_t bytes = 1; bytes <= SLAB_SERVES_BYTES; bytes += bytes < 9000 ? 1 : 509) {
		struct slab *slab = slabs_with_room(&slabs, bytes);

		if (!slab)
			slab = slabs_add(&slabs, START, bytes);
		cr_assert(ge(u64, slab->piece_bytes, bytes));
		cr_assert(zero(u64, slab->piece_bytes % SLAB_UNIT_BYTES));
		cr_assert(le(u64, slab->piece_count * (uint64_t)slab->piece_bytes, SLAB_BYTES));
		/* In units, and but for those of which few fit. */
		if (bytes > 4 * KIB && bytes <= 512 * KIB)
			cr_assert(le(u64, slab->piece_bytes, bytes + bytes / 3 + 2 * KIB),
				  "%lu bytes in a piece of %u", (unsigned long)bytes,
				  slab->piece_bytes);
	}
}

Test(slab, serves_nothing_that_needs_more_than_half_a_granule)
{
	cr_assert(slab_serves(1));
	cr_assert(slab_serves(SLAB_SERVES_BYTES));
	cr_assert_not(slab_serves(SLAB_SERVES_BYTES + 1));
	cr_assert_not(slab_serves(0));
	cr_assert_not(slab_serves(UINT64_MAX));
}

Test(slab, gives_each_allocation_bytes_of_its_own_until_it_is_full)
{
	static const uint64_t sizes[] = {1, 512, 513, 3 * KIB, 100 * KIB, SLAB_SERVES_BYTES};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		unsigned char *owned = calloc(SLAB_BYTES / SLAB_UNIT_BYTES, 1);
		uint64_t first = take(sizes[s]);
		struct slab *slab = slabs_with_room(&slabs, sizes[s]);
		uint32_t count = slab->piece_count;

		for (uint32_t i = 0; i < count; i++) {
			uint64_t at = i ? take(sizes[s]) : first;
			uint64_t unit = (at - slab->start) / SLAB_UNIT_BYTES;

			cr_assert(zero(u64, at % SLAB_UNIT_BYTES));
			cr_assert(lt(u64, at - slab->start, SLAB_BYTES));
			cr_assert(le(u64, at + sizes[s], slab->start + SLAB_BYTES));
			for (uint64_t u = 0; u * SLAB_UNIT_BYTES < sizes[s]; u++)
				cr_assert(zero(int, owned[unit + u]++), "a byte given twice");
		}
		cr_assert(zero(ptr, slabs_with_room(&slabs, sizes[s])), "it is full");
		free(owned);
	}
}

Test(slab, names_the_allocation_that_holds_an_address_and_no_other)
{
	uint64_t one = take(700), two = take(1000);
	struct slab *slab = the_slab(700);

	cr_assert(eq(u64, slab_piece_start(slab_piece_at(slab, one)), one));
	cr_assert(eq(u64, slab_piece_start(slab_piece_at(slab, one + 699)), one));
	cr_assert(zero(ptr, slab_piece_at(slab, one + 700)), "what the piece has left over");
	cr_assert(eq(u64, slab_piece_start(slab_piece_at(slab, two + 999)), two));
	cr_assert(eq(u64, slab_left_bytes(slab, one + 600), 100));
	cr_assert(zero(u64, slab_left_bytes(slab, two + 1000)));
	cr_assert(ne(u64, slab_piece_at(slab, one)->id, slab_piece_at(slab, two)->id));
}

Test(slab, names_nobody_in_the_bytes_at_its_end_that_belong_to_no_piece)
{
	uint64_t at = take(600 * KIB);
	struct slab *slab = the_slab(600 * KIB);

	cr_assert(lt(u64, slab->piece_count * (uint64_t)slab->piece_bytes, SLAB_BYTES));
	cr_assert(zero(ptr, slab_piece_at(slab, slab->start + SLAB_BYTES - 1)));
	cr_assert(eq(u64, at, slab->start));
}

Test(slab, gives_a_freed_piece_to_the_next_and_names_nobody_meanwhile)
{
	uint64_t at = take(2 * KIB), other = take(2 * KIB);
	struct slab *slab = the_slab(2 * KIB);

	cr_assert_not(slab_give(&slabs, slab_piece_at(slab, at)), "one is left");
	cr_assert(zero(ptr, slab_piece_at(slab, at)));
	cr_assert(zero(u64, slab_left_bytes(slab, at)));
	cr_assert(eq(u64, take(2 * KIB), at));
	cr_assert(ne(u64, at, other));
}

Test(slab, has_room_again_once_a_piece_of_a_full_one_is_given_back)
{
	uint64_t one = take(SLAB_SERVES_BYTES);
	struct slab *slab = the_slab(SLAB_SERVES_BYTES);

	take(SLAB_SERVES_BYTES);
	cr_assert(zero(ptr, slabs_with_room(&slabs, SLAB_SERVES_BYTES)));
	cr_assert_not(slab_give(&slabs, slab_piece_at(slab, one)));
	cr_assert(eq(ptr, slabs_with_room(&slabs, SLAB_SERVES_BYTES), slab));
}

Test(slab, keeps_one_empty_one_of_a_class)
{
	uint64_t at[3];
	struct slab *slab[3];

	for (int i = 0; i < 3; i++) {
		at[i] = take(SLAB_SERVES_BYTES);
		slab[i] = the_slab(SLAB_SERVES_BYTES);
		take(SLAB_SERVES_BYTES);
	}
	for (int i = 0; i < 3; i++) {
		struct slab_piece *second =
		    slab_piece_at(slab[i], at[i] + slab[i]->piece_bytes);

		cr_assert_not(slab_give(&slabs, slab_piece_at(slab[i], at[i])));
		cr_assert(eq(int, slab_give(&slabs, second), i > 0), "slab %d", i);
		if (i > 0)
			slabs_remove(&slabs, slab[i]);
	}
	cr_assert(eq(u32, slabs.empty_count, 1));
	cr_assert(eq(ptr, slabs_empty(&slabs), slab[0]));
	slabs_remove(&slabs, slab[0]);
	cr_assert(zero(u32, slabs.empty_count));
	cr_assert(zero(ptr, slabs_empty(&slabs)));
	cr_assert(zero(ptr, slabs_with_room(&slabs, SLAB_SERVES_BYTES)));
}

Test(slab, parks_pieces_in_any_order_and_gives_the_ripe_ones)
{
	struct slab_piece *piece[4];
	struct slab *slab;
	uint64_t at[4];

	for (int i = 0; i < 4; i++)
		at[i] = take(KIB);
	slab = the_slab(KIB);
	for (int i = 0; i < 4; i++) {
		piece[i] = slab_piece_at(slab, at[i]);
		slab_park(&slabs, piece[i], NULL);
		cr_assert(zero(ptr, slab_piece_at(slab, at[i])), "freed to the program");
	}
	cr_assert(ne(u64, take(KIB), at[0]), "but taken still");
	cr_assert(zero(ptr, slabs_unpark(&slabs, false)));
	piece[1]->ripe = piece[2]->ripe = true;
	for (int i = 0; i < 2; i++) {
		struct slab_piece *ripe = slabs_unpark(&slabs, false);

		cr_assert(ripe == piece[1] || ripe == piece[2]);
		slab_give(&slabs, ripe);
	}
	cr_assert(zero(ptr, slabs_unpark(&slabs, false)));
	cr_assert(eq(u32, slabs.parked_count, 2));
	cr_assert(not(zero(ptr, slabs_unpark(&slabs, true))));
	cr_assert(not(zero(ptr, slabs_unpark(&slabs, true))));
	cr_assert(zero(ptr, slabs_unpark(&slabs, true)));
}

static void sync_memops(struct slab_piece *piece, bool on, bool slab_changes)
{
	cr_assert(eq(int, slab_sync_memops_must_change(piece, on), slab_changes));
	slab_piece_set_sync_memops(piece, on);
	cr_assert(eq(int, piece->sync_memops, on));
	cr_assert_not(slab_sync_memops_must_change(piece, on), "it is done");
	slab_piece_set_sync_memops(piece, on);
}

Test(slab, has_sync_memops_from_the_first_piece_that_has_it_to_the_last)
{
	uint64_t at[2] = {take(KIB), take(KIB)};
	struct slab *slab = the_slab(KIB);
	struct slab_piece *one = slab_piece_at(slab, at[0]), *two = slab_piece_at(slab, at[1]);

	sync_memops(one, true, true);
	sync_memops(two, true, false);
	sync_memops(one, false, false);
	sync_memops(two, false, true);
	sync_memops(two, true, true);
}

Test(slab, takes_its_parked_pieces_along_when_it_goes)
{
	uint64_t at = take(KIB), other = take(5 * KIB);
	struct slab *slab = the_slab(KIB), *stays = the_slab(5 * KIB);

	slab_park(&slabs, slab_piece_at(slab, at), NULL);
	slab_park(&slabs, slab_piece_at(stays, other), NULL);
	slabs_remove(&slabs, slab);
	cr_assert(eq(u32, slabs.parked_count, 1));
	cr_assert(eq(ptr, slab_of(slabs_unpark(&slabs, true)), stays));
	cr_assert(zero(u64, slab_left_bytes(slab, at)));
}

Test(slab, takes_what_is_asked_at_random_and_never_the_same_byte_twice)
{
	enum { LIVE = 3000, ROUNDS = 40000 };
	static struct {
		uint64_t at, bytes;
		struct slab *slab;
	} live[LIVE];
	uint64_t seed = 88172645463325252ull;

	for (int i = 0; i < ROUNDS; i++) {
		size_t n = (seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17) % LIVE;

		if (live[n].bytes) {
			struct slab_piece *piece =
			    slab_piece_at(live[n].slab, live[n].at + live[n].bytes - 1);

			cr_assert(not(zero(ptr, piece)));
			cr_assert(eq(u64, slab_piece_start(piece), live[n].at));
			cr_assert(eq(u64, piece->bytes, live[n].bytes));
			if (slab_give(&slabs, piece))
				slabs_remove(&slabs, live[n].slab);
			live[n].bytes = 0;
			continue;
		}
		live[n].bytes = 1 + (seed >> 20) % (seed & 1024 ? 4096 : SLAB_SERVES_BYTES);
		live[n].slab = slabs_with_room(&slabs, live[n].bytes);
		if (!live[n].slab)
			live[n].slab = slabs_add(&slabs, START + (uint64_t)i * 2 * SLAB_BYTES,
						 live[n].bytes);
		live[n].at = slab_take(&slabs, live[n].slab, live[n].bytes, (uint64_t)i);
	}
	for (size_t n = 0; n < LIVE; n++)
		if (live[n].bytes && slab_give(&slabs, slab_piece_at(live[n].slab, live[n].at)))
			slabs_remove(&slabs, live[n].slab);
	cr_assert(le(u32, slabs.empty_count, SLAB_CLASSES));
	for (int c = 0; c < SLAB_CLASSES; c++)
		cr_assert(le(u32, slabs.empty[c], 1));
}
