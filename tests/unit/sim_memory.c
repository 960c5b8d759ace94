/* Linear memory: capacity, ownership, pointer questions. */
#include "sim_test.h"

Test(sim_memory, an_allocation_takes_vram_and_a_free_gives_it_back)
{
	sim_start();
	size_t before = sim_free_bytes();
	CUdeviceptr ptr = sim_alloc(8 * MIB);

	cr_assert_leq(sim_free_bytes(), before - 8 * MIB);
	OK(cuMemFree(ptr));
	cr_assert_eq(sim_free_bytes(), before);
}

Test(sim_memory, capacity_is_what_the_switch_says)
{
	size_t total, free_bytes;
	CUdevice device;

	setenv("LOWTIDE_SIM_VRAM", "48M", 1);
	sim_start();
	OK(cuMemGetInfo(&free_bytes, &total));
	cr_assert_eq(total, 48 * MIB);
	OK(cuDeviceGet(&device, 0));
	OK(cuDeviceTotalMem(&total, device));
	cr_assert_eq(total, 48 * MIB);
}

Test(sim_memory, more_than_the_capacity_is_out_of_memory_and_harmless)
{
	CUdeviceptr ptr;

	sim_start();
	size_t before = sim_free_bytes();
	EXPECT(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&ptr, 65 * MIB));
	cr_assert_eq(sim_free_bytes(), before);
	ptr = sim_alloc(32 * MIB);
	OK(cuMemFree(ptr));
}

Test(sim_memory, two_live_allocations_never_overlap)
{
	CUdeviceptr ptr[64];

	sim_start();
	for (unsigned int i = 0; i < 64; i++) {
		ptr[i] = sim_alloc(1000);
		OK(cuMemsetD8(ptr[i], (unsigned char)i, 1000));
	}
	for (unsigned int i = 0; i < 64; i++) {
		unsigned char host[1000];

		OK(cuMemcpyDtoH(host, ptr[i], sizeof(host)));
		for (unsigned int j = 0; j < 1000; j++)
			cr_assert_eq(host[j], i);
	}
}

Test(sim_memory, allocations_are_aligned_to_256_bytes)
{
	sim_start();
	for (size_t bytes = 1; bytes < 5000; bytes += 777)
		cr_assert_eq(sim_alloc(bytes) % 256, 0);
}

Test(sim_memory, a_large_allocation_begins_at_a_page_and_is_zero)
{
	sim_start();
	for (int i = 0; i < 3; i++) {
		size_t bytes = 2 * MIB + 4096 * (size_t)i;
		CUdeviceptr ptr = sim_alloc(bytes);
		unsigned char *copy = malloc(bytes);

		cr_assert_eq(ptr % (2 * MIB), 0);
		OK(cuMemcpyDtoH(copy, ptr, bytes));
		for (size_t at = 0; at < bytes; at += 512)
			cr_assert_eq(copy[at], 0);
		OK(cuMemsetD8(ptr, 0xa5, bytes)); /* whoever gets it next sees none of it */
		OK(cuCtxSynchronize());
		OK(cuMemFree(ptr));
		free(copy);
	}
}

Test(sim_memory, zero_bytes_is_an_invalid_value)
{
	CUdeviceptr ptr;

	sim_start();
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemAlloc(&ptr, 0));
}

Test(sim_memory, freeing_null_is_fine_and_freeing_twice_is_not)
{
	sim_start();
	CUdeviceptr ptr = sim_alloc(MIB);

	OK(cuMemFree(0));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFree(ptr + 256));
	OK(cuMemFree(ptr));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFree(ptr));
}

Test(sim_memory, a_pitch_holds_the_row_and_is_aligned)
{
	CUdeviceptr ptr;
	size_t pitch;

	sim_start();
	OK(cuMemAllocPitch(&ptr, &pitch, 1001, 16, 4));
	cr_assert_geq(pitch, 1001);
	cr_assert_eq(pitch % 256, 0);
	OK(cuMemsetD8(ptr, 7, pitch * 16));
	OK(cuMemFree(ptr));
}

Test(sim_memory, an_address_range_is_found_from_the_middle)
{
	CUdeviceptr base;
	size_t bytes;

	sim_start();
	CUdeviceptr ptr = sim_alloc(3 * MIB);
	OK(cuMemGetAddressRange(&base, &bytes, ptr + MIB + 17));
	cr_assert_eq(base, ptr);
	cr_assert_eq(bytes, 3 * MIB);
}

Test(sim_memory, pointer_attributes_tell_device_from_pinned_memory)
{
	unsigned int type = 0;
	void *host;

	sim_start();
	CUdeviceptr ptr = sim_alloc(MIB);
	OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, ptr));
	cr_assert_eq(type, CU_MEMORYTYPE_DEVICE);
	OK(cuMemAllocHost(&host, MIB));
	OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)host));
	cr_assert_eq(type, CU_MEMORYTYPE_HOST);
	OK(cuMemFreeHost(host));
}

Test(sim_memory, an_unknown_pointer_has_no_attributes)
{
	unsigned int type;
	int local;

	sim_start();
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
				     (CUdeviceptr)(uintptr_t)&local));
}

Test(sim_memory, pinned_memory_takes_no_vram_and_kernels_reach_it)
{
	unsigned int *host;

	sim_start();
	size_t before = sim_free_bytes();
	OK(cuMemHostAlloc((void **)&host, MIB, 0));
	cr_assert_eq(sim_free_bytes(), before);
	OK(sim_fill((CUdeviceptr)host, 5, 1000, 4, NULL));
	OK(cuCtxSynchronize());
	for (unsigned int i = 0; i < 1000; i++)
		cr_assert_eq(host[i], 5 + i);
	OK(cuMemFreeHost(host));
}

Test(sim_memory, pinned_memory_has_a_quota)
{
	void *host;

	setenv("LOWTIDE_SIM_HOST", "4M", 1);
	sim_start();
	EXPECT(CUDA_ERROR_OUT_OF_MEMORY, cuMemHostAlloc(&host, 5 * MIB, 0));
	OK(cuMemHostAlloc(&host, 3 * MIB, 0));
	OK(cuMemFreeHost(host));
}

Test(sim_memory, registering_twice_and_unregistering_twice_are_refused)
{
	void *host;

	sim_start();
	cr_assert_eq(posix_memalign(&host, 4096, 8192), 0);
	OK(cuMemHostRegister(host, 8192, 0));
	EXPECT(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister(host, 8192, 0));
	OK(cuMemHostUnregister(host));
	EXPECT(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(host));
	free(host);
}

Test(sim_memory, managed_memory_is_reached_by_host_and_kernel)
{
	CUdeviceptr ptr;

	sim_start();
	OK(cuMemAllocManaged(&ptr, MIB, CU_MEM_ATTACH_GLOBAL));
	OK(sim_fill(ptr, 9, 1000, 4, NULL));
	OK(cuCtxSynchronize());
	for (unsigned int i = 0; i < 1000; i++)
		cr_assert_eq(((unsigned int *)ptr)[i], 9 + i);
	OK(cuMemFree(ptr));
}
