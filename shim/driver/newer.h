/*
 * Declares the functions we hook that CUDA 13.1 to 13.5 brought, where the toolkit's headers
 * are older: the library hooks them on a new driver whichever headers it was built with.
 */
#ifndef LOWTIDE_NEWER_H
#define LOWTIDE_NEWER_H

#include <cuda.h>
#include <cudaTypedefs.h>

/* The CUDA version up to which api.def has every function. */
#define KNOWN_CUDA_VERSION 13050

#define NEWER(symbol, base, version, ...)                                                      \
	typedef CUresult(CUDAAPI *PFN_##base##_v##version)(__VA_ARGS__);                       \
	CUresult CUDAAPI symbol(__VA_ARGS__);

#if CUDA_VERSION < 13010
typedef struct CUstreamCigCaptureParams_st CUstreamCigCaptureParams;
NEWER(cuMulticastBindAddr_v2, cuMulticastBindAddr, 13010, CUmemGenericAllocationHandle,
      CUdevice, size_t, CUdeviceptr, size_t, unsigned long long)
NEWER(cuStreamBeginCaptureToCig, cuStreamBeginCaptureToCig, 13010, CUstream,
      CUstreamCigCaptureParams *)
NEWER(cuStreamBeginCaptureToCig_ptsz, cuStreamBeginCaptureToCig, 13010_ptsz, CUstream,
      CUstreamCigCaptureParams *)
NEWER(cuStreamEndCaptureToCig, cuStreamEndCaptureToCig, 13010, CUstream)
NEWER(cuStreamEndCaptureToCig_ptsz, cuStreamEndCaptureToCig, 13010_ptsz, CUstream)
#endif

#if CUDA_VERSION < 13020
NEWER(cuMemcpyWithAttributesAsync, cuMemcpyWithAttributesAsync, 13020, CUdeviceptr, CUdeviceptr,
      size_t, CUmemcpyAttributes *, CUstream)
NEWER(cuMemcpyWithAttributesAsync_ptsz, cuMemcpyWithAttributesAsync, 13020_ptsz, CUdeviceptr,
      CUdeviceptr, size_t, CUmemcpyAttributes *, CUstream)
NEWER(cuMemcpy3DWithAttributesAsync, cuMemcpy3DWithAttributesAsync, 13020,
      CUDA_MEMCPY3D_BATCH_OP *, unsigned long long, CUstream)
NEWER(cuMemcpy3DWithAttributesAsync_ptsz, cuMemcpy3DWithAttributesAsync, 13020_ptsz,
      CUDA_MEMCPY3D_BATCH_OP *, unsigned long long, CUstream)
#endif

#if CUDA_VERSION < 13030
typedef cuuint32_t CUlogicalEndpointId;
/* Passed on to the driver, never called here. */
typedef CUresult(CUDA_CB *CUgraphRecaptureCallback)(void *, CUgraphNode,
						    const CUgraphNodeParams *,
						    const CUgraphNodeParams *, int);
NEWER(cuLogicalEndpointBindAddr, cuLogicalEndpointBindAddr, 13030, CUlogicalEndpointId,
      CUdevice, cuuint64_t, void *, cuuint64_t, unsigned long long)
NEWER(cuStreamBeginRecaptureToGraph, cuStreamBeginRecaptureToGraph, 13030, CUstream,
      CUstreamCaptureMode, CUgraph, CUgraphRecaptureCallback, void *)
NEWER(cuStreamBeginRecaptureToGraph_ptsz, cuStreamBeginRecaptureToGraph, 13030_ptsz, CUstream,
      CUstreamCaptureMode, CUgraph, CUgraphRecaptureCallback, void *)
#endif

#if CUDA_VERSION < 13050
typedef int CUtensorMapAllocClass;
typedef struct {
	int type;
	union {
		struct {
			CUdeviceptr ptr;
			CUmemLocation locHint;
		} ptr;
		struct {
			CUlogicalEndpointId id;
			cuuint64_t offset;
		} le;
	} op;
} CUfabricCpyOperand;
#define CU_FABRIC_COPY_OPERAND_TYPE_POINTER 1
typedef struct {
	CUfabricCpyOperand src, dst;
	size_t size;
	unsigned int flags;
} CUDA_FABRIC_COPY_BATCH_OP;
NEWER(cuFabricCpyBatchAsync, cuFabricCpyBatchAsync, 13050, size_t, CUDA_FABRIC_COPY_BATCH_OP *,
      unsigned long long, CUstream)
NEWER(cuFabricCpyBatchAsync_ptsz, cuFabricCpyBatchAsync, 13050_ptsz, size_t,
      CUDA_FABRIC_COPY_BATCH_OP *, unsigned long long, CUstream)
NEWER(cuTensorMapSetAllocationClass, cuTensorMapSetAllocationClass, 13050, CUtensorMap *,
      CUtensorMapAllocClass, CUtensorMapAllocClass *)
#endif

#undef NEWER
#endif
