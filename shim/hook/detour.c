#include "hook/detour.h"

#include "driver/driver.h"
#include "pager/copy_kernel.h"
#include "order/streams.h"
#include "order/contexts.h"

bool detour_needed(CUdeviceptr address)
{
	const struct pager *pager;
	CUdevice device;

	if (!contexts_on_many_devices() || !pager_may_hold(address))
		return false;
	pager = pager_of(address);
	return pager && real(cuCtxGetDevice)(&device) == CUDA_SUCCESS &&
	       device != pager->memory.device;
}

static CUevent event_in(CUstream stream)
{
	CUevent event = NULL;

	if (real(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS)
		return NULL;
	if (real(cuEventRecord)(event, stream) == CUDA_SUCCESS)
		return event;
	real(cuEventDestroy_v2)(event);
	return NULL;
}

/* `waits`, whose context is the current one, waits for all that is in `stream` by now: for
 * `event`, or here and now if there is none. */
static void stream_follow(CUstream waits, CUstream stream, CUevent event)
{
	if (!event || real(cuStreamWaitEvent)(waits, event, 0) != CUDA_SUCCESS)
		real(cuStreamSynchronize)(stream);
}

static bool context_enter(const struct pager *pager)
{
	return real(cuCtxPushCurrent_v2)(pager->memory.context) == CUDA_SUCCESS;
}

static void context_leave(void)
{
	real(cuCtxPopCurrent_v2)(NULL);
}

static CUresult add_carrier(struct detour *detour, CUdeviceptr address, CUevent before)
{
	struct pager *pager = pager_of(address);
	CUstream carrier;
	CUresult result;

	if (!pager || (detour->count && detour->by[0].pager == pager))
		return CUDA_SUCCESS;
	if (!context_enter(pager))
		return CUDA_ERROR_INVALID_CONTEXT;
	result = real(cuStreamCreate)(&carrier, CU_STREAM_NON_BLOCKING);
	if (result == CUDA_SUCCESS) {
		streams_created(carrier);
		detour->by[detour->count].pager = pager;
		detour->by[detour->count++].carrier = carrier;
		result = real(cuStreamWaitEvent)(carrier, before, 0);
	}
	context_leave();
	return result;
}

CUresult detour_begin(struct detour *detour, CUstream stream, CUdeviceptr one,
		      CUdeviceptr other)
{
	CUevent before = event_in(stream);
	CUresult result = CUDA_SUCCESS;

	*detour = (struct detour){.stream = stream};
	if (!before)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = add_carrier(detour, one, before);
	if (result == CUDA_SUCCESS)
		result = add_carrier(detour, other, before);
	real(cuEventDestroy_v2)(before);
	if (result != CUDA_SUCCESS)
		detour_end(detour, NULL);
	return result;
}

/* The carrier whose card owns the address; -1: none of them. */
static int carrier_of(const struct detour *detour, CUdeviceptr address)
{
	const struct pager *pager = pager_of(address);

	for (unsigned int i = 0; i < detour->count; i++)
		if (detour->by[i].pager == pager)
			return (int)i;
	return -1;
}

static CUcontext context_of(CUdeviceptr address)
{
	const struct pager *pager = pager_of(address);
	CUcontext context = NULL;

	if (pager)
		return pager->memory.context;
	if (real(cuPointerGetAttribute)(&context, CU_POINTER_ATTRIBUTE_CONTEXT, address) !=
	    CUDA_SUCCESS)
		context = NULL;
	return context;
}

CUresult detour_copy(const struct detour *detour, const struct detour_side *dst,
		     const struct detour_side *src, size_t bytes, bool ram_to_ram)
{
	CUcontext to = dst->host ? NULL : context_of(dst->at),
		  from = src->host ? NULL : context_of(src->at);
	int by = carrier_of(detour, dst->host ? src->at : dst->at);
	struct pager *pager;
	CUstream carrier;
	CUresult result;

	if (by < 0)
		by = carrier_of(detour, dst->host ? dst->at : src->at);
	if (by < 0)
		by = 0;
	pager = detour->by[by].pager;
	carrier = detour->by[by].carrier;
	if (!context_enter(pager))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (to && from && to != from)
		result = real(cuMemcpyPeerAsync)
			     ? real(cuMemcpyPeerAsync)(dst->reached, to, src->reached, from,
						       bytes, carrier)
			     : CUDA_ERROR_NOT_SUPPORTED;
	else if (ram_to_ram && copy_kernel_can(pager))
		result = copy_kernel_launch(
		    pager, &(struct copy_rows){dst->reached, src->reached, 0, 0, bytes, 1},
		    carrier);
	else
		result = real(cuMemcpyAsync)(dst->reached, src->reached, bytes, carrier);
	context_leave();
	return result;
}

CUresult detour_memset(const struct detour *detour, CUdeviceptr start, unsigned int unit,
		       unsigned int value, size_t bytes)
{
	CUstream carrier = detour->by[0].carrier;
	CUresult result;

	if (!context_enter(detour->by[0].pager))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (unit == 1)
		result = real(cuMemsetD8Async)(start, (unsigned char)value, bytes, carrier);
	else if (unit == 2)
		result =
		    real(cuMemsetD16Async)(start, (unsigned short)value, bytes / 2, carrier);
	else
		result = real(cuMemsetD32Async)(start, value, bytes / 4, carrier);
	context_leave();
	return result;
}

static void close_fences(struct pager_use *use, const struct pager *pager, CUstream carrier)
{
	for (unsigned int i = 0; use && i < use->count; i++)
		if (use->of[i].pager == pager)
			fence_close(&use->of[i].pager->mover.fences, use->of[i].fence, carrier,
				    false);
}

void detour_end(struct detour *detour, struct pager_use *use)
{
	struct source *carrier;
	CUevent over = NULL;
	CUstream last = NULL;

	/* There and back, each carrier waits for the one before it: a fence in any of them
	 * closes only when the work of all is over. */
	for (unsigned int pass = 0; pass + 1 < 2 * detour->count; pass++) {
		unsigned int i = pass < detour->count ? pass : 2 * detour->count - 2 - pass;

		if (!context_enter(detour->by[i].pager))
			continue;
		if (last)
			stream_follow(detour->by[i].carrier, last, over);
		if (over)
			real(cuEventDestroy_v2)(over);
		last = detour->by[i].carrier;
		over = event_in(last);
		context_leave();
	}
	if (last)
		stream_follow(detour->stream, last, over);
	if (over)
		real(cuEventDestroy_v2)(over);
	for (unsigned int i = 0; i < detour->count; i++) {
		if (!context_enter(detour->by[i].pager))
			continue;
		close_fences(use, detour->by[i].pager, detour->by[i].carrier);
		carrier = streams_destroying(detour->by[i].carrier);
		streams_destroyed(carrier, real(cuStreamDestroy_v2)(detour->by[i].carrier));
		context_leave();
	}
	if (use)
		use->count = 0;
	detour->count = 0;
}
