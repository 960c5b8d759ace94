/*
 * One piece of the device's work, around the driver's call: begun, given to the driver, ended.
 *
 *	struct work work;
 *	CUresult result = work_begin_ranges(&work, stream, ranges, count);
 *
 *	if (result == CUDA_SUCCESS)
 *		result = real(...)(...);
 *	return work_end(&work, result);
 *
 * Between begin and end no mapping changes. Every begin is followed by work_end, or, where the
 * result does not tell whether the work is over, by work_finish.
 */
#ifndef LOWTIDE_WORK_H
#define LOWTIDE_WORK_H

#include "pager/one_home.h"
#include "order/gate.h"
#include "pager/pager.h"
#include "pager/unmapped.h"
#include "order/streams.h"

struct work {
	CUstream stream;      /* where it goes, NULL made plain */
	bool inside;	      /* the gate; false: there is no pager yet, or it was refused */
	struct pager_use use; /* what it names of ours; of no pagers: it names nothing */
};

static inline void work_init(struct work *work, CUstream stream)
{
	work->stream = stream;
	work->inside = false;
	work->use.count = 0;
}

/* For calls that give the device no work, but must not run while mappings change. False: there
 * is no pager yet, and no mapping to hold. */
static inline bool work_hold_mappings(void)
{
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return false;
	gate_enter();
	return true;
}

static inline void work_let_mappings(bool held)
{
	if (held)
		gate_leave();
}

static inline void work_enter(struct work *work)
{
	work->inside = work_hold_mappings();
}

static inline bool work_needs_residence(void)
{
	return atomic_load_explicit(&unmapped_mode, memory_order_relaxed);
}

/* Kernels may use what the addresses point into; `unknown`: anything at all. Not success: they
 * must not be launched. */
static inline CUresult work_enter_kernel(struct work *work, const uint64_t *addresses,
					 size_t count, bool unknown)
{
	CUresult result;

	if (!work_needs_residence()) {
		work_enter(work);
		return CUDA_SUCCESS;
	}
	result =
	    unmapped_begin(addresses, count, unknown ? REACH_ALL : REACH_TABLED, work->stream);
	work->inside = result == CUDA_SUCCESS;
	return result;
}

/* The same, with what the addresses point into made known to the pager, which may move memory
 * first. `work` is as work_init left it. */
static inline CUresult work_name_kernel(struct work *work, const uint64_t *addresses,
					size_t count, bool unknown)
{
	CUresult result = pager_use(addresses, count, &work->use);

	return result == CUDA_SUCCESS ? work_enter_kernel(work, addresses, count, unknown)
				      : result;
}

/* Nobody knows what it uses; `call` says what it is. */
static inline CUresult work_begin_unknown(struct work *work, CUstream stream, const char *call)
{
	work_init(work, stream);
	pager_unknown_work(call);
	return work_enter_kernel(work, NULL, 0, true);
}

/* Into the gate, with each of the ranges in one home: unless that cannot be brought about;
 * where cold memory is unmapped in VRAM, or the work is refused. */
static inline CUresult work_enter_ranges(struct work *work, const struct pager_range *ranges,
					 size_t count)
{
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return CUDA_SUCCESS;
	if (work_needs_residence()) {
		CUresult result = unmapped_begin_ranges(ranges, count, work->stream);

		work->inside = result == CUDA_SUCCESS;
		return result;
	}
	work->inside = true;
	for (int tries = 1;; tries++) {
		bool settled = one_home_settle(ranges, count);

		gate_enter();
		/* Another thread's window may have come in between. */
		if (!settled || tries == 8 || one_home_settled(ranges, count))
			return CUDA_SUCCESS;
		gate_leave();
	}
}

/* Work that the driver is handed whole, and that names these ranges; those that are not ours
 * need nothing. */
static inline CUresult work_begin_ranges(struct work *work, CUstream stream,
					 const struct pager_range *ranges, size_t count)
{
	work_init(work, stream);
	pager_use_ranges(ranges, count, &work->use);
	return work_enter_ranges(work, ranges, count);
}

/* The same of work whose `count` ranges could not be listed. */
static inline CUresult work_begin_unlisted(struct work *work, CUstream stream, size_t count)
{
	bool any = count && pager_any_made();

	work_init(work, stream);
	if (any)
		pager_unknown_work("a batch that cannot be read");
	return work_enter_kernel(work, NULL, 0, any);
}

/* `over`: nothing of it runs any more, or it never began to. */
static inline void work_finish(struct work *work, bool over)
{
	pager_used(&work->use, work->stream, over);
	if (work->inside && work->stream == CU_STREAM_PER_THREAD)
		streams_thread_worked();
	work_let_mappings(work->inside);
}

static inline CUresult work_end(struct work *work, CUresult result)
{
	work_finish(work, result != CUDA_SUCCESS);
	return result;
}

/* The driver's function, NULL where it has none: for bodies that flavours of a call share. */
#define DRIVERS(symbol) (driver_has(symbol) ? real(symbol) : NULL)

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
