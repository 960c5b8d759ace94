/* What programs ask about memory and pointers. */
#include "sim.h"

#include "managed.h"
#include "sim_control.h"

#include <string.h>

SIM_EXPORT CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes)
{
	SIM_CALL();
	if (free_bytes)
		*free_bytes = sim_config.vram_bytes[sim_context()->device] -
			      sim_config.context_bytes - sim_vram_used(sim_context()->device);
	if (total_bytes)
		*total_bytes = sim_config.vram_bytes[sim_context()->device];
	SIM_ANSWER(CUDA_SUCCESS);
}

/* The program's own region at the address: addresses only reserved hold no memory. */
static const struct sim_region *memory_at(CUdeviceptr address)
{
	const struct sim_region *region = sim_region_at(address);

	return region && region->kind != SIM_RESERVED ? region : NULL;
}

SIM_EXPORT int sim_in_vram(CUdeviceptr address)
{
	const struct sim_region *region;
	int answer;

	sim_lock();
	region = memory_at(address);
	answer = region ? !region->host : -1;
	if (region && region->kind == SIM_MANAGED)
		answer = !sim_managed_in_ram(address);
	sim_unlock();
	return answer;
}

/* The same for what the attribute says, whatever a preloaded library answers. */
SIM_EXPORT int sim_syncs(CUdeviceptr address);
SIM_EXPORT int sim_syncs(CUdeviceptr address)
{
	const struct sim_region *region;
	int answer;

	sim_lock();
	region = memory_at(address);
	answer = region && region->sync_memops;
	sim_unlock();
	return answer;
}

SIM_EXPORT CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *bytes,
					    CUdeviceptr address)
{
	const struct sim_region *region;

	SIM_CALL();
	region = memory_at(address);
	if (!region)
		SIM_ANSWER(CUDA_ERROR_NOT_FOUND);
	if (base)
		*base = region->start;
	if (bytes)
		*bytes = region->end - region->start;
	SIM_ANSWER(CUDA_SUCCESS);
}

static CUresult attribute(void *out, CUpointer_attribute what, CUdeviceptr address)
{
	const struct sim_region *region = memory_at(address);
	bool ram;

	if (!region)
		return CUDA_ERROR_INVALID_VALUE;
	ram = region->host && region->kind != SIM_MANAGED;
	switch ((int)what) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
		if (!region->context)
			return CUDA_ERROR_INVALID_VALUE;
		*(CUcontext *)out = region->context;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		*(unsigned int *)out = ram ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		*(CUdeviceptr *)out = address;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		if (!region->host)
			return CUDA_ERROR_INVALID_VALUE;
		*(void **)out = (void *)(uintptr_t)address;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		*(unsigned int *)out = region->sync_memops;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID:
		*(unsigned long long *)out = region->id;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
		*(unsigned int *)out = region->kind == SIM_MANAGED;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
		*(int *)out = region->device;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
		*(unsigned int *)out = region->kind == SIM_LINEAR;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
		*(CUdeviceptr *)out = region->start;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
		*(size_t *)out = region->end - region->start;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MAPPED:
		*(unsigned int *)out = 1;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
		*(unsigned long long *)out = 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
		*(unsigned int *)out =
		    region->writable   ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE
		    : region->readable ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READ
				       : CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_NOT_SUPPORTED;
	}
}

SIM_EXPORT CUresult cuPointerGetAttribute(void *out, CUpointer_attribute what,
					  CUdeviceptr address)
{
	SIM_CALL_ANYWHERE();
	SIM_ANSWER(out ? attribute(out, what, address) : CUDA_ERROR_INVALID_VALUE);
}

/* Unlike the single question, an unknown pointer answers zeros here. */
SIM_EXPORT CUresult cuPointerGetAttributes(unsigned int count, CUpointer_attribute *what,
					   void **out, CUdeviceptr address)
{
	SIM_CALL_ANYWHERE();
	if (!count || !what || !out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	for (unsigned int i = 0; i < count; i++) {
		if (!out[i] || attribute(out[i], what[i], address) == CUDA_SUCCESS)
			continue;
		switch ((int)what[i]) {
		case CU_POINTER_ATTRIBUTE_CONTEXT:
		case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
		case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
		case CU_POINTER_ATTRIBUTE_BUFFER_ID:
			memset(out[i], 0, 8);
			break;
		case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
			*(int *)out[i] = -2;
			break;
		default:
			memset(out[i], 0, 4);
			break;
		}
	}
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuPointerSetAttribute(const void *value, CUpointer_attribute what,
					  CUdeviceptr address)
{
	SIM_CALL_ANYWHERE();
	if (!value || what != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS || !memory_at(address))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	sim_region_at(address)->sync_memops = *(const unsigned int *)value != 0;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address)
{
	const struct sim_region *region;

	SIM_CALL();
	region = memory_at(address);
	if (!handle || !region)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (region->kind != SIM_LINEAR)
		SIM_ANSWER(CUDA_ERROR_NOT_SUPPORTED);
	memset(handle, 0, sizeof(*handle));
	memcpy(handle, &address, sizeof(address));
	SIM_ANSWER(CUDA_SUCCESS);
}
