/* What can be planted of addresses, page tables, polling and a process's end. */
#include "sim_control.h"
#include "sim_test.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define TIB ((size_t)1 << 40)

static CUmemGenericAllocationHandle host_frame(size_t bytes)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location.type = CU_MEM_LOCATION_TYPE_HOST_NUMA};
	CUmemGenericAllocationHandle frame;

	OK(cuMemCreate(&frame, bytes, &prop, 0));
	return frame;
}

static CUresult open_to(CUdeviceptr at, size_t bytes, CUmemAccess_flags flags)
{
	CUmemAccessDesc access = {.location.type = CU_MEM_LOCATION_TYPE_DEVICE, .flags = flags};

	return cuMemSetAccess(at, bytes, &access, 1);
}

/* --- addresses */

Test(sim_manner, reservations_take_time_and_vram_where_that_is_planted)
{
	CUdeviceptr at;
	size_t before;
	double start;

	setenv("LOWTIDE_SIM_RESERVE_NS", "5000", 1);
	setenv("LOWTIDE_SIM_RESERVE_VRAM", "1M", 1);
	sim_start();
	before = sim_free_bytes();
	start = lowtide_sim_thread_ns();
	OK(cuMemAddressReserve(&at, 4 * TIB, 0, 0, 0));
	cr_assert_lt(fabs(lowtide_sim_thread_ns() - start - 4 * 5000 - 300), 1);
	cr_assert_eq(before - sim_free_bytes(), 4 * MIB);
	OK(cuMemAddressFree(at, 4 * TIB));
	cr_assert_eq(before, sim_free_bytes());
}

Test(sim_manner, addresses_end_where_that_is_planted)
{
	CUdeviceptr first, second;

	setenv("LOWTIDE_SIM_ADDRESSES", "6144G", 1);
	sim_start();
	OK(cuMemAddressReserve(&first, 4 * TIB, 0, 0, 0));
	EXPECT(CUDA_ERROR_OUT_OF_MEMORY, cuMemAddressReserve(&second, 4 * TIB, 0, 0, 0));
	OK(cuMemAddressReserve(&second, 2 * TIB, 0, 0, 0));
	OK(cuMemAddressFree(first, 4 * TIB));
	OK(cuMemAddressReserve(&first, 4 * TIB, 0, 0, 0));
}

/* --- page tables */

Test(sim_manner, ram_that_a_card_may_access_takes_tables_of_its_memory)
{
	CUmemGenericAllocationHandle frame;
	CUdeviceptr at;
	size_t before;

	setenv("LOWTIDE_SIM_TABLES", "2048", 1);
	sim_start();
	before = sim_free_bytes();
	frame = host_frame(32 * MIB);
	OK(cuMemAddressReserve(&at, 64 * MIB, 0, 0, 0));
	OK(cuMemMap(at, 32 * MIB, 0, frame, 0));
	OK(cuMemMap(at + 32 * MIB, 32 * MIB, 0, frame, 0));
	cr_assert_eq(before, sim_free_bytes());
	OK(open_to(at, 32 * MIB, CU_MEM_ACCESS_FLAGS_PROT_READ));
	OK(open_to(at, 32 * MIB, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
	cr_assert_eq(before - sim_free_bytes(), 32 * 2048);
	OK(open_to(at + 32 * MIB, 32 * MIB, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
	cr_assert_eq(before - sim_free_bytes(), 64 * 2048);
	OK(open_to(at, 32 * MIB, CU_MEM_ACCESS_FLAGS_PROT_NONE));
	cr_assert_eq(before - sim_free_bytes(), 32 * 2048);
	OK(cuMemUnmap(at, 64 * MIB));
	cr_assert_eq(before, sim_free_bytes());
}

Test(sim_manner, tables_that_are_kept_are_used_again)
{
	CUmemGenericAllocationHandle frame;
	CUdeviceptr at;
	size_t before;

	setenv("LOWTIDE_SIM_TABLES", "2048", 1);
	setenv("LOWTIDE_SIM_TABLES_KEPT", "1", 1);
	sim_start();
	before = sim_free_bytes();
	frame = host_frame(32 * MIB);
	OK(cuMemAddressReserve(&at, 32 * MIB, 0, 0, 0));
	for (int i = 0; i < 2; i++) {
		OK(cuMemMap(at, 32 * MIB, 0, frame, 0));
		OK(open_to(at, 32 * MIB, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
		OK(cuMemUnmap(at, 32 * MIB));
		cr_assert_eq(before - sim_free_bytes(), 32 * 2048);
	}
}

Test(sim_manner, access_that_finds_no_room_for_its_tables_is_refused)
{
	CUmemGenericAllocationHandle frame;
	CUdeviceptr at;
	size_t before;

	setenv("LOWTIDE_SIM_TABLES", "4M", 1);
	setenv("LOWTIDE_SIM_VRAM", "16M", 1);
	sim_start();
	before = sim_free_bytes();
	frame = host_frame(8 * MIB);
	OK(cuMemAddressReserve(&at, 8 * MIB, 0, 0, 0));
	OK(cuMemMap(at, 8 * MIB, 0, frame, 0));
	EXPECT(CUDA_ERROR_OUT_OF_MEMORY,
	       open_to(at, 8 * MIB, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
	OK(cuMemUnmap(at, 8 * MIB));
	cr_assert_eq(before, sim_free_bytes());
}

/* --- polling */

static void *poll_once(void *context)
{
	OK(cuCtxSetCurrent(context));
	OK(cuStreamQuery(NULL));
	return NULL;
}

static double launch_ns(void)
{
	double start = lowtide_sim_thread_ns();

	OK(sim_spin(1, NULL));
	return lowtide_sim_thread_ns() - start;
}

Test(sim_manner, a_launch_is_held_up_once_by_another_threads_query)
{
	CUcontext context;
	pthread_t thread;
	double alone;

	setenv("LOWTIDE_SIM_POLL_STALL_NS", "40000", 1);
	context = sim_start();
	OK(cuStreamQuery(NULL)); /* this thread's own holds nobody up */
	OK(sim_spin(1, NULL));	 /* its module is loaded now */
	alone = launch_ns();
	cr_assert_eq(pthread_create(&thread, NULL, poll_once, context), 0);
	pthread_join(thread, NULL);
	cr_assert_lt(fabs(launch_ns() - alone - 40000), 1);
	cr_assert_lt(fabs(launch_ns() - alone), 1);
}

/* --- a process's end */

static void *use_on_and_on(void *context)
{
	size_t bytes, total;

	while (cuCtxSetCurrent(context) == CUDA_SUCCESS &&
	       cuMemGetInfo(&bytes, &total) == CUDA_SUCCESS)
		usleep(100);
	return NULL;
}

/* How a process ends whose other thread uses the driver: its status; -1: not within 3 s. */
static int ending(const char *manner, bool with_thread, double *ms)
{
	struct timespec from, to;
	int status = 0, waited = 0;
	pid_t child = fork();

	if (child == 0) {
		CUcontext context;
		pthread_t thread;

		setenv("LOWTIDE_SIM_EXIT", manner, 1);
		context = sim_start();
		if (with_thread && pthread_create(&thread, NULL, use_on_and_on, context) == 0)
			usleep(20000);
		exit(3);
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	while (waitpid(child, &status, WNOHANG) == 0 && waited++ < 3000)
		usleep(1000);
	if (waited >= 3000) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		return -1;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	*ms =
	    (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	return status;
}

Test(sim_manner, a_process_with_a_working_thread_ends)
{
	double ms;
	int status = ending("", true, &ms);

	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3, "%x", status);
}

Test(sim_manner, unless_it_is_planted_that_it_crashes)
{
	double ms;
	int status = ending("crash", true, &ms);

	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%x", status);
	status = ending("crash", false, &ms);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3, "%x", status);
}

Test(sim_manner, or_hangs)
{
	double ms;

	cr_assert_eq(ending("hang", true, &ms), -1);
}

Test(sim_manner, or_takes_its_time)
{
	double ms;
	int status = ending("400", true, &ms);

	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3, "%x", status);
	cr_assert_geq(ms, 400);
}
