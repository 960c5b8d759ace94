/* Virtual time: events, engines, repeatability. */
#include "sim_test.h"
#include <math.h>
#include <sys/wait.h>

static float between(CUevent a, CUevent b)
{
	float ms;

	OK(cuEventElapsedTime(&ms, a, b));
	return ms;
}

static CUevent mark(CUstream stream)
{
	CUevent event;

	OK(cuEventCreate(&event, 0));
	OK(cuEventRecord(event, stream));
	return event;
}

Test(sim_clock, a_kernel_takes_its_modelled_time)
{
	CUstream stream;

	sim_start();
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CUevent start = mark(stream);
	OK(sim_spin(5e6, stream));
	CUevent end = mark(stream);
	OK(cuEventSynchronize(end));
	cr_assert_lt(fabsf(between(start, end) - 5.0f), 0.1f);
}

Test(sim_clock, a_copy_takes_bytes_over_bandwidth)
{
	CUstream stream;
	void *host;

	setenv("LOWTIDE_SIM_H2D_GBPS", "1", 1);
	sim_start();
	CUdeviceptr ptr = sim_alloc(16 * MIB);
	OK(cuMemHostAlloc(&host, 16 * MIB, 0));
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CUevent start = mark(stream);
	OK(cuMemcpyHtoDAsync(ptr, host, 16 * MIB, stream));
	CUevent end = mark(stream);
	OK(cuEventSynchronize(end));
	cr_assert_lt(fabsf(between(start, end) - 16.777f), 0.2f, "%f", between(start, end));
}

Test(sim_clock, a_copy_and_a_kernel_overlap)
{
	CUstream a, b;
	void *host;

	setenv("LOWTIDE_SIM_H2D_GBPS", "1", 1);
	sim_start();
	CUdeviceptr ptr = sim_alloc(16 * MIB);
	OK(cuMemHostAlloc(&host, 16 * MIB, 0));
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	CUevent start = mark(a);
	OK(cuMemcpyHtoDAsync(ptr, host, 16 * MIB, a));
	OK(sim_spin(16e6, b));
	CUevent end = mark(b);
	OK(cuStreamWaitEvent(a, end, 0));
	end = mark(a);
	OK(cuCtxSynchronize());
	cr_assert_lt(between(start, end), 20.0f);
}

Test(sim_clock, two_copies_one_way_share_the_bus)
{
	CUstream a, b;
	void *host;

	setenv("LOWTIDE_SIM_H2D_GBPS", "1", 1);
	sim_start();
	CUdeviceptr ptr = sim_alloc(16 * MIB);
	OK(cuMemHostAlloc(&host, 16 * MIB, 0));
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	CUevent start = mark(a);
	OK(cuMemcpyHtoDAsync(ptr, host, 8 * MIB, a));
	OK(cuMemcpyHtoDAsync(ptr + 8 * MIB, host, 8 * MIB, b));
	CUevent end = mark(b);
	OK(cuStreamWaitEvent(a, end, 0));
	end = mark(a);
	OK(cuCtxSynchronize());
	cr_assert_gt(between(start, end), 16.0f);
}

Test(sim_clock, time_between_untimed_or_unrecorded_events_is_refused)
{
	CUevent plain, untimed;
	float ms;

	sim_start();
	OK(cuEventCreate(&plain, 0));
	OK(cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&ms, plain, plain));
	OK(cuEventRecord(plain, NULL));
	OK(cuEventRecord(untimed, NULL));
	OK(cuCtxSynchronize());
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&ms, plain, untimed));
}

/* Runs a small program in a child and returns what its events say. */
static float timed_run(const char *scheduler)
{
	int ends[2];
	float ms = -1;
	pid_t child;

	cr_assert_eq(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		CUstream a, b;

		setenv("LOWTIDE_SIM_SCHED", scheduler, 1);
		setenv("LOWTIDE_SIM_SEED", "7", 1);
		sim_start();
		CUdeviceptr ptr = sim_alloc(4 * MIB);
		static unsigned char host[MIB];
		OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
		OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
		CUevent start = mark(a);
		for (unsigned int i = 0; i < 10; i++) {
			OK(sim_fill(ptr, i, 100000, 8, a));
			OK(cuMemcpyHtoDAsync(ptr + 2 * MIB, host, MIB, b));
			CUevent event = mark(b);
			OK(cuStreamWaitEvent(a, event, 0));
		}
		CUevent end = mark(a);
		OK(cuCtxSynchronize());
		ms = between(start, end);
		_exit(write(ends[1], &ms, sizeof(ms)) != sizeof(ms));
	}
	close(ends[1]);
	cr_assert_eq(read(ends[0], &ms, sizeof(ms)), sizeof(ms));
	close(ends[0]);
	waitpid(child, NULL, 0);
	return ms;
}

Test(sim_clock, two_runs_tell_the_same_time)
{
	float first = timed_run("virtual");

	cr_assert_gt(first, 0);
	cr_assert_eq(first, timed_run("virtual"));
}

Test(sim_clock, two_runs_of_a_seed_tell_the_same_time)
{
	cr_assert_eq(timed_run("seeded"), timed_run("seeded"));
}

Test(sim_clock, a_kernel_of_higher_priority_does_not_wait_for_one_that_runs)
{
	CUfunction spin;
	CUstream low, high;
	int least, greatest;
	double long_ns = 10e6, short_ns = 1e6;

	sim_start();
	spin = sim_function("spin");
	OK(cuCtxGetStreamPriorityRange(&least, &greatest));
	OK(cuStreamCreateWithPriority(&low, CU_STREAM_NON_BLOCKING, least));
	OK(cuStreamCreateWithPriority(&high, CU_STREAM_NON_BLOCKING, greatest));
	CUevent start = mark(low);
	OK(sim_launch(spin, 4, low, (void *[]){&long_ns}));
	OK(sim_launch(spin, 4, low, (void *[]){&long_ns}));
	OK(sim_launch(spin, 4, high, (void *[]){&short_ns}));
	CUevent first = mark(high), last = mark(low);
	OK(cuCtxSynchronize());
	cr_assert_lt(between(start, first), 8.0f, "it waited");
	/* What it took, the others did not have. */
	cr_assert_gt(between(start, last), between(start, first) + 79.0f);
}
