/*
 * Streams: which there are, whether one is being captured, and the moments when the program
 * waits.
 */
#include "driver/driver.h"
#include "order/captures.h"
#include "driver/export.h"
#include "hook/work.h"
#include "account/ordered_free.h"
#include "account/pools.h"

#include <sched.h>

LT_EXPORT CUresult CUDAAPI cuStreamCreate(CUstream *phStream, unsigned int Flags)
{
	CUresult result;

	if (!driver_has(cuStreamCreate))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuStreamCreate)(phStream, Flags);
	if (result == CUDA_SUCCESS)
		streams_created(*phStream);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags,
						      int priority)
{
	CUresult result;

	if (!driver_has(cuStreamCreateWithPriority))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuStreamCreateWithPriority)(phStream, flags, priority);
	if (result == CUDA_SUCCESS)
		streams_created(*phStream);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGreenCtxStreamCreate(CUstream *phStream, CUgreenCtx greenCtx,
						  unsigned int flags, int priority)
{
	CUresult result;

	if (!driver_has(cuGreenCtxStreamCreate))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuGreenCtxStreamCreate)(phStream, greenCtx, flags, priority);
	if (result == CUDA_SUCCESS)
		streams_created(*phStream);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuStreamDestroy(CUstream hStream)
{
	struct source *source;
	CUresult result;
	bool held;

	if (!driver_has(cuStreamDestroy))
		return CUDA_ERROR_NOT_FOUND;
	held = work_hold_mappings();
	source = streams_destroying(hStream);
	result = real(cuStreamDestroy)(hStream);
	streams_destroyed(source, result);
	work_let_mappings(held);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuStreamDestroy_v2(CUstream hStream)
{
	struct source *source;
	CUresult result;
	bool held;

	if (!driver_has(cuStreamDestroy_v2))
		return CUDA_ERROR_NOT_FOUND;
	held = work_hold_mappings();
	source = streams_destroying(hStream);
	result = real(cuStreamDestroy_v2)(hStream);
	streams_destroyed(source, result);
	work_let_mappings(held);
	return result;
}

/* --- capture */

/* A capture begins inside the gate, and while no thread of ours queries a stream: a query of
 * this very stream would invalidate the capture. */
static bool capture_begin(void)
{
	captures_hold();
	return work_hold_mappings();
}

/* `held`: what capture_begin answered. */
static CUresult capture_began(bool held, CUresult result, CUstreamCaptureMode mode)
{
	if (result == CUDA_SUCCESS)
		captures_began(mode);
	work_let_mappings(held);
	captures_let();
	return result;
}

static bool in_capture(CUstream stream)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;

	return real(cuStreamIsCapturing)(stream, &status) == CUDA_SUCCESS &&
	       status != CU_STREAM_CAPTURE_STATUS_NONE;
}

/* The capture has ended if the driver says so; and after an error, if the stream was being
 * captured before the call and is not any more. A query may fail too: a capture that has ended
 * and still counted would keep everything where it is for ever. */
static CUresult capture_end(CUresult (*driver_end)(CUstream, CUgraph *), CUstream stream,
			    CUstream named, CUgraph *graph)
{
	bool was = real(cuStreamIsCapturing) && in_capture(named);
	CUresult result = driver_end(stream, graph);

	if (result == CUDA_SUCCESS || (was && !in_capture(named)))
		captures_ended();
	return result;
}

/* The symbol of CUDA 10.0, whose captures are global. */
LT_EXPORT CUresult CUDAAPI cuStreamBeginCapture(CUstream hStream)
{
	bool held;

	if (!driver_has(cuStreamBeginCapture))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(held, real(cuStreamBeginCapture)(hStream),
			     CU_STREAM_CAPTURE_MODE_GLOBAL);
}

LT_EXPORT CUresult CUDAAPI cuStreamBeginCapture_ptsz(CUstream hStream)
{
	bool held;

	if (!driver_has(cuStreamBeginCapture_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(held, real(cuStreamBeginCapture_ptsz)(hStream),
			     CU_STREAM_CAPTURE_MODE_GLOBAL);
}

LT_EXPORT CUresult CUDAAPI cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode)
{
	bool held;

	if (!driver_has(cuStreamBeginCapture_v2))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(held, real(cuStreamBeginCapture_v2)(hStream, mode), mode);
}

LT_EXPORT CUresult CUDAAPI cuStreamBeginCapture_v2_ptsz(CUstream hStream,
							CUstreamCaptureMode mode)
{
	bool held;

	if (!driver_has(cuStreamBeginCapture_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(held, real(cuStreamBeginCapture_v2_ptsz)(hStream, mode), mode);
}

LT_EXPORT CUresult CUDAAPI cuStreamBeginCaptureToGraph(CUstream hStream, CUgraph hGraph,
						       const CUgraphNode *dependencies,
						       const CUgraphEdgeData *dependencyData,
						       size_t numDependencies,
						       CUstreamCaptureMode mode)
{
	bool held;

	if (!driver_has(cuStreamBeginCaptureToGraph))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(held,
			     real(cuStreamBeginCaptureToGraph)(hStream, hGraph, dependencies,
							       dependencyData, numDependencies,
							       mode),
			     mode);
}

LT_EXPORT CUresult CUDAAPI cuStreamBeginCaptureToGraph_ptsz(
    CUstream hStream, CUgraph hGraph, const CUgraphNode *dependencies,
    const CUgraphEdgeData *dependencyData, size_t numDependencies, CUstreamCaptureMode mode)
{
	bool held;

	if (!driver_has(cuStreamBeginCaptureToGraph_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(
	    held,
	    real(cuStreamBeginCaptureToGraph_ptsz)(hStream, hGraph, dependencies,
						   dependencyData, numDependencies, mode),
	    mode);
}

LT_EXPORT CUresult CUDAAPI cuStreamBeginRecaptureToGraph(CUstream hStream,
							 CUstreamCaptureMode mode,
							 CUgraph hGraph,
							 CUgraphRecaptureCallback callbackFunc,
							 void *userData)
{
	bool held;

	if (!driver_has(cuStreamBeginRecaptureToGraph))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(
	    held,
	    real(cuStreamBeginRecaptureToGraph)(hStream, mode, hGraph, callbackFunc, userData),
	    mode);
}

LT_EXPORT CUresult CUDAAPI
cuStreamBeginRecaptureToGraph_ptsz(CUstream hStream, CUstreamCaptureMode mode, CUgraph hGraph,
				   CUgraphRecaptureCallback callbackFunc, void *userData)
{
	bool held;

	if (!driver_has(cuStreamBeginRecaptureToGraph_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(held,
			     real(cuStreamBeginRecaptureToGraph_ptsz)(hStream, mode, hGraph,
								      callbackFunc, userData),
			     mode);
}

/* Captures for graphics. What may be called meanwhile is not documented, so they are taken for
 * global ones, during which we call nothing. */
LT_EXPORT CUresult CUDAAPI cuStreamBeginCaptureToCig(CUstream hStream,
						     CUstreamCigCaptureParams *params)
{
	bool held;

	if (!driver_has(cuStreamBeginCaptureToCig))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(held, real(cuStreamBeginCaptureToCig)(hStream, params),
			     CU_STREAM_CAPTURE_MODE_GLOBAL);
}

LT_EXPORT CUresult CUDAAPI cuStreamBeginCaptureToCig_ptsz(CUstream hStream,
							  CUstreamCigCaptureParams *params)
{
	bool held;

	if (!driver_has(cuStreamBeginCaptureToCig_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	held = capture_begin();
	return capture_began(held, real(cuStreamBeginCaptureToCig_ptsz)(hStream, params),
			     CU_STREAM_CAPTURE_MODE_GLOBAL);
}

/* Whether a query calls such a stream captured is not documented: only success ends it. */
static CUresult capture_to_cig_ended(CUresult result)
{
	if (result == CUDA_SUCCESS)
		captures_ended();
	return result;
}

LT_EXPORT CUresult CUDAAPI cuStreamEndCaptureToCig(CUstream hStream)
{
	if (!driver_has(cuStreamEndCaptureToCig))
		return CUDA_ERROR_NOT_FOUND;
	return capture_to_cig_ended(real(cuStreamEndCaptureToCig)(hStream));
}

LT_EXPORT CUresult CUDAAPI cuStreamEndCaptureToCig_ptsz(CUstream hStream)
{
	if (!driver_has(cuStreamEndCaptureToCig_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	return capture_to_cig_ended(real(cuStreamEndCaptureToCig_ptsz)(hStream));
}

LT_EXPORT CUresult CUDAAPI cuStreamEndCapture(CUstream hStream, CUgraph *phGraph)
{
	if (!driver_has(cuStreamEndCapture))
		return CUDA_ERROR_NOT_FOUND;
	return capture_end(real(cuStreamEndCapture), hStream, work_legacy(hStream), phGraph);
}

LT_EXPORT CUresult CUDAAPI cuStreamEndCapture_ptsz(CUstream hStream, CUgraph *phGraph)
{
	if (!driver_has(cuStreamEndCapture_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	return capture_end(real(cuStreamEndCapture_ptsz), hStream, work_per_thread(hStream),
			   phGraph);
}

/* --- waiting */

static CUresult program_waited(CUresult result)
{
	pools_refresh();
	ordered_free_settle();
	if (result == CUDA_SUCCESS && !captures_any())
		pager_quiet();
	return result;
}

/* Where no thread of ours brings on the moves that are under way, the thread that waits does.
 * After each step it queries whether it still has to wait; any answer but "not ready" is left
 * to the driver's own call, which follows. */
static void step_until_over(CUresult (*query)(void *), void *handle)
{
	CUstreamCaptureMode mode;
	CUresult result = CUDA_ERROR_NOT_READY;

	while (query && result == CUDA_ERROR_NOT_READY && pager_wants_steps()) {
		mode = captures_relax();
		result = query(handle);
		captures_unrelax(mode);
		if (result != CUDA_ERROR_NOT_READY)
			break;
		pager_step();
		sched_yield();
	}
}

static CUresult stream_is_over(void *stream)
{
	return real(cuStreamQuery)(stream);
}

static CUresult event_is_over(void *event)
{
	return real(cuEventQuery)(event);
}

LT_EXPORT CUresult CUDAAPI cuStreamSynchronize(CUstream hStream)
{
	if (!driver_has(cuStreamSynchronize))
		return CUDA_ERROR_NOT_FOUND;
	step_until_over(real(cuStreamQuery) ? stream_is_over : NULL, work_legacy(hStream));
	return program_waited(real(cuStreamSynchronize)(hStream));
}

LT_EXPORT CUresult CUDAAPI cuStreamSynchronize_ptsz(CUstream hStream)
{
	if (!driver_has(cuStreamSynchronize_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	step_until_over(real(cuStreamQuery) ? stream_is_over : NULL, work_per_thread(hStream));
	return program_waited(real(cuStreamSynchronize_ptsz)(hStream));
}

LT_EXPORT CUresult CUDAAPI cuCtxSynchronize(void)
{
	if (!driver_has(cuCtxSynchronize))
		return CUDA_ERROR_NOT_FOUND;
	return program_waited(real(cuCtxSynchronize)());
}

LT_EXPORT CUresult CUDAAPI cuCtxSynchronize_v2(CUcontext ctx)
{
	if (!driver_has(cuCtxSynchronize_v2))
		return CUDA_ERROR_NOT_FOUND;
	return program_waited(real(cuCtxSynchronize_v2)(ctx));
}

LT_EXPORT CUresult CUDAAPI cuEventSynchronize(CUevent hEvent)
{
	if (!driver_has(cuEventSynchronize))
		return CUDA_ERROR_NOT_FOUND;
	step_until_over(real(cuEventQuery) ? event_is_over : NULL, hEvent);
	return program_waited(real(cuEventSynchronize)(hEvent));
}
