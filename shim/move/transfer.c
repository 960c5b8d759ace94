#include "move/transfer.h"

#include "driver/driver.h"
#include "memory/content_hash.h"
#include "order/worker.h"

/* Named so often by launches before it may move beside other work. */
#define NAMED_ENOUGH 3
/* So many later operations must be over too, besides the last that named it. */
#define GRACE 2

bool way_end_is_unknown(const struct mover *mover, const struct block *block)
{
	return block->fence == FENCE_NEVER ||
	       mover->memory->table.components[block->component].fence == FENCE_NEVER;
}

bool way_by_evidence(const struct mover *mover, const struct block *block)
{
	return !block->barred && !block->pins && !way_end_is_unknown(mover, block) &&
	       mover->memory->table.components[block->component].named >= NAMED_ENOUGH;
}

/* Where less than the grace has been launched since, all of that. */
static bool passed(const struct mover *mover, uint64_t fence)
{
	const struct overlap *overlap = mover->overlap;
	uint64_t until = fence + GRACE;

	if (fence == FENCE_NEVER)
		return false;
	return overlap->done_upto >= (until < overlap->newest ? until : overlap->newest);
}

bool way_is_over(const struct mover *mover, const struct block *block)
{
	return passed(mover, block->fence) &&
	       passed(mover, mover->memory->table.components[block->component].fence);
}

static void tell_home(struct mover *mover, uint32_t id)
{
	const struct block *block = &mover->memory->table.blocks[id];

	mover->moved(mover, id, atomic_load(&block->home) == HOME_DEVICE);
}

/* Ended slots leave the queue only here, so that a walk along it is not disturbed by what it
 * ends. */
static void sweep(struct overlap *overlap)
{
	size_t kept = 0;

	for (size_t i = 0; i < overlap->queued; i++)
		if (overlap->slots[overlap->queue[i]].way != WAY_NONE)
			overlap->queue[kept++] = overlap->queue[i];
	overlap->queued = kept;
}

static bool is_queued(const struct overlap *overlap, size_t index)
{
	for (size_t i = 0; i < overlap->queued; i++)
		if (overlap->queue[i] == index)
			return true;
	return false;
}

struct slot *way_open(struct mover *mover, uint32_t id, enum way way)
{
	struct overlap *overlap = mover->overlap;
	size_t i = 0;

	sweep(overlap);
	while (i < WAYS && is_queued(overlap, i))
		i++;
	if (i == WAYS)
		return NULL;
	overlap->slots[i].way = way;
	overlap->slots[i].block = id;
	overlap->slots[i].frame = NULL;
	overlap->queue[overlap->queued++] = (uint16_t)i;
	overlap->busy++;
	mover->memory->table.blocks[id].way = (uint32_t)i + 1;
	mover->moved(mover, id, way == ARRIVE_WAIT);
	stepper_wake();
	return &overlap->slots[i];
}

/* The block is no longer on its way; the slot may still be. */
static void let_go(struct mover *mover, struct slot *slot)
{
	struct block *block = way_block(mover, slot);

	if (block->way != (uint32_t)(slot - mover->overlap->slots) + 1)
		return;
	block->way = 0;
	tell_home(mover, slot->block);
}

void way_end(struct mover *mover, struct slot *slot)
{
	let_go(mover, slot);
	if (slot->way > LEAVE_WAIT && slot->way <= LEAVE_VOID)
		way_block(mover, slot)->leaving = false;
	slot->way = WAY_NONE;
	slot->frame = NULL;
	mover->overlap->busy--;
}

void way_stop(struct mover *mover, struct slot *slot)
{
	switch (slot->way) {
	case LEAVE_WAIT:
	case LEAVE_READY:
	case ARRIVE_WAIT:
		way_end(mover, slot);
		break;
	case LEAVE_COPY:
	case LEAVE_HASH:
		let_go(mover, slot);
		slot->way = LEAVE_VOID;
		break;
	case ARRIVE_COPY:
		let_go(mover, slot);
		slot->way = ARRIVE_VOID;
		break;
	default:
		break;
	}
}

void way_give_up(struct mover *mover, struct slot *slot)
{
	real(cuStreamSynchronize)(mover->stream_in);
	real(cuStreamSynchronize)(mover->stream_out);
	real(cuStreamSynchronize)(mover->stream_hash_in);
	real(cuStreamSynchronize)(mover->stream_hash_out);
	frame_give(&mover->memory->frames, slot->frame);
	mover->stats.failed_moves++;
	way_end(mover, slot);
}

/* --- hashes of single frames, each in a row of the scratch table of its own
 * ---------------------------------- */

#define ROW_BYTES 32 /* address, bytes, two sums */

_Static_assert(OVERLAP_ROWS_OFFSET + WAYS * ROW_BYTES <= HASH_SCRATCH_BYTES, "a row a slot");

static size_t row_offset(const struct mover *mover, const struct slot *slot)
{
	return OVERLAP_ROWS_OFFSET + (size_t)(slot - mover->overlap->slots) * ROW_BYTES;
}

/* The kernel reads its row where it lies in pinned RAM: a copy of it would queue behind the
 * blocks that are crossing, for a millisecond or more. The sums need atomics, and so VRAM. */
CUresult way_hash_begin(struct mover *mover, struct slot *slot, const struct frame *frame,
			CUstream stream)
{
	uint64_t *host = mover->memory->hash_host + row_offset(mover, slot) / 8;
	CUdeviceptr row = (CUdeviceptr)(uintptr_t)host,
		    sums = mover->memory->hash_scratch->alias + row_offset(mover, slot) + 16;
	void *params[] = {&row, &sums};
	CUresult result;

	host[0] = frame->alias;
	host[1] = frame_bytes(frame->size_class);
	result = real(cuMemsetD8Async)(sums, 0, 16, stream);
	if (result == CUDA_SUCCESS)
		result = content_hash_launch(mover->memory, params, host[1], 1, stream);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoHAsync_v2)(host + 2, sums, 16, stream);
	if (result == CUDA_SUCCESS)
		result = real(cuEventRecord)(slot->event, stream);
	return result;
}

const uint64_t *way_hash(const struct mover *mover, const struct slot *slot)
{
	return mover->memory->hash_host + row_offset(mover, slot) / 8 + 2;
}
