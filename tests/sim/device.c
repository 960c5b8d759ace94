/* Devices: what the simulated cards say of themselves. */
#include "sim.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
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
	char own[256];

	SIM_CALL_ANYWHERE();
	if (!name || room <= 0)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	if (!sim_setting_of("LOWTIDE_SIM_NAME", device, own, sizeof(own)))
		snprintf(own, sizeof(own), "Simulated GPU %d", device);
	snprintf(name, (size_t)room, "%s", own);
	SIM_ANSWER(CUDA_SUCCESS);
}

/* As nvidia-smi writes it: 32 hexadecimal digits, with or without GPU- and dashes. */
static bool read_uuid(const char *text, CUuuid *uuid)
{
	size_t digits = 0;

	if (!strncmp(text, "GPU-", 4))
		text += 4;
	memset(uuid, 0, sizeof(*uuid));
	for (; *text; text++) {
		const char *all = "0123456789abcdef", *digit;

		if (*text == '-')
			continue;
		digit = strchr(all, tolower((unsigned char)*text));
		if (!digit || digits == 2 * sizeof(uuid->bytes))
			return false;
		uuid->bytes[digits / 2] =
		    (char)((unsigned char)uuid->bytes[digits / 2] << 4 | (digit - all));
		digits++;
	}
	return digits == 2 * sizeof(uuid->bytes);
}

SIM_EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
	char own[64];

	SIM_CALL_ANYWHERE();
	if (!uuid)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	if (sim_setting_of("LOWTIDE_SIM_UUID", device, own, sizeof(own))) {
		if (read_uuid(own, uuid))
			SIM_ANSWER(CUDA_SUCCESS);
		fprintf(stderr, "simulated GPU: LOWTIDE_SIM_UUID: %s is no UUID\n", own);
	}
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
	*bytes = sim_config.vram_bytes[device];
	SIM_ANSWER(CUDA_SUCCESS);
}

/* LOWTIDE_SIM_ATTRIBUTES=number:value[,...], of all cards. */
static bool attribute_set(CUdevice_attribute attribute, int *value)
{
	for (const char *at = getenv("LOWTIDE_SIM_ATTRIBUTES"); at && *at;) {
		int number, used = 0;

		if (sscanf(at, "%d:%d%n", &number, value, &used) != 2 ||
		    (at[used] && at[used] != ',')) {
			fprintf(stderr,
				"simulated GPU: LOWTIDE_SIM_ATTRIBUTES: not number:value: %s\n",
				at);
			return false;
		}
		if (number == (int)attribute)
			return true;
		at += used + (at[used] == ',');
	}
	return false;
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
		return SIM_MULTIPROCESSORS;
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
		return SIM_MULTIPROCESSOR_THREADS;
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
	case CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS:
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

static int attribute_of(CUdevice_attribute attribute, CUdevice device)
{
	int value;

	return attribute_set(attribute, &value) ? value : attribute_value(attribute, device);
}

unsigned int sim_compute_capability(int device)
{
	int major = attribute_of(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device),
	    minor = attribute_of(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);

	return (unsigned int)(10 * major + minor);
}

SIM_EXPORT CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!major || !minor)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	*major = (int)sim_compute_capability(device) / 10;
	*minor = (int)sim_compute_capability(device) % 10;
	SIM_ANSWER(CUDA_SUCCESS);
}

bool sim_concurrent_managed(void)
{
	static int known = -1; /* guarded by the lock */

	if (known < 0 && !attribute_set(CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS, &known))
		known = attribute_value(CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS, 0);
	return known;
}

SIM_EXPORT CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute,
					 CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!value || (int)attribute <= 0 || attribute >= CU_DEVICE_ATTRIBUTE_MAX)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (known(device) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	*value = attribute_of(attribute, device);
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
