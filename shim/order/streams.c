#include "order/streams.h"
#include "order/captures.h"
#include "order/freezes.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "base/lock.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* Whenever a stream or a thread leaves an event behind, so many older ones are asked whether
 * they are over: more than come, so that they do not pile up. */
#define PRUNED_AT_ONCE 2

enum kind {
	STREAM,
	THREAD,	 /* the event is recorded again and again, by a living thread */
	LEAVING, /* a stream that the driver is asked to destroy: its event, once it has one */
	SPENT,	 /* an event whose stream or thread is gone: removed once it is over */
};

/* A stream to ask, or an event that stands for one that cannot be asked. */
struct source {
	struct source *next, *previous;
	enum kind kind;
	CUcontext context; /* NULL: it has ended, and the source is in no list any more */
	CUstream stream;
	CUevent event; /* asked instead of the stream, where there is one */
};

static struct lock lock = LOCK(RANK_STREAMS);
/* Circular, the oldest first; guarded by lock. */
static struct source living = {.next = &living, .previous = &living};
static struct source spent = {.next = &spent, .previous = &spent};
static _Thread_local struct source
    *of_this_thread; /* one context only: another's work makes it anew */
static pthread_key_t leaving_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static CUcontext current_context(void)
{
	CUcontext context = NULL;

	return real(cuCtxGetCurrent)(&context) == CUDA_SUCCESS ? context : NULL;
}

/* --- the lists; the lock is held */

static void link_in(struct source *source)
{
	struct source *list = source->kind == SPENT ? &spent : &living;

	source->next = list;
	source->previous = list->previous;
	list->previous->next = source;
	list->previous = source;
}

static void link_out(struct source *source)
{
	source->previous->next = source->next;
	source->next->previous = source->previous;
}

/* The driver's word on it. One that is spent, and over, goes. */
static CUresult ask(struct source *source)
{
	CUresult result = source->event ? real(cuEventQuery)(source->event)
					: real(cuStreamQuery)(source->stream);

	if (result == CUDA_SUCCESS && source->kind == SPENT) {
		link_out(source);
		real(cuEventDestroy_v2)(source->event);
		free(source);
	}
	return result;
}

static void prune(void)
{
	for (int i = 0; i < PRUNED_AT_ONCE && spent.next != &spent; i++) {
		struct source *oldest = spent.next;

		if (ask(oldest) == CUDA_SUCCESS)
			continue;
		link_out(oldest);
		link_in(oldest);
	}
}

static void spend(struct source *source)
{
	CUstreamCaptureMode mode;

	mode = captures_relax();
	prune();
	captures_unrelax(mode);
	link_out(source);
	source->kind = SPENT;
	link_in(source);
}

/* --- streams */

void streams_created(CUstream stream)
{
	struct source *source = malloc(sizeof(*source));

	if (!source) {
		/* A stream nobody can ask: nothing moves any more. */
		freezes_add(1);
		return;
	}
	*source =
	    (struct source){.kind = STREAM, .context = current_context(), .stream = stream};
	lock_take(&lock);
	link_in(source);
	lock_give(&lock);
}

/* False: there is nothing in it that a drain would have to wait for. */
static bool leave_event(struct source *source)
{
	CUstream stream = source->stream;
	CUevent event = NULL;

	if (real(cuStreamQuery)(stream) == CUDA_SUCCESS)
		return false;
	if (real(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS) {
		real(cuStreamSynchronize)(stream);
		return false;
	}
	if (real(cuEventRecord)(event, stream) != CUDA_SUCCESS) {
		real(cuEventDestroy_v2)(event);
		real(cuStreamSynchronize)(stream);
		return false;
	}
	lock_take(&lock);
	source->event = event;
	lock_give(&lock);
	return true;
}

struct source *streams_destroying(CUstream stream)
{
	CUstreamCaptureMode mode;
	struct source *source;

	if (captures_include(stream))
		return NULL; /* the driver will refuse */
	lock_take(&lock);
	source = living.next;
	while (source != &living && (source->kind != STREAM || source->stream != stream))
		source = source->next;
	if (source != &living)
		source->kind = LEAVING;
	lock_give(&lock);
	if (source == &living)
		return NULL;
	mode = captures_relax();
	if (!leave_event(source)) {
		lock_take(&lock);
		link_out(source);
		lock_give(&lock);
	}
	captures_unrelax(mode);
	return source;
}

void streams_destroyed(struct source *source, CUresult result)
{
	CUevent event = NULL;

	if (!source)
		return;
	lock_take(&lock);
	if (!source->context || (result == CUDA_SUCCESS && !source->event)) {
		free(source);
	} else if (result == CUDA_SUCCESS) {
		spend(source);
	} else {
		/* It lives on, and may be given more. */
		event = source->event;
		if (event)
			link_out(source);
		source->event = NULL;
		source->kind = STREAM;
		link_in(source);
	}
	lock_give(&lock);
	if (event)
		real(cuEventDestroy_v2)(event);
}

/* --- threads' own default streams */

/* The driver is not asked here: the thread is about to end. Its work goes on. */
static void thread_leaves(void *of_it)
{
	struct source *source = of_it;

	of_this_thread = NULL;
	lock_take(&lock);
	if (source->context) {
		link_out(source);
		source->kind = SPENT;
		link_in(source);
	} else {
		free(source);
	}
	lock_give(&lock);
}

static void make_key(void)
{
	pthread_key_create(&leaving_key, thread_leaves);
}

static struct source *source_of_thread(CUcontext context)
{
	struct source *source = malloc(sizeof(*source));
	CUstreamCaptureMode mode;
	CUevent event;

	if (of_this_thread)
		thread_leaves(of_this_thread);
	if (!source || real(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS) {
		free(source);
		source = NULL;
	} else {
		*source = (struct source){.kind = THREAD, .context = context, .event = event};
		mode = captures_relax();
		lock_take(&lock);
		prune();
		link_in(source);
		lock_give(&lock);
		captures_unrelax(mode);
	}
	lock_once(&key_once, make_key);
	pthread_setspecific(leaving_key, source);
	return source;
}

static void wait_for_own(void)
{
	CUstreamCaptureMode mode;

	mode = captures_relax();
	real(cuStreamSynchronize)(CU_STREAM_PER_THREAD);
	captures_unrelax(mode);
}

void streams_thread_worked(void)
{
	CUcontext context = current_context();

	if (captures_include(CU_STREAM_PER_THREAD))
		return;
	if (!of_this_thread || of_this_thread->context != context)
		of_this_thread = source_of_thread(context);
	if (!of_this_thread ||
	    real(cuEventRecord)(of_this_thread->event, CU_STREAM_PER_THREAD) != CUDA_SUCCESS)
		wait_for_own();
}

static void forget(struct source *list, CUcontext context)
{
	for (struct source *source = list->next, *next; source != list; source = next) {
		next = source->next;
		if (source->context != context)
			continue;
		link_out(source);
		/* Somebody may still point at these. */
		if (source->kind == THREAD || source->kind == LEAVING)
			source->context = NULL;
		else
			free(source);
	}
}

void streams_context_ended(CUcontext context)
{
	lock_take(&lock);
	forget(&living, context);
	forget(&spent, context);
	lock_give(&lock);
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

/* NULL: the legacy default stream. */
static enum drained wait_until_idle(struct source *source, uint64_t until_ns)
{
	for (unsigned int polls = 0;; polls++) {
		CUresult result = source ? ask(source) : real(cuStreamQuery)(CU_STREAM_LEGACY);

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
	struct source *const lists[] = {&living, &spent};
	uint64_t until_ns = clock_now_ns() + patience_ns;
	enum drained drained = wait_until_idle(NULL, until_ns);

	lock_take(&lock);
	for (int i = 0; i < 2; i++)
		for (struct source *source = lists[i]->next, *next;
		     source != lists[i] && drained == STREAMS_IDLE; source = next) {
			next = source->next;
			if (source->context == context)
				drained = wait_until_idle(source, until_ns);
		}
	lock_give(&lock);
	return drained;
}

CUresult streams_ask(CUcontext context)
{
	struct source *const lists[] = {&spent, &living};
	CUresult result = real(cuStreamQuery)(CU_STREAM_LEGACY);

	lock_take(&lock);
	for (int i = 0; i < 2; i++)
		for (struct source *source = lists[i]->next, *next;
		     source != lists[i] && result == CUDA_SUCCESS; source = next) {
			next = source->next;
			if (source->context == context)
				result = ask(source);
		}
	lock_give(&lock);
	return result;
}

CUevent streams_event_behind(CUstream stream, CUresult *result)
{
	CUevent event = NULL;

	*result = real(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING);
	if (*result != CUDA_SUCCESS)
		return NULL;
	*result = real(cuEventRecord)(event, stream);
	if (*result == CUDA_SUCCESS)
		return event;
	real(cuEventDestroy_v2)(event);
	return NULL;
}

void streams_fork_prepare(void)
{
	captures_hold();
	lock_take(&lock);
}

void streams_fork_done(void)
{
	lock_give(&lock);
	captures_let();
}
