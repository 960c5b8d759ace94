/*
 * Contexts: how many live on a device, and what goes with one that ends. A pager never changes
 * mappings while a second context could be using the device behind its back.
 */
#include "hook/context.h"

#include "driver/driver.h"
#include "driver/export.h"
#include "hook/kernel_registry.h"
#include "hook/launch_params.h"
#include "base/lock.h"
#include "account/context_end.h"
#include "pager/driver_slabs.h"
#include "pager/pager.h"
#include "order/streams.h"
#include "order/contexts.h"

static atomic_bool
    primary_lives[PAGER_DEVICES]; /* as far as this process has retained it; atomic */

static CUresult context_made(CUresult result, CUdevice device)
{
	if (result == CUDA_SUCCESS)
		contexts_made(device, 1);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuCtxCreate(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
	if (!driver_has(cuCtxCreate))
		return CUDA_ERROR_NOT_FOUND;
	return context_made(real(cuCtxCreate)(pctx, flags, dev), dev);
}

LT_EXPORT CUresult CUDAAPI cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
	if (!driver_has(cuCtxCreate_v2))
		return CUDA_ERROR_NOT_FOUND;
	return context_made(real(cuCtxCreate_v2)(pctx, flags, dev), dev);
}

LT_EXPORT CUresult CUDAAPI cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray,
					  int numParams, unsigned int flags, CUdevice dev)
{
	if (!driver_has(cuCtxCreate_v3))
		return CUDA_ERROR_NOT_FOUND;
	return context_made(real(cuCtxCreate_v3)(pctx, paramsArray, numParams, flags, dev),
			    dev);
}

LT_EXPORT CUresult CUDAAPI cuCtxCreate_v4(CUcontext *pctx, CUctxCreateParams *ctxCreateParams,
					  unsigned int flags, CUdevice dev)
{
	if (!driver_has(cuCtxCreate_v4))
		return CUDA_ERROR_NOT_FOUND;
	return context_made(real(cuCtxCreate_v4)(pctx, ctxCreateParams, flags, dev), dev);
}

/* The device of a living context; -1: it has ended, or the driver does not say. */
static int device_of(CUcontext context)
{
	CUdevice device = -1;

	if (!real(cuCtxPushCurrent_v2) || !real(cuCtxPopCurrent_v2) || !real(cuCtxGetDevice) ||
	    real(cuCtxPushCurrent_v2)(context) != CUDA_SUCCESS)
		return -1;
	if (real(cuCtxGetDevice)(&device) != CUDA_SUCCESS)
		device = -1;
	real(cuCtxPopCurrent_v2)(NULL);
	return device;
}

/* Called before the driver's own call: as soon as a context has ended, other functions may get
 * the handles that its functions had. */
static void context_may_go(void)
{
	pager_context_ending();
	launch_params_forget();
}

static void context_gone(CUcontext context, int device)
{
	kernel_registry_context_ends(context);
	driver_slabs_context_ended(context);
	account_context_ended(context);
	pager_context_ended(context);
	streams_context_ended(context);
	contexts_made(device, -1);
}

LT_EXPORT CUresult CUDAAPI cuCtxDestroy_v2(CUcontext ctx)
{
	CUresult result;
	int device;

	if (!driver_has(cuCtxDestroy_v2))
		return CUDA_ERROR_NOT_FOUND;
	device = ctx ? device_of(ctx) : -1;
	context_may_go();
	result = real(cuCtxDestroy_v2)(ctx);
	if (result == CUDA_SUCCESS)
		context_gone(ctx, device);
	pager_context_may_have_ended();
	return result;
}

LT_EXPORT CUresult CUDAAPI cuCtxDestroy(CUcontext ctx)
{
	CUresult result;
	int device;

	if (!driver_has(cuCtxDestroy))
		return CUDA_ERROR_NOT_FOUND;
	device = ctx ? device_of(ctx) : -1;
	context_may_go();
	result = real(cuCtxDestroy)(ctx);
	if (result == CUDA_SUCCESS)
		context_gone(ctx, device);
	pager_context_may_have_ended();
	return result;
}

/* Ends the context only if nobody else is attached to it. */
LT_EXPORT CUresult CUDAAPI cuCtxDetach(CUcontext ctx)
{
	CUresult result;
	int device;

	if (!driver_has(cuCtxDetach))
		return CUDA_ERROR_NOT_FOUND;
	device = ctx ? device_of(ctx) : -1;
	context_may_go();
	result = real(cuCtxDetach)(ctx);
	if (result == CUDA_SUCCESS && device >= 0 && device_of(ctx) < 0)
		context_gone(ctx, device);
	pager_context_may_have_ended();
	return result;
}

/* --- green contexts: parts of the primary one, with default streams that nobody else can ask.
 * As a second context would, a living one keeps everything where it is. */

#define GREEN 64
static struct {
	CUgreenCtx context; /* NULL: free */
	CUdevice device;
} green[GREEN];
static struct lock green_lock = LOCK(RANK_GREEN_CONTEXTS); /* guards green */

void context_fork_prepare(void)
{
	lock_take(&green_lock);
}

void context_fork_done(void)
{
	lock_give(&green_lock);
}

LT_EXPORT CUresult CUDAAPI cuGreenCtxCreate(CUgreenCtx *phCtx, CUdevResourceDesc desc,
					    CUdevice dev, unsigned int flags)
{
	CUresult result;
	int i = 0;

	if (!driver_has(cuGreenCtxCreate))
		return CUDA_ERROR_NOT_FOUND;
	result = context_made(real(cuGreenCtxCreate)(phCtx, desc, dev, flags), dev);
	if (result != CUDA_SUCCESS)
		return result;
	/* A green context that finds no place in the table is taken to live for ever. */
	lock_take(&green_lock);
	while (i < GREEN && green[i].context)
		i++;
	if (i < GREEN) {
		green[i].context = *phCtx;
		green[i].device = dev;
	}
	lock_give(&green_lock);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGreenCtxDestroy(CUgreenCtx hCtx)
{
	CUresult result;

	if (!driver_has(cuGreenCtxDestroy))
		return CUDA_ERROR_NOT_FOUND;
	/* The lock is held across the driver's call: another thread may be given the same
	 * handle as soon as this one has ended. */
	lock_take(&green_lock);
	context_may_go();
	result = real(cuGreenCtxDestroy)(hCtx);
	for (int i = 0; i < GREEN && result == CUDA_SUCCESS; i++)
		if (hCtx && green[i].context == hCtx) {
			green[i].context = NULL;
			contexts_made(green[i].device, -1);
			break;
		}
	pager_context_may_have_ended();
	lock_give(&green_lock);
	return result;
}

/* Work of the current context may then reach what was allocated in the other's device. */
LT_EXPORT CUresult CUDAAPI cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags)
{
	CUdevice accessor;
	CUresult result;

	if (!driver_has(cuCtxEnablePeerAccess))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuCtxEnablePeerAccess)(peerContext, Flags);
	if (result == CUDA_SUCCESS && real(cuCtxGetDevice)(&accessor) == CUDA_SUCCESS)
		pager_peer_enabled(device_of(peerContext), accessor);
	return result;
}

/* --- the primary context */

static bool primary_is_active(CUdevice dev)
{
	unsigned int flags;
	int active = 0;

	return real(cuDevicePrimaryCtxGetState) &&
	       real(cuDevicePrimaryCtxGetState)(dev, &flags, &active) == CUDA_SUCCESS && active;
}

/* The device's primary context, without making one. NULL: there is none, or the driver does not
 * say. */
static CUcontext primary_context(CUdevice dev)
{
	CUcontext context = NULL;

	if (!primary_is_active(dev) || !real(cuDevicePrimaryCtxRetain) ||
	    !real(cuDevicePrimaryCtxRelease_v2) ||
	    real(cuDevicePrimaryCtxRetain)(&context, dev) != CUDA_SUCCESS)
		return NULL;
	real(cuDevicePrimaryCtxRelease_v2)(dev);
	return context;
}

LT_EXPORT CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev)
{
	CUresult result;

	if (!driver_has(cuDevicePrimaryCtxRetain))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuDevicePrimaryCtxRetain)(pctx, dev);
	if (result == CUDA_SUCCESS && dev >= 0 && dev < PAGER_DEVICES &&
	    !atomic_exchange(&primary_lives[dev], true))
		contexts_made(dev, 1);
	return result;
}

static void primary_may_be_gone(CUcontext context, CUdevice dev)
{
	if (!context || primary_is_active(dev))
		return;
	if (dev >= 0 && dev < PAGER_DEVICES && atomic_exchange(&primary_lives[dev], false))
		context_gone(context, dev);
	else
		context_gone(context, -1);
}

LT_EXPORT CUresult CUDAAPI cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
	CUcontext context;
	CUresult result;

	if (!driver_has(cuDevicePrimaryCtxRelease_v2))
		return CUDA_ERROR_NOT_FOUND;
	context = primary_context(dev);
	context_may_go();
	result = real(cuDevicePrimaryCtxRelease_v2)(dev);
	if (result == CUDA_SUCCESS)
		primary_may_be_gone(context, dev);
	pager_context_may_have_ended();
	return result;
}

/* The symbol of before CUDA 11.0, which the runtime of 13.0 still asks for. */
LT_EXPORT CUresult CUDAAPI cuDevicePrimaryCtxRelease(CUdevice dev)
{
	CUcontext context;
	CUresult result;

	if (!driver_has(cuDevicePrimaryCtxRelease))
		return CUDA_ERROR_NOT_FOUND;
	context = primary_context(dev);
	context_may_go();
	result = real(cuDevicePrimaryCtxRelease)(dev);
	if (result == CUDA_SUCCESS)
		primary_may_be_gone(context, dev);
	pager_context_may_have_ended();
	return result;
}

/* A reset frees the context's memory whoever holds the context; some drivers go on calling it
 * active for its holders, so its state is not asked for afterwards. */
static CUresult primary_reset(CUresult (*driver_reset)(CUdevice), CUdevice dev)
{
	CUcontext context = primary_context(dev);
	CUresult result;

	context_may_go();
	result = driver_reset(dev);
	if (result == CUDA_SUCCESS && context)
		context_gone(context, dev >= 0 && dev < PAGER_DEVICES &&
					      atomic_exchange(&primary_lives[dev], false)
					  ? dev
					  : -1);
	pager_context_may_have_ended();
	return result;
}

LT_EXPORT CUresult CUDAAPI cuDevicePrimaryCtxReset(CUdevice dev)
{
	if (!driver_has(cuDevicePrimaryCtxReset))
		return CUDA_ERROR_NOT_FOUND;
	return primary_reset(real(cuDevicePrimaryCtxReset), dev);
}

LT_EXPORT CUresult CUDAAPI cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
	if (!driver_has(cuDevicePrimaryCtxReset_v2))
		return CUDA_ERROR_NOT_FOUND;
	return primary_reset(real(cuDevicePrimaryCtxReset_v2), dev);
}
