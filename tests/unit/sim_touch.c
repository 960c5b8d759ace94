/* What is touched in flight: remaps under it, and the same memory through two mappings. */
#include "sim_control.h"
#include "sim_test.h"

#define BLOCK (2 * MIB)
#define WORDS (BLOCK / 4)

struct two {
	CUmemGenericAllocationHandle frame;
	CUdeviceptr address, alias;
	CUstream kernels, copies;
	unsigned int *pinned;
};

static CUdeviceptr mapped(CUmemGenericAllocationHandle frame)
{
	CUmemAccessDesc access = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE},
				  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	CUdeviceptr at;

	OK(cuMemAddressReserve(&at, BLOCK, 0, 0, 0));
	OK(cuMemMap(at, BLOCK, 0, frame, 0));
	OK(cuMemSetAccess(at, BLOCK, &access, 1));
	return at;
}

static struct two start(CUmemLocationType where, const char *seed)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = where}};
	struct two two;

	setenv("LOWTIDE_SIM_SCHED", "seeded", 1);
	setenv("LOWTIDE_SIM_SEED", seed, 1);
	sim_start();
	OK(cuMemCreate(&two.frame, BLOCK, &prop, 0));
	two.alias = mapped(two.frame);
	two.address = mapped(two.frame);
	OK(cuStreamCreate(&two.kernels, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&two.copies, CU_STREAM_NON_BLOCKING));
	OK(cuMemAllocHost((void **)&two.pinned, BLOCK));
	return two;
}

/* A kernel of many blocks over the first half, and a copy of that half, or of the other one,
 * that does not wait for it. Whether they meet is the seed's affair: some rounds do. */
static uint64_t races(struct two *two, CUdeviceptr copied, bool kernel_writes, bool copy_writes)
{
	CUdeviceptr in = two->address, out = sim_alloc(256);
	void *peek[] = {&in, &out};

	for (int round = 0; round < 32; round++) {
		if (kernel_writes)
			OK(sim_fill(two->address, 1, 64, 16, two->kernels));
		else
			OK(sim_launch(sim_function("peek"), 16, two->kernels, peek));
		if (copy_writes)
			OK(cuMemcpyHtoDAsync(copied, two->pinned, 4096, two->copies));
		else
			OK(cuMemcpyDtoHAsync(two->pinned, copied, 4096, two->copies));
		OK(cuCtxSynchronize());
	}
	return lowtide_sim_counted("alias_races");
}

Test(sim_touch, a_write_through_an_alias_under_a_kernel_that_reads_is_a_race)
{
	struct two two = start(CU_MEM_LOCATION_TYPE_DEVICE, "3");

	cr_assert_gt(races(&two, two.alias, false, true), 0);
}

/* Counted apart: whoever reads so must throw away what it read. */
Test(sim_touch, a_read_through_an_alias_under_a_kernel_that_writes_is_a_torn_one)
{
	struct two two = start(CU_MEM_LOCATION_TYPE_HOST_NUMA, "4");

	cr_assert_eq(races(&two, two.alias, true, false), 0);
	cr_assert_gt(lowtide_sim_counted("torn_reads"), 0);
}

Test(sim_touch, two_reads_of_one_frame_are_none)
{
	struct two two = start(CU_MEM_LOCATION_TYPE_DEVICE, "5");

	cr_assert_eq(races(&two, two.alias, false, false), 0);
	cr_assert_eq(lowtide_sim_counted("torn_reads"), 0);
}

Test(sim_touch, other_bytes_of_the_frame_are_free)
{
	struct two two = start(CU_MEM_LOCATION_TYPE_DEVICE, "6");

	cr_assert_eq(races(&two, two.alias + BLOCK / 2, true, true), 0);
}

/* The program's own affair: it may use atomics, or know better. */
Test(sim_touch, through_one_mapping_nothing_is_counted)
{
	struct two two = start(CU_MEM_LOCATION_TYPE_DEVICE, "7");

	cr_assert_eq(races(&two, two.address, true, true), 0);
}

Test(sim_touch, an_alias_after_the_kernel_has_ended_is_no_race)
{
	struct two two = start(CU_MEM_LOCATION_TYPE_DEVICE, "8");
	CUevent event;

	OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
	for (int round = 0; round < 32; round++) {
		OK(sim_fill(two.address, 1, 64, 16, two.kernels));
		OK(cuEventRecord(event, two.kernels));
		OK(cuStreamWaitEvent(two.copies, event, 0));
		OK(cuMemcpyHtoDAsync(two.alias, two.pinned, 4096, two.copies));
		OK(cuEventRecord(event, two.copies));
		OK(cuStreamWaitEvent(two.kernels, event, 0));
	}
	OK(cuCtxSynchronize());
	cr_assert_eq(lowtide_sim_counted("alias_races"), 0);
}

/* The frame is another by then: its number may be the same, its generation is not. */
Test(sim_touch, a_frame_made_anew_is_not_the_old_one)
{
	struct two two = start(CU_MEM_LOCATION_TYPE_DEVICE, "9");
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};

	for (int round = 0; round < 8; round++) {
		CUmemGenericAllocationHandle frame;
		CUdeviceptr at;

		OK(sim_fill(two.address, 1, 64, 16, two.kernels));
		OK(cuMemCreate(&frame, BLOCK, &prop, 0));
		at = mapped(frame);
		OK(cuMemcpyHtoDAsync(at, two.pinned, 4096, two.copies));
		OK(cuStreamSynchronize(two.copies));
		OK(cuMemUnmap(at, BLOCK));
		OK(cuMemRelease(frame));
	}
	cr_assert_eq(lowtide_sim_counted("alias_races"), 0);
	cr_assert_eq(lowtide_sim_counted("remap_races"), 0);
}

Test(sim_touch, an_unmap_under_a_kernel_is_counted)
{
	struct two two = start(CU_MEM_LOCATION_TYPE_DEVICE, "10");
	uint64_t counted = 0;

	for (int round = 0; round < 32 && !counted; round++) {
		OK(sim_fill(two.address, 1, 64, 16, two.kernels));
		(void)cuStreamQuery(two.kernels); /* time for a few of its blocks */
		OK(cuMemUnmap(two.address, BLOCK));
		counted = lowtide_sim_counted("remap_races");
		two.address = mapped(two.frame);
		/* Or it had not begun, and finds nothing where it should. */
		if (counted || cuCtxSynchronize() != CUDA_SUCCESS)
			break;
	}
	cr_assert_gt(counted, 0);
}

/* It looks at the value as long as it waits. */
Test(sim_touch, an_unmap_under_a_stream_that_waits_for_a_value_is_counted)
{
	struct two two = start(CU_MEM_LOCATION_TYPE_DEVICE, "11");

	OK(cuMemsetD32(two.address, 1, 1));
	OK(cuCtxSynchronize());
	OK(cuStreamWaitValue32(two.kernels, two.address, 1, CU_STREAM_WAIT_VALUE_EQ));
	OK(cuStreamSynchronize(two.kernels));
	OK(cuMemUnmap(two.address, BLOCK));
	cr_assert_eq(lowtide_sim_counted("remap_races"), 0);
	two.address = mapped(two.frame);
	OK(cuStreamWaitValue32(two.kernels, two.address, 2, CU_STREAM_WAIT_VALUE_EQ));
	EXPECT(CUDA_ERROR_NOT_READY, cuStreamQuery(two.kernels));
	OK(cuMemUnmap(two.address, BLOCK));
	cr_assert_eq(lowtide_sim_counted("remap_races"), 1);
	_exit(0); /* It waits for ever. */
}
