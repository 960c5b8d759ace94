/* When the work that named something is over, on the rig. */
#include "moves_rig.h"
#include "order/fence.h"

#define ONE ((CUstream)(uintptr_t)0x91)
#define TWO ((CUstream)(uintptr_t)0x92)

static struct fences fences;

static void start(void)
{
	rig_start();
	fences_init(&fences);
}

static uint64_t launched(CUstream stream)
{
	uint64_t fence = fence_open(&fences);

	rig_put(RIG_WAIT, stream);
	fence_close(&fences, fence, stream, false);
	return fence;
}

Test(fences, are_over_when_their_work_is, .init = start)
{
	uint64_t first = launched(ONE);

	cr_assert(eq(u64, fences_done_upto(&fences), first - 1));
	rig_run();
	cr_assert(eq(u64, fences_done_upto(&fences), first));
	cr_assert(eq(u64, fences_newest(&fences), first));
}

Test(fences, are_over_in_order_whichever_stream_is_first, .init = start)
{
	uint64_t first = launched(ONE), second = launched(TWO);

	rig_synchronize(TWO);
	cr_assert(lt(u64, fences_done_upto(&fences), first));
	rig_synchronize(ONE);
	cr_assert(eq(u64, fences_done_upto(&fences), second));
}

Test(fences, that_are_open_hide_what_came_later, .init = start)
{
	uint64_t open = fence_open(&fences), later = launched(ONE);

	rig_run();
	cr_assert(eq(u64, fences_done_upto(&fences), open - 1));
	fence_close(&fences, open, NULL, true);
	cr_assert(eq(u64, fences_done_upto(&fences), later));
}

/* Nothing of it is known any more: it must never be held for over. */
Test(fences, stay_open_whose_event_cannot_be_recorded, .init = start)
{
	uint64_t open = fence_open(&fences);

	rig_fail(CALL_RECORD, 1, 1);
	fence_close(&fences, open, ONE, false);
	launched(ONE);
	rig_run();
	cr_assert(eq(u64, fences_done_upto(&fences), open - 1));
}

Test(fences, are_refused_while_too_many_are_not_over, .init = start)
{
	uint64_t open = fence_open(&fences), last = open;

	for (int i = 0; i < FENCES + 10; i++) {
		uint64_t fence = fence_open(&fences);

		if (!fence)
			break;
		cr_assert(eq(u64, fence, last + 1));
		last = fence;
		fence_close(&fences, fence, NULL, true);
	}
	cr_assert(eq(u64, fence_open(&fences), 0));
	cr_assert(eq(u64, fences_done_upto(&fences), open - 1));
	fence_close(&fences, open, NULL, true);
	cr_assert(eq(u64, fence_open(&fences), last + 1));
	cr_assert(eq(u64, fences_done_upto(&fences), last));
}

Test(fences, of_an_operation_that_never_went_anywhere_are_no_one_s, .init = start)
{
	fence_close(&fences, 0, ONE, false);
	cr_assert(eq(u64, fences_newest(&fences), 0));
	cr_assert(eq(sz, rig.calls[CALL_RECORD], 0));
}
