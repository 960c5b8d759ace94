/* Modules, libraries, parameters and launches. */
#include "sim_test.h"

static void check_mixed(CUdeviceptr out)
{
	double host[3];

	OK(cuMemcpyDtoH(host, out, sizeof(host)));
	cr_assert_eq(host[0], 200.0);
	cr_assert_eq(host[1], 0.5);
	cr_assert_eq(host[2], 40000.0);
}

Test(sim_launch, parameters_are_copied_at_launch)
{
	sim_start();
	CUdeviceptr out = sim_alloc(256);
	unsigned int value = 5;
	unsigned long n = 10;
	void *params[] = {&out, &value, &n};

	OK(sim_spin(1e6, NULL));
	OK(sim_launch(sim_function("fill"), 1, NULL, params));
	CUdeviceptr kept = out;
	out = 0;
	value = 99;
	n = 0;
	sim_check_fill(kept, 5, 10);
}

Test(sim_launch, mixed_sizes_arrive_whole_through_kernel_params)
{
	unsigned char a = 200;
	double b = 0.5;
	unsigned short c = 40000;

	sim_start();
	CUdeviceptr out = sim_alloc(256);
	void *params[] = {&a, &b, &c, &out};
	OK(sim_launch(sim_function("mixed"), 1, NULL, params));
	check_mixed(out);
}

struct packed {
	unsigned char a;
	double b;
	unsigned short c;
	CUdeviceptr out;
};

Test(sim_launch, mixed_sizes_arrive_whole_through_extra)
{
	sim_start();
	struct packed packed = {200, 0.5, 40000, sim_alloc(256)};
	size_t bytes = sizeof(packed);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE,
			 &bytes, CU_LAUNCH_PARAM_END};

	OK(cuLaunchKernel(sim_function("mixed"), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra));
	check_mixed(packed.out);
}

Test(sim_launch, the_parameter_layout_is_told)
{
	const size_t offsets[] = {0, 8, 16, 24}, sizes[] = {1, 8, 2, 8};
	size_t offset, bytes;

	sim_start();
	for (size_t i = 0; i < 4; i++) {
		OK(cuFuncGetParamInfo(sim_function("mixed"), i, &offset, &bytes));
		cr_assert_eq(offset, offsets[i]);
		cr_assert_eq(bytes, sizes[i]);
	}
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuFuncGetParamInfo(sim_function("mixed"), 4, &offset, &bytes));
}

Test(sim_launch, the_extended_launch_runs_the_kernel)
{
	sim_start();
	CUdeviceptr out = sim_alloc(256);
	unsigned int value = 8;
	unsigned long n = 20;
	void *params[] = {&out, &value, &n};
	CUlaunchConfig config = {.gridDimX = 2,
				 .gridDimY = 1,
				 .gridDimZ = 1,
				 .blockDimX = 1,
				 .blockDimY = 1,
				 .blockDimZ = 1};

	OK(cuLaunchKernelEx(&config, sim_function("fill"), params, NULL));
	sim_check_fill(out, 8, 20);
}

Test(sim_launch, a_cooperative_launch_runs_the_kernel)
{
	sim_start();
	CUdeviceptr out = sim_alloc(256);
	unsigned int value = 8;
	unsigned long n = 20;
	void *params[] = {&out, &value, &n};

	OK(cuLaunchCooperativeKernel(sim_function("fill"), 2, 1, 1, 1, 1, 1, 0, NULL, params));
	sim_check_fill(out, 8, 20);
}

Test(sim_launch, a_library_kernel_launches_as_a_function)
{
	CUlibrary library;
	CUkernel kernel;
	CUfunction function;

	sim_start();
	CUdeviceptr out = sim_alloc(256);
	unsigned int value = 3;
	unsigned long n = 9;
	void *params[] = {&out, &value, &n};
	OK(cuLibraryLoadFromFile(&library, sim_image_path(), NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetKernel(&kernel, library, "fill"));
	OK(cuKernelGetFunction(&function, kernel));
	OK(sim_launch(function, 1, NULL, params));
	sim_check_fill(out, 3, 9);
	OK(sim_launch((CUfunction)kernel, 1, NULL, params));
	sim_check_fill(out, 3, 9);
	OK(cuLibraryUnload(library));
}

Test(sim_launch, an_empty_grid_is_an_invalid_value)
{
	double ns = 1;
	void *params[] = {&ns};

	sim_start();
	EXPECT(CUDA_ERROR_INVALID_VALUE, sim_launch(sim_function("spin"), 0, NULL, params));
	OK(cuCtxSynchronize());
}

Test(sim_launch, text_of_an_unknown_kernel_is_invalid_ptx)
{
	CUmodule module;

	sim_start();
	EXPECT(CUDA_ERROR_INVALID_PTX,
	       cuModuleLoadData(&module, ".version 7.0\n.target sm_70\n.address_size 64\n"
					 ".visible .entry nobody_knows_this()\n{\nret;\n}\n"));
}

Test(sim_launch, a_kernels_handle_is_not_its_functions)
{
	CUlibrary library;
	CUfunction function;
	CUkernel kernel;
	size_t offset, bytes;

	sim_start();
	OK(cuLibraryLoadFromFile(&library, sim_image_path(), NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetKernel(&kernel, library, "mixed"));
	OK(cuKernelGetFunction(&function, kernel));
	cr_assert(function != (CUfunction)kernel);
	OK(cuKernelGetParamInfo(kernel, 1, &offset, &bytes));
	OK(cuFuncGetParamInfo(function, 1, &offset, &bytes));
	EXPECT(CUDA_ERROR_INVALID_HANDLE,
	       cuKernelGetParamInfo((CUkernel)function, 1, &offset, &bytes));
	EXPECT(CUDA_ERROR_INVALID_HANDLE,
	       cuFuncGetParamInfo((CUfunction)kernel, 1, &offset, &bytes));
	/* Either can be launched. */
	unsigned int a = 0, c = 0;
	double b = 0;
	CUdeviceptr out = sim_alloc(256);
	void *params[] = {&a, &b, &c, &out};
	OK(sim_launch(function, 1, NULL, params));
	OK(sim_launch((CUfunction)kernel, 1, NULL, params));
	OK(cuCtxSynchronize());
}

Test(sim_launch, a_module_goes_with_its_context_and_its_handles_come_again)
{
	CUcontext first = sim_start(), second;
	CUmodule module, again;
	CUfunction function, same;

	OK(cuCtxCreate(&second, NULL, 0, 0));
	OK(cuModuleLoad(&module, sim_image_path()));
	OK(cuModuleGetFunction(&function, module, "fill"));
	OK(cuCtxDestroy(second));
	OK(cuCtxSetCurrent(first));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuModuleGetFunction(&function, module, "fill"));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuModuleUnload(module));
	OK(cuModuleLoad(&again, sim_image_path()));
	OK(cuModuleGetFunction(&same, again, "fill"));
	cr_assert(same == function);
}

Test(sim_launch, tensor_maps_hold_their_address_where_they_are_told_to)
{
	cuuint64_t dims[2] = {64, 64}, strides[1] = {256};
	cuuint32_t box[2] = {16, 16}, ones[2] = {1, 1};
	CUtensorMap map;
	cuuint64_t words[16];
	void *at = (void *)0x500012345600;

	setenv("LOWTIDE_SIM_TMA", "6", 1);
	sim_start();
	OK(cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_UINT32, 2, at, dims, strides,
				  box, ones, CU_TENSOR_MAP_INTERLEAVE_NONE,
				  CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE,
				  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
	memcpy(words, &map, sizeof(words));
	cr_assert_eq(words[6], (cuuint64_t)(uintptr_t)at);
	setenv("LOWTIDE_SIM_TMA", "scrambled", 1);
	OK(cuTensorMapReplaceAddress(&map, at));
	memcpy(words, &map, sizeof(words));
	for (int i = 0; i < 16; i++)
		cr_assert(i == 6 || words[i] != (cuuint64_t)(uintptr_t)at);
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuTensorMapReplaceAddress(&map, (void *)0x500012345601));
}
