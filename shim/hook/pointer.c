/*
 * Questions about a pointer. A component is answered for as the device memory the program asked
 * for, whatever its home: a cold block would otherwise look like host memory, and be touched
 * from the CPU.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "base/log.h"
#include "pager/driver_slabs.h"
#include "account/unmanaged.h"
#include "pager/pager.h"
#include "pager/sync_memops.h"

#include <stdatomic.h>

static bool allocation_at(CUdeviceptr address, struct pager_component *out)
{
	return pager_may_hold(address) && pager_component_at(address, out)
		   ? true
		   : driver_slabs_at(address, out);
}

/* The address that the driver is asked about in place of this one. */
static CUdeviceptr address_shown(CUdeviceptr address)
{
	return driver_slabs_shown(pager_shown(address));
}

LT_EXPORT CUresult CUDAAPI cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize,
						   CUdeviceptr dptr)
{
	struct pager_component component;

	if (!driver_has(cuMemGetAddressRange_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!allocation_at(dptr, &component))
		return real(cuMemGetAddressRange_v2)(pbase, psize, address_shown(dptr));
	if (pbase)
		*pbase = component.start;
	if (psize)
		*psize = component.bytes;
	return CUDA_SUCCESS;
}

/* Would the driver answer for the slab as a whole, rather than for one allocation in it? */
static bool is_of_one_allocation(CUpointer_attribute attribute)
{
	return attribute == CU_POINTER_ATTRIBUTE_BUFFER_ID ||
	       attribute == CU_POINTER_ATTRIBUTE_RANGE_START_ADDR ||
	       attribute == CU_POINTER_ATTRIBUTE_RANGE_SIZE ||
	       attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS ||
	       attribute == CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE;
}

/* False: the driver must answer. */
static bool answer_attribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr,
			     const struct pager_component *component, CUresult *result)
{
	*result = CUDA_SUCCESS;
	if (component->in_driver && !is_of_one_allocation(attribute))
		return false;
	switch ((int)attribute) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
		*(CUcontext *)data = component->context;
		return true;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		*(unsigned int *)data = CU_MEMORYTYPE_DEVICE;
		return true;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		*(CUdeviceptr *)data = ptr;
		return true;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		*result = CUDA_ERROR_INVALID_VALUE;
		return true;
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		*(unsigned int *)data = component->sync_memops;
		return true;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
	case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
		*(unsigned int *)data = 0;
		return true;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID:
		*(unsigned long long *)data = component->id | 1ull << 62;
		return true;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
		*(int *)data = component->device;
		return true;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
		*(CUdeviceptr *)data = component->start;
		return true;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
		*(size_t *)data = component->bytes;
		return true;
	case CU_POINTER_ATTRIBUTE_MAPPED:
		*(unsigned int *)data = 1;
		return true;
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
		*(int *)data = CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
		return true;
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
		*(unsigned long long *)data = 0;
		return true;
	default:
		return false;
	}
}

LT_EXPORT CUresult CUDAAPI cuPointerGetAttribute(void *data, CUpointer_attribute attribute,
						 CUdeviceptr ptr)
{
	struct pager_component component;
	CUresult result;

	if (!driver_has(cuPointerGetAttribute))
		return CUDA_ERROR_NOT_FOUND;
	if (data && allocation_at(ptr, &component) &&
	    answer_attribute(data, attribute, ptr, &component, &result))
		return result;
	return real(cuPointerGetAttribute)(data, attribute, address_shown(ptr));
}

/* Where cuPointerGetAttribute fails, this call succeeds and answers with NULL. */
LT_EXPORT CUresult CUDAAPI cuPointerGetAttributes(unsigned int numAttributes,
						  CUpointer_attribute *attributes, void **data,
						  CUdeviceptr ptr)
{
	struct pager_component component;
	CUresult result, single;

	if (!driver_has(cuPointerGetAttributes))
		return CUDA_ERROR_NOT_FOUND;
	result =
	    real(cuPointerGetAttributes)(numAttributes, attributes, data, address_shown(ptr));
	if (result != CUDA_SUCCESS || !allocation_at(ptr, &component))
		return result;
	for (unsigned int i = 0; i < numAttributes; i++)
		if (data[i] &&
		    answer_attribute(data[i], attributes[i], ptr, &component, &single) &&
		    single != CUDA_SUCCESS)
			*(void **)data[i] = NULL;
	return CUDA_SUCCESS;
}

LT_EXPORT CUresult CUDAAPI cuPointerSetAttribute(const void *value,
						 CUpointer_attribute attribute, CUdeviceptr ptr)
{
	CUresult result;

	if (!driver_has(cuPointerSetAttribute))
		return CUDA_ERROR_NOT_FOUND;
	if (value && attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS && pager_may_hold(ptr) &&
	    sync_memops_set(ptr, *(const unsigned int *)value != 0, &result))
		return result;
	if (value && attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS &&
	    driver_slabs_set_sync_memops(ptr, *(const unsigned int *)value != 0, &result))
		return result;
	return real(cuPointerSetAttribute)(value, attribute, address_shown(ptr));
}

/* --- what would bind somebody to the physical memory behind an address, which changes */

static bool is_paged(CUdeviceptr address)
{
	struct pager_component component;

	return allocation_at(address, &component);
}

static CUresult refuse_sharing(const char *function, atomic_flag *said)
{
	if (!atomic_flag_test_and_set(said))
		log_warn(
		    "%s: memory that is paged, or packed with other allocations, cannot be "
		    "shared with other processes or devices: raise LOWTIDE_DRIVER_BELOW "
		    "above the size of what is shared (said once)",
		    function);
	return CUDA_ERROR_NOT_SUPPORTED;
}

LT_EXPORT CUresult CUDAAPI cuIpcGetMemHandle(CUipcMemHandle *pHandle, CUdeviceptr dptr)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!driver_has(cuIpcGetMemHandle))
		return CUDA_ERROR_NOT_FOUND;
	if (!pHandle || !is_paged(dptr))
		return real(cuIpcGetMemHandle)(pHandle, address_shown(dptr));
	return refuse_sharing("cuIpcGetMemHandle", &said);
}

LT_EXPORT CUresult CUDAAPI cuMemGetHandleForAddressRange(void *handle, CUdeviceptr dptr,
							 size_t size,
							 CUmemRangeHandleType handleType,
							 unsigned long long flags)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!driver_has(cuMemGetHandleForAddressRange))
		return CUDA_ERROR_NOT_FOUND;
	if (!is_paged(dptr))
		return real(cuMemGetHandleForAddressRange)(handle, address_shown(dptr), size,
							   handleType, flags);
	return refuse_sharing("cuMemGetHandleForAddressRange", &said);
}

LT_EXPORT CUresult CUDAAPI cuMulticastBindAddr(CUmemGenericAllocationHandle mcHandle,
					       size_t mcOffset, CUdeviceptr memptr, size_t size,
					       unsigned long long flags)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!driver_has(cuMulticastBindAddr))
		return CUDA_ERROR_NOT_FOUND;
	if (!is_paged(memptr))
		return real(cuMulticastBindAddr)(mcHandle, mcOffset, address_shown(memptr),
						 size, flags);
	return refuse_sharing("cuMulticastBindAddr", &said);
}

LT_EXPORT CUresult CUDAAPI cuMulticastBindAddr_v2(CUmemGenericAllocationHandle mcHandle,
						  CUdevice dev, size_t mcOffset,
						  CUdeviceptr memptr, size_t size,
						  unsigned long long flags)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!driver_has(cuMulticastBindAddr_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!is_paged(memptr))
		return real(cuMulticastBindAddr_v2)(mcHandle, dev, mcOffset, memptr, size,
						    flags);
	return refuse_sharing("cuMulticastBindAddr", &said);
}

LT_EXPORT CUresult CUDAAPI cuLogicalEndpointBindAddr(CUlogicalEndpointId leId, CUdevice dev,
						     cuuint64_t offset, void *ptr,
						     cuuint64_t size, unsigned long long flags)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!driver_has(cuLogicalEndpointBindAddr))
		return CUDA_ERROR_NOT_FOUND;
	if (!is_paged((CUdeviceptr)(uintptr_t)ptr))
		return real(cuLogicalEndpointBindAddr)(leId, dev, offset, ptr, size, flags);
	return refuse_sharing("cuLogicalEndpointBindAddr", &said);
}

/* Paged memory is memory of cuMemAlloc to the program, and such memory has no handle. */
LT_EXPORT CUresult CUDAAPI cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle,
						       void *addr)
{
	CUresult result;

	if (!driver_has(cuMemRetainAllocationHandle))
		return CUDA_ERROR_NOT_FOUND;
	if (pager_of((CUdeviceptr)(uintptr_t)addr))
		return CUDA_ERROR_INVALID_VALUE;
	result = real(cuMemRetainAllocationHandle)(handle, addr);
	if (result == CUDA_SUCCESS)
		unmanaged_handle_retained(*handle);
	return result;
}
