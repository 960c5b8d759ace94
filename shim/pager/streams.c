#include "pager/streams.h"

#include "clock.h"
#include "door/driver.h"
#include "lock.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define DEVICES 16

/* A stream to ask, or an event that stands for one that cannot be asked. */
struct source {
	struct source *next;
	CUcontext context;
	CUstream stream; /* NULL: an event */
	CUevent event;
	bool
	    of_thread; /* recorded again and again by its thread: never removed once complete */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct source *sources; /* guarded by lock */
static atomic_int captures, contexts[DEVICES];
static _Thread_local struct source
    *of_this_thread; /* one context only: another's work makes it anew */

static CUcontext current_context(void)
{
	CUcontext context = NULL;

	return real(cuCtxGetCurrent)(&context) == CUDA_SUCCESS ? context : NULL;
}

static void add(struct source source)
{
	struct source *kept = malloc(sizeof(*kept));

	if (!kept) {
		/* A stream nobody can ask: as if it were captured for ever, nothing moves any
		 * more. */
		atomic_fetch_add(&captures, 1);
		return;
	}
	*kept = source;
	lock_take(&lock);
	kept->next = sources;
	sources = kept;
	lock_give(&lock);
}

void streams_created(CUstream stream)
{
	add((struct source){.context = current_context(), .stream = stream});
}

/* Is this very stream being captured? Then its work is not under way, an event would only be
 * captured too, and a question would spoil the capture. */
bool streams_is_captured(CUstream stream)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;

	return streams_capturing() && real(cuStreamIsCapturing) &&
	       (real(cuStreamIsCapturing)(stream, &status) != CUDA_SUCCESS ||
		status != CU_STREAM_CAPTURE_STATUS_NONE);
}

void streams_destroying(CUstream stream)
{
	CUcontext context = NULL;
	CUevent event = NULL;

	if (streams_is_captured(stream))
		return; /* the driver will refuse */
	lock_take(&lock);
	for (struct source **link = &sources; *link; link = &(*link)->next) {
		struct source *source = *link;

		if (source->stream != stream)
			continue;
		context = source->context;
		*link = source->next;
		free(source);
		break;
	}
	lock_give(&lock);
	if (!context || real(cuStreamQuery)(stream) == CUDA_SUCCESS)
		return;
	if (real(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING) == CUDA_SUCCESS &&
	    real(cuEventRecord)(event, stream) == CUDA_SUCCESS)
		add((struct source){.context = context, .event = event});
	else
		real(cuStreamSynchronize)(stream);
}

void streams_thread_worked(void)
{
	CUcontext context = current_context();
	CUevent event;

	if (streams_is_captured(CU_STREAM_PER_THREAD))
		return;
	if (!of_this_thread || of_this_thread->context != context) {
		struct source *kept = calloc(1, sizeof(*kept));

		if (!kept ||
		    real(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS) {
			free(kept);
			real(cuStreamSynchronize)(CU_STREAM_PER_THREAD);
			return;
		}
		*kept = (struct source){.context = context, .event = event, .of_thread = true};
		lock_take(&lock);
		kept->next = sources;
		sources = kept;
		lock_give(&lock);
		of_this_thread = kept;
	}
	if (real(cuEventRecord)(of_this_thread->event, CU_STREAM_PER_THREAD) != CUDA_SUCCESS)
		real(cuStreamSynchronize)(CU_STREAM_PER_THREAD);
}

void streams_context_ended(CUcontext context)
{
	lock_take(&lock);
	for (struct source **link = &sources; *link;) {
		struct source *source = *link;

		if (source->context != context) {
			link = &source->next;
			continue;
		}
		*link = source->next;
		/* A thread may still point at its own: leave that one be, out of the list. */
		if (source->of_thread)
			source->context = NULL;
		else
			free(source);
	}
	lock_give(&lock);
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

bool streams_one_context(int device)
{
	return device >= 0 && device < DEVICES && atomic_load(&contexts[device]) <= 1;
}

bool streams_many_devices(void)
{
	return atomic_load_explicit(&devices_in_use, memory_order_relaxed) > 1;
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
	atomic_fetch_sub(&captures, 1);
	if (own_count && own_modes[--own_count] == CU_STREAM_CAPTURE_MODE_GLOBAL)
		atomic_fetch_sub(&global_captures, 1);
}

void streams_exchange_capture_mode(CUstreamCaptureMode *mode)
{
	if (real(cuThreadExchangeStreamCaptureMode))
		real(cuThreadExchangeStreamCaptureMode)(mode);
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

static pthread_mutex_t begin_lock = PTHREAD_MUTEX_INITIALIZER; /* ranked before `lock` */

void streams_capture_hold(void)
{
	lock_take(&begin_lock);
}

void streams_capture_let(void)
{
	lock_give(&begin_lock);
}

/* --- the drain
 * ---------------------------------------------------------------------------------------- */

/* Asking often at first, then with naps between: most drains end within the time of a kernel or
 * two. */
void streams_nap(unsigned int polls)
{
	if (polls < 2000)
		sched_yield();
	else
		lock_nap(20000);
}

static enum drained wait_until_idle(CUstream stream, CUevent event, uint64_t until_ns)
{
	for (unsigned int polls = 0;; polls++) {
		CUresult result =
		    event ? real(cuEventQuery)(event) : real(cuStreamQuery)(stream);

		if (result == CUDA_SUCCESS)
			return STREAMS_IDLE;
		if (result != CUDA_ERROR_NOT_READY)
			return STREAMS_FAILED;
		if (clock_now_ns() > until_ns)
			return STREAMS_LATE;
		streams_nap(polls);
	}
}

enum drained streams_drain(CUcontext context, uint64_t patience_ns)
{
	uint64_t until_ns = clock_now_ns() + patience_ns;
	enum drained drained = wait_until_idle(CU_STREAM_LEGACY, NULL, until_ns);

	lock_take(&lock);
	for (struct source **link = &sources; *link && drained == STREAMS_IDLE;) {
		struct source *source = *link;

		if (source->context == context)
			drained = wait_until_idle(source->stream, source->event, until_ns);
		if (drained == STREAMS_IDLE && source->event && !source->of_thread &&
		    source->context == context) {
			real(cuEventDestroy_v2)(source->event);
			*link = source->next;
			free(source);
		} else {
			link = &source->next;
		}
	}
	lock_give(&lock);
	return drained;
}

CUresult streams_ask(CUcontext context)
{
	CUresult result = real(cuStreamQuery)(CU_STREAM_LEGACY);

	lock_take(&lock);
	for (const struct source *source = sources; source && result == CUDA_SUCCESS;
	     source = source->next)
		if (source->context == context)
			result = source->event ? real(cuEventQuery)(source->event)
					       : real(cuStreamQuery)(source->stream);
	lock_give(&lock);
	return result;
}

void streams_fork_prepare(void)
{
	lock_take(&begin_lock);
	lock_take(&lock);
}

void streams_fork_parent(void)
{
	lock_give(&lock);
	lock_give(&begin_lock);
}

void streams_fork_child(void)
{
	lock_give(&lock);
	lock_give(&begin_lock);
}
