/* Contexts: primary and made ones, and each thread's stack of current ones. */
#include "sim.h"

#include "capture.h"
#include "pool.h"

#include <stdlib.h>

#define STACK 64

static struct CUctx_st primaries[SIM_DEVICES]; /* guarded by the lock */
static struct made {
	struct CUctx_st context;
	struct made *next;
} * made_contexts; /* never freed: a stale handle must answer, not crash */
static _Thread_local CUcontext stack[STACK];
static _Thread_local int top;

CUcontext sim_context(void)
{
	return top ? stack[top - 1] : NULL;
}

bool sim_context_known(CUcontext context)
{
	for (int i = 0; i < SIM_DEVICES; i++)
		if (context == &primaries[i])
			return context->alive;
	for (struct made *m = made_contexts; m; m = m->next)
		if (context == &m->context)
			return context->alive;
	return false;
}

static CUresult start(CUcontext context, int device, unsigned int flags)
{
	context->device = device;
	context->flags = flags;
	context->sticky = CUDA_SUCCESS;
	context->legacy = sim_stream_new(context, CU_STREAM_DEFAULT);
	if (!context->legacy)
		return CUDA_ERROR_OUT_OF_MEMORY;
	context->legacy->legacy = true;
	context->alive = true;
	return CUDA_SUCCESS;
}

/* Its work ends, then its memory and its streams go. */
static void end(CUcontext context)
{
	struct CUstream_st *stream = sim_streams, *next;

	sim_wait_context(context);
	sim_pool_reap();
	sim_forget_context_memory(context);
	sim_forget_context_modules(context);
	sim_peer_forget(context);
	context->alive = false;
	for (; stream; stream = next) {
		next = stream->next;
		if (stream->context == context)
			sim_drop_stream(stream);
	}
	context->legacy = NULL;
}

static CUresult push(CUcontext context)
{
	if (top == STACK)
		return CUDA_ERROR_OUT_OF_MEMORY;
	stack[top++] = context;
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device)
{
	CUresult result = CUDA_SUCCESS;

	SIM_CALL_ANYWHERE();
	if (!out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (device < 0 || device >= sim_config.devices)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	primaries[device].primary = true;
	if (!primaries[device].alive)
		result = start(&primaries[device], device, primaries[device].flags);
	if (result == CUDA_SUCCESS) {
		primaries[device].references++;
		*out = &primaries[device];
	}
	SIM_ANSWER(result);
}

SIM_EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (device < 0 || device >= sim_config.devices)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	if (!primaries[device].alive)
		SIM_ANSWER(CUDA_ERROR_INVALID_CONTEXT);
	if (--primaries[device].references == 0)
		end(&primaries[device]);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (device < 0 || device >= sim_config.devices)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	if (primaries[device].alive) {
		end(&primaries[device]);
		primaries[device].references = 0;
	}
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDevicePrimaryCtxReset(CUdevice device)
{
	return cuDevicePrimaryCtxReset_v2(device);
}

SIM_EXPORT CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned int *flags,
					       int *active)
{
	SIM_CALL_ANYWHERE();
	if (device < 0 || device >= sim_config.devices)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	if (!flags || !active)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*flags = primaries[device].flags;
	*active = primaries[device].alive;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags)
{
	SIM_CALL_ANYWHERE();
	if (device < 0 || device >= sim_config.devices)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	primaries[device].flags = flags;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxCreate_v2(CUcontext *out, unsigned int flags, CUdevice device)
{
	struct made *m;
	CUresult result;

	SIM_CALL_ANYWHERE();
	if (!out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (device < 0 || device >= sim_config.devices)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	m = calloc(1, sizeof(*m));
	if (!m)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	result = start(&m->context, device, flags);
	if (result == CUDA_SUCCESS)
		result = push(&m->context);
	if (result != CUDA_SUCCESS) {
		free(m);
		SIM_ANSWER(result);
	}
	m->next = made_contexts;
	made_contexts = m;
	*out = &m->context;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxCreate_v4(CUcontext *out, CUctxCreateParams *params,
				   unsigned int flags, CUdevice device)
{
	(void)params;
	return cuCtxCreate_v2(out, flags, device);
}

SIM_EXPORT CUresult cuCtxDestroy_v2(CUcontext context)
{
	SIM_CALL_ANYWHERE();
	if (!sim_context_known(context) || context->primary)
		SIM_ANSWER(CUDA_ERROR_INVALID_CONTEXT);
	end(context);
	if (top && stack[top - 1] == context)
		top--;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxSetCurrent(CUcontext context)
{
	SIM_CALL_ANYWHERE();
	if (context && !sim_context_known(context))
		SIM_ANSWER(CUDA_ERROR_INVALID_CONTEXT);
	if (top)
		top--;
	SIM_ANSWER(context ? push(context) : CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxGetCurrent(CUcontext *out)
{
	SIM_CALL_ANYWHERE();
	if (!out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*out = sim_context();
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxPushCurrent_v2(CUcontext context)
{
	SIM_CALL_ANYWHERE();
	SIM_ANSWER(sim_context_known(context) ? push(context) : CUDA_ERROR_INVALID_CONTEXT);
}

SIM_EXPORT CUresult cuCtxPopCurrent_v2(CUcontext *out)
{
	SIM_CALL_ANYWHERE();
	if (!top)
		SIM_ANSWER(CUDA_ERROR_INVALID_CONTEXT);
	top--;
	if (out)
		*out = stack[top];
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxGetDevice(CUdevice *out)
{
	SIM_CALL();
	if (!out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*out = sim_context()->device;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxGetFlags(unsigned int *out)
{
	SIM_CALL();
	if (!out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*out = sim_context()->flags;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxGetId(CUcontext context, unsigned long long *id)
{
	SIM_CALL_ANYWHERE();
	if (!context)
		context = sim_context();
	if (!sim_context_known(context) || !id)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*id = (unsigned long long)(uintptr_t)context;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxGetApiVersion(CUcontext context, unsigned int *version)
{
	SIM_CALL_ANYWHERE();
	if (!version || (context && !sim_context_known(context)))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*version = 3020;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxSynchronize(void)
{
	SIM_CALL();
	if (sim_capture_unsafe() != CUDA_SUCCESS ||
	    sim_capture_forbid_context(sim_context()) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	sim_wait_context(sim_context());
	sim_pool_reap();
	SIM_ANSWER(sim_context()->sticky);
}

SIM_EXPORT CUresult cuCtxGetLimit(size_t *value, CUlimit limit)
{
	SIM_CALL();
	if (!value || limit >= CU_LIMIT_MAX)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*value = limit == CU_LIMIT_STACK_SIZE ? 1024 : 8 << 20;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxSetLimit(CUlimit limit, size_t value)
{
	SIM_CALL();
	(void)value;
	SIM_ANSWER(limit >= CU_LIMIT_MAX ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
	SIM_CALL();
	if (least)
		*least = 0;
	if (greatest)
		*greatest = -5;
	SIM_ANSWER(CUDA_SUCCESS);
}
