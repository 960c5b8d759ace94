/* What the cards are told to be, and what their calls are told to cost. */
#include "sim_control.h"
#include "sim_test.h"

#include <math.h>

static const char *name_of(CUdevice device)
{
	static char name[64];

	OK(cuDeviceGetName(name, sizeof(name), device));
	return name;
}

static size_t total_of(CUdevice device)
{
	size_t bytes;

	OK(cuDeviceTotalMem(&bytes, device));
	return bytes;
}

Test(sim_devices, each_card_has_its_own_name_and_the_last_one_holds_for_the_rest)
{
	setenv("LOWTIDE_SIM_DEVICES", "3", 1);
	setenv("LOWTIDE_SIM_NAME", "NVIDIA A,Card B", 1);
	OK(cuInit(0));
	cr_assert_str_eq(name_of(0), "NVIDIA A");
	cr_assert_str_eq(name_of(1), "Card B");
	cr_assert_str_eq(name_of(2), "Card B");
}

Test(sim_devices, a_name_is_cut_to_the_room_it_is_given)
{
	char name[5];

	setenv("LOWTIDE_SIM_NAME", "long name", 1);
	OK(cuInit(0));
	OK(cuDeviceGetName(name, sizeof(name), 0));
	cr_assert_str_eq(name, "long");
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuDeviceGetName(name, 0, 0));
	EXPECT(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetName(name, sizeof(name), 1));
}

Test(sim_devices, each_card_has_its_own_memory)
{
	CUcontext context;
	CUdeviceptr ptr;
	size_t free_bytes, total;

	setenv("LOWTIDE_SIM_DEVICES", "2", 1);
	setenv("LOWTIDE_SIM_VRAM", "32M,8M", 1);
	OK(cuInit(0));
	cr_assert_eq(total_of(0), 32 * MIB);
	cr_assert_eq(total_of(1), 8 * MIB);
	OK(cuDevicePrimaryCtxRetain(&context, 1));
	OK(cuCtxSetCurrent(context));
	EXPECT(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&ptr, 10 * MIB));
	OK(cuMemAlloc(&ptr, 6 * MIB));
	OK(cuMemGetInfo(&free_bytes, &total));
	cr_assert_eq(total, 8 * MIB);
	cr_assert_eq(free_bytes, 2 * MIB);
	OK(cuDevicePrimaryCtxRetain(&context, 0));
	OK(cuCtxSetCurrent(context));
	cr_assert_eq(sim_free_bytes(), 32 * MIB);
}

Test(sim_devices, a_uuid_is_read_as_it_is_usually_written)
{
	static const unsigned char want[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					       0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
	CUuuid uuid, other;

	setenv("LOWTIDE_SIM_DEVICES", "2", 1);
	setenv("LOWTIDE_SIM_UUID", "GPU-01234567-89ab-cdef-0123-456789ABCDEF,nonsense", 1);
	OK(cuInit(0));
	OK(cuDeviceGetUuid(&uuid, 0));
	cr_assert_eq(memcmp(&uuid, want, 16), 0);
	OK(cuDeviceGetUuid(&other, 1)); /* what cannot be read is said, and the preset holds */
	cr_assert_neq(memcmp(&uuid, &other, 16), 0);
}

Test(sim_devices, an_attribute_is_what_it_is_set_to)
{
	int value;

	setenv("LOWTIDE_SIM_ATTRIBUTES", "75:7,102:0", 1);
	OK(cuInit(0));
	OK(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
	cr_assert_eq(value, 7);
	OK(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
				0));
	cr_assert_eq(value, 0);
	OK(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
	cr_assert_eq(value, 32);
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX, 0));
	EXPECT(CUDA_ERROR_INVALID_DEVICE,
	       cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 1));
}

Test(sim_devices, four_is_the_most_and_more_is_one)
{
	int count;

	setenv("LOWTIDE_SIM_DEVICES", "9", 1);
	OK(cuInit(0));
	OK(cuDeviceGetCount(&count));
	cr_assert_eq(count, 1);
}

Test(sim_devices, a_setting_that_is_no_number_keeps_the_preset)
{
	setenv("LOWTIDE_SIM_VRAM", "much", 1);
	OK(cuInit(0));
	cr_assert_eq(total_of(0), 8192 * MIB);
}

Test(sim_devices, a_machine_without_numa_may_claim_no_node)
{
	int value;

	setenv("LOWTIDE_SIM_NUMA_CLAIMED", "-1", 1);
	OK(cuInit(0));
	OK(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, 0));
	cr_assert_eq(value, -1);
}

/* --- prices ------------------------------------------------------------------------------- */

static double now_us(void)
{
	return lowtide_sim_thread_ns() / 1000;
}

Test(sim_devices, the_environment_prices_each_mapping_call)
{
	CUmemAllocationProp host = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location.type = CU_MEM_LOCATION_TYPE_HOST_NUMA};
	CUmemAllocationProp device = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				      .location.type = CU_MEM_LOCATION_TYPE_DEVICE};
	CUmemAccessDesc access = {.location.type = CU_MEM_LOCATION_TYPE_DEVICE,
				  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	CUmemGenericAllocationHandle frame;
	CUdeviceptr at;
	double start;

	setenv("LOWTIDE_SIM_CALL_NS", "0", 1);
	setenv("LOWTIDE_SIM_PRICE",
	       "host.create:100+50,device.create:11,device.map:12,device.set_access:13,"
	       "device.unmap:14,device.release:15",
	       1);
	sim_start();
	start = now_us();
	OK(cuMemCreate(&frame, 4 * MIB, &host, 0));
	cr_assert_lt(fabs(now_us() - start - 300), 1e-6, "100 us and 50 a MiB");
	OK(cuMemAddressReserve(&at, 4 * MIB, 0, 0, 0));
	start = now_us();
	OK(cuMemCreate(&frame, 4 * MIB, &device, 0));
	cr_assert_lt(fabs(now_us() - start - 11), 1e-6);
	start = now_us();
	OK(cuMemMap(at, 4 * MIB, 0, frame, 0));
	cr_assert_lt(fabs(now_us() - start - 12), 1e-6);
	start = now_us();
	OK(cuMemSetAccess(at, 4 * MIB, &access, 1));
	cr_assert_lt(fabs(now_us() - start - 13), 1e-6);
	start = now_us();
	OK(cuMemUnmap(at, 4 * MIB));
	cr_assert_lt(fabs(now_us() - start - 14), 1e-6);
	start = now_us();
	OK(cuMemRelease(frame));
	cr_assert_lt(fabs(now_us() - start - 15), 1e-6);
}

Test(sim_devices, a_price_that_is_none_leaves_the_presets)
{
	CUmemAllocationProp device = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				      .location.type = CU_MEM_LOCATION_TYPE_DEVICE};
	CUmemGenericAllocationHandle frame;
	double start;

	setenv("LOWTIDE_SIM_CALL_NS", "0", 1);
	setenv("LOWTIDE_SIM_PRICE", "device.create:cheap", 1);
	sim_start();
	start = now_us();
	OK(cuMemCreate(&frame, 2 * MIB, &device, 0));
	cr_assert_lt(fabs(now_us() - start - 60), 1e-6);
}

Test(sim_devices, zero_copy_has_its_own_rate_and_compute_its_own_time)
{
	CUevent from, to;
	void *pinned;
	float ms;

	setenv("LOWTIDE_SIM_D2H_GBPS", "2", 1);
	setenv("LOWTIDE_SIM_ZEROCOPY", "0.5", 1);
	sim_start();
	OK(cuMemHostAlloc(&pinned, 4 * MIB, 0));
	OK(cuEventCreate(&from, 0));
	OK(cuEventCreate(&to, 0));
	OK(sim_fill((CUdeviceptr)(uintptr_t)pinned, 1, 1, 1, NULL)); /* warm */
	OK(cuCtxSynchronize());
	OK(cuEventRecord(from, NULL));
	OK(sim_fill((CUdeviceptr)(uintptr_t)pinned, 1, MIB, 4, NULL));
	OK(cuEventRecord(to, NULL));
	OK(cuCtxSynchronize());
	OK(cuEventElapsedTime(&ms, from, to));
	cr_assert_lt(fabsf(ms - 4.194f), 0.05f, "%f: 4 MiB at half of 2 GB/s", (double)ms);
}

Test(sim_devices, the_high_water_marks_stay_when_the_water_falls)
{
	CUdeviceptr ptr;
	void *pinned;

	sim_start();
	OK(cuMemAlloc(&ptr, 20 * MIB));
	OK(cuMemFree(ptr));
	OK(cuMemHostAlloc(&pinned, 6 * MIB, 0));
	OK(cuMemFreeHost(pinned));
	cr_assert_eq(lowtide_sim_counted("vram_peak"), 20 * MIB);
	cr_assert_eq(lowtide_sim_counted("host_peak"), 6 * MIB);
	cr_assert_eq(lowtide_sim_counted("nobody"), UINT64_MAX);
}

Test(sim_devices, a_test_may_plant_a_failure_while_it_runs)
{
	CUdeviceptr ptr;

	sim_start();
	OK(cuMemAlloc(&ptr, MIB));
	cr_assert(lowtide_sim_fail("cuMemAlloc_v2", 2, CUDA_ERROR_UNKNOWN));
	OK(cuMemAlloc(&ptr, MIB));
	EXPECT(CUDA_ERROR_UNKNOWN, cuMemAlloc(&ptr, MIB));
	OK(cuMemAlloc(&ptr, MIB));
}

Test(sim_devices, every_call_is_logged_with_its_error)
{
	char path[] = "/tmp/lowtide-log-XXXXXX", text[4096] = "";
	CUdeviceptr ptr;
	FILE *log;

	cr_assert_geq(mkstemp(path), 0);
	setenv("LOWTIDE_SIM_LOG", path, 1);
	sim_start();
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemAlloc(&ptr, 0));
	fflush(NULL);
	log = fopen(path, "r");
	cr_assert_not_null(log);
	cr_assert_gt(fread(text, 1, sizeof(text) - 1, log), 0);
	fclose(log);
	unlink(path);
	cr_assert_not_null(strstr(text, "cuInit\n"));
	cr_assert_not_null(strstr(text, "cuMemAlloc_v2: error 1\n"));
}
