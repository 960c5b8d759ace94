/* Textures and surfaces: what they are of, and what a kernel writes through one. */
#include "sim_test.h"

static void add_through(unsigned long long handle, unsigned int by)
{
	OK(sim_launch(sim_function("by_tensor_at"), 1, NULL, (void *[]){&handle, &by}));
	OK(cuCtxSynchronize());
}

static unsigned int word_at(CUdeviceptr at)
{
	unsigned int word;

	OK(cuMemcpyDtoH(&word, at, sizeof(word)));
	return word;
}

Test(sim_texture, a_surface_is_of_an_array)
{
	CUDA_ARRAY_DESCRIPTOR line = {1024, 0, CU_AD_FORMAT_UNSIGNED_INT32, 1};
	CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_LINEAR};
	CUsurfObject surface;
	CUdeviceptr at;
	CUarray array;

	sim_start();
	at = sim_alloc(4096);
	resource.res.linear.devPtr = at;
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuSurfObjectCreate(&surface, &resource));
	resource.resType = CU_RESOURCE_TYPE_ARRAY;
	resource.res.array.hArray = NULL;
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuSurfObjectCreate(&surface, &resource));
	OK(cuArrayCreate(&array, &line));
	resource.res.array.hArray = array;
	OK(cuSurfObjectCreate(&surface, &resource));
	OK(sim_fill(at, 40, 1024, 1, NULL));
	OK(cuMemcpyDtoA(array, 0, at, 4096));
	add_through(surface, 2);
	OK(cuMemcpyAtoD(at, array, 0, 4));
	cr_assert_eq(word_at(at), 42);
	OK(cuSurfObjectDestroy(surface));
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
Test(sim_texture, a_reference_is_bound_to_the_last_memory_named)
{
	CUDA_ARRAY_DESCRIPTOR rows = {256, 4, CU_AD_FORMAT_UNSIGNED_INT32, 1};
	CUdeviceptr at, told;
	size_t offset = 0;
	CUtexref texture;

	sim_start();
	at = sim_alloc(4096);
	OK(sim_fill(at, 40, 1024, 1, NULL));
	OK(cuTexRefCreate(&texture));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuTexRefGetAddress(&told, texture));
	OK(cuTexRefSetAddress(NULL, texture, at, 4096));
	add_through((uintptr_t)texture, 2);
	cr_assert_eq(word_at(at), 42);
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuTexRefSetAddress(NULL, texture, at + 16, 64));
	OK(cuTexRefSetAddress(&offset, texture, at + 16, 64));
	cr_assert_eq(offset, 16);
	OK(cuTexRefSetAddress2D(texture, &rows, at + 1024, 1024));
	OK(cuTexRefGetAddress(&told, texture));
	cr_assert_eq(told, at + 1024);
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuTexRefSetAddress2D(texture, &rows, at, 1000));
	OK(cuTexRefDestroy(texture));
}
