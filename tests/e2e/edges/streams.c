/* Streams that end, are captured, or have work beside one that is. */
#include "edges.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* The stream's end by the name that programs of before CUDA 4 know. */
void stream_of_2_0(void)
{
	CUresult (*destroy)(CUstream);
	CUdeviceptr pieces[PIECES];
	CUstream stream;

	start();
	destroy = (CUresult(*)(CUstream))driver_function("cuStreamDestroy", 2000, 0);
	fill_pieces(pieces);
	for (unsigned int i = 0; i < 3; i++) {
		MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
		stir(pieces, stream);
		MUST(destroy(stream));
		stir(pieces, NULL);
	}
	check(pieces[1], 100 + 18, BYTES);
}

/* A stream with a priority is one of those that are waited for before anything moves. */
void stream_with_priority(void)
{
	CUdeviceptr pieces[PIECES];
	CUstream stream;
	int least, greatest;

	start();
	MUST(cuCtxGetStreamPriorityRange(&least, &greatest));
	fill_pieces(pieces);
	for (unsigned int round = 0; round < 3; round++) {
		MUST(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, greatest));
		for (unsigned int i = 0; i < 20; i++)
			increment(pieces[0], 1, BYTES, stream);
		for (unsigned int i = 1; i < PIECES; i++)
			increment(pieces[i], 1, BYTES, NULL);
		MUST(cuStreamSynchronize(NULL));
		MUST(cuStreamSynchronize(stream));
		MUST(cuStreamDestroy(stream));
	}
	check(pieces[0], 60, BYTES);
	check(pieces[1], 103, BYTES);
}

static CUdeviceptr shared_pieces[PIECES];
static atomic_int stage;

/* Gives its own default stream much to do while another stream is captured. */
static void *work_beside_a_capture(void *unused)
{
	MUST(cuCtxSetCurrent(context));
	for (unsigned int i = 0; i < 4; i++) {
		unsigned long n = WORDS;
		unsigned int by = 5;
		void *params[] = {&shared_pieces[0], &by, &n};

		MUST(cuLaunchKernel(function("increment"), 1024, 1, 1, 1, 1, 1, 0,
				    CU_STREAM_PER_THREAD, params, NULL));
	}
	atomic_store(&stage, 1);
	while (atomic_load(&stage) != 2)
		sched_yield();
	MUST(cuStreamSynchronize(CU_STREAM_PER_THREAD));
	return unused;
}

/* The thread does not come again after the capture has ended; its work must still be waited for
 * before anything moves. */
void capture_beside_a_thread(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	pthread_t thread;
	CUstream stream;
	CUgraph captured;

	start();
	MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	fill_pieces(shared_pieces);
	for (unsigned int round = 1; round <= 4; round++) {
		atomic_store(&stage, 0);
		for (unsigned int i = 0; i < 2; i++) /* resident from now on, if anything is */
			increment(shared_pieces[0], 10, BYTES, stream);
		MUST(cuStreamSynchronize(stream));
		MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		pthread_create(&thread, NULL, work_beside_a_capture, NULL);
		while (atomic_load(&stage) != 1)
			sched_yield();
		MUST(cuStreamEndCapture(stream, &captured));
		MUST(cuGraphDestroy(captured));
		for (unsigned int i = 1; i < PIECES; i++)
			increment(shared_pieces[i], 1, BYTES, stream);
		MUST(cuStreamSynchronize(stream));
		atomic_store(&stage, 2);
		pthread_join(thread, NULL);
		for (unsigned int i = 0; i < PIECES; i++)
			check(shared_pieces[i], 100 * i + round * (i ? 1 : 40), BYTES);
	}
}

/* A stream ends, with much to do, while another is captured. */
void destroy_beside_a_capture(void)
{
	CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr pieces[PIECES];
	CUstream stream, ends;
	CUgraph captured;

	start();
	MUST(cuThreadExchangeStreamCaptureMode(&relaxed));
	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	fill_pieces(pieces);
	for (unsigned int round = 1; round <= 3; round++) {
		MUST(cuStreamCreate(&ends, CU_STREAM_NON_BLOCKING));
		increment(pieces[0], 10, BYTES, stream);
		MUST(cuStreamSynchronize(stream));
		MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		for (unsigned int i = 0; i < 10; i++)
			increment(pieces[0], 1, BYTES, ends);
		MUST(cuStreamDestroy(ends));
		MUST(cuStreamEndCapture(stream, &captured));
		MUST(cuGraphDestroy(captured));
		for (unsigned int i = 1; i < PIECES; i++)
			increment(pieces[i], 1, BYTES, stream);
		MUST(cuCtxSynchronize());
		for (unsigned int i = 0; i < PIECES; i++)
			check(pieces[i], 100 * i + round * (i ? 1 : 20), BYTES);
	}
}
