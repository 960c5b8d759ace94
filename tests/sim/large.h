/*
 * Pieces of a file of physical memory that lie in large pages, so that what was given back can
 * be taken again: to make pages of the system costs many times what it costs to clear them, and
 * was most of what a run of the simulator cost. A piece that is taken again is all zeros, as a
 * new one.
 *
 * Owned and called by physical.c alone, under the simulator's lock.
 */
#ifndef SIM_LARGE_H
#define SIM_LARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_large_piece {
	uint64_t offset, bytes;
	uint64_t given; /* when it was given back, by count; 0: it is in use */
};

struct sim_large {
	struct sim_large_piece *pieces;
	size_t count, room;
	uint64_t now, kept_bytes;
};

/* The piece, in use, lies in large pages from now on. */
void sim_large_note(struct sim_large *large, uint64_t offset, uint64_t bytes);
bool sim_large_has(const struct sim_large *large, uint64_t offset);
/* One of so many bytes, cleared; false: there is none. */
bool sim_large_take(struct sim_large *large, int file, uint64_t bytes, uint64_t *offset);
/* False: it was never noted, or enough is kept; the caller gives it to the system. */
bool sim_large_keep(struct sim_large *large, uint64_t offset);

#endif
