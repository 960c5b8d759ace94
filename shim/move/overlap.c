#include "move/overlap.h"

#include "driver/driver.h"
#include "base/lock.h"
#include "memory/mapping.h"
#include "order/streams.h"
#include "order/captures.h"
#include "move/switching.h"
#include "move/transfer.h"
#include "base/settings.h"

#include <stdlib.h>

/* Copies that should be under way or queued before the processor does anything else: while one
 * crosses, the next waits behind it. */
#define COPIES_QUEUED 2
/* A launch waits for what it names, for LOWTIDE_PATIENCE: the work that frees the frames it
 * needs may be one long kernel. In vain once, it waits only briefly for a while: that work may
 * never end. */
#define BRIEF_NS 5000000ull
#define BRIEF_FOR_NS 30000000000ull

struct overlap *overlap_create(void)
{
	struct overlap *overlap = calloc(1, sizeof(*overlap));

	for (size_t i = 0; overlap && i < TRANSFERS; i++)
		if (real(cuEventCreate)(&overlap->transfers[i].event,
					CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS) {
			while (i--)
				real(cuEventDestroy_v2)(overlap->transfers[i].event);
			free(overlap);
			return NULL;
		}
	return overlap;
}

void overlap_destroy(struct mover *mover)
{
	struct overlap *overlap = mover->overlap;

	switch_finish(mover);
	for (size_t i = 0; overlap && i < overlap->queued; i++)
		frame_give(&mover->memory->frames, overlap->transfers[overlap->queue[i]].frame);
	free(overlap);
	mover->overlap = NULL;
}

bool overlap_busy(const struct mover *mover)
{
	return mover->overlap && mover->overlap->busy;
}

/* --- stopping one
 * ---------------------------------------------------------------------------------------------------
 */

static void stop(struct mover *mover, struct transfer *transfer)
{
	if (transfer->state == OUT_SWITCH || transfer->state == IN_SWITCH)
		switch_finish(mover);
	else
		transfer_stop(mover, transfer);
}

/* --- steps
 * --------------------------------------------------------------------------------------------------
 */

static bool queue_holds(const struct mover *mover, enum transfer_state state)
{
	const struct overlap *overlap = mover->overlap;

	for (size_t i = 0; i < overlap->queued; i++)
		if (overlap->transfers[overlap->queue[i]].state == state)
			return true;
	return false;
}

static size_t copies_under_way(const struct mover *mover)
{
	const struct overlap *overlap = mover->overlap;
	size_t count = 0;

	for (size_t i = 0; i < overlap->queued; i++) {
		const struct transfer *transfer = &overlap->transfers[overlap->queue[i]];

		count += transfer->state == IN_COPY &&
			 real(cuEventQuery)(transfer->event) == CUDA_ERROR_NOT_READY;
	}
	return count;
}

bool overlap_bus_is_fed(const struct mover *mover)
{
	return copies_under_way(mover) >= COPIES_QUEUED;
}

static bool any_leaves(const struct mover *mover)
{
	const struct overlap *overlap = mover->overlap;

	for (size_t i = 0; i < overlap->queued; i++) {
		enum transfer_state state = overlap->transfers[overlap->queue[i]].state;

		if (state > TRANSFER_NONE && state < OUT_VOID)
			return true;
	}
	return false;
}

/* In the frames that are spare. Returns how many began. */
static size_t begin_in_spares(struct mover *mover)
{
	struct overlap *overlap = mover->overlap;
	size_t begun = 0;

	for (size_t i = 0; i < overlap->queued; i++) {
		struct transfer *transfer = &overlap->transfers[overlap->queue[i]];

		if (transfer->state == IN_WAIT)
			begun += transfer_in_begin(mover, transfer, false);
	}
	return begun;
}

/* Spare frames first, for all: making one of another size releases those that are spare. While
 * more are to come, those are left to whoever is first: a large block would never have enough
 * of what small ones behind it took. */
static void begin_arrivals(struct mover *mover)
{
	struct overlap *overlap = mover->overlap;
	size_t begun = begin_in_spares(mover);

	for (size_t i = 0; !begun && i < overlap->queued; i++) {
		struct transfer *transfer = &overlap->transfers[overlap->queue[i]];

		if (transfer->state != IN_WAIT ||
		    !transfer_work_is_over(mover, transfer_block(mover, transfer)))
			continue;
		if (transfer_in_begin(mover, transfer, true) || any_leaves(mover))
			return;
	}
}

/* Asks the event of the transfer; true: it is over. */
static bool event_over(struct mover *mover, struct transfer *transfer)
{
	CUresult result = real(cuEventQuery)(transfer->event);

	if (result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY)
		transfer_fail(mover, transfer);
	return result == CUDA_SUCCESS;
}

static void advance_leaving(struct mover *mover)
{
	struct overlap *overlap = mover->overlap;
	bool hashing = false, copying = false;

	for (size_t i = 0; i < overlap->queued; i++) {
		struct transfer *transfer = &overlap->transfers[overlap->queue[i]];

		if (transfer->state == OUT_WAIT)
			transfer_out_begin(mover, transfer);
		/* Both streams run in order: what is behind one that is not over is not
		 * either. */
		if (transfer->state == OUT_HASH && !hashing) {
			hashing = !event_over(mover, transfer);
			if (!hashing)
				transfer_out_go_on(mover, transfer);
		} else if (transfer->state == OUT_COPY && !copying) {
			copying = !event_over(mover, transfer);
			if (!copying)
				transfer_out_go_on(mover, transfer);
		} else if (transfer->state == OUT_VOID && event_over(mover, transfer)) {
			transfer_end(mover, transfer);
		}
	}
}

/* The first whose copy is complete; NULL: none. Gives the frames of those that were stopped. */
static struct transfer *next_arrived(struct mover *mover)
{
	struct overlap *overlap = mover->overlap;

	for (size_t i = 0; i < overlap->queued; i++) {
		struct transfer *transfer = &overlap->transfers[overlap->queue[i]];

		if (transfer->state != IN_COPY && transfer->state != IN_VOID)
			continue;
		if (!event_over(mover, transfer)) {
			if (transfer->state == TRANSFER_NONE)
				continue;
			return NULL; /* nor are those behind it */
		}
		if (transfer->state == IN_COPY)
			return transfer;
		frame_give(&mover->memory->frames, transfer->frame);
		transfer_end(mover, transfer);
	}
	return NULL;
}

static void finish_arrivals(struct mover *mover)
{
	struct transfer *transfer;

	while ((transfer = next_arrived(mover)))
		switch_here(mover, transfer);
}

static struct transfer *next_out(struct mover *mover)
{
	struct overlap *overlap = mover->overlap;

	for (size_t i = 0; i < overlap->queued; i++)
		if (overlap->transfers[overlap->queue[i]].state == OUT_READY)
			return &overlap->transfers[overlap->queue[i]];
	return NULL;
}

static bool switch_one_out(struct mover *mover)
{
	struct transfer *transfer = next_out(mover);

	if (transfer)
		switch_here(mover, transfer);
	return transfer != NULL;
}

static bool bus_wants_frames(const struct mover *mover)
{
	return queue_holds(mover, IN_WAIT) && !overlap_bus_is_fed(mover);
}

static void look_around(struct mover *mover)
{
	mover->overlap->done_upto = fences_done_upto(&mover->fences);
	mover->overlap->newest = fences_newest(&mover->fences);
	advance_leaving(mover);
}

/* A switch takes the processor about as long as a third of its copy takes the bus. So the first
 * goal is that a copy is queued behind the one that crosses, the second that what has arrived
 * can be used, the third to free frames ahead of need. */
void overlap_step(struct mover *mover)
{
	CUstreamCaptureMode mode;

	if (!overlap_busy(mover))
		return;
	mode = captures_relax();
	look_around(mover);
	begin_arrivals(mover);
	while (bus_wants_frames(mover) && switch_one_out(mover))
		begin_arrivals(mover);
	finish_arrivals(mover);
	if (switch_one_out(mover))
		begin_arrivals(mover);
	captures_unrelax(mode);
}

/* A spare frame of that size, of the room there is or of spare frames of other sizes. The lock
 * is given back meanwhile. False: there is neither. */
static bool make_apart(struct mover *mover, unsigned int size_class)
{
	struct frame_pool *pool = &mover->memory->frames;
	struct frame *frame = frame_begin(pool, false, size_class), *spares = NULL;
	bool made = false, given_back;

	if (!frame)
		spares = frame_take_spares(pool, false, frame_bytes(size_class));
	given_back = spares != NULL;
	if (!frame && !given_back)
		return false;
	mover->memory->frame_making = true;
	lock_give(&mover->memory->lock);
	if (frame)
		made = frame_make(pool, frame);
	else
		frames_undo(pool, spares);
	lock_take(&mover->memory->lock);
	mover->memory->frame_making = false;
	if (made)
		frame_give(pool, frame);
	else if (frame)
		frame_cancel(pool, frame);
	frames_end(pool, spares);
	/* The last of what it was for was freed meanwhile. */
	if (!mover->memory->table.block_end)
		frame_release_spare(pool, false, UINT64_MAX);
	return made || given_back;
}

static bool make_for_the_first(struct mover *mover)
{
	struct overlap *overlap = mover->overlap;

	for (size_t i = 0; i < overlap->queued; i++) {
		struct transfer *transfer = &overlap->transfers[overlap->queue[i]];

		if (transfer->state == IN_WAIT &&
		    transfer_work_is_over(mover, transfer_block(mover, transfer)))
			return make_apart(mover, transfer_block(mover, transfer)->size_class);
	}
	return false;
}

static bool step_apart(struct mover *mover)
{
	struct transfer *transfer = NULL;

	look_around(mover);
	if (!begin_in_spares(mover) && bus_wants_frames(mover)) {
		if (make_for_the_first(mover))
			return true;
		if (!mover->overlap) /* nothing moves beside the work any more */
			return false;
		transfer = next_out(mover);
	}
	if (!transfer)
		transfer = next_arrived(mover);
	if (!transfer)
		transfer = next_out(mover);
	if (transfer)
		switch_apart(mover, transfer);
	return transfer != NULL;
}

bool overlap_step_apart(struct mover *mover)
{
	CUstreamCaptureMode mode;
	bool done;

	if (!overlap_busy(mover) || mover->apart)
		return false;
	mode = captures_relax();
	done = step_apart(mover);
	captures_unrelax(mode);
	return done;
}

/* --- what the policy wants
 * ------------------------------------------------------------------------------------
 */

size_t overlap_want(struct mover *mover, const struct policy_action *actions, size_t count)
{
	size_t not_by_overlap = 0;

	for (size_t i = 0; i < count; i++) {
		const struct block *block = &mover->memory->table.blocks[actions[i].block];
		enum block_home home = atomic_load(&block->home);

		if (block->component == NO_BLOCK || block->transfer || block->pins)
			continue;
		if (!transfer_by_evidence(mover, block))
			not_by_overlap +=
			    (actions[i].verb == POLICY_EVICT && home == HOME_DEVICE) ||
			    (actions[i].verb == POLICY_PAGE_IN && home == HOME_HOST &&
			     transfer_work_end_is_unknown(mover, block));
		else if (actions[i].verb == POLICY_EVICT && home == HOME_DEVICE)
			transfer_begin(mover, actions[i].block, OUT_WAIT);
		else if (actions[i].verb == POLICY_PAGE_IN && home == HOME_HOST)
			transfer_begin(mover, actions[i].block, IN_WAIT);
	}
	return not_by_overlap;
}

/* --- what an allocation wants
 * --------------------------------------------------------------------------------------
 */

/* It leaves, or does not come: what it brings is more bytes that may be spare soon. */
static uint64_t give_up_place(struct mover *mover, const struct policy_action *action)
{
	const struct block *block = &mover->memory->table.blocks[action->block];
	struct overlap *overlap = mover->overlap;

	if (block->component == NO_BLOCK)
		return 0;
	if (block->transfer) {
		if (overlap->transfers[block->transfer - 1].state < IN_WAIT)
			return 0;
		stop(mover, &overlap->transfers[block->transfer - 1]);
	} else if (!block->host || !transfer_work_is_over(mover, block) ||
		   overlap_want(mover, action, 1) || !block->transfer) {
		return 0;
	}
	return block_bytes(block);
}

static bool frames_are_coming(const struct mover *mover)
{
	const struct overlap *overlap = mover->overlap;

	for (size_t i = 0; i < overlap->queued; i++) {
		enum transfer_state state = overlap->transfers[overlap->queue[i]].state;

		if ((state > OUT_WAIT && state < OUT_VOID) || state == IN_VOID)
			return true;
	}
	return false;
}

/* Long enough for the copies that are queued and a hash. */
#define PLACE_LOOKS 20000

static bool free_a_place(struct mover *mover, const struct policy_action *actions, size_t count,
			 uint64_t bytes)
{
	struct overlap *overlap = mover->overlap;
	uint64_t given = 0;

	switch_finish(mover);
	overlap->done_upto = fences_done_upto(&mover->fences);
	overlap->newest = fences_newest(&mover->fences);
	finish_arrivals(mover);
	for (size_t i = 0; i < count && given < bytes; i++)
		given += give_up_place(mover, &actions[i]);
	for (int i = 0; given >= bytes && i < PLACE_LOOKS; i++) {
		advance_leaving(mover);
		switch_one_out(mover);
		finish_arrivals(mover);
		if (mover->memory->frames.device_spare_bytes >= bytes)
			return true;
		if (!frames_are_coming(mover))
			return false;
	}
	return false;
}

bool overlap_make_place(struct mover *mover, const struct policy_action *actions, size_t count,
			unsigned int size_class)
{
	CUstreamCaptureMode mode;
	bool free;

	mode = captures_relax();
	free = free_a_place(mover, actions, count, frame_bytes(size_class));
	captures_unrelax(mode);
	return free;
}

/* --- what a launch wants
 * --------------------------------------------------------------------------------------
 */

void overlap_hold(struct mover *mover, const struct component *component,
		  const struct block_set *asked)
{
	struct overlap *overlap = mover->overlap;

	for (size_t i = 0; i < overlap->queued; i++) {
		struct transfer *transfer = &overlap->transfers[overlap->queue[i]];

		if (transfer->state == TRANSFER_NONE ||
		    transfer->block - component->first_block >= component->block_count)
			continue;
		if (transfer->state < IN_WAIT || !block_set_has(asked, transfer->block))
			stop(mover, transfer);
	}
}

size_t overlap_arriving(struct mover *mover, const uint32_t *blocks, size_t count,
			uint32_t *arriving, size_t room)
{
	size_t found = 0;

	if (!overlap_busy(mover))
		return 0;
	for (size_t i = 0; i < count && found < room; i++)
		if (mover->memory->table.blocks[blocks[i]].transfer)
			arriving[found++] = blocks[i];
	return found;
}

uint64_t overlap_wait_until_ns(const struct mover *mover, uint64_t now_ns)
{
	return now_ns + (now_ns < mover->overlap->patient_from_ns
			     ? BRIEF_NS
			     : settings_get()->patience_ns);
}

void overlap_waited_in_vain(struct mover *mover, uint64_t now_ns)
{
	mover->overlap->patient_from_ns = now_ns + BRIEF_FOR_NS;
}

bool overlap_hopeless(struct mover *mover, uint32_t id)
{
	const struct overlap *overlap = mover->overlap;
	const struct block *block = &mover->memory->table.blocks[id];

	if (!block->transfer || overlap->transfers[block->transfer - 1].state != IN_WAIT ||
	    !transfer_work_is_over(mover, block))
		return false;
	for (size_t i = 0; i < overlap->queued; i++) {
		enum transfer_state state = overlap->transfers[overlap->queue[i]].state;

		if (state != TRANSFER_NONE && state != IN_WAIT)
			return false;
	}
	return true;
}

/* --- stopping all
 * -------------------------------------------------------------------------------------------------
 */

void overlap_stop(struct mover *mover, uint32_t id)
{
	const struct block *block = &mover->memory->table.blocks[id];

	if (block->transfer)
		stop(mover, &mover->overlap->transfers[block->transfer - 1]);
}

void overlap_settle(struct mover *mover)
{
	struct overlap *overlap = mover->overlap;
	CUstreamCaptureMode mode;

	if (!overlap_busy(mover))
		return;
	mode = captures_relax();
	real(cuStreamSynchronize)(mover->stream_in);
	real(cuStreamSynchronize)(mover->stream_out);
	real(cuStreamSynchronize)(mover->stream_hash_in);
	real(cuStreamSynchronize)(mover->stream_hash_out);
	captures_unrelax(mode);
	for (size_t i = 0; i < overlap->queued; i++) {
		struct transfer *transfer = &overlap->transfers[overlap->queue[i]];

		if (transfer->state == TRANSFER_NONE)
			continue;
		stop(mover, transfer);
		if (transfer->state == TRANSFER_NONE)
			continue;
		frame_give(&mover->memory->frames, transfer->frame);
		transfer_end(mover, transfer);
	}
}

void overlap_settle_component(struct mover *mover, const struct component *component)
{
	const struct overlap *overlap = mover->overlap;

	for (size_t i = 0; overlap && i < overlap->queued; i++) {
		const struct transfer *transfer = &overlap->transfers[overlap->queue[i]];

		if (transfer->state != TRANSFER_NONE &&
		    transfer->block - component->first_block < component->block_count) {
			overlap_settle(mover);
			return;
		}
	}
}
