/* Wrong handles, double frees, wrong contexts: the driver's own errors, and nothing broken. */
#include "sim_test.h"

static CUcontext other_context(void)
{
	CUcontext context, popped;

	OK(cuCtxCreate(&context, NULL, 0, 0));
	OK(cuCtxPopCurrent(&popped));
	return context;
}

/* After all that was refused, the driver still works. */
static void still_works(void)
{
	CUdeviceptr ptr = sim_alloc(4096);

	OK(sim_fill(ptr, 3, 100, 2, NULL));
	sim_check_fill(ptr, 3, 100);
}

Test(sim_misuse, what_was_destroyed_is_not_destroyed_again)
{
	CUcontext context = (sim_start(), other_context());
	CUmemoryPool pool;
	CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location.type = CU_MEM_LOCATION_TYPE_DEVICE};
	CUstream stream;
	CUevent event;
	CUmodule module;
	CUlibrary library;
	CUgraph graph;
	CUgraphExec exec;
	CUdeviceptr at;
	void *pinned;

	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuStreamDestroy(stream));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuStreamDestroy(stream));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(stream));
	OK(cuEventCreate(&event, 0));
	OK(cuEventDestroy(event));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuEventDestroy(event));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuEventRecord(event, NULL));
	OK(cuModuleLoad(&module, sim_image_path()));
	OK(cuModuleUnload(module));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuModuleUnload(module));
	OK(cuLibraryLoadFromFile(&library, sim_image_path(), NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryUnload(library));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuLibraryUnload(library));
	OK(cuCtxDestroy(context));
	EXPECT(CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy(context));
	EXPECT(CUDA_ERROR_INVALID_CONTEXT, cuCtxSetCurrent(context));
	OK(cuMemPoolCreate(&pool, &props));
	OK(cuMemPoolDestroy(pool));
	OK(cuGraphCreate(&graph, 0));
	OK(cuGraphInstantiate(&exec, graph, 0));
	OK(cuGraphExecDestroy(exec));
	OK(cuGraphDestroy(graph));
	OK(cuMemHostAlloc(&pinned, 4096, 0));
	OK(cuMemFreeHost(pinned));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(pinned));
	OK(cuMemAddressReserve(&at, 2 * MIB, 0, 0, 0));
	OK(cuMemAddressFree(at, 2 * MIB));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(at, 2 * MIB));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemUnmap(at, 2 * MIB));
	still_works();
}

Test(sim_misuse, memory_is_freed_by_the_call_that_fits_it)
{
	CUdeviceptr device, managed;
	void *pinned;

	sim_start();
	device = sim_alloc(MIB);
	OK(cuMemAllocManaged(&managed, MIB, CU_MEM_ATTACH_GLOBAL));
	OK(cuMemHostAlloc(&pinned, MIB, 0));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost((void *)(uintptr_t)device));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost((void *)(uintptr_t)managed));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFree((CUdeviceptr)(uintptr_t)pinned));
	EXPECT(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(pinned));
	OK(cuMemFree(device));
	OK(cuMemFree(managed));
	OK(cuMemFreeHost(pinned));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemFree(managed));
	still_works();
}

Test(sim_misuse, handles_that_never_were_are_invalid)
{
	char nobody[64] = {0};
	unsigned int value = 1;
	unsigned long n = 1;
	CUdeviceptr out;
	CUfunction function;
	size_t offset;

	sim_start();
	out = sim_alloc(4096);
	void *params[] = {&out, &value, &n};
	EXPECT(CUDA_ERROR_INVALID_HANDLE,
	       sim_launch(sim_function("fill"), 1, (CUstream)(void *)nobody, params));
	EXPECT(CUDA_ERROR_INVALID_HANDLE,
	       sim_launch((CUfunction)(void *)nobody, 1, NULL, params));
	EXPECT(CUDA_ERROR_INVALID_HANDLE,
	       cuModuleGetFunction(&function, (CUmodule)nobody, "x"));
	EXPECT(CUDA_ERROR_INVALID_HANDLE,
	       cuFuncGetParamInfo((CUfunction)nobody, 0, &offset, NULL));
	EXPECT(CUDA_ERROR_INVALID_HANDLE,
	       cuMemcpyHtoDAsync(out, nobody, 4, (CUstream)(void *)nobody));
	EXPECT(CUDA_ERROR_INVALID_CONTEXT, cuCtxPushCurrent((CUcontext)(void *)nobody));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemRelease(12345));
	still_works();
}

Test(sim_misuse, a_function_runs_only_in_its_modules_context)
{
	CUcontext other = (sim_start(), other_context()), popped;
	CUfunction here = sim_function("fill");
	CUlibrary library;
	CUkernel kernel;
	CUstream there;
	CUdeviceptr out = sim_alloc(4096);
	unsigned int value = 6;
	unsigned long n = 10;
	void *params[] = {&out, &value, &n};

	OK(cuCtxPushCurrent(other));
	OK(cuStreamCreate(&there, CU_STREAM_NON_BLOCKING));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, sim_launch(here, 1, NULL, params));
	OK(cuCtxPopCurrent(&popped));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, sim_launch(here, 1, there, params));
	/* A library's kernel is at home everywhere. */
	OK(cuLibraryLoadFromFile(&library, sim_image_path(), NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetKernel(&kernel, library, "fill"));
	OK(sim_launch((CUfunction)kernel, 1, there, params));
	OK(cuStreamSynchronize(there));
	sim_check_fill(out, 6, 10);
}

Test(sim_misuse, an_event_is_recorded_in_its_own_context_and_waited_for_in_any)
{
	CUcontext other = (sim_start(), other_context()), popped;
	CUstream here, there;
	CUevent event;

	OK(cuStreamCreate(&here, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&event, 0));
	OK(cuCtxPushCurrent(other));
	OK(cuStreamCreate(&there, CU_STREAM_NON_BLOCKING));
	OK(cuCtxPopCurrent(&popped));
	EXPECT(CUDA_ERROR_INVALID_HANDLE, cuEventRecord(event, there));
	OK(cuEventRecord(event, here));
	OK(cuStreamWaitEvent(there, event, 0));
	OK(cuStreamSynchronize(there));
}

Test(sim_misuse, a_lost_context_leaves_the_other_ones_alone)
{
	CUcontext other = (sim_start(), other_context()), popped;
	CUdeviceptr ptr;

	OK(sim_fill(4096, 1, 1, 1, NULL));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	OK(cuCtxPushCurrent(other));
	OK(cuMemAlloc(&ptr, MIB));
	OK(cuMemsetD8(ptr, 1, MIB));
	OK(cuCtxSynchronize());
	OK(cuCtxPopCurrent(&popped));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemAlloc(&ptr, MIB));
	/* A primary context that is reset begins anew. */
	OK(cuDevicePrimaryCtxReset(0));
	OK(cuDevicePrimaryCtxRetain(&popped, 0));
	OK(cuCtxSetCurrent(popped));
	OK(cuMemAlloc(&ptr, MIB));
}

Test(sim_misuse, a_context_takes_its_memory_with_it)
{
	CUcontext other = (sim_start(), other_context()), popped;
	size_t before = sim_free_bytes();
	CUdeviceptr ptr;
	unsigned int type;

	OK(cuCtxPushCurrent(other));
	ptr = sim_alloc(8 * MIB);
	OK(cuCtxPopCurrent(&popped));
	cr_assert_eq(before - sim_free_bytes(), 8 * MIB);
	OK(cuCtxDestroy(other));
	cr_assert_eq(sim_free_bytes(), before);
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, ptr));
}

Test(sim_misuse, a_primary_context_lives_as_long_as_it_is_held)
{
	CUcontext context = sim_start();
	unsigned int flags;
	int active;

	OK(cuDevicePrimaryCtxRetain(&context, 0));
	OK(cuDevicePrimaryCtxRelease(0));
	OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
	cr_assert_eq(active, 1);
	OK(cuDevicePrimaryCtxRelease(0));
	OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
	cr_assert_eq(active, 0);
	EXPECT(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease(0));
	EXPECT(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxSynchronize());
}

/* --- launches ------------------------------------------------------------------------------
 */

Test(sim_misuse, a_cooperative_launch_must_fit_the_card)
{
	CUlaunchAttribute attribute = {.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE,
				       .value.cooperative = 1};
	CUlaunchConfig config = {.gridDimX = 1,
				 .gridDimY = 1,
				 .gridDimZ = 1,
				 .blockDimX = 1024,
				 .blockDimY = 1,
				 .blockDimZ = 1,
				 .attrs = &attribute,
				 .numAttrs = 1};
	double ns = 1;
	void *params[] = {&ns};
	CUfunction spin;
	int blocks, cards;

	sim_start();
	spin = sim_function("spin");
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, spin, 1024, 0));
	OK(cuDeviceGetAttribute(&cards, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0));
	config.gridDimX = (unsigned int)(blocks * cards);
	OK(cuLaunchKernelEx(&config, spin, params, NULL));
	OK(cuLaunchCooperativeKernel(spin, config.gridDimX, 1, 1, 1024, 1, 1, 0, NULL, params));
	config.gridDimX++;
	EXPECT(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
	       cuLaunchKernelEx(&config, spin, params, NULL));
	EXPECT(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
	       cuLaunchCooperativeKernel(spin, config.gridDimX, 1, 1, 1024, 1, 1, 0, NULL,
					 params));
	attribute.value.cooperative = 0;
	OK(cuLaunchKernelEx(&config, spin, params, NULL));
	OK(cuCtxSynchronize());
}

Test(sim_misuse, a_block_too_large_is_an_invalid_value)
{
	double ns = 1;
	void *params[] = {&ns};

	sim_start();
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuLaunchKernel(sim_function("spin"), 1, 1, 1, 32, 32, 2, 0, NULL, params, NULL));
	OK(cuLaunchKernel(sim_function("spin"), 1, 1, 1, 32, 32, 1, 0, NULL, params, NULL));
}

/* --- host functions ------------------------------------------------------------------------
 */

static CUresult seen;

static void call_the_driver(void *data)
{
	CUdeviceptr ptr;

	(void)data;
	seen = cuMemAlloc(&ptr, MIB);
}

Test(sim_misuse, a_host_function_may_not_call_the_driver)
{
	for (int i = 0; i < 2; i++) {
		CUdeviceptr ptr;

		sim_start();
		seen = CUDA_SUCCESS;
		OK(cuLaunchHostFunc(NULL, call_the_driver, NULL));
		OK(cuCtxSynchronize());
		cr_assert_eq(seen, CUDA_ERROR_NOT_PERMITTED);
		OK(cuMemAlloc(&ptr, MIB)); /* the thread itself may */
	}
}

static unsigned int called;

static void count(void *data)
{
	(void)data;
	called++;
}

static void take_status(CUstream stream, CUresult status, void *data)
{
	(void)stream, (void)data;
	seen = status;
	called += 100;
}

Test(sim_misuse, after_an_error_callbacks_are_told_and_host_functions_do_not_run)
{
	sim_start();
	(void)sim_function("fill");
	OK(sim_fill(4096, 1, 1, 1, NULL));
	OK(cuLaunchHostFunc(NULL, count, NULL));
	OK(cuStreamAddCallback(NULL, take_status, NULL, 0));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	cr_assert_eq(called, 100);
	cr_assert_eq(seen, CUDA_ERROR_ILLEGAL_ADDRESS);
}

Test(sim_misuse, what_is_no_function_is_an_invalid_value)
{
	sim_start();
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuLaunchHostFunc(NULL, NULL, NULL));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuStreamAddCallback(NULL, take_status, NULL, 1));
}

/* --- pointers ------------------------------------------------------------------------------
 */

Test(sim_misuse, managed_memory_says_what_it_is)
{
	CUdeviceptr managed, start;
	CUpointer_attribute what[] = {
	    CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_IS_MANAGED,
	    CU_POINTER_ATTRIBUTE_HOST_POINTER, CU_POINTER_ATTRIBUTE_RANGE_SIZE};
	unsigned int type, is_managed;
	void *host;
	size_t bytes;
	void *answers[] = {&type, &is_managed, &host, &bytes};

	sim_start();
	OK(cuMemAllocManaged(&managed, MIB, CU_MEM_ATTACH_HOST));
	OK(cuPointerGetAttributes(4, what, answers, managed + 100));
	cr_assert_eq(type, CU_MEMORYTYPE_DEVICE);
	cr_assert_eq(is_managed, 1);
	cr_assert_eq(host, (void *)(uintptr_t)(managed + 100));
	cr_assert_eq(bytes, MIB);
	OK(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, managed + 100));
	cr_assert_eq(start, managed);
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&managed, MIB, 7));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&managed, 0, CU_MEM_ATTACH_HOST));
}

Test(sim_misuse, a_pointer_tells_its_context_its_card_and_its_number)
{
	CUcontext context = sim_start(), its;
	CUdeviceptr a = sim_alloc(MIB), b = sim_alloc(MIB);
	unsigned long long id_a, id_b;
	int card;

	OK(cuPointerGetAttribute(&its, CU_POINTER_ATTRIBUTE_CONTEXT, a + 5));
	cr_assert_eq(its, context);
	OK(cuPointerGetAttribute(&card, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, a));
	cr_assert_eq(card, 0);
	OK(cuPointerGetAttribute(&id_a, CU_POINTER_ATTRIBUTE_BUFFER_ID, a));
	OK(cuPointerGetAttribute(&id_b, CU_POINTER_ATTRIBUTE_BUFFER_ID, b));
	cr_assert_neq(id_a, id_b);
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuPointerGetAttribute(&card, CU_POINTER_ATTRIBUTE_HOST_POINTER, a));
	OK(cuMemFree(a));
	card = 77;
	/* Many questions at once answer zeros, and -2, for what is nobody's. */
	OK(cuPointerGetAttributes(1,
				  (CUpointer_attribute[]){CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL},
				  (void *[]){&card}, a));
	cr_assert_eq(card, -2);
}

Test(sim_misuse, the_private_tables_are_not_found)
{
	const CUuuid cudart = {{(char)0x6b, (char)0xd5, (char)0xfb, (char)0x6c, (char)0x5b,
				(char)0xf4, (char)0xe7, (char)0x4a, (char)0x89, (char)0x87,
				(char)0xd9, (char)0x39, (char)0x12, (char)0xfd, (char)0x9d,
				(char)0xf9}};
	const void *table = &cudart;

	OK(cuInit(0));
	EXPECT(CUDA_ERROR_NOT_FOUND, cuGetExportTable(&table, &cudart));
	cr_assert_null(table);
	EXPECT(CUDA_ERROR_NOT_FOUND, cuGetExportTable(NULL, &cudart));
}

/* --- boxes ---------------------------------------------------------------------------------
 */

Test(sim_misuse, a_box_within_the_device_keeps_its_planes_apart)
{
	static unsigned int host[4 * 6 * 8], back[4 * 6 * 8]; /* planes, rows, words */
	CUdeviceptr a, b;
	CUstream stream;
	CUDA_MEMCPY3D box = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			     .srcPitch = 32,
			     .srcHeight = 6,
			     .srcXInBytes = 4,
			     .srcY = 2,
			     .srcZ = 1,
			     .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			     .dstPitch = 32,
			     .dstHeight = 6,
			     .dstY = 1,
			     .WidthInBytes = 16,
			     .Height = 3,
			     .Depth = 2};

	sim_start();
	box.srcDevice = a = sim_alloc(sizeof(host));
	box.dstDevice = b = sim_alloc(sizeof(host));
	for (unsigned int i = 0; i < 4 * 6 * 8; i++)
		host[i] = i + 1000;
	OK(cuMemcpyHtoD(a, host, sizeof(host)));
	OK(cuMemsetD8(b, 0, sizeof(host)));
	OK(cuCtxSynchronize());
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuMemcpy3DAsync(&box, stream));
	OK(cuStreamSynchronize(stream));
	OK(cuMemcpyDtoH(back, b, sizeof(back)));
	for (unsigned int z = 0; z < 4; z++)
		for (unsigned int y = 0; y < 6; y++)
			for (unsigned int x = 0; x < 8; x++) {
				bool in = z < 2 && y >= 1 && y < 4 && x < 4;
				unsigned int want =
				    in ? 1000 + ((z + 1) * 6 + y + 1) * 8 + x + 1 : 0;

				cr_assert_eq(back[(z * 6 + y) * 8 + x], want, "%u %u %u", z, y,
					     x);
			}
	box.srcHeight = 3; /* a plane would begin in the one before it */
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(&box));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(NULL));
}
