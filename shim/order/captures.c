#include "order/captures.h"

#include "driver/driver.h"
#include "base/lock.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_int captures;

/* Is this very stream being captured? Then its work is not under way, an event would only be
 * captured too, and a question would spoil the capture. */
bool captures_include(CUstream stream)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;

	return captures_any() && real(cuStreamIsCapturing) &&
	       (real(cuStreamIsCapturing)(stream, &status) != CUDA_SUCCESS ||
		status != CU_STREAM_CAPTURE_STATUS_NONE);
}

/* Of this thread's captures that are not relaxed: newest last. A capture that another thread
 * ends was relaxed. */
static _Thread_local CUstreamCaptureMode own_modes[16];
static _Thread_local unsigned int own_count;
static atomic_int global_captures;

void captures_began(CUstreamCaptureMode mode)
{
	atomic_fetch_add(&captures, 1);
	if (mode == CU_STREAM_CAPTURE_MODE_RELAXED || own_count == 16)
		return;
	own_modes[own_count++] = mode;
	if (mode == CU_STREAM_CAPTURE_MODE_GLOBAL)
		atomic_fetch_add(&global_captures, 1);
}

void captures_ended(void)
{
	int living = atomic_load(&captures);

	/* One that began before we looked ends too. */
	while (living > 0 && !atomic_compare_exchange_weak(&captures, &living, living - 1))
		;
	if (own_count && own_modes[--own_count] == CU_STREAM_CAPTURE_MODE_GLOBAL)
		atomic_fetch_sub(&global_captures, 1);
}

CUstreamCaptureMode captures_relax(void)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;

	if (real(cuThreadExchangeStreamCaptureMode))
		real(cuThreadExchangeStreamCaptureMode)(&mode);
	return mode;
}

void captures_unrelax(CUstreamCaptureMode before)
{
	CUstreamCaptureMode mode = before;

	if (before != CU_STREAM_CAPTURE_MODE_RELAXED &&
	    real(cuThreadExchangeStreamCaptureMode)(&mode) != CUDA_SUCCESS)
		real(cuThreadExchangeStreamCaptureMode)(&mode);
}

/* The driver's rule, as cuThreadExchangeStreamCaptureMode documents it. */
bool captures_forbid(void)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;

	if (!captures_any())
		return false;
	if (!real(cuThreadExchangeStreamCaptureMode) ||
	    real(cuThreadExchangeStreamCaptureMode)(&mode) != CUDA_SUCCESS)
		return true;
	real(cuThreadExchangeStreamCaptureMode)(&(CUstreamCaptureMode){mode});
	if (mode == CU_STREAM_CAPTURE_MODE_RELAXED)
		return false;
	return own_count ||
	       (mode == CU_STREAM_CAPTURE_MODE_GLOBAL && atomic_load(&global_captures));
}

bool captures_any(void)
{
	return atomic_load(&captures) != 0;
}

static struct lock begin_lock = LOCK(RANK_CAPTURES);

void captures_hold(void)
{
	lock_take(&begin_lock);
}

void captures_let(void)
{
	lock_give(&begin_lock);
}
