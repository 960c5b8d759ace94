#include "move/transfer.h"

#include "driver/driver.h"
#include "memory/content_hash.h"
#include "move/mover_valid.h"
#include "order/worker.h"

/* Named so often by launches before it may move beside other work. */
#define NAMED_ENOUGH 3
/* So many later operations must be over too, besides the last that named it. */
#define GRACE 2

bool transfer_work_end_is_unknown(const struct mover *mover, const struct block *block)
{
	return block->fence == FENCE_NEVER ||
	       mover->memory->table.components[block->component].fence == FENCE_NEVER;
}

bool transfer_by_evidence(const struct mover *mover, const struct block *block)
{
	return !block->barred && !block->pins && !transfer_work_end_is_unknown(mover, block) &&
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

bool transfer_work_is_over(const struct mover *mover, const struct block *block)
{
	return passed(mover, block->fence) &&
	       passed(mover, mover->memory->table.components[block->component].fence);
}

static void tell_home(struct mover *mover, uint32_t id)
{
	const struct block *block = &mover->memory->table.blocks[id];

	mover->moved(mover, id, atomic_load(&block->home) == HOME_DEVICE);
}

/* Transfers that have ended leave the queue only here, so that a walk along it is not disturbed
 * by what it ends. */
static void sweep(struct overlap *overlap)
{
	size_t kept = 0;

	for (size_t i = 0; i < overlap->queued; i++)
		if (overlap->transfers[overlap->queue[i]].state != TRANSFER_NONE)
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

struct transfer *transfer_begin(struct mover *mover, uint32_t id, enum transfer_state state)
{
	struct overlap *overlap = mover->overlap;
	size_t i = 0;

	sweep(overlap);
	while (i < TRANSFERS && is_queued(overlap, i))
		i++;
	if (i == TRANSFERS)
		return NULL;
	overlap->transfers[i].state = state;
	overlap->transfers[i].block = id;
	overlap->transfers[i].frame = NULL;
	overlap->queue[overlap->queued++] = (uint16_t)i;
	overlap->busy++;
	mover->memory->table.blocks[id].transfer = (uint32_t)i + 1;
	mover->moved(mover, id, state == IN_WAIT);
	worker_wake();
	return &overlap->transfers[i];
}

/* The block is free of the transfer, although its copy may still be running. */
static void let_go(struct mover *mover, struct transfer *transfer)
{
	struct block *block = transfer_block(mover, transfer);

	if (block->transfer != (uint32_t)(transfer - mover->overlap->transfers) + 1)
		return;
	block->transfer = 0;
	tell_home(mover, transfer->block);
}

void transfer_end(struct mover *mover, struct transfer *transfer)
{
	let_go(mover, transfer);
	if (transfer->state > OUT_WAIT && transfer->state <= OUT_VOID)
		transfer_block(mover, transfer)->leaving = false;
	transfer->state = TRANSFER_NONE;
	transfer->frame = NULL;
	mover->overlap->busy--;
	mover_see_valid(mover);
}

void transfer_stop(struct mover *mover, struct transfer *transfer)
{
	switch (transfer->state) {
	case OUT_WAIT:
	case OUT_READY:
	case IN_WAIT:
		transfer_end(mover, transfer);
		break;
	case OUT_COPY:
	case OUT_HASH:
		let_go(mover, transfer);
		transfer->state = OUT_VOID;
		break;
	case IN_COPY:
		let_go(mover, transfer);
		transfer->state = IN_VOID;
		break;
	default:
		break;
	}
}

void transfer_fail(struct mover *mover, struct transfer *transfer)
{
	real(cuStreamSynchronize)(mover->stream_in);
	real(cuStreamSynchronize)(mover->stream_out);
	real(cuStreamSynchronize)(mover->stream_hash_in);
	real(cuStreamSynchronize)(mover->stream_hash_out);
	frame_give(&mover->memory->frames, transfer->frame);
	mover->stats.failed_moves++;
	transfer_end(mover, transfer);
}

/* --- hashes of single frames, each in a row of the scratch table of its own
 * ---------------------------------- */

#define ROW_BYTES 32 /* address, bytes, two sums */

_Static_assert(OVERLAP_ROWS_OFFSET + TRANSFERS * ROW_BYTES <= HASH_SCRATCH_BYTES,
	       "a row a transfer");

static size_t row_offset(const struct mover *mover, const struct transfer *transfer)
{
	return OVERLAP_ROWS_OFFSET + (size_t)(transfer - mover->overlap->transfers) * ROW_BYTES;
}

/* The kernel reads its row where it lies in pinned RAM: a copy of it would queue behind the
 * blocks that are crossing, for a millisecond or more. The sums need atomics, and so VRAM. */
CUresult transfer_hash_begin(struct mover *mover, struct transfer *transfer,
			     const struct frame *frame, CUstream stream)
{
	uint64_t *host = mover->memory->hash_host + row_offset(mover, transfer) / 8;
	CUdeviceptr row = (CUdeviceptr)(uintptr_t)host,
		    sums =
			mover->memory->hash_scratch->alias + row_offset(mover, transfer) + 16;
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
		result = real(cuEventRecord)(transfer->event, stream);
	return result;
}

const uint64_t *transfer_hash(const struct mover *mover, const struct transfer *transfer)
{
	return mover->memory->hash_host + row_offset(mover, transfer) / 8 + 2;
}
