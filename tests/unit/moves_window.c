/* When a window opens, what it waits for, and that every way out leaves the gate open, on the
 * rig. */
#include "moves_rig.h"
#include "order/gate.h"
#include "order/captures.h"
#include "order/freezes.h"
#include "order/contexts.h"
#include "pager/pager_internal.h"
#include "order/streams.h"
#include "move/window.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define POLLS 3 /* a stream is found busy so often before the GPU has had time for it */

static CUstream failing;      /* the driver answers with an error to a question about it */
static CUevent failing_event; /* so it does to one about this */
static bool endless;	      /* work does not end */
static unsigned int polls, pushes, pops;
static CUcontext current;
static CUresult current_result, push_result;
static CUstreamCaptureStatus captured;

static CUresult poll(CUresult result, CUstream stream)
{
	if (result == CUDA_ERROR_NOT_READY && !endless && ++polls % POLLS == 0)
		rig_synchronize(stream);
	return result;
}

static CUresult query(CUstream stream)
{
	if (failing && stream == failing)
		return CUDA_ERROR_ILLEGAL_ADDRESS;
	return poll(rig_query(stream), stream);
}

static CUresult event_query(CUevent event)
{
	size_t record = rig.record_of[(uintptr_t)event];

	if (failing_event && event == failing_event)
		return CUDA_ERROR_ILLEGAL_ADDRESS;
	return poll(rig_event_query(event), record ? rig.operations[record - 1].stream : NULL);
}

static CUresult event_destroy(CUevent event)
{
	if (rig_event_query(event) != CUDA_SUCCESS)
		rig_wrong("an event is destroyed that may still be asked for");
	return CUDA_SUCCESS;
}

static CUresult stream_create(CUstream *stream, unsigned int flags)
{
	static uintptr_t next = 0x1000;

	(void)flags;
	*stream = (CUstream)(next += 0x10);
	return CUDA_SUCCESS;
}

static CUresult stream_create_with_priority(CUstream *stream, unsigned int flags, int priority)
{
	(void)priority;
	return stream_create(stream, flags);
}

static CUresult stream_destroy(CUstream stream)
{
	(void)stream; /* what is in it goes on */
	return CUDA_SUCCESS;
}

static CUresult is_capturing(CUstream stream, CUstreamCaptureStatus *status)
{
	(void)stream;
	*status = captured;
	return CUDA_SUCCESS;
}

static CUresult get_current(CUcontext *context)
{
	*context = current;
	return current_result;
}

static CUresult push(CUcontext context)
{
	cr_assert(eq(ptr, context, rig.pager.memory.context));
	pushes += push_result == CUDA_SUCCESS;
	return push_result;
}

static CUresult pop(CUcontext *context)
{
	(void)context;
	pops++;
	return CUDA_SUCCESS;
}

static void start_with_patience(const char *seconds)
{
	setenv("LOWTIDE_PATIENCE", seconds, 1);
	cr_assert(
	    eq(int, (int)driver_load(), CUDA_SUCCESS)); /* or a hook would, over the rig */
	rig_start();
	lt_driver.cuStreamQuery = query;
	lt_driver.cuEventQuery = event_query;
	lt_driver.cuEventDestroy_v2 = event_destroy;
	lt_driver.cuStreamCreate = stream_create;
	lt_driver.cuStreamCreateWithPriority = stream_create_with_priority;
	lt_driver.cuStreamDestroy_v2 = stream_destroy;
	lt_driver.cuStreamIsCapturing = is_capturing;
	lt_driver.cuCtxGetCurrent = get_current;
	lt_driver.cuCtxPushCurrent_v2 = push;
	lt_driver.cuCtxPopCurrent_v2 = pop;
	current = rig.pager.memory.context;
}

static void start(void)
{
	start_with_patience("60");
}

static void start_impatient(void)
{
	start_with_patience("0.05");
}

static CUstream new_stream(void)
{
	CUstream stream;

	stream_create(&stream, 0);
	streams_created(stream);
	return stream;
}

/* --- a launcher beside it */

static atomic_bool passed;

static void *pass(void *unused)
{
	gate_enter();
	atomic_store(&passed, true);
	gate_leave();
	return unused;
}

static bool passes_within(unsigned int ms)
{
	for (unsigned int i = 0; i < ms && !atomic_load(&passed); i++)
		usleep(1000);
	return atomic_load(&passed);
}

/* Refused: nobody is kept out, and the context is as it was. */
static void check_refused(void)
{
	pthread_t thread;

	cr_assert_not(window_open(&rig.pager.mover));
	atomic_store(&passed, false);
	cr_assert(eq(int, pthread_create(&thread, NULL, pass, NULL), 0));
	cr_assert(passes_within(5000), "the gate is still shut");
	pthread_join(thread, NULL);
	cr_assert(eq(uint, pushes, pops), "another context is current than before");
	cr_assert(eq(u64, rig.pager.mover.stats.windows, 0));
}

static void check_opens(void)
{
	cr_assert(window_open(&rig.pager.mover));
	window_close(&rig.pager.mover);
	cr_assert(eq(u64, rig.pager.mover.stats.windows, 1));
}

/* --- what it waits for */

static void check_waits_for(CUstream stream)
{
	rig_put(RIG_WAIT, stream);
	cr_assert(window_open(&rig.pager.mover));
	cr_assert_not(rig_is_pending(stream), "what is in the stream is not over");
	window_close(&rig.pager.mover);
}

Test(window, waits_for_the_legacy_stream, .init = start)
{
	check_waits_for(CU_STREAM_LEGACY);
}

Test(window, waits_for_every_stream, .init = start)
{
	CUstream streams[] = {new_stream(), new_stream(), new_stream()};

	for (int i = 0; i < 3; i++)
		rig_put(RIG_WAIT, streams[i]);
	check_waits_for(streams[1]);
	for (int i = 0; i < 3; i++)
		cr_assert_not(rig_is_pending(streams[i]));
}

Test(window, waits_for_streams_of_either_kind, .init = start)
{
	CUstream plain, hurried;

	cr_assert(eq(int, (int)cuStreamCreate(&plain, 0), CUDA_SUCCESS));
	cr_assert(eq(int, (int)cuStreamCreateWithPriority(&hurried, 0, -1), CUDA_SUCCESS));
	check_waits_for(plain);
	check_waits_for(hurried);
}

Test(window, waits_for_what_was_in_a_stream_when_it_was_destroyed, .init = start)
{
	CUstream stream = new_stream();
	struct source *source;

	rig_put(RIG_WAIT, stream);
	source = streams_destroying(stream);
	streams_destroyed(source, CUDA_SUCCESS);
	cr_assert(rig_is_pending(stream));
	cr_assert(window_open(&rig.pager.mover));
	cr_assert_not(rig_is_pending(stream));
	window_close(&rig.pager.mover);
	rig_check();
}

/* Its handle may be another stream's by now, and is asked no more. */
Test(window, does_not_ask_a_stream_that_is_gone, .init = start)
{
	CUstream stream = new_stream();

	streams_destroyed(streams_destroying(stream), CUDA_SUCCESS);
	failing = stream;
	check_opens();
}

Test(window, asks_a_stream_that_the_driver_did_not_destroy, .init = start)
{
	CUstream stream = new_stream();

	streams_destroyed(streams_destroying(stream), CUDA_ERROR_INVALID_HANDLE);
	check_waits_for(stream);
}

static void *work_of_its_own(void *unused)
{
	rig_put(RIG_WAIT, CU_STREAM_PER_THREAD);
	streams_thread_worked();
	return unused;
}

Test(window, waits_for_what_a_thread_that_ended_left_in_its_own_stream, .init = start)
{
	pthread_t thread;

	pthread_create(&thread, NULL, work_of_its_own, NULL);
	pthread_join(thread, NULL);
	cr_assert(rig_is_pending(CU_STREAM_PER_THREAD));
	cr_assert(window_open(&rig.pager.mover));
	cr_assert_not(rig_is_pending(CU_STREAM_PER_THREAD));
	window_close(&rig.pager.mover);
}

/* Its streams are gone with it. */
Test(window, does_not_ask_streams_of_a_context_that_ended, .init = start)
{
	failing = new_stream();
	streams_context_ended(rig.pager.memory.context);
	check_opens();
}

Test(window, does_not_ask_streams_of_another_context, .init = start)
{
	current = (CUcontext)&current;
	failing = new_stream();
	current = rig.pager.memory.context;
	check_opens();
}

/* --- refused */

Test(window, is_refused_if_a_stream_has_failed, .init = start)
{
	new_stream();
	failing = new_stream();
	check_refused();
	failing = NULL;
	check_opens();
}

Test(window, is_refused_if_the_legacy_stream_has_failed, .init = start)
{
	failing = CU_STREAM_LEGACY;
	check_refused();
}

Test(window, is_refused_if_what_is_left_of_a_stream_has_failed, .init = start)
{
	CUstream stream = new_stream();

	rig_put(RIG_WAIT, stream);
	streams_destroyed(streams_destroying(stream), CUDA_SUCCESS);
	failing_event = (CUevent)(uintptr_t)rig.event_count;
	check_refused();
}

Test(window, is_refused_while_a_stream_is_captured, .init = start)
{
	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
	check_refused();
	cr_assert(eq(u64, rig.pager.mover.stats.windows_refused, 1));
	captures_ended();
	check_opens();
}

Test(window, is_refused_while_memory_is_used_that_nobody_can_tell_of, .init = start)
{
	freezes_add(1);
	check_refused();
	freezes_add(-1);
	check_opens();
}

Test(window, is_refused_while_the_device_has_another_context, .init = start)
{
	contexts_made(0, 2);
	check_refused();
	contexts_made(0, -1);
	check_opens();
}

Test(window, is_refused_once_memory_is_lost, .init = start)
{
	atomic_store(&rig.pager.memory.lost, 1);
	check_refused();
}

/* A launcher stays inside, long enough for somebody to wait for it. */
static atomic_bool inside, may_leave;
static void (*before_it_leaves)(void);

static void *stay(void *unused)
{
	gate_enter();
	atomic_store(&inside, true);
	while (!atomic_load(&may_leave))
		usleep(500);
	if (before_it_leaves)
		before_it_leaves();
	gate_leave();
	return unused;
}

static void *let_it_leave(void *unused)
{
	usleep(5000);
	atomic_store(&may_leave, true);
	return unused;
}

static pthread_t somebody_stays(void)
{
	pthread_t thread;

	cr_assert(eq(int, pthread_create(&thread, NULL, stay, NULL), 0));
	while (!atomic_load(&inside))
		usleep(500);
	return thread;
}

Test(window, is_refused_while_somebody_is_inside_and_then_rests, .init = start)
{
	pthread_t thread = somebody_stays();

	check_refused();
	cr_assert(gt(u64, rig.pager.mover.unpaged_since_ns, 0));
	atomic_store(&may_leave, true);
	pthread_join(thread, NULL);
	rig.pager.mover.unpaged_since_ns +=
	    60000000000ull; /* on a busy machine it is over soon */
	check_refused();    /* at once */
	cr_assert(eq(u64, rig.pager.mover.stats.windows_refused, 2));
	rig.pager.mover.unpaged_since_ns = 0;
	check_opens();
}

/* Nobody is asked to wait for a window that cannot be. */
Test(window, does_not_shut_the_gate_while_a_stream_is_captured, .init = start)
{
	pthread_t thread = somebody_stays();

	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
	check_refused();
	captures_ended();
	atomic_store(&may_leave, true);
	pthread_join(thread, NULL);
	cr_assert(eq(u64, rig.pager.mover.unpaged_since_ns, 0));
	check_opens();
}

static void begin_capture(void)
{
	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
}

static void freeze(void)
{
	freezes_add(1);
}

static void end_capture(void)
{
	captures_ended();
}

static void thaw(void)
{
	freezes_add(-1);
}

/* While the gate was being shut. On a busy machine whoever is inside may be waited for in vain:
 * then once more. */
static void check_refused_after(void (*what)(void), void (*undo)(void))
{
	pthread_t thread, other;

	before_it_leaves = what;
	for (int i = 0; i < 100; i++) {
		rig.pager.mover.unpaged_since_ns = 0;
		atomic_store(&inside, false);
		atomic_store(&may_leave, false);
		thread = somebody_stays();
		pthread_create(&other, NULL, let_it_leave, NULL);
		check_refused();
		pthread_join(thread, NULL);
		pthread_join(other, NULL);
		if (!rig.pager.mover.unpaged_since_ns)
			return;
		undo();
	}
	cr_assert(false, "it was never waited for");
}

Test(window, is_refused_if_a_capture_began_meanwhile, .init = start)
{
	check_refused_after(begin_capture, end_capture);
}

Test(window, is_refused_if_what_nobody_can_tell_of_began_meanwhile, .init = start)
{
	check_refused_after(freeze, thaw);
}

/* --- late */

Test(window, is_given_up_when_work_does_not_end, .init = start_impatient)
{
	uint32_t b = rig_component(2, 0, HOME_DEVICE, 7);

	rig_put(RIG_WAIT, new_stream());
	endless = true;
	for (uint32_t i = 0; i < 2; i++)
		rig.pager.actions[i] =
		    (struct policy_action){.verb = POLICY_EVICT, .block = b + i};
	carry_out(&rig.pager, 2);
	cr_assert(eq(u64, rig.pager.mover.stats.windows_late, 1));
	CHECK_HOME(b, HOME_DEVICE);
	CHECK_CONTENT(b + 1, 8);
	cr_assert(eq(sz, rig.calls[CALL_COPY], 0));
	check_refused(); /* at once: such work must not cost a patience each launch */
	cr_assert(eq(u64, rig.pager.mover.stats.windows_late, 1));
	cr_assert(eq(u64, rig.pager.mover.stats.windows_refused, 1));
	rig_check();
}

/* --- contexts */

Test(window, is_opened_in_the_pagers_context, .init = start)
{
	current = (CUcontext)&current;
	cr_assert(window_open(&rig.pager.mover));
	cr_assert(eq(uint, pushes, 1));
	cr_assert(eq(uint, pops, 0));
	window_close(&rig.pager.mover);
	cr_assert(eq(uint, pops, 1));
	failing = CU_STREAM_LEGACY;
	cr_assert_not(window_open(&rig.pager.mover));
	cr_assert(eq(uint, pushes, 2));
	cr_assert(eq(uint, pops, 2));
}

Test(window, is_refused_where_its_context_cannot_be_current, .init = start)
{
	current = (CUcontext)&current;
	push_result = CUDA_ERROR_INVALID_CONTEXT;
	check_refused();
	current_result = CUDA_ERROR_DEINITIALIZED;
	check_refused();
}

/* --- the gate */

Test(window, keeps_launchers_out_until_it_is_closed, .init = start)
{
	pthread_t thread;

	cr_assert(window_open(&rig.pager.mover));
	cr_assert(eq(int, pthread_create(&thread, NULL, pass, NULL), 0));
	cr_assert_not(passes_within(30));
	window_close(&rig.pager.mover);
	cr_assert(passes_within(5000));
	pthread_join(thread, NULL);
}
