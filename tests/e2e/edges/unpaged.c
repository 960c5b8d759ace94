/* What is not paged, and counts against the cap all the same. */
#include "edges.h"

#include <stdint.h>

/* A pool keeps what is freed: that is VRAM too, until the pool is trimmed. */
void pool_keeps(void)
{
	cuuint64_t threshold = UINT64_MAX;
	CUdeviceptr pieces[PIECES], pooled[4];
	CUmemoryPool pool;

	start();
	MUST(cuDeviceGetDefaultMemPool(&pool, 0));
	MUST(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
	for (unsigned int round = 0; round < 2; round++) {
		for (int i = 0; i < 4; i++)
			MUST(cuMemAllocAsync(&pooled[i], 3 * UNIT, NULL));
		for (int i = 0; i < 4; i++)
			MUST(cuMemsetD8Async(pooled[i], 1, 3 * UNIT, NULL));
		for (int i = 0; i < 4; i++)
			MUST(cuMemFreeAsync(pooled[i], NULL));
		MUST(cuCtxSynchronize());
		fill_pieces(pieces);
		stir(pieces, NULL);
		check(pieces[3], 303, BYTES);
		for (unsigned int i = 0; i < PIECES; i++)
			MUST(cuMemFree(pieces[i]));
		if (round == 0)
			MUST(cuMemPoolTrimTo(pool, 0));
	}
}

/* What a pool keeps is free again when the pool ends. */
void pool_ends(void)
{
	CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
	cuuint64_t threshold = UINT64_MAX;
	CUdeviceptr pieces[PIECES], pooled;
	CUmemoryPool pool;

	start();
	for (unsigned int round = 0; round < 4; round++) {
		CUresult (*alloc)(CUdeviceptr *, size_t, CUmemoryPool, CUstream) =
		    (CUresult(*)(CUdeviceptr *, size_t, CUmemoryPool, CUstream))driver_function(
			"cuMemAllocFromPoolAsync", 13000,
			round % 2 ? CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM : 0);

		MUST(cuMemPoolCreate(&pool, &props));
		MUST(
		    cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
		MUST(alloc(&pooled, 7 * UNIT, pool, NULL));
		MUST(cuMemsetD8Async(pooled, 1, 7 * UNIT, NULL));
		MUST(cuMemFreeAsync(pooled, NULL));
		MUST(cuCtxSynchronize());
		fill_pieces(pieces);
		stir(pieces, NULL);
		check(pieces[3], 303, BYTES);
		for (unsigned int i = 0; i < PIECES; i++)
			MUST(cuMemFree(pieces[i]));
		MUST(cuMemPoolDestroy(pool));
	}
}

/* Arrays take VRAM, in tiles: none may pass the cap, and what one took is there again when it
 * has gone. With what is paged beside them, which makes room. */
void arrays(void)
{
	CUDA_ARRAY3D_DESCRIPTOR wide = {1024, 1024, 0, CU_AD_FORMAT_FLOAT, 1, 0},
				thin = {16, 100, 40, CU_AD_FORMAT_UNSIGNED_INT8, 1, 0},
				small = {64, 64, 0, CU_AD_FORMAT_UNSIGNED_INT8, 4, 0};
	CUDA_ARRAY_DESCRIPTOR flat = {1024, 512, CU_AD_FORMAT_FLOAT, 1},
			      narrow = {1, 100000, CU_AD_FORMAT_UNSIGNED_INT8, 1};
	int most = -1, made;
	CUdeviceptr pieces[PIECES];
	CUarray array[64];
	CUmipmappedArray levels;

	start();
	fill_pieces(pieces);
	for (int round = 0; round < 3; round++) {
		CUresult result = CUDA_SUCCESS;

		for (made = 0; made < 64; made++) {
			result =
			    made % 4 == 0   ? cuArray3DCreate(&array[made], &wide)
			    : made % 4 == 1 ? cuArray3DCreate(&array[made], &thin)
			    : made % 4 == 2
				? cuArray3DCreate(&array[made], &small)
				: cuArrayCreate(&array[made], made % 8 == 3 ? &narrow : &flat);
			if (result != CUDA_SUCCESS)
				break;
		}
		if (result != CUDA_SUCCESS && result != CUDA_ERROR_OUT_OF_MEMORY)
			MUST(result);
		if (made < 3 || (most >= 0 && made != most))
			wrong("fewer arrays than before");
		most = made;
		stir(pieces, NULL);
		while (made--)
			MUST(cuArrayDestroy(array[made]));
		MUST(cuMipmappedArrayCreate(&levels, &wide, 11));
		stir(pieces, NULL);
		MUST(cuMipmappedArrayDestroy(levels));
	}
	check(pieces[2], 200 + 18, BYTES);
	MUST(cuArray3DCreate(&array[0], &wide));
	MUST(cuDevicePrimaryCtxReset(0));
}
