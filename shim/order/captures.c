#include "order/captures.h"

#include "driver/driver.h"
#include "base/lock.h"

#include <pthread.h>
#include <stdatomic.h>

#define DEVICES 16

static atomic_int captures, contexts[DEVICES];

/* Is this very stream being captured? Then its work is not under way, an event would only be
 * captured too, and a question would spoil the capture. */
bool streams_is_captured(CUstream stream)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;

	return streams_capturing() && real(cuStreamIsCapturing) &&
	       (real(cuStreamIsCapturing)(stream, &status) != CUDA_SUCCESS ||
		status != CU_STREAM_CAPTURE_STATUS_NONE);
}

static atomic_int devices_in_use; /* with a context that lives */

static void count_device(int before, int difference)
{
	if (before <= 0 && before + difference > 0)
		atomic_fetch_add(&devices_in_use, 1);
	else if (before > 0 && before + difference <= 0)
		atomic_fetch_sub(&devices_in_use, 1);
}

void streams_context_made(int device, int difference)
{
	if (device >= 0 && device < DEVICES)
		count_device(atomic_fetch_add(&contexts[device], difference), difference);
}

bool streams_many_devices(void)
{
	return atomic_load_explicit(&devices_in_use, memory_order_relaxed) > 1;
}

bool streams_one_context(int device)
{
	return device >= 0 && device < DEVICES && atomic_load(&contexts[device]) <= 1;
}

static atomic_int freezes;

void streams_freeze(int difference)
{
	atomic_fetch_add(&freezes, difference);
}

bool streams_frozen(void)
{
	return atomic_load(&freezes) != 0;
}

/* Of this thread's captures that are not relaxed: newest last. A capture that another thread
 * ends was relaxed. */
static _Thread_local CUstreamCaptureMode own_modes[16];
static _Thread_local unsigned int own_count;
static atomic_int global_captures;

void streams_capture_began(CUstreamCaptureMode mode)
{
	atomic_fetch_add(&captures, 1);
	if (mode == CU_STREAM_CAPTURE_MODE_RELAXED || own_count == 16)
		return;
	own_modes[own_count++] = mode;
	if (mode == CU_STREAM_CAPTURE_MODE_GLOBAL)
		atomic_fetch_add(&global_captures, 1);
}

void streams_capture_ended(void)
{
	int living = atomic_load(&captures);

	/* One that began before we looked ends too. */
	while (living > 0 && !atomic_compare_exchange_weak(&captures, &living, living - 1))
		;
	if (own_count && own_modes[--own_count] == CU_STREAM_CAPTURE_MODE_GLOBAL)
		atomic_fetch_sub(&global_captures, 1);
}

CUstreamCaptureMode streams_relax(void)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;

	if (real(cuThreadExchangeStreamCaptureMode))
		real(cuThreadExchangeStreamCaptureMode)(&mode);
	return mode;
}

void streams_unrelax(CUstreamCaptureMode before)
{
	CUstreamCaptureMode mode = before;

	if (before != CU_STREAM_CAPTURE_MODE_RELAXED &&
	    real(cuThreadExchangeStreamCaptureMode)(&mode) != CUDA_SUCCESS)
		real(cuThreadExchangeStreamCaptureMode)(&mode);
}

/* The driver's rule, as cuThreadExchangeStreamCaptureMode documents it. */
bool streams_capture_forbids(void)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;

	if (!streams_capturing())
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

bool streams_capturing(void)
{
	return atomic_load(&captures) != 0;
}

static struct lock begin_lock = LOCK(RANK_CAPTURES);

void streams_capture_hold(void)
{
	lock_take(&begin_lock);
}

void streams_capture_let(void)
{
	lock_give(&begin_lock);
}
