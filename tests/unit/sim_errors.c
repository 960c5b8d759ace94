/* Faults, wrong handles, planted failures. */
#include "sim_test.h"
#include <sys/wait.h>

Test(sim_errors, an_illegal_address_is_sticky_and_the_process_survives)
{
	CUdeviceptr other;

	sim_start();
	CUdeviceptr ptr = sim_alloc(MIB);
	OK(cuMemFree(ptr));
	OK(sim_fill(ptr, 1, 10, 1, NULL));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemAlloc(&other, MIB));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(NULL));
}

Test(sim_errors, an_undeclared_touch_of_unmapped_memory_faults_too)
{
	sim_start();
	CUdeviceptr wrong = 4096, out = sim_alloc(256);
	void *params[] = {&wrong, &out};

	OK(sim_launch(sim_function("peek_undeclared"), 1, NULL, params));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
}

Test(sim_errors, nothing_runs_after_a_fault)
{
	CUstream stream;
	unsigned int *host;

	sim_start();
	OK(cuMemHostAlloc((void **)&host, 4096, 0));
	host[0] = 42;
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CUdeviceptr bad = 4096;
	OK(sim_fill(bad, 1, 1, 1, stream));
	(void)sim_fill((CUdeviceptr)host, 1, 1, 1, stream);
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
	cr_assert_eq(host[0], 42);
}

Test(sim_errors, every_call_before_init_says_so)
{
	CUdevice device;
	int count;

	EXPECT(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGet(&device, 0));
	EXPECT(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&count));
}

Test(sim_errors, a_call_without_a_context_says_so)
{
	CUdeviceptr ptr;

	OK(cuInit(0));
	EXPECT(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc(&ptr, MIB));
}

Test(sim_errors, an_unknown_device_ordinal_is_invalid)
{
	CUdevice device;

	OK(cuInit(0));
	EXPECT(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, 99));
}

Test(sim_errors, errors_have_names_and_strings)
{
	const char *text;

	OK(cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text));
	cr_assert_str_eq(text, "CUDA_ERROR_OUT_OF_MEMORY");
	OK(cuGetErrorName(CUDA_ERROR_ILLEGAL_ADDRESS, &text));
	cr_assert_str_eq(text, "CUDA_ERROR_ILLEGAL_ADDRESS");
	OK(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &text));
	cr_assert_str_eq(text, "out of memory");
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuGetErrorName((CUresult)123456, &text));
}

Test(sim_errors, the_nth_call_fails_and_only_that_one)
{
	CUdeviceptr ptr;

	setenv("LOWTIDE_SIM_FAIL", "cuMemAlloc_v2:3", 1);
	sim_start();
	sim_alloc(MIB);
	sim_alloc(MIB);
	EXPECT(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&ptr, MIB));
	sim_alloc(MIB);
}

Test(sim_errors, a_planted_failure_may_name_its_error)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};
	CUmemGenericAllocationHandle frame;

	setenv("LOWTIDE_SIM_FAIL", "cuMemCreate:1:999,cuMemCreate:2", 1);
	sim_start();
	EXPECT(CUDA_ERROR_UNKNOWN, cuMemCreate(&frame, 2 * MIB, &prop, 0));
	EXPECT(CUDA_ERROR_OUT_OF_MEMORY, cuMemCreate(&frame, 2 * MIB, &prop, 0));
	OK(cuMemCreate(&frame, 2 * MIB, &prop, 0));
}

Test(sim_errors, from_the_nth_call_on_all_fail)
{
	CUdeviceptr ptr;

	setenv("LOWTIDE_SIM_FAIL", "cuMemAlloc_v2:2+:999,cuMemFree_v2:1", 1);
	sim_start();
	CUdeviceptr first = sim_alloc(MIB);
	EXPECT(CUDA_ERROR_UNKNOWN, cuMemAlloc(&ptr, MIB));
	EXPECT(CUDA_ERROR_UNKNOWN, cuMemAlloc(&ptr, MIB));
	EXPECT(CUDA_ERROR_OUT_OF_MEMORY, cuMemFree(first));
	OK(cuMemFree(first));
	EXPECT(CUDA_ERROR_UNKNOWN, cuMemAlloc(&ptr, MIB));
}

Test(sim_errors, a_symbol_that_is_not_there_is_not_found)
{
	CUmodule module;
	CUfunction function;

	sim_start();
	OK(cuModuleLoad(&module, sim_image_path()));
	EXPECT(CUDA_ERROR_NOT_FOUND, cuModuleGetFunction(&function, module, "absent"));
}

Test(sim_errors, a_file_that_is_not_there_is_file_not_found)
{
	CUmodule module;

	sim_start();
	EXPECT(CUDA_ERROR_FILE_NOT_FOUND, cuModuleLoad(&module, "/nonexistent/image"));
}

/* Runs a kernel in many blocks while its memory is unmapped, once per seed, in a child each. */
static int unmap_under_a_kernel(unsigned int seed)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
					    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};
		CUmemAccessDesc access = {.location = prop.location,
					  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
		CUmemGenericAllocationHandle frame;
		CUdeviceptr ptr;
		char text[16];

		snprintf(text, sizeof(text), "%u", seed);
		setenv("LOWTIDE_SIM_SCHED", "seeded", 1);
		setenv("LOWTIDE_SIM_SEED", text, 1);
		sim_start();
		OK(cuMemAddressReserve(&ptr, 2 * MIB, 0, 0, 0));
		OK(cuMemCreate(&frame, 2 * MIB, &prop, 0));
		OK(cuMemMap(ptr, 2 * MIB, 0, frame, 0));
		OK(cuMemSetAccess(ptr, 2 * MIB, &access, 1));
		(void)sim_fill(ptr, 1, 1000, 16, NULL);
		(void)cuMemUnmap(ptr, 2 * MIB);
		_exit(cuCtxSynchronize() == CUDA_ERROR_ILLEGAL_ADDRESS ? 1 : 0);
	}
	waitpid(child, &status, 0);
	cr_assert(WIFEXITED(status), "the child must survive the fault");
	return WEXITSTATUS(status);
}

Test(sim_errors, an_unmap_under_a_kernel_is_found_within_thirty_two_seeds)
{
	unsigned int found = 0;

	for (unsigned int seed = 1; seed <= 32; seed++)
		found += unmap_under_a_kernel(seed) == 1;
	cr_assert_gt(found, 0);
}

Test(sim_errors, the_same_seed_meets_the_same_fate)
{
	for (unsigned int seed = 1; seed <= 8; seed++)
		cr_assert_eq(unmap_under_a_kernel(seed), unmap_under_a_kernel(seed));
}
