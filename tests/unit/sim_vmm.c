/* The virtual memory management API and its documented rules. */
#include "sim_test.h"

#define BLOCK (2 * MIB)

static CUmemAllocationProp prop_of(CUmemLocationType type)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED};

	prop.location.type = type;
	return prop;
}

static CUmemGenericAllocationHandle frame_of(CUmemLocationType type)
{
	CUmemAllocationProp prop = prop_of(type);
	CUmemGenericAllocationHandle frame;

	OK(cuMemCreate(&frame, BLOCK, &prop, 0));
	return frame;
}

static CUdeviceptr reserve(size_t bytes)
{
	CUdeviceptr ptr;

	OK(cuMemAddressReserve(&ptr, bytes, BLOCK, 0, 0));
	return ptr;
}

static CUresult allow(CUdeviceptr ptr, size_t bytes, CUmemAccess_flags flags)
{
	CUmemAccessDesc desc = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE},
				.flags = flags};

	return cuMemSetAccess(ptr, bytes, &desc, 1);
}

static void map(CUdeviceptr ptr, CUmemGenericAllocationHandle frame)
{
	OK(cuMemMap(ptr, BLOCK, 0, frame, 0));
	OK(allow(ptr, BLOCK, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
}

Test(sim_vmm, the_granularity_is_two_mebibytes)
{
	CUmemAllocationProp prop = prop_of(CU_MEM_LOCATION_TYPE_DEVICE);
	size_t bytes;

	sim_start();
	OK(cuMemGetAllocationGranularity(&bytes, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	cr_assert_eq(bytes, BLOCK);
}

Test(sim_vmm, a_size_off_the_granularity_is_refused)
{
	CUmemAllocationProp prop = prop_of(CU_MEM_LOCATION_TYPE_DEVICE);
	CUmemGenericAllocationHandle frame;

	sim_start();
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemCreate(&frame, BLOCK + 4096, &prop, 0));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemCreate(&frame, 0, &prop, 0));
}

Test(sim_vmm, reserving_takes_no_vram_and_a_frame_does)
{
	sim_start();
	size_t before = sim_free_bytes();
	CUdeviceptr ptr = reserve(1024 * MIB);

	cr_assert_eq(sim_free_bytes(), before);
	CUmemGenericAllocationHandle frame = frame_of(CU_MEM_LOCATION_TYPE_DEVICE);
	cr_assert_eq(sim_free_bytes(), before - BLOCK);
	OK(cuMemRelease(frame));
	cr_assert_eq(sim_free_bytes(), before);
	OK(cuMemAddressFree(ptr, 1024 * MIB));
}

Test(sim_vmm, frames_beyond_the_capacity_are_out_of_memory)
{
	CUmemAllocationProp prop = prop_of(CU_MEM_LOCATION_TYPE_DEVICE);
	CUmemGenericAllocationHandle frame;
	unsigned int made = 0;
	CUresult result;

	sim_start();
	while ((result = cuMemCreate(&frame, BLOCK, &prop, 0)) == CUDA_SUCCESS)
		cr_assert_leq(++made, 32);
	cr_assert_eq(result, CUDA_ERROR_OUT_OF_MEMORY);
	cr_assert_eq(made, 32);
}

Test(sim_vmm, a_mapped_frame_holds_every_byte_across_a_remap)
{
	sim_start();
	CUdeviceptr ptr = reserve(2 * BLOCK);
	CUmemGenericAllocationHandle frame = frame_of(CU_MEM_LOCATION_TYPE_DEVICE);

	map(ptr, frame);
	OK(sim_fill(ptr, 11, BLOCK / 4, 8, NULL));
	OK(cuCtxSynchronize());
	OK(cuMemUnmap(ptr, BLOCK));
	map(ptr + BLOCK, frame);
	sim_check_fill(ptr + BLOCK, 11, BLOCK / 4);
}

Test(sim_vmm, two_aliases_of_a_frame_show_the_same_bytes)
{
	sim_start();
	CUdeviceptr ptr = reserve(2 * BLOCK);
	CUmemGenericAllocationHandle frame = frame_of(CU_MEM_LOCATION_TYPE_DEVICE);

	map(ptr, frame);
	map(ptr + BLOCK, frame);
	OK(sim_fill(ptr, 3, BLOCK / 4, 2, NULL));
	sim_check_fill(ptr + BLOCK, 3, BLOCK / 4);
}

/* Three times the same size: the simulator may use again what was given back. */
static void see_zeros(CUmemLocationType type, size_t bytes)
{
	CUmemAllocationProp prop = prop_of(type);
	CUdeviceptr ptr = reserve(bytes);
	unsigned char *copy = malloc(bytes);

	for (int i = 0; i < 3; i++) {
		CUmemGenericAllocationHandle frame;

		OK(cuMemCreate(&frame, bytes, &prop, 0));
		OK(cuMemMap(ptr, bytes, 0, frame, 0));
		OK(allow(ptr, bytes, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
		OK(cuMemcpyDtoH(copy, ptr, bytes));
		for (size_t at = 0; at < bytes; at++)
			cr_assert_eq(copy[at], 0, "turn %d, byte %zu", i, at);
		OK(cuMemsetD8(ptr, 0xa5, bytes));
		OK(cuCtxSynchronize());
		OK(cuMemUnmap(ptr, bytes));
		OK(cuMemRelease(frame));
	}
	free(copy);
}

Test(sim_vmm, a_frame_is_all_zeros_whatever_was_given_back)
{
	sim_start();
	see_zeros(CU_MEM_LOCATION_TYPE_DEVICE, BLOCK);
	see_zeros(CU_MEM_LOCATION_TYPE_DEVICE, 4 * BLOCK);
	see_zeros(CU_MEM_LOCATION_TYPE_HOST_NUMA, 21 * BLOCK);
}

Test(sim_vmm, a_released_frame_lives_until_its_last_mapping_goes)
{
	sim_start();
	size_t before = sim_free_bytes();
	CUdeviceptr ptr = reserve(BLOCK);
	CUmemGenericAllocationHandle frame = frame_of(CU_MEM_LOCATION_TYPE_DEVICE);

	map(ptr, frame);
	OK(cuMemRelease(frame));
	cr_assert_eq(sim_free_bytes(), before - BLOCK);
	OK(sim_fill(ptr, 1, 100, 1, NULL));
	sim_check_fill(ptr, 1, 100);
	OK(cuMemUnmap(ptr, BLOCK));
	cr_assert_eq(sim_free_bytes(), before);
}

Test(sim_vmm, mapping_needs_offset_zero_and_a_free_reserved_place)
{
	sim_start();
	CUdeviceptr ptr = reserve(2 * BLOCK);
	CUmemGenericAllocationHandle frame = frame_of(CU_MEM_LOCATION_TYPE_DEVICE);

	cr_assert_neq(cuMemMap(ptr, BLOCK, 4096, frame, 0), CUDA_SUCCESS);
	OK(cuMemMap(ptr, BLOCK, 0, frame, 0));
	cr_assert_neq(cuMemMap(ptr, BLOCK, 0, frame, 0), CUDA_SUCCESS);
	cr_assert_neq(cuMemMap(ptr + 1024 * 1024 * MIB, BLOCK, 0, frame, 0), CUDA_SUCCESS);
}

Test(sim_vmm, only_whole_mappings_are_unmapped)
{
	sim_start();
	CUdeviceptr ptr = reserve(2 * BLOCK);
	CUmemGenericAllocationHandle a = frame_of(CU_MEM_LOCATION_TYPE_DEVICE);
	CUmemGenericAllocationHandle b = frame_of(CU_MEM_LOCATION_TYPE_DEVICE);

	map(ptr, a);
	map(ptr + BLOCK, b);
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemUnmap(ptr, BLOCK / 2));
	OK(cuMemUnmap(ptr, 2 * BLOCK));
	cr_assert_neq(cuMemUnmap(ptr, BLOCK), CUDA_SUCCESS);
}

Test(sim_vmm, a_mapping_without_access_is_an_illegal_address)
{
	sim_start();
	CUdeviceptr ptr = reserve(BLOCK);

	OK(cuMemMap(ptr, BLOCK, 0, frame_of(CU_MEM_LOCATION_TYPE_DEVICE), 0));
	OK(sim_fill(ptr, 1, 10, 1, NULL));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
}

Test(sim_vmm, a_read_only_mapping_can_be_read_and_not_written)
{
	sim_start();
	CUdeviceptr ptr = reserve(BLOCK), out = sim_alloc(256);
	void *params[] = {&ptr, &out};

	map(ptr, frame_of(CU_MEM_LOCATION_TYPE_DEVICE));
	OK(sim_fill(ptr, 77, 10, 1, NULL));
	OK(cuCtxSynchronize());
	OK(allow(ptr, BLOCK, CU_MEM_ACCESS_FLAGS_PROT_READ));
	OK(sim_launch(sim_function("peek"), 1, NULL, params));
	OK(cuCtxSynchronize());
	sim_check_fill(out, 77, 1);
	OK(sim_fill(ptr, 1, 10, 1, NULL));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
}

Test(sim_vmm, an_address_under_a_mapping_cannot_be_freed)
{
	sim_start();
	CUdeviceptr ptr = reserve(BLOCK);

	map(ptr, frame_of(CU_MEM_LOCATION_TYPE_DEVICE));
	cr_assert_neq(cuMemAddressFree(ptr, BLOCK), CUDA_SUCCESS);
	OK(cuMemUnmap(ptr, BLOCK));
	OK(cuMemAddressFree(ptr, BLOCK));
}

Test(sim_vmm, a_host_numa_frame_takes_no_vram_and_kernels_reach_it)
{
	sim_start();
	size_t before = sim_free_bytes();
	CUdeviceptr ptr = reserve(BLOCK);

	map(ptr, frame_of(CU_MEM_LOCATION_TYPE_HOST_NUMA));
	cr_assert_eq(sim_free_bytes(), before);
	OK(sim_fill(ptr, 21, BLOCK / 4, 4, NULL));
	sim_check_fill(ptr, 21, BLOCK / 4);
}

Test(sim_vmm, host_numa_can_be_switched_off)
{
	CUmemAllocationProp prop = prop_of(CU_MEM_LOCATION_TYPE_HOST_NUMA);
	CUmemGenericAllocationHandle frame;

	setenv("LOWTIDE_SIM_HOST_NUMA", "0", 1);
	sim_start();
	cr_assert_neq(cuMemCreate(&frame, BLOCK, &prop, 0), CUDA_SUCCESS);
}

Test(sim_vmm, a_handle_is_found_again_from_an_address)
{
	CUmemGenericAllocationHandle again;

	sim_start();
	CUdeviceptr ptr = reserve(BLOCK);
	CUmemGenericAllocationHandle frame = frame_of(CU_MEM_LOCATION_TYPE_DEVICE);
	map(ptr, frame);
	OK(cuMemRetainAllocationHandle(&again, (void *)(ptr + 4096)));
	cr_assert_eq(again, frame);
	OK(cuMemRelease(again));
	OK(cuMemRelease(frame));
}

Test(sim_vmm, a_frame_released_twice_is_refused)
{
	sim_start();
	CUmemGenericAllocationHandle frame = frame_of(CU_MEM_LOCATION_TYPE_DEVICE);

	OK(cuMemRelease(frame));
	cr_assert_neq(cuMemRelease(frame), CUDA_SUCCESS);
}
