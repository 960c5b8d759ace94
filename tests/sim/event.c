/* Events: a record is an operation whose end the event remembers. */
#include "sim.h"

#include "capture.h"
#include "manner.h"
#include "pool.h"

#include <stdlib.h>

static bool nothing(struct sim_op *op)
{
	(void)op;
	return true;
}

static struct CUevent_st
    *spare_events; /* never given back: a stale handle must answer, not crash */

SIM_EXPORT CUresult cuEventCreate(CUevent *out, unsigned int flags)
{
	CUevent event;

	SIM_CALL();
	if (!out || flags > 7)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	event = spare_events;
	if (event)
		spare_events = event->next_spare;
	else
		event = calloc(1, sizeof(*event));
	if (!event)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	event->flags = flags;
	event->context = sim_context();
	event->mark = NULL;
	event->live = true;
	*out = event;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuEventDestroy_v2(CUevent event)
{
	SIM_CALL();
	if (!event || !event->live)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	sim_mark_drop(event->mark);
	event->mark = NULL;
	event->live = false;
	event->next_spare = spare_events;
	spare_events = event;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuEventRecord(CUevent event, CUstream handle)
{
	CUstream stream;
	struct sim_op *op;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream || !event || !event->live || event->context != stream->context)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	if (sim_capturing(sim_stream_named(handle)))
		SIM_ANSWER(sim_capture_record(sim_stream_named(handle), event));
	sim_capture_event_forget(event);
	op = sim_op_new(SIM_NO_ENGINE, nothing, NULL);
	if (!op)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	op->duration_ns = sim_manners.event_ns;
	op->keeps_primary = sim_manners.dependent_past_event;
	sim_mark_drop(event->mark);
	event->mark = sim_mark_hold(op->mark);
	sim_enqueue(stream, op);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuEventRecordWithFlags(CUevent event, CUstream handle, unsigned int flags)
{
	SIM_CALL();
	(void)flags;
	SIM_ANSWER(cuEventRecord(event, handle));
}

SIM_EXPORT CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned int flags)
{
	CUstream stream;
	struct sim_op *op;
	bool captured;
	CUresult result;

	SIM_CALL();
	(void)flags;
	stream = sim_stream(handle);
	if (!stream || !event || !event->live)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	result = sim_capture_wait(sim_stream_named(handle), event, &captured);
	if (captured || result != CUDA_SUCCESS)
		SIM_ANSWER(result);
	if (!event->mark)
		SIM_ANSWER(CUDA_SUCCESS);
	op = sim_op_new(SIM_NO_ENGINE, nothing, NULL);
	if (!op)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	op->duration_ns = sim_manners.wait_ns;
	sim_op_wait_for(op, event->mark);
	sim_enqueue(stream, op);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuEventQuery(CUevent event)
{
	SIM_CALL();
	if (!event || !event->live)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	if (sim_capture_event_captured(event))
		SIM_ANSWER(CUDA_ERROR_CAPTURED_EVENT);
	if (sim_capture_unsafe() != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	sim_polled();
	if (event->mark && !sim_ended(event->mark)) {
		sim_host_spend(SIM_NOT_YET_NS);
		SIM_ANSWER(event->context->sticky ? event->context->sticky
						  : CUDA_ERROR_NOT_READY);
	}
	SIM_ANSWER(event->context->sticky);
}

SIM_EXPORT CUresult cuEventSynchronize(CUevent event)
{
	SIM_CALL();
	if (!event || !event->live)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	if (sim_capture_event_captured(event))
		SIM_ANSWER(CUDA_ERROR_CAPTURED_EVENT);
	if (event->mark)
		sim_wait_mark(event->mark);
	sim_pool_reap();
	SIM_ANSWER(event->context->sticky);
}

SIM_EXPORT CUresult cuEventElapsedTime_v2(float *ms, CUevent from, CUevent to)
{
	SIM_CALL();
	if (!ms)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (!from || !to || !from->live || !to->live || !from->mark || !to->mark ||
	    ((from->flags | to->flags) & CU_EVENT_DISABLE_TIMING))
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	if (!sim_ended(from->mark) || !sim_ended(to->mark))
		SIM_ANSWER(CUDA_ERROR_NOT_READY);
	*ms = (float)((to->mark->end_ns - from->mark->end_ns) / 1e6);
	SIM_ANSWER(CUDA_SUCCESS);
}

#undef cuEventElapsedTime
SIM_EXPORT CUresult cuEventElapsedTime(float *ms, CUevent from, CUevent to)
{
	SIM_CALL();
	SIM_ANSWER(cuEventElapsedTime_v2(ms, from, to));
}
