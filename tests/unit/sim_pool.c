/* Stream-ordered allocation. */
#include "sim_test.h"

/* From the guide: the driver takes memory of cuMemAlloc too. */
Test(sim_pool, memory_of_cuMemAlloc_is_freed_when_the_stream_has_come_so_far)
{
	size_t before, pending, after, total;
	CUstream stream;

	sim_start();
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuMemGetInfo(&before, &total));
	CUdeviceptr ptr = sim_alloc(4 * MIB);
	OK(sim_spin(1e8, stream));
	OK(sim_fill(ptr, 1, 1000, 4, stream));
	OK(cuMemFreeAsync(ptr, stream));
	EXPECT(CUDA_ERROR_NOT_READY, cuStreamQuery(stream));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(ptr, stream));
	OK(cuMemGetInfo(&pending, &total));
	cr_assert_eq(pending, before - 4 * MIB);
	OK(cuStreamSynchronize(stream));
	OK(cuMemGetInfo(&after, &total));
	cr_assert_eq(after, before);
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFree(ptr));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(ptr + 256, stream));
}

Test(sim_pool, an_async_allocation_is_counted_and_given_back_after_a_synchronization)
{
	CUdeviceptr ptr;

	sim_start();
	size_t before = sim_free_bytes();
	OK(cuMemAllocAsync(&ptr, 8 * MIB, NULL));
	OK(sim_fill(ptr, 1, 1000, 4, NULL));
	sim_check_fill(ptr, 1, 1000);
	cr_assert_leq(sim_free_bytes(), before - 8 * MIB);
	OK(cuMemFreeAsync(ptr, NULL));
	OK(cuCtxSynchronize());
	cr_assert_eq(sim_free_bytes(), before);
}

Test(sim_pool, work_before_the_free_still_reaches_the_memory)
{
	CUdeviceptr ptr;

	sim_start();
	OK(cuMemAllocAsync(&ptr, MIB, NULL));
	OK(sim_spin(1e7, NULL));
	OK(sim_fill(ptr, 1, 1000, 4, NULL));
	OK(cuMemFreeAsync(ptr, NULL));
	OK(cuCtxSynchronize());
}

Test(sim_pool, freeing_twice_in_stream_order_is_refused)
{
	CUdeviceptr ptr;

	sim_start();
	OK(cuMemAllocAsync(&ptr, MIB, NULL));
	OK(cuMemFreeAsync(ptr, NULL));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(ptr, NULL));
}

Test(sim_pool, the_default_pool_is_current_and_cannot_be_destroyed)
{
	CUmemoryPool a, b;

	sim_start();
	OK(cuDeviceGetDefaultMemPool(&a, 0));
	OK(cuDeviceGetMemPool(&b, 0));
	cr_assert_eq(a, b);
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(a));
}

static cuuint64_t reserved(CUmemoryPool pool)
{
	cuuint64_t bytes;

	OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &bytes));
	return bytes;
}

Test(sim_pool, what_is_freed_stays_with_the_pool_up_to_its_threshold)
{
	cuuint64_t threshold = 4 * MIB;
	CUdeviceptr pieces[4];
	CUmemoryPool pool;
	size_t before;

	sim_start();
	OK(cuDeviceGetDefaultMemPool(&pool, 0));
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
	before = sim_free_bytes();
	for (int i = 0; i < 4; i++)
		OK(cuMemAllocAsync(&pieces[i], 2 * MIB, NULL));
	cr_assert_eq(reserved(pool), 8 * MIB);
	for (int i = 0; i < 4; i++)
		OK(cuMemFreeAsync(pieces[i], NULL));
	cr_assert_eq(reserved(pool), 8 * MIB);
	OK(cuCtxSynchronize());
	cr_assert_eq(reserved(pool), 4 * MIB);
	cr_assert_eq(before - sim_free_bytes(), 4 * MIB);
	OK(cuMemAllocAsync(&pieces[0], 2 * MIB, NULL));
	cr_assert_eq(reserved(pool), 4 * MIB, "a kept piece is used again");
	OK(cuMemPoolTrimTo(pool, 0));
	cr_assert_eq(reserved(pool), 2 * MIB);
	OK(cuMemFreeAsync(pieces[0], NULL));
	OK(cuCtxSynchronize());
	OK(cuMemPoolTrimTo(pool, 0));
	cr_assert_eq(sim_free_bytes(), before);
}
