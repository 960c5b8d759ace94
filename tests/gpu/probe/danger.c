/*
 * Question 4, the wrong way: mappings that change under a kernel. Each trial may lose its
 * context, which is why each has a process; where other processes share it (MPS) none is run.
 */
#include "frame.h"
#include "trials.h"

struct reader {
	CUdeviceptr at;
	size_t bytes;
	double ms;
};

static void spare_others(const struct gpu *g)
{
	if (device_is_shared(g))
		answer_skipped("the GPU is shared through MPS: a fault would end every client");
}

/* A kernel that reads the range over and over. It says when it has begun; the simulated GPU
 * runs nothing before the host waits, so there that is not seen. */
static void start(const struct gpu *g, const struct reader *r)
{
	uint64_t words = r->bytes / 8, ns = (uint64_t)(r->ms * 1e6);
	CUdeviceptr at = r->at, flag = g->flag_there,
		    sum = g->scratch + 8 * (WORDS_OF_SCRATCH - 1);

	*g->flag = 0;
	LAUNCH(g, reread, g->blocks, g->stream, &at, &words, &ns, &flag, &sum);
	answer_yes_no(gpu_flag_seen(g, 50), "kernel_seen_to_begin");
}

static CUresult finish(const struct gpu *g)
{
	CUresult result = cu(cuStreamSynchronize)(g->stream);

	answer_result(result, "kernel");
	answer_result(cu(cuCtxSynchronize)(), "context_after");
	return result;
}

void trial_danger_hole(struct gpu *g)
{
	struct places places = places_find(g);
	struct reader r = {.bytes = 32 * MIB, .ms = 200};
	CUmemGenericAllocationHandle frame;
	double from;

	spare_others(g);
	r.at = range_reserve(r.bytes);
	TRY(range_back(g, r.at, r.bytes, &places.of[ON_DEVICE], &frame));
	answer_step("unmapping under a kernel");
	start(g, &r);
	from = gpu_now_us();
	answer_result(cu(cuMemUnmap)(r.at, r.bytes), "unmap");
	answer_value((gpu_now_us() - from) / 1e3, "ms", "unmap");
	finish(g);
}

/* Two frames take turns at the address. */
static CUresult turn(const struct gpu *g, CUdeviceptr at, size_t bytes,
		     CUmemGenericAllocationHandle to)
{
	CUresult result = cu(cuMemUnmap)(at, bytes);

	if (result == CUDA_SUCCESS)
		result = cu(cuMemMap)(at, bytes, 0, to, 0);
	if (result == CUDA_SUCCESS)
		result = range_open(g, at, bytes, true);
	if (result == CUDA_ERROR_NOT_READY && cu(cuCtxSynchronize)() == CUDA_SUCCESS)
		result = range_open(g, at, bytes, true);
	return result;
}

/* Switches until the kernel ends; how many. */
static unsigned long turns_under_kernel(const struct gpu *g, CUdeviceptr at, size_t bytes,
					const CUmemGenericAllocationHandle frames[2])
{
	unsigned long turns = 0;
	CUresult running = CUDA_ERROR_NOT_READY;
	CUevent end;

	TRY(cu(cuEventCreate)(&end, CU_EVENT_DISABLE_TIMING));
	TRY(cu(cuEventRecord)(end, g->stream));
	while (running == CUDA_ERROR_NOT_READY && turns < 1000) {
		CUresult result = turn(g, at, bytes, frames[++turns % 2]);

		if (result != CUDA_SUCCESS) {
			answer_result(result, "switch");
			break;
		}
		running = cu(cuEventQuery)(end);
	}
	return turns;
}

static void two_frames(const struct gpu *g, const struct places *places, CUdeviceptr at,
		       size_t bytes, CUmemGenericAllocationHandle frames[2])
{
	TRY(range_back(g, at, bytes, &places->of[ON_DEVICE], &frames[0]));
	TRY(frame_make(&places->of[places->granularity[ON_HOST] ? ON_HOST : ON_DEVICE], bytes,
		       &frames[1]));
}

void trial_danger_switch(struct gpu *g)
{
	struct places places = places_find(g);
	struct reader r = {.bytes = 32 * MIB, .ms = 100};
	CUmemGenericAllocationHandle frames[2];
	CUresult result = CUDA_SUCCESS;
	unsigned long turns = 0;

	spare_others(g);
	r.at = range_reserve(r.bytes);
	two_frames(g, &places, r.at, r.bytes, frames);
	answer_step("switching under a kernel");
	for (int i = 0; i < (g->quick ? 3 : 10) && result == CUDA_SUCCESS; i++) {
		start(g, &r);
		turns += turns_under_kernel(g, r.at, r.bytes, frames);
		result = finish(g);
	}
	answer_number((long long)turns, "switches");
}

void trial_danger_beside(struct gpu *g)
{
	struct places places = places_find(g);
	struct reader r = {.bytes = 32 * MIB, .ms = 100};
	CUmemGenericAllocationHandle frames[2], own;
	CUresult result = CUDA_SUCCESS;
	unsigned long turns = 0;
	CUdeviceptr beside;

	spare_others(g);
	r.at = range_reserve(2 * r.bytes);
	beside = r.at + r.bytes;
	TRY(range_back(g, r.at, r.bytes, &places.of[ON_DEVICE], &own));
	two_frames(g, &places, beside, r.bytes, frames);
	gpu_fill(g, r.at, r.bytes, 5, g->stream);
	TRY(cu(cuStreamSynchronize)(g->stream));
	answer_step("switching beside a kernel");
	for (int i = 0; i < (g->quick ? 3 : 10) && result == CUDA_SUCCESS; i++) {
		start(g, &r);
		turns += turns_under_kernel(g, beside, r.bytes, frames);
		result = finish(g);
	}
	answer_number((long long)turns, "switches");
	answer_check(result == CUDA_SUCCESS, driver_error_name(result),
		     "a kernel beside the switched range meets no fault");
	if (result != CUDA_SUCCESS)
		return;
	gpu_forget_wrong(g, g->stream);
	TRY(gpu_check(g, r.at, r.bytes, 5, 0, 0, g->stream));
	answer_check(!gpu_wrong(g, g->stream), "words differ", "its bytes are as they were");
}
