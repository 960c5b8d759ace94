/* Devices: what the simulated cards say of themselves. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static CUresult known(CUdevice device)
{
	return device >= 0 && device < sim_config.devices ? CUDA_SUCCESS
							  : CUDA_ERROR_INVALID_DEVICE;
}

SIM_EXPORT CUresult cuDeviceGetCount(int *count)
{
	SIM_CALL_ANYWHERE();
	if (!count)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*count = sim_config.devices;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
	SIM_CALL_ANYWHERE();
	if (!device)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(ordinal) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	*device = ordinal;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDeviceGetName(char *name, int room, CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!name || room <= 0)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	snprintf(name, (size_t)room, "Simulated GPU %d", device);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!uuid)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	memset(uuid, 0, sizeof(*uuid));
	memcpy(uuid->bytes, "lowtide-sim", 11);
	uuid->bytes[15] = (char)device;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device)
{
	return cuDeviceGetUuid_v2(uuid, device);
}

SIM_EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!bytes)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	*bytes = sim_config.vram_bytes;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!major || !minor)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	*major = 9;
	*minor = 0;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer)
{
	SIM_CALL_ANYWHERE();
	if (!can)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS || known(peer) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	*can = 0;
	SIM_ANSWER(CUDA_SUCCESS);
}

/* What is not listed is zero: the card lacks it. */
static int attribute_value(CUdevice_attribute attribute, CUdevice device)
{
	switch ((int)attribute) {
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
		return 1024;
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
		return 64;
	case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
		return 2147483647;
	case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
	case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
		return 65535;
	case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
		return 32;
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
		return 16;
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
		return 2048;
	case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
		return 1000000; /* kHz */
	case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
		return device + 1;
	case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
		return 2;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
		return 9;
	case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT:
		return 512;
	case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
	case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
	case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
	case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
	case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
	case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
	case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
	case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
	case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM:
	case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
		return 1;
	case CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
		return sim_config.host_numa;
	case CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID:
		return sim_config.numa_claimed;
	default:
		return 0;
	}
}

SIM_EXPORT CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute,
					 CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!value || (int)attribute <= 0 || attribute >= CU_DEVICE_ATTRIBUTE_MAX)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	*value = attribute_value(attribute, device);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDeviceGetPCIBusId(char *id, int room, CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!id || room < 13)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	snprintf(id, (size_t)room, "0000:%02x:00.0", device + 1);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDeviceGetLuid(char *luid, unsigned int *mask, CUdevice device)
{
	SIM_CALL_ANYWHERE();
	(void)luid, (void)mask, (void)device;
	SIM_ANSWER(CUDA_ERROR_NOT_SUPPORTED);
}
