/* Memory that is freed while work, a capture or the context itself is under way. */
#include "edges.h"

#include <stdint.h>

/* It is no memory of the program's any more. */
static void is_freed(CUdeviceptr at)
{
	CUpointer_attribute start = CU_POINTER_ATTRIBUTE_RANGE_START_ADDR;
	CUdeviceptr base = 1;
	void *out = &base;
	unsigned int type;
	size_t bytes;

	if (cuMemFree(at) != CUDA_ERROR_INVALID_VALUE)
		wrong("memory was freed twice");
	if (cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at) !=
	    CUDA_ERROR_INVALID_VALUE)
		wrong("freed memory has a type");
	if (cuMemGetAddressRange(&base, &bytes, at) != CUDA_ERROR_NOT_FOUND)
		wrong("freed memory has a range");
	MUST(cuPointerGetAttributes(1, &start, &out, at));
	if (base)
		wrong("freed memory starts somewhere");
}

/* A relaxed capture forbids nobody to free. */
void free_beside_a_capture(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr pieces[PIECES], again;
	CUstream stream, beside;
	CUgraph captured;
	CUgraphExec exec;

	start();
	MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&beside, CU_STREAM_NON_BLOCKING));
	fill_pieces(pieces);
	for (unsigned int round = 0; round < 20; round++) {
		MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		increment(pieces[0], 1, BYTES, stream);
		/* Work that is under way may still use it. */
		increment(pieces[PIECES - 1], 1, BYTES, beside);
		MUST(cuMemFree(pieces[PIECES - 1]));
		is_freed(pieces[PIECES - 1]);
		MUST(cuMemAlloc(&again, BYTES));
		MUST(cuMemFree(again));
		is_freed(again);
		increment(pieces[0], 1, BYTES, stream);
		MUST(cuStreamEndCapture(stream, &captured));
		MUST(cuGraphInstantiate(&exec, captured, 0));
		MUST(cuGraphDestroy(captured));
		MUST(cuGraphLaunch(exec, stream));
		MUST(cuStreamSynchronize(stream));
		MUST(cuGraphExecDestroy(exec));
		MUST(cuMemAlloc(&pieces[PIECES - 1], BYTES));
		fill(pieces[PIECES - 1], 100 * (PIECES - 1), BYTES, stream);
		MUST(cuStreamSynchronize(stream));
	}
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], 100 * i + (i ? 0 : 40), BYTES);
}

/* A free in stream order waits for nothing, and leaves the memory to what comes before it. */
void free_in_stream_order(void)
{
	CUdeviceptr pieces[PIECES];
	unsigned int *may_go;
	CUstream stream;
	CUevent last;

	start();
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuEventCreate(&last, CU_EVENT_DISABLE_TIMING));
	MUST(cuMemHostAlloc((void **)&may_go, sizeof(*may_go), 0));
	fill_pieces(pieces);
	for (unsigned int round = 0; round < 20; round++) {
		unsigned int i = round % PIECES;

		for (unsigned int n = 0; n < 20; n++)
			increment(pieces[i], 1, BYTES, stream);
		MUST(cuMemcpyAsync(pieces[(i + 1) % PIECES], pieces[i], BYTES, stream));
		__atomic_store_n(may_go, 0, __ATOMIC_SEQ_CST);
		MUST(cuStreamWaitValue32(stream, (CUdeviceptr)(uintptr_t)may_go, 1,
					 CU_STREAM_WAIT_VALUE_EQ));
		MUST(cuEventRecord(last, stream));
		MUST(cuMemFreeAsync(pieces[i], stream));
		if (cuEventQuery(last) != CUDA_ERROR_NOT_READY)
			wrong("it waited for the stream");
		if (cuMemFreeAsync(pieces[i], stream) != CUDA_ERROR_INVALID_VALUE)
			wrong("memory was freed twice in stream order");
		__atomic_store_n(may_go, 1, __ATOMIC_SEQ_CST);
		/* What was freed and this one together are more RAM than there may be. */
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], 100 * i, BYTES, NULL);
		MUST(cuCtxSynchronize());
		check(pieces[(i + 1) % PIECES], 100 * i + 20, BYTES);
		fill(pieces[(i + 1) % PIECES], 100 * ((i + 1) % PIECES), BYTES, NULL);
		MUST(cuCtxSynchronize());
	}
	for (unsigned int i = 0; i < PIECES; i++)
		check(pieces[i], 100 * i, BYTES);
}

/* A graph frees only what a graph allocated. */
void free_in_a_capture(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr pieces[PIECES];
	CUstream stream, beside;
	CUgraph captured;

	start();
	MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&beside, CU_STREAM_NON_BLOCKING));
	fill_pieces(pieces);
	MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	if (cuMemFreeAsync(pieces[0], stream) != CUDA_ERROR_INVALID_VALUE)
		wrong("memory of cuMemAlloc was freed by a graph");
	MUST(cuMemFreeAsync(pieces[1], beside));
	increment(pieces[0], 1, BYTES, stream);
	MUST(cuStreamEndCapture(stream, &captured));
	MUST(cuGraphDestroy(captured));
	check(pieces[0], 0, BYTES);
	MUST(cuMemFree(pieces[0]));
}

/* What is freed when the context ends, and nothing waits for any more, goes with it. */
void end_with_freed(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr pieces[PIECES];
	CUstream stream;
	CUgraph captured;

	for (unsigned int round = 0; round < 4; round++) {
		start();
		if (!round)
			MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
		MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
		fill_pieces(pieces);
		MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		for (unsigned int i = 0; i < PIECES; i += 2)
			MUST(cuMemFree(pieces[i]));
		MUST(cuStreamEndCapture(stream, &captured));
		MUST(cuGraphDestroy(captured));
		check(pieces[1], 100, BYTES);
		MUST(cuDevicePrimaryCtxReset(0));
	}
}
