#include "move/pipeline.h"

#include "driver/driver.h"
#include "move/block_moved.h"
#include "memory/content_hash.h"
#include "move/batch.h"

/* Of the coming blocks whose frame would have to be spare: more are not asked. */
#define LOOKED_AT 64

struct pipeline {
	struct mover *mover;
	uint32_t *leaving, *coming;
	size_t leaving_count, coming_count;
	size_t asked;	      /* of the leaving: a batch of them was asked what is clean */
	size_t next, ready;   /* of that batch: those that still are to leave */
	size_t landed, begun; /* of the coming: those between are crossing */
	bool failed;	      /* a copy: no further one begins */
};

static bool have_events(struct mover *mover)
{
	if (!real(cuEventSynchronize))
		return false;
	for (; mover->crossing_events < MOVER_CROSSING; mover->crossing_events++)
		if (real(cuEventCreate)(&mover->crossing[mover->crossing_events],
					CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS)
			return false;
	return true;
}

static CUevent event_of(const struct pipeline *pipeline, size_t place)
{
	return pipeline->mover->crossing[place % MOVER_CROSSING];
}

static size_t crossing(const struct pipeline *pipeline)
{
	return pipeline->begun - pipeline->landed;
}

static bool all_have_left(const struct pipeline *pipeline)
{
	return pipeline->asked == pipeline->leaving_count && !pipeline->ready;
}

/* --- in
 * --------------------------------------------------------------------------------------------------
 */

/* The next to come that has a frame, put at its place. While frames are still on their way out
 * only spare ones count: making one of another size releases what a later block could use. */
static struct block *next_to_come(struct pipeline *pipeline)
{
	struct mover *mover = pipeline->mover;
	bool last = all_have_left(pipeline);
	size_t looked = 0;

	for (size_t i = pipeline->begun; i < pipeline->coming_count && looked < LOOKED_AT;) {
		uint32_t id = pipeline->coming[i];
		struct block *block = &mover->memory->table.blocks[id];

		block->device =
		    last ? frame_take(&mover->memory->frames, false, block->size_class)
			 : frame_take_spare(&mover->memory->frames, false, block->size_class);
		if (block->device) {
			pipeline->coming[i] = pipeline->coming[pipeline->begun];
			pipeline->coming[pipeline->begun] = id;
			return block;
		}
		if (last) /* none, for good: it stays cold */
			pipeline->coming[i] = pipeline->coming[--pipeline->coming_count];
		else
			i++, looked++;
	}
	return NULL;
}

static bool begin_crossing(struct pipeline *pipeline)
{
	struct mover *mover = pipeline->mover;
	CUresult result;
	struct block *block;

	if (pipeline->failed || crossing(pipeline) == MOVER_CROSSING)
		return false;
	block = next_to_come(pipeline);
	if (!block)
		return false;
	result = block_copy_in(mover, block, block->device);
	if (result == CUDA_SUCCESS)
		result =
		    real(cuEventRecord)(event_of(pipeline, pipeline->begun), mover->stream_in);
	pipeline->begun++;
	pipeline->failed = result != CUDA_SUCCESS;
	return !pipeline->failed;
}

/* How many of those that cross, in order, were seen to have arrived. */
static size_t arrived(struct pipeline *pipeline)
{
	size_t count = 0;

	while (count < crossing(pipeline)) {
		CUresult result =
		    real(cuEventQuery)(event_of(pipeline, pipeline->landed + count));

		if (result != CUDA_SUCCESS) {
			pipeline->failed |= result != CUDA_ERROR_NOT_READY;
			break;
		}
		count++;
	}
	return count;
}

/* Waits for one to arrive; all that have arrived by then change their homes together. */
static void land(struct pipeline *pipeline)
{
	size_t count;

	if (real(cuEventSynchronize)(event_of(pipeline, pipeline->landed)) != CUDA_SUCCESS)
		pipeline->failed = true;
	count = pipeline->failed ? 0 : arrived(pipeline);
	batch_finish_in(pipeline->mover, pipeline->coming + pipeline->landed, count);
	pipeline->landed += count;
}

/* What crosses was not seen to arrive: it stays cold. Even so it must have ended before its
 * frame is anybody's. */
static void give_up(struct pipeline *pipeline)
{
	struct mover *mover = pipeline->mover;

	real(cuStreamSynchronize)(mover->stream_in);
	mover->stats.failed_moves += crossing(pipeline);
	for (size_t i = pipeline->landed; i < pipeline->begun; i++)
		batch_cancel_in(mover, &mover->memory->table.blocks[pipeline->coming[i]]);
	pipeline->begun = pipeline->landed;
}

/* --- out
 * -------------------------------------------------------------------------------------------------
 */

/* The first alone, so that the bus begins; then as many as are crossing, in one call where they
 * adjoin; and all the rest when nobody waits for their frames. */
static void leave_some(struct pipeline *pipeline)
{
	struct mover *mover = pipeline->mover;
	size_t rest = pipeline->leaving_count - pipeline->asked, count = crossing(pipeline);

	if (!pipeline->ready) {
		pipeline->next = pipeline->asked;
		rest = rest < HASH_BATCH ? rest : HASH_BATCH;
		pipeline->ready =
		    batch_begin_out(mover, pipeline->leaving + pipeline->next, rest);
		pipeline->asked += rest;
	}
	count = count ? count : 1;
	if (count > pipeline->ready || pipeline->begun == pipeline->coming_count ||
	    pipeline->failed)
		count = pipeline->ready;
	batch_finish_out(mover, pipeline->leaving + pipeline->next, count);
	pipeline->next += count;
	pipeline->ready -= count;
}

void pipeline_run(struct mover *mover, uint32_t *leaving, size_t leaving_count,
		  uint32_t *coming, size_t coming_count)
{
	struct pipeline pipeline = {.mover = mover,
				    .leaving = leaving,
				    .coming = coming,
				    .leaving_count = leaving_count,
				    .coming_count = coming_count};

	if (coming_count < 2 || !have_events(mover)) {
		batch_move_out(mover, leaving, leaving_count);
		batch_move_in(mover, coming, coming_count);
		return;
	}
	for (;;) {
		while (begin_crossing(&pipeline))
			;
		if (pipeline.failed && crossing(&pipeline))
			give_up(&pipeline);
		if (crossing(&pipeline) == MOVER_CROSSING)
			land(&pipeline);
		else if (!all_have_left(&pipeline))
			leave_some(&pipeline);
		else if (crossing(&pipeline))
			land(&pipeline);
		else
			break;
	}
	batch_hash_arrived(mover, coming, pipeline.landed);
}
