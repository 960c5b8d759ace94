/*
 * Giving the device work: what each hook does around the driver's call. Between work_begin and
 * work_end no mapping changes.
 */
#ifndef LOWTIDE_WORK_H
#define LOWTIDE_WORK_H

#include "pager/fallback.h"
#include "pager/gate.h"
#include "pager/pager.h"
#include "pager/streams.h"

/* False: there is no pager yet, and nothing to keep still. */
static inline bool work_begin(void)
{
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return false;
	gate_enter();
	return true;
}

/* The same for work that the driver is handed whole: each of its ranges lies in one home
 * meanwhile, unless that cannot be brought about. */
static inline bool work_begin_settled(const struct pager_range *ranges, size_t count)
{
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return false;
	for (int tries = 1;; tries++) {
		bool settled = fallback_settle(ranges, count);

		gate_enter();
		/* Another thread's window may have come in between. */
		if (!settled || tries == 8 || fallback_settled(ranges, count))
			return true;
		gate_leave();
	}
}

/* `stream`: where the work went, NULL made plain (CU_STREAM_LEGACY or CU_STREAM_PER_THREAD). */
static inline CUresult work_end(bool begun, CUstream stream, CUresult result)
{
	if (!begun)
		return result;
	if (stream == CU_STREAM_PER_THREAD)
		streams_thread_worked();
	gate_leave();
	return result;
}

/* What NULL means to a function of the plain flavour, and to one of the per-thread flavour. */
static inline CUstream work_legacy(CUstream stream)
{
	return stream ? stream : CU_STREAM_LEGACY;
}

static inline CUstream work_per_thread(CUstream stream)
{
	return stream ? stream : CU_STREAM_PER_THREAD;
}

#endif
