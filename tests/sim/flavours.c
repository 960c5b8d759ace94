/*
 * The per-thread flavours: the same functions, where NULL means the calling thread's own
 * default stream. (With __CUDA_API_VERSION_INTERNAL the headers name no flavour, so these names
 * are free to define.)
 */
#include "sim.h"

#include "copy.h"

#define FLAVOUR(name, suffix, parameters, arguments)                                           \
	SIM_EXPORT CUresult name##suffix parameters;                                           \
	SIM_EXPORT CUresult name##suffix parameters                                            \
	{                                                                                      \
		bool before = sim_default_is_per_thread;                                       \
		CUresult result;                                                               \
                                                                                               \
		sim_default_is_per_thread = true;                                              \
		result = name arguments;                                                       \
		sim_default_is_per_thread = before;                                            \
		return result;                                                                 \
	}

FLAVOUR(cuMemAllocAsync, _ptsz, (CUdeviceptr * out, size_t bytes, CUstream stream),
	(out, bytes, stream))
FLAVOUR(cuMemAllocFromPoolAsync, _ptsz,
	(CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream),
	(out, bytes, pool, stream))
FLAVOUR(cuMemFreeAsync, _ptsz, (CUdeviceptr ptr, CUstream stream), (ptr, stream))
FLAVOUR(cuMemPrefetchAsync, _ptsz,
	(CUdeviceptr at, size_t bytes, CUdevice device, CUstream stream),
	(at, bytes, device, stream))
FLAVOUR(cuMemPrefetchAsync_v2, _ptsz,
	(CUdeviceptr at, size_t bytes, CUmemLocation location, unsigned int flags,
	 CUstream stream),
	(at, bytes, location, flags, stream))
FLAVOUR(cuMemsetD8_v2, _ptds, (CUdeviceptr dst, unsigned char value, size_t n), (dst, value, n))
FLAVOUR(cuMemsetD16_v2, _ptds, (CUdeviceptr dst, unsigned short value, size_t n),
	(dst, value, n))
FLAVOUR(cuMemsetD32_v2, _ptds, (CUdeviceptr dst, unsigned int value, size_t n), (dst, value, n))
FLAVOUR(cuMemsetD8Async, _ptsz,
	(CUdeviceptr dst, unsigned char value, size_t n, CUstream stream),
	(dst, value, n, stream))
FLAVOUR(cuMemsetD16Async, _ptsz,
	(CUdeviceptr dst, unsigned short value, size_t n, CUstream stream),
	(dst, value, n, stream))
FLAVOUR(cuMemsetD32Async, _ptsz,
	(CUdeviceptr dst, unsigned int value, size_t n, CUstream stream),
	(dst, value, n, stream))
FLAVOUR(cuMemsetD2D8_v2, _ptds,
	(CUdeviceptr dst, size_t pitch, unsigned char value, size_t width, size_t height),
	(dst, pitch, value, width, height))
FLAVOUR(cuMemsetD2D16_v2, _ptds,
	(CUdeviceptr dst, size_t pitch, unsigned short value, size_t width, size_t height),
	(dst, pitch, value, width, height))
FLAVOUR(cuMemsetD2D32_v2, _ptds,
	(CUdeviceptr dst, size_t pitch, unsigned int value, size_t width, size_t height),
	(dst, pitch, value, width, height))
FLAVOUR(cuMemsetD2D8Async, _ptsz,
	(CUdeviceptr dst, size_t pitch, unsigned char value, size_t width, size_t height,
	 CUstream stream),
	(dst, pitch, value, width, height, stream))
FLAVOUR(cuMemsetD2D16Async, _ptsz,
	(CUdeviceptr dst, size_t pitch, unsigned short value, size_t width, size_t height,
	 CUstream stream),
	(dst, pitch, value, width, height, stream))
FLAVOUR(cuMemsetD2D32Async, _ptsz,
	(CUdeviceptr dst, size_t pitch, unsigned int value, size_t width, size_t height,
	 CUstream stream),
	(dst, pitch, value, width, height, stream))
FLAVOUR(cuEventRecord, _ptsz, (CUevent event, CUstream handle), (event, handle))
FLAVOUR(cuEventRecordWithFlags, _ptsz, (CUevent event, CUstream handle, unsigned int flags),
	(event, handle, flags))
FLAVOUR(cuStreamWaitEvent, _ptsz, (CUstream handle, CUevent event, unsigned int flags),
	(handle, event, flags))
FLAVOUR(cuStreamSynchronize, _ptsz, (CUstream handle), (handle))
FLAVOUR(cuStreamQuery, _ptsz, (CUstream handle), (handle))
FLAVOUR(cuStreamGetFlags, _ptsz, (CUstream handle, unsigned int *flags), (handle, flags))
FLAVOUR(cuStreamGetPriority, _ptsz, (CUstream handle, int *priority), (handle, priority))
FLAVOUR(cuStreamGetCtx, _ptsz, (CUstream handle, CUcontext *context), (handle, context))
FLAVOUR(cuStreamGetId, _ptsz, (CUstream handle, unsigned long long *id), (handle, id))
FLAVOUR(cuLaunchHostFunc, _ptsz, (CUstream handle, CUhostFn function, void *data),
	(handle, function, data))
FLAVOUR(cuStreamAddCallback, _ptsz,
	(CUstream handle, CUstreamCallback callback, void *data, unsigned int flags),
	(handle, callback, data, flags))
FLAVOUR(cuStreamWaitValue32_v2, _ptsz,
	(CUstream handle, CUdeviceptr address, cuuint32_t value, unsigned int flags),
	(handle, address, value, flags))
FLAVOUR(cuStreamWaitValue64_v2, _ptsz,
	(CUstream handle, CUdeviceptr address, cuuint64_t value, unsigned int flags),
	(handle, address, value, flags))
FLAVOUR(cuStreamWriteValue32_v2, _ptsz,
	(CUstream handle, CUdeviceptr address, cuuint32_t value, unsigned int flags),
	(handle, address, value, flags))
FLAVOUR(cuStreamWriteValue64_v2, _ptsz,
	(CUstream handle, CUdeviceptr address, cuuint64_t value, unsigned int flags),
	(handle, address, value, flags))
FLAVOUR(cuMemcpy, _ptds, (CUdeviceptr dst, CUdeviceptr src, size_t bytes), (dst, src, bytes))
FLAVOUR(cuMemcpyAsync, _ptsz, (CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream),
	(dst, src, bytes, stream))
FLAVOUR(cuMemcpyHtoD_v2, _ptds, (CUdeviceptr dst, const void *src, size_t bytes),
	(dst, src, bytes))
FLAVOUR(cuMemcpyHtoDAsync_v2, _ptsz,
	(CUdeviceptr dst, const void *src, size_t bytes, CUstream stream),
	(dst, src, bytes, stream))
FLAVOUR(cuMemcpyDtoH_v2, _ptds, (void *dst, CUdeviceptr src, size_t bytes), (dst, src, bytes))
FLAVOUR(cuMemcpyDtoHAsync_v2, _ptsz,
	(void *dst, CUdeviceptr src, size_t bytes, CUstream stream), (dst, src, bytes, stream))
FLAVOUR(cuMemcpyDtoA_v2, _ptds, (CUarray dst, size_t offset, CUdeviceptr src, size_t bytes),
	(dst, offset, src, bytes))
FLAVOUR(cuMemcpyAtoD_v2, _ptds, (CUdeviceptr dst, CUarray src, size_t offset, size_t bytes),
	(dst, src, offset, bytes))
FLAVOUR(cuMemcpyDtoD_v2, _ptds, (CUdeviceptr dst, CUdeviceptr src, size_t bytes),
	(dst, src, bytes))
FLAVOUR(cuMemcpyDtoDAsync_v2, _ptsz,
	(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream),
	(dst, src, bytes, stream))
FLAVOUR(cuMemcpy2D_v2, _ptds, (const CUDA_MEMCPY2D *copy), (copy))
FLAVOUR(cuMemcpy2DUnaligned_v2, _ptds, (const CUDA_MEMCPY2D *copy), (copy))
FLAVOUR(cuMemcpy2DAsync_v2, _ptsz, (const CUDA_MEMCPY2D *copy, CUstream stream), (copy, stream))
FLAVOUR(cuMemcpy3D_v2, _ptds, (const CUDA_MEMCPY3D *copy), (copy))
FLAVOUR(cuMemcpy3DAsync_v2, _ptsz, (const CUDA_MEMCPY3D *copy, CUstream stream), (copy, stream))
FLAVOUR(cuMemcpyPeer, _ptds,
	(CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src, CUcontext src_context,
	 size_t bytes),
	(dst, dst_context, src, src_context, bytes))
FLAVOUR(cuMemcpyPeerAsync, _ptsz,
	(CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src, CUcontext src_context,
	 size_t bytes, CUstream stream),
	(dst, dst_context, src, src_context, bytes, stream))
FLAVOUR(cuMemcpy3DPeer, _ptds, (const CUDA_MEMCPY3D_PEER *copy), (copy))
FLAVOUR(cuMemcpy3DPeerAsync, _ptsz, (const CUDA_MEMCPY3D_PEER *copy, CUstream stream),
	(copy, stream))
FLAVOUR(cuLaunchKernel, _ptsz,
	(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz,
	 unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
	 CUstream stream, void **params, void **extra),
	(function, gx, gy, gz, bx, by, bz, shared, stream, params, extra))
FLAVOUR(cuLaunchCooperativeKernel, _ptsz,
	(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz,
	 unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
	 CUstream stream, void **params),
	(function, gx, gy, gz, bx, by, bz, shared, stream, params))
FLAVOUR(cuLaunchKernelEx, _ptsz,
	(const CUlaunchConfig *c, CUfunction function, void **params, void **extra),
	(c, function, params, extra))
FLAVOUR(cuGraphLaunch, _ptsz, (CUgraphExec exec, CUstream stream), (exec, stream))
FLAVOUR(cuGraphUpload, _ptsz, (CUgraphExec exec, CUstream stream), (exec, stream))
FLAVOUR(cuStreamBeginCapture_v2, _ptsz, (CUstream stream, CUstreamCaptureMode mode),
	(stream, mode))
FLAVOUR(cuStreamEndCapture, _ptsz, (CUstream stream, CUgraph *out), (stream, out))
FLAVOUR(cuStreamGetCaptureInfo_v3, _ptsz,
	(CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
	 const CUgraphNode **deps, const CUgraphEdgeData **edges, size_t *count),
	(stream, status, id, graph, deps, edges, count))
FLAVOUR(cuStreamGetCaptureInfo_v2, _ptsz,
	(CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
	 const CUgraphNode **deps, size_t *count),
	(stream, status, id, graph, deps, count))
FLAVOUR(cuStreamIsCapturing, _ptsz, (CUstream stream, CUstreamCaptureStatus *status),
	(stream, status))
