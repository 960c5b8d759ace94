#include "doctor/trial_driver.h"

#include "memory/own_kernels.h"

#include <cuda.h>
#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB ((size_t)1 << 20)
#define FRAME (2 * MIB)	 /* the granularity of every card known */
#define LARGE (32 * MIB) /* the default block */
#define PATTERN MIB	 /* half a frame; the kernel's sums lie in the other half */
#define RANGE (64 * MIB)
#define HINT 0x500000000000ull /* where the library's arena goes */

static struct {
#define NEEDED(symbol) __typeof__(&symbol) symbol;
#define OPTIONAL NEEDED
#include "doctor/trial_driver.def"
} cu; /* the child's own; set once */

/* False: a function that every driver has is missing; its name is in the error. */
static bool find_functions(void *library, struct trial *trial)
{
	const char *missing = NULL;

#define OPTIONAL(symbol) cu.symbol = __extension__(__typeof__(&symbol)) dlsym(library, #symbol);
#define NEEDED(symbol)                                                                         \
	OPTIONAL(symbol)                                                                       \
	if (!cu.symbol)                                                                        \
		missing = #symbol;
#include "doctor/trial_driver.def"
	if (missing)
		snprintf(trial->open_error, sizeof(trial->open_error), "it lacks %s", missing);
	return !missing;
}

static void name_error(struct trial *trial, int device, CUresult result)
{
	char *name = trial->error_names[device];
	const char *known = NULL;

	if (cu.cuGetErrorName && cu.cuGetErrorName(result, &known) == CUDA_SUCCESS && known)
		snprintf(name, sizeof(trial->error_names[0]), "%s", known);
	else
		snprintf(name, sizeof(trial->error_names[0]), "error %d", (int)result);
}

static int attribute(CUdevice device, CUdevice_attribute which)
{
	int value = 0;

	return cu.cuDeviceGetAttribute(&value, which, device) == CUDA_SUCCESS ? value : 0;
}

static void identify(struct trial_device *found, CUdevice device)
{
	size_t total = 0;
	CUuuid uuid;

	cu.cuDeviceGetName(found->name, sizeof(found->name), device);
	cu.cuDeviceGetPCIBusId(found->bus, sizeof(found->bus), device);
	cu.cuDeviceTotalMem_v2(&total, device);
	found->total_bytes = total;
	found->major = attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
	found->minor = attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
	found->integrated = attribute(device, CU_DEVICE_ATTRIBUTE_INTEGRATED) != 0;
	found->compute_mode = attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_MODE);
	found->numa_node = attribute(device, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID);
	found->claims_host_numa =
	    attribute(device,
		      CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED) != 0;
	if (cu.cuDeviceGetUuid_v2 && cu.cuDeviceGetUuid_v2(&uuid, device) == CUDA_SUCCESS)
		found->simulated = !memcmp(uuid.bytes, "lowtide-sim", 11);
}

static bool has_virtual_memory(void)
{
#define VMM(symbol)                                                                            \
	if (!cu.symbol)                                                                        \
		return false;
#include "doctor/trial_driver.def"
	return true;
}

/* A frame at an address of the reservation. The handle is the mapping's from then on. */
static CUresult frame(CUdevice device, bool host, CUdeviceptr address, size_t bytes)
{
	/* Node 0, as the library does. */
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = host ? CU_MEM_LOCATION_TYPE_HOST_NUMA
							      : CU_MEM_LOCATION_TYPE_DEVICE,
						 .id = host ? 0 : device}};
	CUmemAccessDesc access = {
	    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
	    .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	CUmemGenericAllocationHandle handle;
	CUresult result = cu.cuMemCreate(&handle, bytes, &prop, 0);

	if (result != CUDA_SUCCESS)
		return result;
	result = cu.cuMemMap(address, bytes, 0, handle, 0);
	cu.cuMemRelease(handle);
	if (result != CUDA_SUCCESS)
		return result;
	result = cu.cuMemSetAccess(address, bytes, &access, 1);
	if (result != CUDA_SUCCESS)
		cu.cuMemUnmap(address, bytes);
	return result;
}

/* The kernel's 128-bit sum over the pattern at `at`, which it also writes behind it. The table
 * it reads is at `table`. */
static CUresult sum(CUfunction function, CUdeviceptr table, CUdeviceptr at, uint64_t sums[2])
{
	uint64_t entry[2] = {at, PATTERN};
	CUdeviceptr out = at + PATTERN;
	void *params[] = {&table, &out};
	CUresult result = cu.cuMemcpyHtoD_v2(table, entry, sizeof(entry));

	if (result == CUDA_SUCCESS)
		result = cu.cuMemsetD8_v2(out, 0, 16);
	if (result == CUDA_SUCCESS)
		result = cu.cuLaunchKernel(function, 4, 1, 1, 256, 1, 1, 0, NULL, params, NULL);
	if (result == CUDA_SUCCESS)
		result = cu.cuCtxSynchronize();
	if (result == CUDA_SUCCESS)
		result = cu.cuMemcpyDtoH_v2(sums, out, 16);
	return result;
}

/* Three places, one pattern: what the kernel makes of it on the device is what it must make of
 * it in host memory; and of another pattern, something else. */
struct places {
	CUdeviceptr base, table, device, host, large;
};

static CUresult try_pattern(CUfunction function, const struct places *p, const char *pattern,
			    CUdeviceptr at, uint64_t sums[2])
{
	CUresult result = cu.cuMemcpyHtoD_v2(at, pattern, PATTERN);

	return result == CUDA_SUCCESS ? sum(function, p->table, at, sums) : result;
}

static CUresult try_work(struct trial_device *found, CUfunction function,
			 const struct places *p, char *pattern, CUdevice device)
{
	uint64_t want[2], got[2], other[2];
	CUresult result;

	found->step = TRIAL_DEVICE_WORK;
	result = try_pattern(function, p, pattern, p->device, want);
	if (result != CUDA_SUCCESS)
		return result;
	found->step = TRIAL_HOST_FRAME;
	result = frame(device, true, p->host, FRAME);
	if (result != CUDA_SUCCESS)
		return result;
	found->step = TRIAL_HOST_WORK;
	result = try_pattern(function, p, pattern, p->host, got);
	pattern[PATTERN / 3] ^= 1;
	if (result == CUDA_SUCCESS)
		result = try_pattern(function, p, pattern, p->host, other);
	if (result == CUDA_SUCCESS) {
		found->step = TRIAL_HOST_BYTES;
		if (memcmp(got, want, sizeof(got)) != 0 ||
		    memcmp(other, want, sizeof(other)) == 0)
			result = CUDA_ERROR_INVALID_VALUE;
	}
	if (result == CUDA_SUCCESS) {
		found->step = TRIAL_HOST_LARGE;
		result = frame(device, true, p->large, LARGE);
	}
	if (result == CUDA_SUCCESS)
		cu.cuMemUnmap(p->large, LARGE);
	/* After a fault of the kernel's this fails too, and the process is about to end. */
	cu.cuMemUnmap(p->host, FRAME);
	return result;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* What the driver would do to find its compiler. */
static void look_for_jit(struct trial_device *found)
{
	void *library = dlopen(OWN_KERNELS_JIT_LIBRARY, RTLD_LAZY | RTLD_LOCAL);

	if (library)
		dlclose(library);
	else
		snprintf(found->jit_error, sizeof(found->jit_error), "%s", dlerror());
}

static CUresult load_kernels(struct trial_device *found, CUdevice device, CUfunction *function)
{
	const struct own_kernels_driver driver = {cu.cuDeviceGetAttribute, cu.cuModuleLoadData,
						  cu.cuModuleGetFunction, cu.cuModuleUnload};
	uint64_t began_us = now_us();
	struct own_kernels kernels;
	CUresult result = own_kernels_load(&driver, device, &kernels);

	found->kernels_load_us = now_us() - began_us;
	strcpy(found->kernels, own_kernels_form_name(kernels.form));
	found->kernels_arch = kernels.cubin_arch;
	own_kernels_explain(&kernels, found->kernels_why, sizeof(found->kernels_why));
	found->jit_needed = kernels.ptx_error == CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
	if (found->jit_needed)
		look_for_jit(found);
	*function = kernels.content_hash;
	return result;
}

static CUresult try_frames(struct trial_device *found, CUdevice device)
{
	char *pattern = malloc(PATTERN);
	size_t offset, bytes, mapped = 0;
	struct places p = {0};
	CUfunction function;
	CUresult result;

	if (!pattern)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < PATTERN; i++)
		pattern[i] = (char)(i * 2654435761u >> 13);
	found->step = TRIAL_RESERVE;
	result = cu.cuMemAddressReserve(&p.base, RANGE, FRAME, HINT, 0);
	if (result != CUDA_SUCCESS)
		goto free_pattern;
	found->high_addresses = p.base >= HINT;
	p.table = p.base;
	p.device = p.base + FRAME;
	p.host = p.base + 2 * FRAME;
	p.large = p.base + RANGE - LARGE;
	found->step = TRIAL_DEVICE_FRAME;
	result = frame(device, false, p.table, FRAME);
	if (result != CUDA_SUCCESS)
		goto free_range;
	mapped = FRAME;
	result = frame(device, false, p.device, FRAME);
	if (result != CUDA_SUCCESS)
		goto unmap;
	mapped = 2 * FRAME;
	found->step = TRIAL_MODULE;
	result = load_kernels(found, device, &function);
	if (result != CUDA_SUCCESS)
		goto unmap;
	found->tells_params =
	    cu.cuFuncGetParamInfo &&
	    cu.cuFuncGetParamInfo(function, 1, &offset, &bytes) == CUDA_SUCCESS &&
	    offset == 8 && bytes == 8;
	result = try_work(found, function, &p, pattern, device);
unmap:
	for (size_t at = 0; at < mapped; at += FRAME)
		cu.cuMemUnmap(p.base + at, FRAME);
free_range:
	cu.cuMemAddressFree(p.base, RANGE);
free_pattern:
	free(pattern);
	return result;
}

static CUresult try_device(struct trial_device *found, CUdevice device)
{
	size_t free_bytes = 0, total = 0;
	CUcontext context;
	CUresult result;

	found->step = TRIAL_CONTEXT;
	result = cu.cuDevicePrimaryCtxRetain(&context, device);
	if (result == CUDA_SUCCESS)
		result = cu.cuCtxSetCurrent(context);
	if (result != CUDA_SUCCESS)
		return result;
	if (cu.cuMemGetInfo_v2(&free_bytes, &total) == CUDA_SUCCESS)
		found->free_bytes = free_bytes;
	found->step = TRIAL_FUNCTIONS;
	result = has_virtual_memory() ? try_frames(found, device) : CUDA_ERROR_NOT_FOUND;
	if (result == CUDA_SUCCESS)
		found->step = TRIAL_DONE;
	if (cu.cuDevicePrimaryCtxRelease_v2)
		cu.cuDevicePrimaryCtxRelease_v2(device);
	return result;
}

static void note_path(void *library, struct trial *trial)
{
	struct link_map *map;

	if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && !realpath(map->l_name, trial->path))
		snprintf(trial->path, sizeof(trial->path), "%s", map->l_name);
}

void trial_driver(struct trial *trial)
{
	void *library;

	strcpy(trial->doing, "opening libcuda.so.1");
	library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		snprintf(trial->open_error, sizeof(trial->open_error), "%s", dlerror());
		return;
	}
	note_path(library, trial);
	if (!find_functions(library, trial))
		return;
	strcpy(trial->doing, "cuInit");
	trial->init = cu.cuInit(0);
	cu.cuDriverGetVersion(&trial->version);
	if (trial->init != CUDA_SUCCESS) {
		name_error(trial, TRIAL_DEVICES, trial->init);
		return;
	}
	cu.cuDeviceGetCount(&trial->count);
	for (int i = 0; i < trial->count && i < TRIAL_DEVICES; i++) {
		struct trial_device *found = &trial->devices[i];
		CUdevice device;
		CUresult result;

		snprintf(trial->doing, sizeof(trial->doing), "device %d", i);
		result = cu.cuDeviceGet(&device, i);
		if (result == CUDA_SUCCESS) {
			identify(found, device);
			result = try_device(found, device);
		}
		found->error = result;
		name_error(trial, i, result);
	}
}
