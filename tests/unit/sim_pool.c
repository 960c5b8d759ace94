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

static CUmemoryPool own_pool(int device)
{
	CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location = {CU_MEM_LOCATION_TYPE_DEVICE, device}};
	CUmemoryPool pool;

	OK(cuMemPoolCreate(&pool, &props));
	return pool;
}

/* Its manual promises no more than that all is released once nothing is outstanding. */
Test(sim_pool, a_destroyed_pool_lives_on_until_its_last_memory_is_freed)
{
	cuuint64_t threshold = UINT64_MAX;
	CUdeviceptr kept, first, last;
	CUmemoryPool pool;
	size_t before;

	sim_start();
	before = sim_free_bytes();
	pool = own_pool(0);
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
	OK(cuMemAllocFromPoolAsync(&kept, 2 * MIB, pool, NULL));
	OK(cuMemAllocFromPoolAsync(&first, 4 * MIB, pool, NULL));
	OK(cuMemAllocFromPoolAsync(&last, 2 * MIB, pool, NULL));
	OK(cuMemFreeAsync(kept, NULL));
	OK(cuCtxSynchronize());
	OK(cuMemPoolDestroy(pool));
	OK(sim_fill(last, 7, 1000, 4, NULL));
	OK(cuMemFree(first));
	sim_check_fill(last, 7, 1000);
	cr_assert_eq(before - sim_free_bytes(), 8 * MIB);
	OK(sim_spin(1e8, NULL));
	OK(cuMemFreeAsync(last, NULL));
	cr_assert_eq(before - sim_free_bytes(), 8 * MIB);
	OK(cuCtxSynchronize());
	cr_assert_eq(sim_free_bytes(), before);
}

Test(sim_pool, a_destroyed_pool_without_memory_in_use_goes_at_once)
{
	cuuint64_t threshold = UINT64_MAX;
	CUdeviceptr ptr;
	CUmemoryPool pool;
	size_t before;

	sim_start();
	before = sim_free_bytes();
	OK(cuMemPoolDestroy(own_pool(0)));
	pool = own_pool(0);
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
	OK(cuMemAllocFromPoolAsync(&ptr, 2 * MIB, pool, NULL));
	OK(cuMemFreeAsync(ptr, NULL));
	OK(cuCtxSynchronize());
	cr_assert_eq(before - sim_free_bytes(), 2 * MIB);
	OK(cuMemPoolDestroy(pool));
	cr_assert_eq(sim_free_bytes(), before);
}

Test(sim_pool, a_destroyed_pool_outlives_a_context_that_had_memory_of_it)
{
	CUcontext primary = sim_start(), second;
	size_t before = sim_free_bytes();
	CUmemoryPool pool = own_pool(0);
	CUdeviceptr of_first, of_second;

	OK(cuMemAllocFromPoolAsync(&of_first, 2 * MIB, pool, NULL));
	OK(cuCtxCreate(&second, NULL, 0, 0));
	OK(cuMemAllocFromPoolAsync(&of_second, 4 * MIB, pool, NULL));
	OK(cuMemPoolDestroy(pool));
	OK(cuCtxDestroy(second));
	OK(cuCtxSetCurrent(primary));
	cr_assert_eq(before - sim_free_bytes(), 6 * MIB);
	OK(cuMemFree(of_first));
	cr_assert_eq(sim_free_bytes(), before);
}

Test(sim_pool, a_pool_of_another_device_takes_its_memory_there)
{
	CUcontext first, other;
	CUdeviceptr ptr;
	CUmemoryPool pool;
	size_t before_here, before_there;

	setenv("LOWTIDE_SIM_DEVICES", "2", 1);
	first = sim_start();
	OK(cuDevicePrimaryCtxRetain(&other, 1));
	OK(cuCtxSetCurrent(other));
	before_there = sim_free_bytes();
	OK(cuCtxSetCurrent(first));
	before_here = sim_free_bytes();
	pool = own_pool(1);
	OK(cuMemAllocFromPoolAsync(&ptr, 2 * MIB, pool, NULL));
	cr_assert_eq(sim_free_bytes(), before_here);
	OK(cuCtxSetCurrent(other));
	cr_assert_eq(before_there - sim_free_bytes(), 2 * MIB);
	OK(cuMemPoolDestroy(pool));
	OK(cuMemFree(ptr));
	cr_assert_eq(sim_free_bytes(), before_there);
}
