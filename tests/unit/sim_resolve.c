/* How programs find the driver's functions, devices and contexts. */
#include "sim_test.h"
#include <dlfcn.h>

Test(sim_resolve, a_name_and_a_version_give_the_matching_symbol)
{
	CUdriverProcAddressQueryResult why;
	void *found = NULL;
	void *self = dlopen(NULL, RTLD_LAZY);

	OK(cuInit(0));
	OK(cuGetProcAddress("cuMemAlloc", &found, 13000, CU_GET_PROC_ADDRESS_DEFAULT, &why));
	cr_assert_eq(why, CU_GET_PROC_ADDRESS_SUCCESS);
	cr_assert_eq(found, dlsym(self, "cuMemAlloc_v2"));
}

Test(sim_resolve, the_per_thread_flavour_is_another_symbol)
{
	CUdriverProcAddressQueryResult why;
	void *plain, *per_thread;
	void *self = dlopen(NULL, RTLD_LAZY);

	OK(cuInit(0));
	OK(cuGetProcAddress("cuLaunchKernel", &plain, 13000, CU_GET_PROC_ADDRESS_LEGACY_STREAM,
			    &why));
	OK(cuGetProcAddress("cuLaunchKernel", &per_thread, 13000,
			    CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, &why));
	cr_assert_eq(plain, dlsym(self, "cuLaunchKernel"));
	cr_assert_eq(per_thread, dlsym(self, "cuLaunchKernel_ptsz"));
	cr_assert_neq(plain, per_thread);
}

Test(sim_resolve, an_unknown_name_is_not_found)
{
	CUdriverProcAddressQueryResult why = CU_GET_PROC_ADDRESS_SUCCESS;
	void *found = &why;

	OK(cuInit(0));
	EXPECT(CUDA_ERROR_NOT_FOUND,
	       cuGetProcAddress("cuNobody", &found, 13000, CU_GET_PROC_ADDRESS_DEFAULT, &why));
	cr_assert_eq(why, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
	cr_assert_null(found);
}

/* As the library under test defines it, and the simulated driver does not. */
CUresult CUDAAPI cuLaunchGrid(CUfunction function, int width, int height)
{
	(void)function, (void)width, (void)height;
	return CUDA_SUCCESS;
}

Test(sim_resolve, what_only_another_library_defines_is_not_found)
{
	void *found = NULL;

	OK(cuInit(0));
	cr_assert_not_null(dlsym(RTLD_DEFAULT, "cuLaunchGrid"));
	EXPECT(CUDA_ERROR_NOT_FOUND, cuGetProcAddress("cuLaunchGrid", &found, 13000,
						      CU_GET_PROC_ADDRESS_DEFAULT, NULL));
	cr_assert_null(found);
}

Test(sim_resolve, a_version_too_old_for_the_function_says_so)
{
	CUdriverProcAddressQueryResult why = CU_GET_PROC_ADDRESS_SUCCESS;
	void *found;

	OK(cuInit(0));
	(void)cuGetProcAddress("cuMemCreate", &found, 8000, CU_GET_PROC_ADDRESS_DEFAULT, &why);
	cr_assert_eq(why, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
}

Test(sim_resolve, the_resolver_finds_itself)
{
	CUdriverProcAddressQueryResult why;
	void *found = NULL;

	OK(cuInit(0));
	OK(cuGetProcAddress("cuGetProcAddress", &found, 13000, CU_GET_PROC_ADDRESS_DEFAULT,
			    &why));
	cr_assert_not_null(found);
}

Test(sim_resolve, an_older_driver_lacks_the_parameter_query)
{
	CUdriverProcAddressQueryResult why;
	void *found = NULL;
	int version;

	setenv("LOWTIDE_SIM_DRIVER", "12030", 1);
	OK(cuInit(0));
	OK(cuDriverGetVersion(&version));
	cr_assert_eq(version, 12030);
	cr_assert_neq(cuGetProcAddress("cuFuncGetParamInfo", &found, 13000,
				       CU_GET_PROC_ADDRESS_DEFAULT, &why),
		      CUDA_SUCCESS);
}

Test(sim_resolve, there_is_no_private_table)
{
	const CUuuid id = {{0}};
	const void *table;

	OK(cuInit(0));
	EXPECT(CUDA_ERROR_NOT_FOUND, cuGetExportTable(&table, &id));
}

Test(sim_resolve, four_devices_differ_by_uuid)
{
	CUuuid a, b;
	int count;

	setenv("LOWTIDE_SIM_DEVICES", "4", 1);
	OK(cuInit(0));
	OK(cuDeviceGetCount(&count));
	cr_assert_eq(count, 4);
	OK(cuDeviceGetUuid(&a, 0));
	OK(cuDeviceGetUuid(&b, 1));
	cr_assert_neq(memcmp(&a, &b, sizeof(a)), 0);
}

Test(sim_resolve, contexts_stack)
{
	CUcontext primary = sim_start(), made, current;

	OK(cuCtxCreate(&made, NULL, 0, 0));
	OK(cuCtxGetCurrent(&current));
	cr_assert_eq(current, made);
	OK(cuCtxPopCurrent(&current));
	cr_assert_eq(current, made);
	OK(cuCtxGetCurrent(&current));
	cr_assert_eq(current, primary);
	OK(cuCtxDestroy(made));
}
