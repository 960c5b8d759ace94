/* LOWTIDE_SIM_PROFILE: prices and manners from a result of the probe. */
#include "sim_control.h"
#include "sim_test.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static const char profile[] =
    "{\"lowtide_probe\": 1, \"trials\": ["
    "{\"name\": \"switch_price\", \"figures\": ["
    " {\"name\": \"device/2MiB/create\", \"unit\": \"us\", \"median\": 200},"
    " {\"name\": \"device/2MiB/map\", \"unit\": \"us\", \"median\": 7},"
    " {\"name\": \"host/2MiB/create\", \"unit\": \"us\", \"median\": 100},"
    " {\"name\": \"host/8MiB/create\", \"unit\": \"us\", \"median\": 400}]},"
    "{\"name\": \"copies\", \"figures\": [{\"name\": \"h2d\", \"unit\": \"GB/s\", \"median\": "
    "4}]},"
    "{\"name\": \"stalls\", \"facts\": {\"unmap/waits_for_kernels\": true,"
    " \"set_access/not_ready\": %d}},"
    "{\"name\": \"hints\", \"facts\": {\"hint_honoured\": false}},"
    "{\"name\": \"host_numa\", \"facts\": {\"create\": \"%s\", \"kernel_read\": \"ok\"}}]}";

static char path[] = "/tmp/lowtide-profile-XXXXXX";

static void plant(int not_ready, const char *created)
{
	int file = mkstemp(path);

	cr_assert_geq(file, 0);
	cr_assert_gt(dprintf(file, profile, not_ready, created), 0);
	close(file);
	setenv("LOWTIDE_SIM_PROFILE", path, 1);
	sim_start();
	unlink(path);
}

static CUmemAllocationProp property(bool host)
{
	return (CUmemAllocationProp){.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				     .location.type = host ? CU_MEM_LOCATION_TYPE_HOST_NUMA
							   : CU_MEM_LOCATION_TYPE_DEVICE};
}

static double create_us(bool host, size_t bytes, CUmemGenericAllocationHandle *out)
{
	CUmemAllocationProp prop = property(host);
	double start = lowtide_sim_thread_ns();

	OK(cuMemCreate(out, bytes, &prop, 0));
	return (lowtide_sim_thread_ns() - start) / 1000;
}

static CUdeviceptr mapped(void)
{
	CUmemAllocationProp prop = property(false);
	CUmemGenericAllocationHandle frame;
	CUdeviceptr at;

	OK(cuMemCreate(&frame, 2 * MIB, &prop, 0));
	OK(cuMemAddressReserve(&at, 2 * MIB, 0, 0, 0));
	OK(cuMemMap(at, 2 * MIB, 0, frame, 0));
	return at;
}

static CUresult open_to_device(CUdeviceptr at)
{
	CUmemAccessDesc access = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE},
				  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};

	return cuMemSetAccess(at, 2 * MIB, &access, 1);
}

Test(sim_profile, a_call_takes_what_was_measured_of_it)
{
	CUmemGenericAllocationHandle frame;

	plant(0, "ok");
	cr_assert_lt(fabs(create_us(false, 2 * MIB, &frame) - 200), 1e-3);
}

Test(sim_profile, between_two_sizes_and_beyond_them_the_price_follows_the_line)
{
	CUmemGenericAllocationHandle frame;

	plant(0, "ok");
	cr_assert_lt(fabs(create_us(true, 4 * MIB, &frame) - 200), 1e-3);
	cr_assert_lt(fabs(create_us(true, 16 * MIB, &frame) - 800), 1e-3);
}

Test(sim_profile, what_was_not_measured_keeps_its_preset)
{
	CUmemGenericAllocationHandle frame;
	double start;

	plant(0, "ok");
	create_us(false, 2 * MIB, &frame);
	start = lowtide_sim_thread_ns();
	OK(cuMemRelease(frame));
	cr_assert_lt(fabs(lowtide_sim_thread_ns() - start - 30300), 1);
}

Test(sim_profile, the_bus_has_the_measured_rate_unless_the_environment_says_another)
{
	size_t bytes = 4 * MIB;
	double start;
	void *host;

	plant(0, "ok");
	OK(cuMemHostAlloc(&host, bytes, 0));
	CUdeviceptr at = sim_alloc(bytes);
	start = lowtide_sim_thread_ns();
	OK(cuMemcpyHtoD(at, host, bytes));
	cr_assert_lt(fabs(lowtide_sim_thread_ns() - start - (double)bytes / 4 - 1300), 10);
}

Test(sim_profile, the_environment_wins)
{
	size_t bytes = 4 * MIB;
	double start;
	void *host;

	setenv("LOWTIDE_SIM_H2D_GBPS", "2", 1);
	plant(0, "ok");
	OK(cuMemHostAlloc(&host, bytes, 0));
	CUdeviceptr at = sim_alloc(bytes);
	start = lowtide_sim_thread_ns();
	OK(cuMemcpyHtoD(at, host, bytes));
	cr_assert_lt(fabs(lowtide_sim_thread_ns() - start - (double)bytes / 2 - 1300), 10);
}

Test(sim_profile, a_call_that_was_seen_to_wait_for_kernels_waits)
{
	CUdeviceptr at;
	double start;

	plant(0, "ok");
	at = mapped();
	OK(sim_spin(5e6, NULL));
	start = lowtide_sim_thread_ns();
	OK(open_to_device(at));
	cr_assert_lt(lowtide_sim_thread_ns() - start, 1e6);
	OK(cuMemUnmap(at, 2 * MIB));
	cr_assert_gt(lowtide_sim_thread_ns() - start, 4e6);
}

Test(sim_profile, set_access_is_not_ready_while_work_runs)
{
	CUdeviceptr at;

	plant(3, "ok");
	at = mapped();
	OK(sim_spin(5e6, NULL));
	cr_assert_eq(open_to_device(at), CUDA_ERROR_NOT_READY);
	OK(cuCtxSynchronize());
	OK(open_to_device(at));
}

Test(sim_profile, a_hint_that_was_not_honoured_is_not)
{
	CUdeviceptr at;

	plant(0, "ok");
	OK(cuMemAddressReserve(&at, 2 * MIB, 0, 0x500000000000, 0));
	cr_assert_neq(at, 0x500000000000);
}

Test(sim_profile, host_frames_that_could_not_be_made_cannot)
{
	CUmemAllocationProp prop = property(true);
	CUmemGenericAllocationHandle frame;

	plant(0, "CUDA_ERROR_NOT_SUPPORTED");
	cr_assert_eq(cuMemCreate(&frame, 2 * MIB, &prop, 0), CUDA_ERROR_NOT_SUPPORTED);
}

Test(sim_profile, a_file_that_is_no_result_changes_nothing)
{
	CUmemGenericAllocationHandle frame;

	setenv("LOWTIDE_SIM_PROFILE", "/dev/null", 1);
	sim_start();
	cr_assert_lt(fabs(create_us(false, 2 * MIB, &frame) - 60.3), 1e-3);
}

static void *map_one(void *context)
{
	OK(cuCtxSetCurrent(context));
	mapped();
	return NULL;
}

Test(sim_profile, a_launch_is_held_up_once_by_another_threads_mapping_call)
{
	static const char stalling[] = "{\"trials\": [{\"name\": \"stalls\", \"figures\": ["
				       "{\"name\": \"alone/launch\", \"p99\": 2}, {\"name\": "
				       "\"beside/launch\", \"p99\": 42}]}]}";
	int file = mkstemp(path);
	pthread_t thread;
	CUcontext context;
	double start, alone, first, second;

	cr_assert_eq(write(file, stalling, sizeof(stalling) - 1), sizeof(stalling) - 1);
	close(file);
	setenv("LOWTIDE_SIM_PROFILE", path, 1);
	context = sim_start();
	unlink(path);
	mapped();	       /* this thread's own holds nobody up */
	OK(sim_spin(1, NULL)); /* its module is loaded now */
	start = lowtide_sim_thread_ns();
	OK(sim_spin(1, NULL));
	alone = lowtide_sim_thread_ns() - start;
	cr_assert_eq(pthread_create(&thread, NULL, map_one, context), 0);
	pthread_join(thread, NULL);
	start = lowtide_sim_thread_ns();
	OK(sim_spin(1, NULL));
	first = lowtide_sim_thread_ns() - start;
	OK(sim_spin(1, NULL));
	second = lowtide_sim_thread_ns() - start - first;
	cr_assert_lt(fabs(first - alone - 40000), 1, "%g", first);
	cr_assert_lt(fabs(second - alone), 1, "%g", second);
}
