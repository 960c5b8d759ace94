#include "memory/slab.h"

#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64

/* Sizes of pieces in units, four to a doubling. Of those that a slab holds equally many of,
 * only the largest. */
static const uint16_t class_units[SLAB_CLASSES] = {
    1,	2,  3,	4,   5,	  6,   7,   8,	 10,  12,  14,	16,  20,  24,  28,  32,	  40,	48,  56,
    64, 80, 96, 112, 128, 163, 195, 227, 256, 341, 409, 455, 512, 682, 819, 1024, 1365, 2048};

static uint32_t class_bytes(unsigned int c)
{
	return class_units[c] * SLAB_UNIT_BYTES;
}

/* The smallest that holds so many bytes, which are at most SLAB_SERVES_BYTES. */
static unsigned int class_for(uint64_t bytes)
{
	unsigned int low = 0, high = SLAB_CLASSES;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (class_bytes(middle) < bytes)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* --- the lists of slabs
 * ----------------------------------------------------------------------- */

static void list(struct slabs *slabs, struct slab *slab)
{
	struct slab **head = &slabs->with_room[slab->size_class];

	slab->previous = NULL;
	slab->next = *head;
	if (*head)
		(*head)->previous = slab;
	*head = slab;
	slab->listed = true;
}

static void unlist(struct slabs *slabs, struct slab *slab)
{
	if (!slab->listed)
		return;
	if (slab->previous)
		slab->previous->next = slab->next;
	else
		slabs->with_room[slab->size_class] = slab->next;
	if (slab->next)
		slab->next->previous = slab->previous;
	slab->listed = false;
}

static void count_empty(struct slabs *slabs, const struct slab *slab, uint32_t change)
{
	slabs->empty[slab->size_class] += change;
	slabs->empty_count += change;
}

struct slab *slabs_with_room(const struct slabs *slabs, uint64_t bytes)
{
	return slabs->with_room[class_for(bytes)];
}

struct slab *slabs_empty(const struct slabs *slabs)
{
	for (unsigned int c = 0; slabs->empty_count && c < SLAB_CLASSES; c++) {
		struct slab *slab = slabs->empty[c] ? slabs->with_room[c] : NULL;

		while (slab && slab->taken)
			slab = slab->next;
		if (slab)
			return slab;
	}
	return NULL;
}

static struct slab *unused_or_new(struct slabs *slabs, unsigned int c)
{
	uint32_t count = (uint32_t)(SLAB_BYTES / class_bytes(c));
	struct slab *slab = slabs->unused[c];

	if (slab) {
		slabs->unused[c] = slab->next;
		return slab;
	}
	slab = calloc(1, sizeof(*slab) + count * sizeof(slab->pieces[0]));
	if (!slab)
		return NULL;
	slab->size_class = (uint8_t)c;
	slab->piece_bytes = class_bytes(c);
	slab->piece_count = count;
	for (uint32_t i = 0; i < count; i++)
		slab->pieces[i].index = (uint16_t)i;
	return slab;
}

struct slab *slabs_add(struct slabs *slabs, uint64_t start, uint64_t bytes)
{
	struct slab *slab = unused_or_new(slabs, class_for(bytes));

	if (!slab)
		return NULL;
	slab->start = start;
	slab->taken = slab->synced = 0;
	slab->words_with_room = 0;
	for (uint32_t at = 0; at < slab->piece_count; at += WORD_BITS) {
		uint32_t left = slab->piece_count - at;

		slab->room[at / WORD_BITS] = left < WORD_BITS ? (1ull << left) - 1 : UINT64_MAX;
		slab->words_with_room |= 1ull << at / WORD_BITS;
	}
	list(slabs, slab);
	count_empty(slabs, slab, 1);
	return slab;
}

static void unpark_all_of(struct slabs *slabs, const struct slab *slab)
{
	struct slab_piece **link = &slabs->parked;

	while (*link) {
		if (slab_of(*link) != slab) {
			link = &(*link)->next_parked;
			continue;
		}
		*link = (*link)->next_parked;
		slabs->parked_count--;
	}
}

void slabs_remove(struct slabs *slabs, struct slab *slab)
{
	unlist(slabs, slab);
	if (slab->taken)
		unpark_all_of(slabs, slab);
	else
		count_empty(slabs, slab, -1u);
	for (uint32_t i = 0; i < slab->piece_count && slab->taken; i++)
		if (slab->pieces[i].taken) {
			atomic_store_explicit(&slab->pieces[i].bytes, 0, memory_order_relaxed);
			slab->pieces[i].taken = false;
			slab->taken--;
		}
	slab->next = slabs->unused[slab->size_class];
	slabs->unused[slab->size_class] = slab;
}

/* --- pieces
 * ----------------------------------------------------------------------------------- */

uint64_t slab_take(struct slabs *slabs, struct slab *slab, uint64_t bytes, uint64_t id)
{
	unsigned int word = (unsigned int)__builtin_ctzll(slab->words_with_room);
	unsigned int bit = (unsigned int)__builtin_ctzll(slab->room[word]);
	struct slab_piece *piece = &slab->pieces[word * WORD_BITS + bit];

	slab->room[word] &= slab->room[word] - 1;
	if (!slab->room[word])
		slab->words_with_room &= ~(1ull << word);
	if (!slab->taken++)
		count_empty(slabs, slab, -1u);
	if (slab->taken == slab->piece_count)
		unlist(slabs, slab);
	piece->id = id;
	piece->taken = true;
	piece->ripe = false;
	piece->sync_memops = false;
	piece->free_after = NULL;
	atomic_store_explicit(&piece->bytes, (uint32_t)bytes, memory_order_relaxed);
	return slab_piece_start(piece);
}

bool slab_give(struct slabs *slabs, struct slab_piece *piece)
{
	struct slab *slab = slab_of(piece);
	unsigned int word = piece->index / WORD_BITS;

	atomic_store_explicit(&piece->bytes, 0, memory_order_relaxed);
	piece->taken = false;
	slab->room[word] |= 1ull << piece->index % WORD_BITS;
	slab->words_with_room |= 1ull << word;
	if (!slab->listed)
		list(slabs, slab);
	if (--slab->taken)
		return false;
	count_empty(slabs, slab, 1);
	return slabs->empty[slab->size_class] > 1;
}

struct slab *slab_of(struct slab_piece *piece)
{
	struct slab_piece *first = piece - piece->index;

	return (struct slab *)((char *)first - offsetof(struct slab, pieces));
}

uint64_t slab_piece_start(const struct slab_piece *piece)
{
	const struct slab *slab = slab_of((struct slab_piece *)piece);

	return slab->start + (uint64_t)piece->index * slab->piece_bytes;
}

struct slab_piece *slab_piece_at(struct slab *slab, uint64_t address)
{
	uint64_t index = (address - slab->start) / slab->piece_bytes;

	return slab_left_bytes(slab, address) ? &slab->pieces[index] : NULL;
}

uint64_t slab_left_bytes(const struct slab *slab, uint64_t address)
{
	uint64_t index = (address - slab->start) / slab->piece_bytes;
	uint64_t into = (address - slab->start) % slab->piece_bytes;
	uint64_t bytes;

	/* Some bytes at the end belong to no piece. */
	if (index >= slab->piece_count)
		return 0;
	bytes = atomic_load_explicit(&slab->pieces[index].bytes, memory_order_relaxed);
	return into < bytes ? bytes - into : 0;
}

bool slab_sync_memops_must_change(struct slab_piece *piece, bool on)
{
	return piece->sync_memops != on && slab_of(piece)->synced == (on ? 0 : 1);
}

void slab_piece_set_sync_memops(struct slab_piece *piece, bool on)
{
	if (piece->sync_memops == on)
		return;
	slab_of(piece)->synced += on ? 1 : -1u;
	piece->sync_memops = on;
}

/* --- freed, and perhaps in use
 * ---------------------------------------------------------------- */

void slab_park(struct slabs *slabs, struct slab_piece *piece, CUevent free_after)
{
	atomic_store_explicit(&piece->bytes, 0, memory_order_relaxed);
	piece->free_after = free_after;
	piece->ripe = false;
	piece->next_parked = slabs->parked;
	slabs->parked = piece;
	slabs->parked_count++;
}

struct slab_piece *slabs_unpark(struct slabs *slabs, bool all)
{
	struct slab_piece **link = &slabs->parked;
	struct slab_piece *piece;

	while (*link && !all && !(*link)->ripe)
		link = &(*link)->next_parked;
	piece = *link;
	if (piece) {
		*link = piece->next_parked;
		slabs->parked_count--;
	}
	return piece;
}
