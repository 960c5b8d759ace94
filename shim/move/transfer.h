/*
 * Transfers: the moves of single blocks beside the program's work, in the order in which they
 * were asked for. There is room for so many at once; a transfer that has ended may be begun
 * again for another block. Shared by overlap.c, transfer_out.c and transfer_in.c, and by nobody
 * else; all of it is guarded by the pager's lock.
 *
 *   out: WAIT (for the work that named it) → HASH (is it as it came in?) → COPY if not → READY
 *   in:  WAIT (for a frame, and for work that uses it in place) → COPY (and the hash of it)
 *
 * After READY, or a COPY that has ended, only the mapping has to be switched, which is the
 * processor's work: overlap_step does it when that keeps the bus busy. Until then a transfer
 * can be stopped: the block stays where it is, and what the GPU was given for it runs out in
 * state VOID, in which nobody else may have its frames. SWITCH: the mapping changes now,
 * perhaps without the lock (switching.h).
 *
 * The policy is told of a move when its transfer begins, so that it plans the next one beside
 * it; and again if the block did not arrive.
 */
#ifndef LOWTIDE_TRANSFER_H
#define LOWTIDE_TRANSFER_H

#include "memory/mapping.h"
#include "move/mover.h"

#define TRANSFERS 256

enum transfer_state {
	TRANSFER_NONE,
	OUT_WAIT,
	OUT_HASH,
	OUT_COPY,
	OUT_READY,
	OUT_SWITCH,
	OUT_VOID,
	IN_WAIT,
	IN_COPY,
	IN_SWITCH,
	IN_VOID,
};

struct transfer {
	enum transfer_state state;
	uint32_t block;
	struct frame *frame; /* IN_COPY, IN_VOID: the device frame being filled */
	CUevent event;
};

struct overlap {
	struct transfer transfers[TRANSFERS];
	uint16_t queue[TRANSFERS]; /* those under way and, until the next sweep, some that have
				      ended */
	size_t queued, busy;
	uint64_t done_upto, newest; /* fences, as last asked */
	uint64_t patient_from_ns;   /* no long waits before this; 0: none was in vain */
};

/* The block was named by work whose end cannot be known before the next window. */
bool transfer_work_end_is_unknown(const struct mover *mover, const struct block *block);
/* Launches have named the block often, nothing else can reach it, and it is not pinned. */
bool transfer_by_evidence(const struct mover *mover, const struct block *block);
/* The work that named the block is over, and so are a few operations after it. */
bool transfer_work_is_over(const struct mover *mover, const struct block *block);

/* NULL: so many are under way that there is no room for another. */
struct transfer *transfer_begin(struct mover *mover, uint32_t block, enum transfer_state state);
/* The transfer is over; a block that did not change its home stays where it is. */
void transfer_end(struct mover *mover, struct transfer *transfer);
/* The block stays where it is; copies and hashes that were begun run out. Not while its mapping
 * is switched. */
void transfer_stop(struct mover *mover, struct transfer *transfer);
/* The driver failed, so the state of the copies is unknown: waits for all four streams, then
 * ends the transfer. */
void transfer_fail(struct mover *mover, struct transfer *transfer);

/* Begins to hash a frame; the transfer's event is recorded behind it. */
CUresult transfer_hash_begin(struct mover *mover, struct transfer *transfer,
			     const struct frame *frame, CUstream stream);
/* The sum, once the event is over. */
const uint64_t *transfer_hash(const struct mover *mover, const struct transfer *transfer);

static inline struct block *transfer_block(struct mover *mover, const struct transfer *transfer)
{
	return &mover->memory->table.blocks[transfer->block];
}

/* --- transfer_out.c */
void transfer_out_begin(struct mover *mover, struct transfer *transfer);
/* Its event is over: HASH → READY or COPY, COPY → READY. */
void transfer_out_go_on(struct mover *mover, struct transfer *transfer);
void transfer_out_switch_begin(struct mover *mover, struct transfer *transfer,
			       struct mapping_change *change);
void transfer_out_switch_end(struct mover *mover, struct transfer *transfer,
			     const struct mapping_change *change);

/* --- transfer_in.c */
/* `make`: a frame may be made where none is spare. True: the copy is under way. */
bool transfer_in_begin(struct mover *mover, struct transfer *transfer, bool make);
void transfer_in_switch_begin(struct mover *mover, struct transfer *transfer,
			      struct mapping_change *change);
void transfer_in_switch_end(struct mover *mover, struct transfer *transfer,
			    const struct mapping_change *change);

#endif
