#include "move/pipeline.h"

#include "driver/driver.h"
#include "move/block_moved.h"
#include "memory/content_hash.h"
#include "move/batch.h"

/* Of the coming blocks whose frame would have to be spare: more are not asked. */
#define LOOKED_AT 64

struct exchange {
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

static CUevent event_of(const struct exchange *exchange, size_t place)
{
	return exchange->mover->crossing[place % MOVER_CROSSING];
}

static size_t crossing(const struct exchange *exchange)
{
	return exchange->begun - exchange->landed;
}

static bool all_have_left(const struct exchange *exchange)
{
	return exchange->asked == exchange->leaving_count && !exchange->ready;
}

/* --- in
 * --------------------------------------------------------------------------------------------------
 */

/* The next to come that has a frame, put at its place. While frames are still on their way out
 * only spare ones count: making one of another size releases what a later block could use. */
static struct block *next_to_come(struct exchange *exchange)
{
	struct mover *mover = exchange->mover;
	bool last = all_have_left(exchange);
	size_t looked = 0;

	for (size_t i = exchange->begun; i < exchange->coming_count && looked < LOOKED_AT;) {
		uint32_t id = exchange->coming[i];
		struct block *block = &mover->memory->table.blocks[id];

		block->device =
		    last ? frame_take(&mover->memory->frames, false, block->size_class)
			 : frame_take_spare(&mover->memory->frames, false, block->size_class);
		if (block->device) {
			exchange->coming[i] = exchange->coming[exchange->begun];
			exchange->coming[exchange->begun] = id;
			return block;
		}
		if (last) /* none, for good: it stays cold */
			exchange->coming[i] = exchange->coming[--exchange->coming_count];
		else
			i++, looked++;
	}
	return NULL;
}

static bool begin_crossing(struct exchange *exchange)
{
	struct mover *mover = exchange->mover;
	CUresult result;
	struct block *block;

	if (exchange->failed || crossing(exchange) == MOVER_CROSSING)
		return false;
	block = next_to_come(exchange);
	if (!block)
		return false;
	result = block_copy_in(mover, block, block->device);
	if (result == CUDA_SUCCESS)
		result =
		    real(cuEventRecord)(event_of(exchange, exchange->begun), mover->stream_in);
	exchange->begun++;
	exchange->failed = result != CUDA_SUCCESS;
	return !exchange->failed;
}

/* How many of those that cross, in order, were seen to have arrived. */
static size_t arrived(struct exchange *exchange)
{
	size_t count = 0;

	while (count < crossing(exchange)) {
		CUresult result =
		    real(cuEventQuery)(event_of(exchange, exchange->landed + count));

		if (result != CUDA_SUCCESS) {
			exchange->failed |= result != CUDA_ERROR_NOT_READY;
			break;
		}
		count++;
	}
	return count;
}

/* Waits for one to arrive; all that have arrived by then change their homes together. */
static void land(struct exchange *exchange)
{
	size_t count;

	if (real(cuEventSynchronize)(event_of(exchange, exchange->landed)) != CUDA_SUCCESS)
		exchange->failed = true;
	count = exchange->failed ? 0 : arrived(exchange);
	transit_land(exchange->mover, exchange->coming + exchange->landed, count);
	exchange->landed += count;
}

/* What crosses was not seen to arrive: it stays cold. Even so it must have ended before its
 * frame is anybody's. */
static void give_up(struct exchange *exchange)
{
	struct mover *mover = exchange->mover;

	real(cuStreamSynchronize)(mover->stream_in);
	mover->stats.failed_moves += crossing(exchange);
	for (size_t i = exchange->landed; i < exchange->begun; i++)
		transit_give_up(mover, &mover->memory->table.blocks[exchange->coming[i]]);
	exchange->begun = exchange->landed;
}

/* --- out
 * -------------------------------------------------------------------------------------------------
 */

/* The first alone, so that the bus begins; then as many as are crossing, in one call where they
 * adjoin; and all the rest when nobody waits for their frames. */
static void leave_some(struct exchange *exchange)
{
	struct mover *mover = exchange->mover;
	size_t rest = exchange->leaving_count - exchange->asked, count = crossing(exchange);

	if (!exchange->ready) {
		exchange->next = exchange->asked;
		rest = rest < HASH_BATCH ? rest : HASH_BATCH;
		exchange->ready =
		    transit_begin_leaving(mover, exchange->leaving + exchange->next, rest);
		exchange->asked += rest;
	}
	count = count ? count : 1;
	if (count > exchange->ready || exchange->begun == exchange->coming_count ||
	    exchange->failed)
		count = exchange->ready;
	transit_leave(mover, exchange->leaving + exchange->next, count);
	exchange->next += count;
	exchange->ready -= count;
}

void exchange_homes(struct mover *mover, uint32_t *leaving, size_t leaving_count,
		    uint32_t *coming, size_t coming_count)
{
	struct exchange exchange = {.mover = mover,
				    .leaving = leaving,
				    .coming = coming,
				    .leaving_count = leaving_count,
				    .coming_count = coming_count};

	if (coming_count < 2 || !have_events(mover)) {
		transit_evict(mover, leaving, leaving_count);
		transit_page_in(mover, coming, coming_count);
		return;
	}
	for (;;) {
		while (begin_crossing(&exchange))
			;
		if (exchange.failed && crossing(&exchange))
			give_up(&exchange);
		if (crossing(&exchange) == MOVER_CROSSING)
			land(&exchange);
		else if (!all_have_left(&exchange))
			leave_some(&exchange);
		else if (crossing(&exchange))
			land(&exchange);
		else
			break;
	}
	transit_hash_landed(mover, coming, exchange.landed);
}
