#include "large.h"

#include "sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of a file: what is kept and not in use. */
#define KEPT_MOST ((uint64_t)512 << 20)
#define WINDOW ((size_t)32 << 20)

void sim_large_note(struct sim_large *large, uint64_t offset, uint64_t bytes)
{
	if (large->count == large->room) {
		size_t room = large->room ? 2 * large->room : 64;
		struct sim_large_piece *more = realloc(large->pieces, room * sizeof(*more));

		if (!more)
			return;
		large->pieces = more;
		large->room = room;
	}
	large->pieces[large->count++] = (struct sim_large_piece){offset, bytes, 0};
}

static struct sim_large_piece *piece_at(const struct sim_large *large, uint64_t offset)
{
	for (size_t i = 0; i < large->count; i++)
		if (large->pieces[i].offset == offset)
			return &large->pieces[i];
	return NULL;
}

bool sim_large_has(const struct sim_large *large, uint64_t offset)
{
	return piece_at(large, offset) != NULL;
}

static void forget(struct sim_large *large, struct sim_large_piece *piece)
{
	*piece = large->pieces[--large->count];
}

/* Addresses of our own, on a border of large pages; 0: there are none. */
static uintptr_t window(void)
{
	static uintptr_t start;

	if (!start) {
		void *at = mmap(NULL, WINDOW + SIM_PAGE, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (at != MAP_FAILED)
			start = ((uintptr_t)at + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
	}
	return start;
}

static bool clear(int file, const struct sim_large_piece *piece)
{
	void *at = (void *)window();
	bool done = at != NULL;

	for (uint64_t i = 0; done && i < piece->bytes; i += WINDOW) {
		size_t bytes = piece->bytes - i < WINDOW ? piece->bytes - i : WINDOW;

		done = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
			    (off_t)(piece->offset + i)) != MAP_FAILED;
		if (done)
			memset(at, 0, bytes);
	}
	if (at)
		mmap(at, WINDOW, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return done;
}

/* The one that was given back last is the likeliest to be in the processor's cache. */
bool sim_large_take(struct sim_large *large, int file, uint64_t bytes, uint64_t *offset)
{
	struct sim_large_piece *best = NULL;

	for (size_t i = 0; i < large->count; i++) {
		struct sim_large_piece *piece = &large->pieces[i];

		if (piece->given && piece->bytes == bytes &&
		    (!best || piece->given > best->given))
			best = piece;
	}
	if (!best || !clear(file, best))
		return false;
	best->given = 0;
	large->kept_bytes -= bytes;
	*offset = best->offset;
	return true;
}

bool sim_large_keep(struct sim_large *large, uint64_t offset)
{
	struct sim_large_piece *piece = piece_at(large, offset);

	if (!piece)
		return false;
	if (large->kept_bytes + piece->bytes > KEPT_MOST) {
		forget(large, piece);
		return false;
	}
	piece->given = ++large->now;
	large->kept_bytes += piece->bytes;
	return true;
}
