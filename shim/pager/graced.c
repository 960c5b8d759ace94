#include "pager/graced.h"

#include "door/driver.h"
#include "pager/content_hash.h"
#include "pager/home.h"
#include "pager/streams.h"
#include "pager/transit.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 256
/* Named so often by launches before it may move beside other work. */
#define NAMED_ENOUGH 3
/* So many later operations must be over too, besides the last that named it. */
#define GRACE 2
/* How often a launch asks whether what it needs has come before it uses it in place. */
#define PATIENCE 20000

enum way {
	WAY_NONE,
	LEAVE_WAIT, /* for the work that named it */
	LEAVE_HASH, /* is it as it came in? */
	LEAVE_COPY,
	LEAVE_VOID,  /* stopped; what was begun runs out */
	ARRIVE_WAIT, /* for a frame, and for work that uses it in place */
	ARRIVE_COPY, /* and the hash of what came */
	ARRIVE_VOID,
};

struct slot {
	enum way way;
	uint32_t block;
	uint64_t order;
	struct frame *frame; /* ARRIVE_COPY, ARRIVE_VOID: the device frame being filled */
	CUevent event;
};

struct graced {
	struct slot slots[SLOTS];
	uint64_t order;
	uint64_t done_upto; /* fences, as last asked */
	size_t busy;
};

struct graced *graced_create(struct pager *pager)
{
	struct graced *graced = calloc(1, sizeof(*graced));

	(void)pager;
	for (size_t i = 0; graced && i < SLOTS; i++)
		if (real(cuEventCreate)(&graced->slots[i].event, CU_EVENT_DISABLE_TIMING) !=
		    CUDA_SUCCESS) {
			free(graced);
			return NULL;
		}
	return graced;
}

void graced_destroy(struct graced *graced)
{
	free(graced);
}

static struct block *block_in(struct pager *pager, const struct slot *slot)
{
	return &pager->table.blocks[slot->block];
}

/* The block is no longer on its way; the slot may still be. */
static void let_go(struct pager *pager, struct slot *slot)
{
	struct block *block = block_in(pager, slot);

	if (block->way == (uint32_t)(slot - pager->graced->slots) + 1)
		block->way = 0;
}

static void end(struct pager *pager, struct slot *slot)
{
	let_go(pager, slot);
	slot->way = WAY_NONE;
	pager->graced->busy--;
}

static void stop(struct pager *pager, struct slot *slot)
{
	struct block *block = block_in(pager, slot);

	switch (slot->way) {
	case LEAVE_WAIT:
	case ARRIVE_WAIT:
		end(pager, slot);
		break;
	case LEAVE_COPY:
		block->hashed = false;
		/* its host frame holds some of each */ /* fall through */
	case LEAVE_HASH:
		let_go(pager, slot);
		slot->way = LEAVE_VOID;
		break;
	case ARRIVE_COPY:
		let_go(pager, slot);
		slot->way = ARRIVE_VOID;
		break;
	default:
		break;
	}
}

static bool by_evidence(const struct pager *pager, const struct block *block)
{
	return !block->barred && !block->pins &&
	       pager->table.components[block->component].named >= NAMED_ENOUGH;
}

/* The fence, and the grace after it, are over; where less than the grace has been launched
 * since, all of that. */
static bool passed(const struct pager *pager, uint64_t fence)
{
	uint64_t until = fence + GRACE;

	if (fence == FENCE_NEVER)
		return false;
	return pager->graced->done_upto >=
	       (until < pager->newest_fence ? until : pager->newest_fence);
}

static bool over(const struct pager *pager, const struct block *block)
{
	return passed(pager, block->fence) &&
	       passed(pager, pager->table.components[block->component].fence);
}

/* --- hashes of single frames, each in a row of the scratch table of its own
 * ---------------------------------- */

#define ROW_BYTES 32 /* address, bytes, two sums */

static CUresult hash_begin(struct pager *pager, struct slot *slot, const struct frame *frame)
{
	size_t index = (size_t)(slot - pager->graced->slots);
	CUdeviceptr row = pager->hash_scratch->alias + GRACED_ROWS_OFFSET + index * ROW_BYTES,
		    sums = row + 16;
	uint64_t *host = pager->hash_host + (GRACED_ROWS_OFFSET + index * ROW_BYTES) / 8;
	void *params[] = {&row, &sums};
	CUresult result;

	host[0] = frame->alias;
	host[1] = frame_bytes(frame->size_class);
	host[2] = host[3] = 0;
	result = real(cuMemcpyHtoDAsync_v2)(row, host, ROW_BYTES, pager->stream_hash);
	if (result == CUDA_SUCCESS)
		result = content_hash_launch(pager, params, host[1], 1, pager->stream_hash);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoHAsync_v2)(host + 2, sums, 16, pager->stream_hash);
	if (result == CUDA_SUCCESS)
		result = real(cuEventRecord)(slot->event, pager->stream_hash);
	return result;
}

static const uint64_t *hash_of(const struct pager *pager, const struct slot *slot)
{
	size_t index = (size_t)(slot - pager->graced->slots);

	return pager->hash_host + (GRACED_ROWS_OFFSET + index * ROW_BYTES) / 8 + 2;
}

/* What was begun and cannot be followed has ended before anything else happens to its frames.
 */
static void give_up(struct pager *pager, struct slot *slot)
{
	real(cuStreamSynchronize)(pager->stream_in);
	real(cuStreamSynchronize)(pager->stream_out);
	real(cuStreamSynchronize)(pager->stream_hash);
	if (slot->way == ARRIVE_COPY || slot->way == ARRIVE_VOID)
		frame_give(&pager->frames, slot->frame);
	block_in(pager, slot)->hashed = false;
	pager->stats.failed_moves++;
	end(pager, slot);
}

/* --- out
 * ----------------------------------------------------------------------------------------------------
 */

static void switch_out(struct pager *pager, struct slot *slot)
{
	struct block *block = block_in(pager, slot);
	uint32_t id = slot->block;

	end(pager, slot);
	if (home_switch(pager, &id, 1, HOME_HOST)) {
		frame_give(&pager->frames, block->device);
		block->device = NULL;
		block->hashed = false;
		block->was_out = true;
		pager->stats.evictions++;
	} else {
		pager->stats.failed_moves++;
	}
	policy_block_moved(pager->policy, id, atomic_load(&block->home) == HOME_DEVICE);
}

static void copy_out(struct pager *pager, struct slot *slot)
{
	struct block *block = block_in(pager, slot);
	CUresult result = real(cuMemcpyAsync)(block->host->alias, block->device->alias,
					      block_bytes(block), pager->stream_out);

	block->hashed = false;
	slot->way = LEAVE_COPY;
	if (result == CUDA_SUCCESS)
		result = real(cuEventRecord)(slot->event, pager->stream_out);
	if (result != CUDA_SUCCESS) {
		give_up(pager, slot);
		return;
	}
	pager->stats.bytes_out += block_bytes(block);
	if (block->was_out)
		pager->stats.bytes_out_again += block_bytes(block);
}

static void begin_leaving(struct pager *pager, struct slot *slot)
{
	struct block *block = block_in(pager, slot);

	if (!over(pager, block))
		return;
	if (!block->host) {
		block->hashed = false;
		block->leaving = true;
		block->host = transit_host_frame(pager, block->size_class);
		block->leaving = false;
	}
	if (!block->host) {
		end(pager, slot);
	} else if (!block->hashed) {
		copy_out(pager, slot);
	} else if (hash_begin(pager, slot, block->device) != CUDA_SUCCESS) {
		slot->way = LEAVE_HASH;
		give_up(pager, slot);
	} else {
		slot->way = LEAVE_HASH;
	}
}

static void after_hash(struct pager *pager, struct slot *slot)
{
	struct block *block = block_in(pager, slot);

	if (!memcmp(hash_of(pager, slot), block->hash, sizeof(block->hash))) {
		pager->stats.clean_evictions++;
		switch_out(pager, slot);
	} else if (!block->named_since_in) {
		/* Changed by work that did not name it: from now on only in windows. */
		block->barred = true;
		end(pager, slot);
	} else {
		copy_out(pager, slot);
	}
}

/* --- in
 * -----------------------------------------------------------------------------------------------------
 */

static void begin_arriving(struct pager *pager, struct slot *slot)
{
	struct block *block = block_in(pager, slot);
	struct frame *frame;
	CUresult result;

	if (!over(pager, block))
		return; /* a kernel may be writing it in place */
	frame = frame_take(&pager->frames, false, block->size_class);
	if (!frame)
		return;
	slot->frame = frame;
	slot->way = ARRIVE_COPY;
	result = real(cuMemcpyAsync)(frame->alias, block->host->alias, block_bytes(block),
				     pager->stream_in);
	/* The hash has a stream of its own: it may have to wait for the program's kernels, the
	 * next copy must not. */
	if (result == CUDA_SUCCESS)
		result = real(cuEventRecord)(slot->event, pager->stream_in);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitEvent)(pager->stream_hash, slot->event, 0);
	if (result == CUDA_SUCCESS)
		result = hash_begin(pager, slot, frame);
	if (result == CUDA_SUCCESS)
		pager->stats.bytes_in += block_bytes(block);
	else
		give_up(pager, slot);
}

static void switch_in(struct pager *pager, struct slot *slot)
{
	struct block *block = block_in(pager, slot);
	uint32_t id = slot->block;

	block->device = slot->frame;
	memcpy(block->hash, hash_of(pager, slot), sizeof(block->hash));
	end(pager, slot);
	if (home_switch(pager, &id, 1, HOME_DEVICE)) {
		block->hashed = true;
		block->named_since_in = false;
		pager->stats.page_ins++;
	} else {
		frame_give(&pager->frames, block->device);
		block->device = NULL;
		pager->stats.failed_moves++;
	}
	policy_block_moved(pager->policy, id, atomic_load(&block->home) == HOME_DEVICE);
}

/* --- steps
 * --------------------------------------------------------------------------------------------------
 */

static void step(struct pager *pager, struct slot *slot)
{
	CUresult result;

	switch (slot->way) {
	case WAY_NONE:
		return;
	case LEAVE_WAIT:
		begin_leaving(pager, slot);
		return;
	case ARRIVE_WAIT:
		begin_arriving(pager, slot);
		return;
	default:
		break;
	}
	result = real(cuEventQuery)(slot->event);
	if (result == CUDA_ERROR_NOT_READY)
		return;
	if (result != CUDA_SUCCESS) {
		give_up(pager, slot);
		return;
	}
	switch (slot->way) {
	case LEAVE_HASH:
		after_hash(pager, slot);
		break;
	case LEAVE_COPY:
		switch_out(pager, slot);
		break;
	case ARRIVE_COPY:
		switch_in(pager, slot);
		break;
	case ARRIVE_VOID:
		frame_give(&pager->frames, slot->frame); /* fall through */
	default:
		end(pager, slot);
		break;
	}
}

/* In the order in which they were asked for: what leaves first frees what arrives first. */
void graced_step(struct pager *pager)
{
	struct graced *graced = pager->graced;
	uint64_t after = 0;

	if (!graced->busy)
		return;
	graced->done_upto = fences_done_upto(&pager->fences);
	pager->newest_fence = fences_newest(&pager->fences);
	for (;;) {
		struct slot *next = NULL;

		for (size_t i = 0; i < SLOTS; i++)
			if (graced->slots[i].way != WAY_NONE &&
			    graced->slots[i].order > after &&
			    (!next || graced->slots[i].order < next->order))
				next = &graced->slots[i];
		if (!next)
			return;
		after = next->order;
		step(pager, next);
	}
}

static struct slot *slot_for(struct pager *pager, uint32_t id, enum way way)
{
	struct graced *graced = pager->graced;

	for (size_t i = 0; i < SLOTS; i++) {
		if (graced->slots[i].way != WAY_NONE)
			continue;
		graced->slots[i].way = way;
		graced->slots[i].block = id;
		graced->slots[i].order = ++graced->order;
		graced->slots[i].frame = NULL;
		graced->busy++;
		pager->table.blocks[id].way = (uint32_t)i + 1;
		return &graced->slots[i];
	}
	return NULL;
}

size_t graced_want(struct pager *pager, const struct policy_action *actions, size_t count)
{
	size_t not_by_grace = 0;

	for (size_t i = 0; i < count; i++) {
		const struct block *block = &pager->table.blocks[actions[i].block];
		enum block_home home = atomic_load(&block->home);

		if (block->component == NO_BLOCK || block->way || block->pins)
			continue;
		if (!by_evidence(pager, block))
			not_by_grace += actions[i].verb == POLICY_EVICT && home == HOME_DEVICE;
		else if (actions[i].verb == POLICY_EVICT && home == HOME_DEVICE)
			slot_for(pager, actions[i].block, LEAVE_WAIT);
		else if (actions[i].verb == POLICY_PAGE_IN && home == HOME_HOST)
			slot_for(pager, actions[i].block, ARRIVE_WAIT);
	}
	return not_by_grace;
}

/* It needs a frame, and nothing that is leaving will make one free. */
static bool hopeless(const struct pager *pager, const struct block *block)
{
	const struct graced *graced = pager->graced;

	if (graced->slots[block->way - 1].way != ARRIVE_WAIT || !over(pager, block))
		return false;
	for (size_t i = 0; i < SLOTS; i++)
		if (graced->slots[i].way != WAY_NONE && graced->slots[i].way != ARRIVE_WAIT)
			return false;
	return true;
}

/* Waits until the block is there or no longer on its way. False: patience is at an end. */
static bool await(struct pager *pager, const struct block *block, unsigned int *patience)
{
	while (block->way) {
		if (!*patience || hopeless(pager, block))
			return false;
		--*patience;
		graced_step(pager);
		if (block->way)
			sched_yield();
	}
	return true;
}

void graced_stop(struct pager *pager, uint32_t id)
{
	const struct block *block = &pager->table.blocks[id];

	if (block->way)
		stop(pager, &pager->graced->slots[block->way - 1]);
}

void graced_hold(struct pager *pager, const struct component *component)
{
	struct graced *graced = pager->graced;

	if (!graced->busy)
		return;
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &graced->slots[i];

		if (slot->way == WAY_NONE ||
		    slot->block - component->first_block >= component->block_count)
			continue;
		if (slot->way < ARRIVE_WAIT || pager->named_mark[slot->block] != pager->epoch)
			stop(pager, slot);
	}
}

void graced_await(struct pager *pager, const uint32_t *blocks, size_t count)
{
	unsigned int patience = streams_capturing() ? 0 : PATIENCE;

	for (size_t i = 0; i < count; i++) {
		const struct block *block = &pager->table.blocks[blocks[i]];

		if (block->way && !await(pager, block, &patience))
			graced_stop(pager, blocks[i]);
	}
}

void graced_settle(struct pager *pager)
{
	struct graced *graced = pager->graced;

	if (!graced || !graced->busy)
		return;
	real(cuStreamSynchronize)(pager->stream_in);
	real(cuStreamSynchronize)(pager->stream_out);
	real(cuStreamSynchronize)(pager->stream_hash);
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &graced->slots[i];

		if (slot->way == WAY_NONE)
			continue;
		stop(pager, slot);
		if (slot->way == ARRIVE_VOID)
			frame_give(&pager->frames, slot->frame);
		if (slot->way != WAY_NONE)
			end(pager, slot);
	}
}
