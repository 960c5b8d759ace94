/* Arrays: the VRAM they take, and what is said of them. */
#include "sim_test.h"

static const CUDA_ARRAY3D_DESCRIPTOR wide = {
    .Width = 1024, .Height = 1024, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};

Test(sim_array, one_takes_vram_and_its_end_gives_it_back)
{
	CUarray array;

	sim_start();
	size_t before = sim_free_bytes();
	OK(cuArray3DCreate(&array, &wide));
	cr_assert_eq(sim_free_bytes(), before - 4 * MIB);
	OK(cuArrayDestroy(array));
	cr_assert_eq(sim_free_bytes(), before);
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuArrayDestroy(array));
}

Test(sim_array, tiles_take_more_than_texels)
{
	CUDA_ARRAY_DESCRIPTOR thin = {16, 17 * 1024, CU_AD_FORMAT_UNSIGNED_INT8, 1};
	CUarray array;

	sim_start();
	size_t before = sim_free_bytes();
	OK(cuArrayCreate(&array, &thin));
	cr_assert_eq(sim_free_bytes(), before - 2 * MIB);
}

Test(sim_array, a_description_reads_back)
{
	CUDA_ARRAY3D_DESCRIPTOR desc;
	CUDA_ARRAY_DESCRIPTOR flat;
	CUarray array;

	sim_start();
	OK(cuArray3DCreate(&array, &wide));
	OK(cuArray3DGetDescriptor(&desc, array));
	cr_assert(!memcmp(&desc, &wide, sizeof(desc)));
	OK(cuArrayGetDescriptor(&flat, array));
	cr_assert_eq(flat.Height, 1024);
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuArrayGetDescriptor(&flat, NULL));
}

Test(sim_array, levels_take_more_than_one)
{
	CUmipmappedArray levels;

	sim_start();
	size_t before = sim_free_bytes();
	OK(cuMipmappedArrayCreate(&levels, &wide, 11));
	cr_assert_eq(sim_free_bytes(), before - 6 * MIB);
	OK(cuMipmappedArrayDestroy(levels));
	cr_assert_eq(sim_free_bytes(), before);
}

Test(sim_array, what_does_not_fit_or_makes_no_sense_is_refused)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = wide;
	CUarray array;

	sim_start();
	size_t before = sim_free_bytes();
	desc.Depth = 64;
	EXPECT(CUDA_ERROR_OUT_OF_MEMORY, cuArray3DCreate(&array, &desc));
	desc.NumChannels = 3;
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuArray3DCreate(&array, &desc));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuArray3DCreate(&array, NULL));
	cr_assert_eq(sim_free_bytes(), before);
}

Test(sim_array, a_line_is_copied_to_and_from_memory)
{
	CUDA_ARRAY_DESCRIPTOR line = {1024, 0, CU_AD_FORMAT_UNSIGNED_INT32, 1};
	CUdeviceptr in, out;
	CUarray array, rows;

	sim_start();
	in = sim_alloc(4096), out = sim_alloc(4096);
	OK(cuArrayCreate(&array, &line));
	OK(sim_fill(in, 5, 1024, 1, NULL));
	OK(cuMemcpyDtoA(array, 1024, in, 3072));
	OK(cuMemcpyAtoD(out, array, 1024, 3072));
	sim_check_fill(out, 5, 3072 / 4);
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemcpyAtoD(out, array, 1024, 3073));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuMemcpyDtoA(NULL, 0, in, 16));
	OK(cuArray3DCreate(&rows, &wide));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoA(rows, 0, in, 16));
}
