/*
 * What running operations touch, and what must not happen to it meanwhile: its mapping changes,
 * or the same bytes of a frame are written through one mapping and accessed through another.
 * The second is only coherent once the first operation has completed, whatever its bytes say
 * here, where all mappings of a frame are one memory. Accesses through one and the same mapping
 * are the program's own affair: it may use atomics.
 *
 * An operation's touches count from the moment they are declared until it has ended. All here
 * is guarded by the lock.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define TOLD 4	 /* races that stderr hears of; the report counts all */
#define RECENT 8 /* of an operation's touches, which a new one may be part of */

/* One that waits for a value has touched it before it starts, and does again and again. */
static bool in_flight(const struct sim_op *op)
{
	return op && (op->in_kernel || op->running || (op->may_start && op->touched_count));
}

/* A kernel declares the same range block after block: one record is enough. False: nothing new,
 * or no memory left to note it. */
static bool remember(struct sim_op *op, const struct sim_range *piece)
{
	size_t i = op->touched_count > RECENT ? op->touched_count - RECENT : 0;
	struct sim_range *more = op->touched;

	for (; i < op->touched_count; i++) {
		struct sim_range *known = &more[i];

		if (known->write != piece->write || known->frame != piece->frame ||
		    piece->start < known->start || piece->start > known->end ||
		    piece->offset - known->offset != piece->start - known->start)
			continue;
		if (piece->end <= known->end)
			return false;
		known->end = piece->end;
		return true;
	}
	if (op->touched_count == op->touched_room) {
		op->touched_room = op->touched_room ? 2 * op->touched_room : 16;
		more = realloc(op->touched, op->touched_room * sizeof(*more));
		if (!more)
			return false;
		op->touched = more;
	}
	op->touched[op->touched_count++] = *piece;
	return true;
}

/* The same bytes of one frame at two addresses, and one of the two writes. */
static bool collide(const struct sim_range *a, const struct sim_range *b)
{
	return a->frame == b->frame && (a->write || b->write) &&
	       a->start - a->offset != b->start - b->offset &&
	       a->offset < b->offset + (b->end - b->start) &&
	       b->offset < a->offset + (a->end - a->start);
}

/* Through the older mapping only read: a pager may do that to memory that is still in use, and
 * throw away what it read when it finds out. To write there is always wrong. */
static bool is_torn_read(const struct sim_range *a, const struct sim_range *b)
{
	return !(a->mapping < b->mapping ? a : b)->write;
}

static void count_collision(const struct sim_range *now, const struct sim_range *before)
{
	if (is_torn_read(now, before)) {
		sim_count(SIM_TORN_READS, 1);
		return;
	}
	sim_count(SIM_ALIAS_RACES, 1);
	if (sim_counted(SIM_ALIAS_RACES) > TOLD)
		return;
	fprintf(stderr,
		"simulated GPU: [%#lx, %#lx) is accessed while an operation that has not ended "
		"accesses the same memory at %#lx\n",
		(unsigned long)now->start, (unsigned long)now->end,
		(unsigned long)before->start);
}

static void check_aliases(const struct sim_op *op, const struct sim_range *piece)
{
	for (struct CUstream_st *stream = sim_streams; stream; stream = stream->next) {
		const struct sim_op *other = stream->head;
		size_t i = 0;

		if (other == op || !in_flight(other))
			continue;
		while (i < other->touched_count && !collide(piece, &other->touched[i]))
			i++;
		if (i < other->touched_count)
			count_collision(piece, &other->touched[i]);
	}
}

void sim_touch(struct sim_op *op, uintptr_t start, size_t bytes, bool write)
{
	uintptr_t end = start + bytes;

	for (const struct sim_region *region = sim_region_at(start);
	     region && region->start < end; region = sim_region_after(region)) {
		struct sim_range piece = {
		    .start = start > region->start ? start : region->start,
		    .end = end < region->end ? end : region->end,
		    .write = write,
		};

		if (region->kind == SIM_MAPPED) {
			piece.frame = region->frame;
			piece.offset = piece.start - region->start;
			piece.mapping = region->id;
		} else {
			piece.offset = piece.start;
		}
		if (remember(op, &piece) && piece.frame)
			check_aliases(op, &piece);
	}
}

void sim_check_remap(uintptr_t start, uintptr_t end)
{
	for (struct CUstream_st *stream = sim_streams; stream; stream = stream->next) {
		const struct sim_op *op = stream->head;

		if (!in_flight(op))
			continue;
		for (size_t i = 0; i < op->touched_count; i++)
			if (op->touched[i].start < end && start < op->touched[i].end) {
				sim_count(SIM_REMAP_RACES, 1);
				fprintf(
				    stderr,
				    "simulated GPU: [%#lx, %#lx) changed its mapping under a "
				    "kernel that touches it\n",
				    (unsigned long)start, (unsigned long)end);
				return;
			}
	}
}
