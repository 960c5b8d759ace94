/* Streams: making them, waiting for them, asking about them, and host functions in them. */
#include "sim.h"

#include "capture.h"
#include "manner.h"
#include "pool.h"

#include <stdlib.h>

struct CUstream_st *sim_streams; /* guarded by the lock */
static unsigned long long next_id = 1;
_Thread_local bool sim_default_is_per_thread;
static _Thread_local char this_thread; /* its address names the thread */

CUstream sim_stream_new(struct CUctx_st *context, unsigned int flags)
{
	CUstream stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->context = context;
	stream->flags = flags;
	stream->id = next_id++;
	stream->next = sim_streams;
	sim_streams = stream;
	return stream;
}

bool sim_drop_stream(CUstream stream)
{
	for (CUstream *link = &sim_streams; *link; link = &(*link)->next)
		if (*link == stream) {
			*link = stream->next;
			sim_mark_drop(stream->last);
			sim_mark_drop(stream->primary);
			free(stream);
			return true;
		}
	return false;
}

static CUstream per_thread(CUcontext context)
{
	CUstream stream = sim_streams;

	while (stream && !(stream->context == context && stream->per_thread == &this_thread))
		stream = stream->next;
	if (!stream) {
		stream = sim_stream_new(context, CU_STREAM_DEFAULT);
		if (stream)
			stream->per_thread = &this_thread;
	}
	return stream;
}

CUstream sim_stream(CUstream handle)
{
	CUcontext context = sim_context();
	CUstream stream = sim_streams;

	if (!context)
		return NULL;
	if (handle == CU_STREAM_PER_THREAD || (!handle && sim_default_is_per_thread))
		return per_thread(context);
	if (!handle || handle == CU_STREAM_LEGACY)
		return context->legacy;
	while (stream && (stream != handle || stream->destroyed))
		stream = stream->next;
	if (!stream)
		sim_count(SIM_UNKNOWN_STREAMS, 1);
	return stream;
}

CUstream sim_stream_named(CUstream handle)
{
	if (!handle)
		return sim_default_is_per_thread ? CU_STREAM_PER_THREAD : NULL;
	return handle;
}

SIM_EXPORT CUresult cuStreamCreateWithPriority(CUstream *out, unsigned int flags, int priority)
{
	CUstream stream;

	SIM_CALL();
	if (!out || (flags & ~(unsigned int)CU_STREAM_NON_BLOCKING))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	stream = sim_stream_new(sim_context(), flags);
	if (!stream)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	stream->priority = priority < -5 ? -5 : priority > 0 ? 0 : priority;
	*out = stream;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuStreamCreate(CUstream *out, unsigned int flags)
{
	SIM_CALL();
	SIM_ANSWER(cuStreamCreateWithPriority(out, flags, 0));
}

SIM_EXPORT CUresult cuStreamDestroy_v2(CUstream handle)
{
	CUstream stream;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream || stream->legacy || stream->per_thread)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	if (sim_capturing(handle))
		SIM_ANSWER(sim_capture_forbid(handle));
	stream->destroyed = true;
	if (!stream->head)
		sim_drop_stream(stream);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuStreamDestroy(CUstream handle)
{
	return cuStreamDestroy_v2(handle);
}

SIM_EXPORT CUresult cuStreamSynchronize(CUstream handle)
{
	CUstream stream;
	CUresult result;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	result = sim_capture_forbid(sim_stream_named(handle));
	if (result != CUDA_SUCCESS)
		SIM_ANSWER(result);
	if (stream->legacy)
		for (CUstream other = sim_streams; other; other = other->next)
			if (other->context == stream->context &&
			    !(other->flags & CU_STREAM_NON_BLOCKING) && sim_capturing(other))
				SIM_ANSWER(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	result = sim_wait_stream(stream);
	sim_pool_reap();
	SIM_ANSWER(result);
}

SIM_EXPORT CUresult cuStreamQuery(CUstream handle)
{
	CUstream stream;
	CUresult result;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	result = sim_capture_forbid(sim_stream_named(handle));
	if (result == CUDA_SUCCESS)
		result = sim_capture_unsafe();
	if (result != CUDA_SUCCESS)
		SIM_ANSWER(result);
	sim_polled();
	if (stream->last && !sim_ended(stream->last)) {
		sim_host_spend(SIM_NOT_YET_NS);
		SIM_ANSWER(stream->context->sticky ? stream->context->sticky
						   : CUDA_ERROR_NOT_READY);
	}
	SIM_ANSWER(stream->context->sticky);
}

SIM_EXPORT CUresult cuStreamGetFlags(CUstream handle, unsigned int *flags)
{
	CUstream stream;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream || !flags)
		SIM_ANSWER(stream ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE);
	*flags = stream->flags;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuStreamGetPriority(CUstream handle, int *priority)
{
	CUstream stream;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream || !priority)
		SIM_ANSWER(stream ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE);
	*priority = stream->priority;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuStreamGetCtx(CUstream handle, CUcontext *context)
{
	CUstream stream;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream || !context)
		SIM_ANSWER(stream ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE);
	*context = stream->context;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuStreamGetId(CUstream handle, unsigned long long *id)
{
	CUstream stream;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream || !id)
		SIM_ANSWER(stream ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE);
	*id = stream->id;
	SIM_ANSWER(CUDA_SUCCESS);
}

/* --- host functions, waits on memory
 * ---------------------------------------------------------------- */

struct host_work {
	CUhostFn function;
	CUstreamCallback callback;
	CUstream stream;
	void *data;
};

static bool run_host(struct sim_op *op)
{
	struct host_work *work = op->data;

	sim_in_host_function = true;
	if (work->function)
		work->function(work->data);
	else
		work->callback(work->stream, op->stream->context->sticky, work->data);
	sim_in_host_function = false;
	return true;
}

static CUresult enqueue_host(CUstream stream, struct host_work work)
{
	struct host_work *kept = malloc(sizeof(*kept));
	struct sim_op *op = kept ? sim_op_new(SIM_NO_ENGINE, run_host, kept) : NULL;

	if (!op) {
		free(kept);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*kept = work;
	op->duration_ns = 1000;
	/* Unlike a host function, a callback is called after an error too. */
	op->despite_error = work.callback != NULL;
	sim_enqueue(stream, op);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuLaunchHostFunc(CUstream handle, CUhostFn function, void *data)
{
	CUstream stream;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream || !function)
		SIM_ANSWER(stream ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE);
	if (sim_capturing(sim_stream_named(handle)))
		SIM_ANSWER(sim_capture_host(sim_stream_named(handle),
					    &(CUDA_HOST_NODE_PARAMS){function, data}));
	SIM_ANSWER(enqueue_host(stream, (struct host_work){function, NULL, handle, data}));
}

SIM_EXPORT CUresult cuStreamAddCallback(CUstream handle, CUstreamCallback callback, void *data,
					unsigned int flags)
{
	CUstream stream;
	CUresult result;

	SIM_CALL();
	stream = sim_stream(handle);
	if (!stream || !callback || flags)
		SIM_ANSWER(stream ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE);
	result = sim_capture_forbid(sim_stream_named(handle));
	if (result != CUDA_SUCCESS)
		SIM_ANSWER(result);
	SIM_ANSWER(enqueue_host(stream, (struct host_work){NULL, callback, handle, data}));
}

struct memory_value {
	CUdeviceptr address;
	uint64_t value;
	bool wide;
	unsigned int flags;
};

static bool reached(struct sim_op *op)
{
	const struct memory_value *wanted = op->data;
	uint64_t now, mask = wanted->wide ? UINT64_MAX : UINT32_MAX,
		      value = wanted->value & mask;

	sim_touch(op, wanted->address, wanted->wide ? 8 : 4, false);
	if (wanted->wide)
		now = *(const volatile uint64_t *)(uintptr_t)wanted->address;
	else
		now = *(const volatile uint32_t *)(uintptr_t)wanted->address;
	switch (wanted->flags & 3) {
	case CU_STREAM_WAIT_VALUE_GEQ:
		return wanted->wide ? (int64_t)(now - value) >= 0 : (int32_t)(now - value) >= 0;
	case CU_STREAM_WAIT_VALUE_EQ:
		return now == value;
	case CU_STREAM_WAIT_VALUE_AND:
		return (now & value) != 0;
	default:
		return (~(now | value) & mask) != 0;
	}
}

static bool nothing(struct sim_op *op)
{
	(void)op;
	return true;
}

static bool write_value(struct sim_op *op)
{
	const struct memory_value *value = op->data;

	sim_touch(op, value->address, value->wide ? 8 : 4, true);
	if (value->wide)
		*(volatile uint64_t *)(uintptr_t)value->address = value->value;
	else
		*(volatile uint32_t *)(uintptr_t)value->address = (uint32_t)value->value;
	return true;
}

static CUresult memory_operation(CUstream handle, struct memory_value value, bool wait)
{
	CUstream stream = sim_stream(handle);
	size_t bytes = value.wide ? 8 : 4;
	uint64_t in_vram = 0, in_ram = 0;
	struct memory_value *kept;
	struct sim_op *op;

	if (!stream)
		return CUDA_ERROR_INVALID_HANDLE;
	if (value.address % bytes || !sim_accessible(stream->context->device, value.address,
						     bytes, true, &in_vram, &in_ram))
		return CUDA_ERROR_INVALID_VALUE;
	if (sim_capture_forbid(sim_stream_named(handle)) != CUDA_SUCCESS)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	kept = malloc(sizeof(*kept));
	op = kept ? sim_op_new(SIM_NO_ENGINE, wait ? nothing : write_value, kept) : NULL;
	if (!op) {
		free(kept);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*kept = value;
	if (wait)
		op->may_start = reached;
	sim_enqueue(stream, op);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuStreamWaitValue32_v2(CUstream handle, CUdeviceptr address,
					   cuuint32_t value, unsigned int flags)
{
	SIM_CALL();
	SIM_ANSWER(memory_operation(handle, (struct memory_value){address, value, false, flags},
				    true));
}

SIM_EXPORT CUresult cuStreamWaitValue64_v2(CUstream handle, CUdeviceptr address,
					   cuuint64_t value, unsigned int flags)
{
	SIM_CALL();
	SIM_ANSWER(
	    memory_operation(handle, (struct memory_value){address, value, true, flags}, true));
}

SIM_EXPORT CUresult cuStreamWriteValue32_v2(CUstream handle, CUdeviceptr address,
					    cuuint32_t value, unsigned int flags)
{
	SIM_CALL();
	SIM_ANSWER(memory_operation(handle, (struct memory_value){address, value, false, flags},
				    false));
}

SIM_EXPORT CUresult cuStreamWriteValue64_v2(CUstream handle, CUdeviceptr address,
					    cuuint64_t value, unsigned int flags)
{
	SIM_CALL();
	SIM_ANSWER(memory_operation(handle, (struct memory_value){address, value, true, flags},
				    false));
}
