#include "order/fence.h"

#include "driver/driver.h"
#include "order/captures.h"

#include <string.h>

void fences_init(struct fences *fences)
{
	memset(fences, 0, sizeof(*fences));
	lock_init(&fences->lock, RANK_FENCES);
	fences->next = 1;
}

void fences_finish(struct fences *fences)
{
	lock_take(&fences->lock);
	memset(fences->ring, 0, sizeof(fences->ring));
	fences->next = 1;
	fences->done_upto = 0;
	lock_give(&fences->lock);
}

/* The lock is held. In order: one that is not over hides those behind it, which errs towards
 * waiting. */
static void advance(struct fences *fences)
{
	CUstreamCaptureMode mode = captures_relax();

	while (fences->done_upto + 1 < fences->next) {
		uint64_t serial = fences->done_upto + 1;
		enum fence_state state = fences->ring[serial % FENCES].state;

		if (state == FENCE_RECORDED &&
		    real(cuEventQuery)(fences->ring[serial % FENCES].event) == CUDA_SUCCESS)
			state = FENCE_DONE;
		if (state != FENCE_DONE)
			break;
		fences->ring[serial % FENCES].state = FENCE_NONE;
		fences->done_upto = serial;
	}
	captures_unrelax(mode);
}

uint64_t fence_open(struct fences *fences)
{
	uint64_t serial = 0;

	lock_take(&fences->lock);
	if (fences->next - fences->done_upto >= FENCES)
		advance(fences);
	if (fences->next - fences->done_upto < FENCES) {
		serial = fences->next++;
		fences->ring[serial % FENCES].state = FENCE_OPEN;
	}
	lock_give(&fences->lock);
	return serial;
}

/* An event of another context, where the work before was another card's, is of no use here. */
static bool record(CUevent *event, CUstream stream)
{
	if (*event && real(cuEventRecord)(*event, stream) == CUDA_SUCCESS)
		return true;
	if (*event)
		real(cuEventDestroy_v2)(*event);
	*event = NULL;
	return real(cuEventCreate)(event, CU_EVENT_DISABLE_TIMING) == CUDA_SUCCESS &&
	       real(cuEventRecord)(*event, stream) == CUDA_SUCCESS;
}

void fence_close(struct fences *fences, uint64_t serial, CUstream stream, bool over)
{
	CUevent *event = &fences->ring[serial % FENCES].event;
	enum fence_state state = FENCE_DONE;

	if (!serial)
		return;
	lock_take(&fences->lock);
	if (!over) {
		/* Without an event it stays open, and nothing it names moves any more but in a
		 * window. */
		state = FENCE_OPEN;
		if (record(event, stream))
			state = FENCE_RECORDED;
	}
	fences->ring[serial % FENCES].state = state;
	lock_give(&fences->lock);
}

uint64_t fences_done_upto(struct fences *fences)
{
	uint64_t serial;

	lock_take(&fences->lock);
	advance(fences);
	serial = fences->done_upto;
	lock_give(&fences->lock);
	return serial;
}

uint64_t fences_newest(struct fences *fences)
{
	uint64_t serial;

	lock_take(&fences->lock);
	serial = fences->next - 1;
	lock_give(&fences->lock);
	return serial;
}
