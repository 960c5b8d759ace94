/* Order, blocking, events and callbacks. */
#include "sim_test.h"

#include <pthread.h>
#include <stdatomic.h>

Test(sim_streams, work_in_one_stream_runs_in_order)
{
	CUstream stream;

	sim_start();
	CUdeviceptr ptr = sim_alloc(MIB);
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(sim_fill(ptr, 10, 1000, 4, stream));
	OK(cuStreamSynchronize(stream));
	for (unsigned int i = 0; i < 20; i++)
		OK(sim_fill(ptr, i, 1000, 4, stream));
	OK(cuStreamSynchronize(stream));
	sim_check_fill(ptr, 19, 1000);
}

Test(sim_streams, a_launch_does_not_wait_and_a_query_says_not_ready)
{
	CUstream stream;

	sim_start();
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(sim_spin(1e9, stream));
	EXPECT(CUDA_ERROR_NOT_READY, cuStreamQuery(stream));
	OK(cuStreamSynchronize(stream));
	OK(cuStreamQuery(stream));
}

Test(sim_streams, a_wait_on_an_event_orders_two_streams)
{
	CUstream a, b;
	CUevent event;

	sim_start();
	CUdeviceptr ptr = sim_alloc(MIB);
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
	OK(sim_spin(1e8, a));
	OK(sim_fill(ptr, 1, 1000, 4, a));
	OK(cuEventRecord(event, a));
	OK(cuStreamWaitEvent(b, event, 0));
	OK(sim_fill(ptr, 2, 1000, 4, b));
	OK(cuStreamSynchronize(b));
	OK(cuStreamQuery(a));
	sim_check_fill(ptr, 2, 1000);
}

Test(sim_streams, an_event_never_recorded_holds_nobody)
{
	CUevent event;

	sim_start();
	OK(cuEventCreate(&event, 0));
	OK(cuEventQuery(event));
	OK(cuEventSynchronize(event));
	OK(cuStreamWaitEvent(NULL, event, 0));
	OK(cuCtxSynchronize());
}

Test(sim_streams, the_legacy_stream_waits_for_blocking_streams)
{
	CUstream stream;

	sim_start();
	CUdeviceptr ptr = sim_alloc(MIB);
	OK(cuStreamCreate(&stream, CU_STREAM_DEFAULT));
	OK(sim_spin(1e8, stream));
	OK(sim_fill(ptr, 1, 1000, 4, stream));
	OK(sim_fill(ptr, 2, 1000, 4, NULL));
	OK(cuStreamSynchronize(NULL));
	OK(cuStreamQuery(stream));
	sim_check_fill(ptr, 2, 1000);
}

Test(sim_streams, a_non_blocking_stream_ignores_the_legacy_stream)
{
	CUstream stream;

	sim_start();
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(sim_spin(1e9, NULL));
	OK(sim_spin(1e3, stream));
	OK(cuStreamSynchronize(stream));
	EXPECT(CUDA_ERROR_NOT_READY, cuStreamQuery(NULL));
	OK(cuCtxSynchronize());
}

Test(sim_streams, synchronizing_the_context_drains_every_stream)
{
	CUstream stream[3];

	sim_start();
	for (int i = 0; i < 3; i++) {
		OK(cuStreamCreate(&stream[i], CU_STREAM_NON_BLOCKING));
		OK(sim_spin(1e7 * (i + 1), stream[i]));
	}
	OK(cuCtxSynchronize());
	for (int i = 0; i < 3; i++)
		OK(cuStreamQuery(stream[i]));
}

static void append(void *data)
{
	unsigned int *value = data;

	value[0] = value[0] * 10 + 1;
}

static void append_status(CUstream stream, CUresult status, void *data)
{
	unsigned int *value = data;

	(void)stream;
	value[0] = value[0] * 10 + 2 + (unsigned int)status;
}

Test(sim_streams, host_functions_and_callbacks_run_in_stream_order)
{
	unsigned int value = 0;

	sim_start();
	OK(cuLaunchHostFunc(NULL, append, &value));
	OK(cuStreamAddCallback(NULL, append_status, &value, 0));
	OK(cuLaunchHostFunc(NULL, append, &value));
	OK(cuCtxSynchronize());
	cr_assert_eq(value, 121);
}

Test(sim_streams, a_destroyed_stream_finishes_its_work)
{
	CUstream stream;

	sim_start();
	CUdeviceptr ptr = sim_alloc(MIB);
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(sim_spin(1e6, stream));
	OK(sim_fill(ptr, 4, 1000, 4, stream));
	OK(cuStreamDestroy(stream));
	OK(cuCtxSynchronize());
	sim_check_fill(ptr, 4, 1000);
}

Test(sim_streams, priorities_are_clamped_and_flags_remembered)
{
	int low, high, priority;
	unsigned int flags;
	CUstream stream;

	sim_start();
	OK(cuCtxGetStreamPriorityRange(&low, &high));
	cr_assert_leq(high, low);
	OK(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, high - 100));
	OK(cuStreamGetPriority(stream, &priority));
	cr_assert_eq(priority, high);
	OK(cuStreamGetFlags(stream, &flags));
	cr_assert_eq(flags, CU_STREAM_NON_BLOCKING);
}

Test(sim_streams, the_worker_threads_keep_the_same_order)
{
	CUstream a, b;
	CUevent event;

	setenv("LOWTIDE_SIM_SCHED", "threads", 1);
	sim_start();
	CUdeviceptr ptr = sim_alloc(MIB);
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&event, 0));
	OK(cuMemsetD8(ptr, 0, MIB));
	OK(cuStreamSynchronize(NULL)); /* non-blocking streams do not wait for the fill */
	for (unsigned int i = 0; i < 50; i++) {
		OK(sim_increment(ptr, 1, 1000, i % 2 ? a : b));
		OK(cuEventRecord(event, i % 2 ? a : b));
		OK(cuStreamWaitEvent(i % 2 ? b : a, event, 0));
	}
	OK(cuCtxSynchronize());
	unsigned int host[1000];
	OK(cuMemcpyDtoH(host, ptr, sizeof(host)));
	for (unsigned int i = 0; i < 1000; i++)
		cr_assert_eq(host[i], 50);
}

struct late_value {
	volatile unsigned int *at;
	atomic_bool stored;
};

/* Long after the workers and the waiting thread have gone to sleep. */
static void *store_late(void *argument)
{
	struct late_value *late = argument;

	usleep(200000);
	atomic_store(&late->stored, true);
	__atomic_store_n(late->at, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* A processor's plain store wakes nobody: the simulated GPU has to look for it. */
Test(sim_streams, a_wait_for_a_value_sees_a_store_that_nothing_announces, .timeout = 10)
{
	struct late_value late = {0};
	pthread_t thread;
	CUstream stream;

	setenv("LOWTIDE_SIM_SCHED", "threads", 1);
	sim_start();
	OK(cuMemHostAlloc((void **)&late.at, 4096, 0));
	*late.at = 0;
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuStreamWaitValue32(stream, (CUdeviceptr)(uintptr_t)late.at, 1,
			       CU_STREAM_WAIT_VALUE_EQ));
	pthread_create(&thread, NULL, store_late, &late);
	OK(cuStreamSynchronize(stream));
	cr_assert(atomic_load(&late.stored));
	pthread_join(thread, NULL);
}
