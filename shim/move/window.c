#include "move/window.h"

#include "move/mover_valid.h"
#include "base/clock.h"
#include "driver/driver.h"
#include "base/log.h"
#include "order/gate.h"
#include "order/captures.h"
#include "order/freezes.h"
#include "order/contexts.h"
#include "order/streams.h"
#include "base/settings.h"

#include <stdatomic.h>

/* A launcher is inside for microseconds; one that stays is in a call that blocks. */
#define GATE_PATIENCE_NS 20000000ull
/* After one that stayed, no window for so long: or each launch would cost a patience for as
 * long as the call blocks. */
#define GATE_REST_NS (10 * GATE_PATIENCE_NS)
/* After a window that came late, none for so long: a kernel that never ends must not cost a
 * patience each launch. */
#define REST_NS 30000000000ull

static bool enter_context(struct mover *mover, bool *pushed)
{
	CUcontext current = NULL;

	*pushed = false;
	if (real(cuCtxGetCurrent)(&current) != CUDA_SUCCESS)
		return false;
	if (current == mover->memory->context)
		return true;
	*pushed = real(cuCtxPushCurrent_v2)(mover->memory->context) == CUDA_SUCCESS;
	return *pushed;
}

bool window_open(struct mover *mover)
{
	uint64_t now_ns;
	enum drained drained;

	if (captures_any() || freezes_any() || !contexts_only_one(mover->memory->device) ||
	    atomic_load(&mover->memory->lost)) {
		mover->stats.windows_refused++;
		return false;
	}
	now_ns = clock_now_ns();
	mover->window_since_ns = now_ns;
	if (now_ns < mover->unpaged_since_ns) {
		mover->stats.windows_refused++;
		return false;
	}
	if (!enter_context(mover, &mover->pushed))
		return false;
	if (!gate_shut(GATE_PATIENCE_NS)) {
		mover->stats.windows_refused++;
		mover->unpaged_since_ns = clock_now_ns() + GATE_REST_NS;
		goto leave_context;
	}
	/* One may have begun before the gate was shut. */
	if (captures_any() || freezes_any()) {
		gate_open();
		mover->stats.windows_refused++;
		goto leave_context;
	}
	drained = streams_drain(mover->memory->context, settings_get()->patience_ns);
	if (drained == STREAMS_IDLE) {
		mover->stats.windows++;
		return true;
	}
	gate_open();
	if (drained == STREAMS_LATE) {
		mover->stats.windows_late++;
		mover->unpaged_since_ns = clock_now_ns() + REST_NS;
		if (mover->memory->frames.plain_host)
			goto leave_context; /* what cannot wait tries again, and says so itself
					     */
		log_info("device %d: work did not end within %llu ms; cold memory is used in "
			 "place for a while",
			 mover->memory->device,
			 (unsigned long long)(settings_get()->patience_ns / 1000000));
	}
leave_context:
	if (mover->pushed)
		real(cuCtxPopCurrent_v2)(NULL);
	return false;
}

void window_close(struct mover *mover)
{
	mover_see_valid(mover);
	gate_open();
	mover->stats.window_ns += clock_now_ns() - mover->window_since_ns;
	if (mover->pushed)
		real(cuCtxPopCurrent_v2)(NULL);
}
