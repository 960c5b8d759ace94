#include "memory/prepared_frames.h"

#include "base/lock.h"
#include "order/streams.h"
#include "order/captures.h"

#include <sched.h>

/* Spare, at most: for one allocation that begins in RAM, and for what later leaves in its
 * place. */
#define PREPARED_BYTES ((uint64_t)64 << 20)
#define PREPARED_FRAMES 8

static unsigned int class_of(uint64_t bytes)
{
	unsigned int c = 0;

	while (frame_bytes(c) < bytes)
		c++;
	return c;
}

/* Not before paging has begun, nor when everything is in VRAM. Plain frames are made in a
 * context, and only where nothing moves by overlap. */
static bool is_used(const struct memory *memory)
{
	return memory->prepares_frames && !memory->frames.plain_host &&
	       atomic_load(&memory->cold_blocks) && memory->frames.asked_bytes;
}

uint64_t prepared_frames_kept_bytes(const struct memory *memory)
{
	return is_used(memory) ? PREPARED_BYTES : 0;
}

bool prepared_frames_wanted(const struct memory *memory)
{
	const struct frame_pool *pool = &memory->frames;
	const struct frame *frame;
	unsigned int spare = 0;

	if (!is_used(memory) || memory->frames_refused)
		return false;
	for (frame = pool->spare[true][class_of(pool->asked_bytes)]; frame; frame = frame->next)
		spare++;
	return spare < PREPARED_FRAMES && (spare + 1) * pool->asked_bytes <= PREPARED_BYTES &&
	       pool->host_bytes + pool->asked_bytes <= pool->host_limit_bytes;
}

void prepared_frames_make(struct memory *memory, bool let_go)
{
	struct frame *frame =
	    frame_begin(&memory->frames, true, class_of(memory->frames.asked_bytes));
	CUstreamCaptureMode mode;
	bool made;

	if (!frame)
		return;
	mode = captures_relax();
	if (let_go) {
		memory->frame_making = true;
		lock_give(&memory->lock);
	}
	made = frame_make(&memory->frames, frame);
	if (let_go) {
		lock_take(&memory->lock);
		memory->frame_making = false;
	}
	captures_unrelax(mode);
	if (made) {
		frame_give(&memory->frames, frame);
		/* The last of what it was for was freed meanwhile. */
		if (!memory->table.block_end)
			frame_release_spare(&memory->frames, true, UINT64_MAX);
		return;
	}
	/* The system has no more than the budget says: whoever needs one asks for himself. */
	frame_cancel(&memory->frames, frame);
	memory->frames_refused = true;
}

bool prepared_frames_wait(struct memory *memory)
{
	if (!memory->frame_making)
		return false;
	lock_give(&memory->lock);
	sched_yield();
	lock_take(&memory->lock);
	return true;
}
