/*
 * Giving the device work: what each hook does around the driver's call. Between work_begin and
 * work_end no mapping changes.
 */
#ifndef LOWTIDE_WORK_H
#define LOWTIDE_WORK_H

#include "pager/one_home.h"
#include "order/gate.h"
#include "pager/pager.h"
#include "pager/unmapped.h"
#include "order/streams.h"

/* False: there is no pager yet, and nothing to keep still. */
static inline bool work_begin(void)
{
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return false;
	gate_enter();
	return true;
}

static inline bool work_needs_residence(void)
{
	return atomic_load_explicit(&unmapped_mode, memory_order_relaxed);
}

/* The same for kernels, which may use what the addresses point into (anything at all where
 * `unknown`). Not success: it must not be launched, and *begun is false. */
static inline CUresult work_begin_kernel(const uint64_t *addresses, size_t count, bool unknown,
					 CUstream stream, bool *begun)
{
	CUresult result = CUDA_SUCCESS;

	*begun = false;
	if (!work_needs_residence()) {
		*begun = work_begin();
		return result;
	}
	result = unmapped_begin(addresses, count, unknown ? REACH_ALL : REACH_TABLED, stream);
	*begun = result == CUDA_SUCCESS;
	return result;
}

/* `call` says what it was. */
static inline CUresult work_begin_unknown(const char *call, CUstream stream, bool *begun)
{
	pager_unknown_work(call);
	return work_begin_kernel(NULL, 0, true, stream, begun);
}

/* The same for work that the driver is handed whole: each of its ranges lies in one home
 * meanwhile, unless that cannot be brought about; in VRAM, or it is refused, where cold memory
 * is unmapped. */
static inline CUresult work_begin_settled(const struct pager_range *ranges, size_t count,
					  CUstream stream, bool *begun)
{
	*begun = false;
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return CUDA_SUCCESS;
	if (work_needs_residence()) {
		CUresult result = unmapped_begin_ranges(ranges, count, stream);

		*begun = result == CUDA_SUCCESS;
		return result;
	}
	*begun = true;
	for (int tries = 1;; tries++) {
		bool settled = one_home_settle(ranges, count);

		gate_enter();
		/* Another thread's window may have come in between. */
		if (!settled || tries == 8 || one_home_settled(ranges, count))
			return CUDA_SUCCESS;
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

/* The same, with its ranges named meanwhile: what is not ours needs nothing. Always followed by
 * work_end_whole. */
struct work_whole {
	struct pager_use use;
	bool begun;
};
static inline CUresult work_begin_whole(const struct pager_range *ranges, size_t count,
					CUstream stream, struct work_whole *whole)
{
	pager_use_ranges(ranges, count, &whole->use);
	return work_begin_settled(ranges, count, stream, &whole->begun);
}

/* There is no list of its ranges. */
static inline CUresult work_begin_all(size_t count, CUstream stream, struct work_whole *whole)
{
	bool any = count && pager_any_made();

	whole->use.count = 0;
	if (any)
		pager_unknown_work("a batch that cannot be read");
	return work_begin_kernel(NULL, 0, any, stream, &whole->begun);
}

static inline CUresult work_end_whole(const struct work_whole *whole, CUstream stream,
				      CUresult result)
{
	pager_used(&whole->use, stream, result != CUDA_SUCCESS);
	return work_end(whole->begun, stream, result);
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
