/*
 * Ways: the blocks that overlapped switches have on their way, each in a slot, in the order in
 * which they were asked for. Shared by overlap.c, transfer_out.c and transfer_in.c, and by
 * nobody else; all of it is guarded by the pager's lock.
 *
 *   out: WAIT (for the work that named it) → HASH (is it as it came in?) → COPY if not → READY
 *   in:  WAIT (for a frame, and for work that uses it in place) → COPY (and the hash of it)
 *
 * READY and a COPY that has ended need only the switch of the mapping, which is the processor's
 * work; overlap_step spends it where it keeps the bus busy. Until that switch a way can be
 * stopped: the block stays where it is, and what the GPU was given for it runs out in a VOID
 * slot, whose frames nobody else may have until then. SWITCH: its mapping changes now, perhaps
 * without the lock (switching.h).
 *
 * The policy is told of a move when it is put on its way, so that it plans the next one beside
 * it; and again if the block did not arrive.
 */
#ifndef LOWTIDE_WAY_H
#define LOWTIDE_WAY_H

#include "memory/mapping.h"
#include "move/mover.h"

#define WAYS 256

enum way {
	WAY_NONE,
	LEAVE_WAIT,
	LEAVE_HASH,
	LEAVE_COPY,
	LEAVE_READY,
	LEAVE_SWITCH,
	LEAVE_VOID,
	ARRIVE_WAIT,
	ARRIVE_COPY,
	ARRIVE_SWITCH,
	ARRIVE_VOID,
};

struct slot {
	enum way way;
	uint32_t block;
	struct frame *frame; /* ARRIVE_COPY, ARRIVE_VOID: the device frame being filled */
	CUevent event;
};

struct overlap {
	struct slot slots[WAYS];
	uint16_t queue[WAYS]; /* slots in use and, until the next sweep, some that were */
	size_t queued, busy;
	uint64_t done_upto, newest; /* fences, as last asked */
	uint64_t patient_from_ns;   /* no long waits before this; 0: none was in vain */
};

/* Of some work that named it nobody will ever know that it has ended, until a window. */
bool way_end_is_unknown(const struct mover *mover, const struct block *block);
/* Launches name it, nothing else can reach it, and it may move. */
bool way_by_evidence(const struct mover *mover, const struct block *block);
/* The work that named it, and the grace after that, is over. */
bool way_is_over(const struct mover *mover, const struct block *block);

/* NULL: all slots are taken. */
struct slot *way_open(struct mover *mover, uint32_t block, enum way way);
/* The slot is free; a block that did not change its home stays where it is. */
void way_end(struct mover *mover, struct slot *slot);
/* The block stays where it is; what was begun runs out. Not while it switches. */
void way_stop(struct mover *mover, struct slot *slot);
/* What was begun cannot be followed: waits for all of it, and ends. */
void way_give_up(struct mover *mover, struct slot *slot);

/* Begins to hash a frame; the slot's event follows it. */
CUresult way_hash_begin(struct mover *mover, struct slot *slot, const struct frame *frame,
			CUstream stream);
/* The sum, once the event is over. */
const uint64_t *way_hash(const struct mover *mover, const struct slot *slot);

static inline struct block *way_block(struct mover *mover, const struct slot *slot)
{
	return &mover->memory->table.blocks[slot->block];
}

/* --- transfer_out.c */
void leave_begin(struct mover *mover, struct slot *slot);
/* Its event is over: HASH → READY or COPY, COPY → READY. */
void leave_go_on(struct mover *mover, struct slot *slot);
void leave_switch_begin(struct mover *mover, struct slot *slot, struct home_change *change);
void leave_switch_end(struct mover *mover, struct slot *slot, const struct home_change *change);

/* --- transfer_in.c */
/* `make`: a frame may be made where none is spare. True: the copy is under way. */
bool arrive_begin(struct mover *mover, struct slot *slot, bool make);
void arrive_switch_begin(struct mover *mover, struct slot *slot, struct home_change *change);
void arrive_switch_end(struct mover *mover, struct slot *slot,
		       const struct home_change *change);

#endif
