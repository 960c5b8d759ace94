/* Devices: what the program is told of their memory. */
#include "driver/driver.h"
#include "driver/export.h"
#include "pager/report.h"

LT_EXPORT CUresult CUDAAPI cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	CUresult result;

	if (!driver_has(cuDeviceTotalMem_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuDeviceTotalMem_v2)(bytes, dev);
	if (result == CUDA_SUCCESS && bytes)
		*bytes = report_total(dev, *bytes);
	return result;
}
