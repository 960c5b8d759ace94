#include "move/trial.h"

#include "driver/driver.h"
#include "memory/content_hash.h"

#include <string.h>

/* Half of a small frame holds a pattern, the other half takes its sum, written by the kernel
 * into the same frame. */
#define PATTERN_BYTES (1u << 20)
#define PATTERN_WORDS (PATTERN_BYTES / 8)

static uint64_t pattern_word(size_t i)
{
	return (i + 1) * 0x9E3779B97F4A7C15ull;
}

static CUresult hash_in_place(struct mover *mover, CUdeviceptr frame, uint64_t sums[2])
{
	CUdeviceptr table = mover->memory->hash_scratch->alias, out = frame + PATTERN_BYTES;
	void *params[] = {&table, &out};
	CUresult result;

	mover->memory->hash_host[0] = frame;
	mover->memory->hash_host[1] = PATTERN_BYTES;
	result =
	    real(cuMemcpyHtoDAsync_v2)(table, mover->memory->hash_host, 16, mover->stream_in);
	if (result == CUDA_SUCCESS)
		result = real(cuMemsetD8Async)(out, 0, 16, mover->stream_in);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchKernel)(mover->memory->kernels.content_hash, 4, 1, 1, 256,
					      1, 1, 0, mover->stream_in, params, NULL);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoHAsync_v2)(sums, out, 16, mover->stream_in);
	if (real(cuStreamSynchronize)(mover->stream_in) != CUDA_SUCCESS &&
	    result == CUDA_SUCCESS)
		result = CUDA_ERROR_UNKNOWN;
	return result;
}

static uint64_t pattern[PATTERN_WORDS]; /* guarded by the lock under which pagers are made */

/* Node 0 is there on every machine; the nearest may be refused, as nodes without processors
 * are. */
static struct frame *take_frame(struct mover *mover)
{
	struct frame *frame = frame_take(&mover->memory->frames, true, 0);

	if (frame || !mover->memory->frames.node)
		return frame;
	mover->memory->frames.node = 0;
	return frame_take(&mover->memory->frames, true, 0);
}

/* A kernel that may not touch a host frame ends the program's context. So a plain "no" is
 * believed; drivers that do not know the question (some 12.6 to 12.8 do not) are tried. */
static bool is_ruled_out(int device)
{
	const CUdevice_attribute asked =
	    CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED;
	int answer = 1;

	return real(cuDeviceGetAttribute) &&
	       real(cuDeviceGetAttribute)(&answer, asked, device) == CUDA_SUCCESS && !answer;
}

CUresult trial_host_frame(struct mover *mover, struct start_failure *failure)
{
	uint64_t sums[2] = {0, 0}, want[2];
	struct frame *frame;
	CUresult result;

	result = is_ruled_out(mover->memory->device) ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
	if (!start_step(failure, START_RULED_OUT, result))
		return result;
	frame = take_frame(mover);
	result = frame ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	if (!start_step(failure, START_HOST_FRAME, result))
		return result;
	for (size_t i = 0; i < PATTERN_WORDS; i++)
		pattern[i] = pattern_word(i);
	content_hash_of_bytes(pattern, PATTERN_BYTES, want);
	result =
	    real(cuMemcpyHtoDAsync_v2)(frame->alias, pattern, PATTERN_BYTES, mover->stream_in);
	if (result == CUDA_SUCCESS)
		result = hash_in_place(mover, frame->alias, sums);
	start_step(failure, START_TRIAL, result);
	if (result == CUDA_SUCCESS && memcmp(sums, want, sizeof(want)) != 0) {
		result = CUDA_ERROR_NOT_SUPPORTED;
		start_step(failure, START_BYTES, result);
	}
	frame_give(&mover->memory->frames, frame);
	return result;
}

static bool attribute(CUdevice_attribute which, int device)
{
	int value = 0;

	return real(cuDeviceGetAttribute) &&
	       real(cuDeviceGetAttribute)(&value, which, device) == CUDA_SUCCESS && value;
}

/* There and back, to the other half. */
static CUresult copy_twice(struct mover *mover, CUdeviceptr frame, CUdeviceptr scratch)
{
	CUresult ended,
	    result = real(cuMemcpyAsync)(scratch, frame, PATTERN_BYTES, mover->stream_in);

	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyAsync)(frame + PATTERN_BYTES, scratch, PATTERN_BYTES,
					     mover->stream_in);
	ended = real(cuStreamSynchronize)(mover->stream_in);
	/* Both frames may be given back next. */
	if (ended != CUDA_SUCCESS)
		real(cuCtxSynchronize)();
	return result == CUDA_SUCCESS ? ended : result;
}

CUresult trial_plain_frame(struct mover *mover, struct start_failure *failure)
{
	struct frame *frame;
	unsigned char *bytes;
	CUresult result;

	result = attribute(CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, mover->memory->device)
		     ? CUDA_SUCCESS
		     : CUDA_ERROR_NOT_SUPPORTED;
	if (!start_step(failure, START_DRIVER, result))
		return result;
	if (!attribute(CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, mover->memory->device))
		mover->memory->kernels.copy = NULL;
	frame = frame_take(&mover->memory->frames, true, 0);
	result = frame ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	if (!start_step(failure, START_HOST_FRAME, result))
		return result;
	bytes = (unsigned char *)(uintptr_t)frame->alias;
	for (size_t i = 0; i < PATTERN_WORDS; i++)
		pattern[i] = pattern_word(i);
	memcpy(bytes, pattern, PATTERN_BYTES);
	memset(bytes + PATTERN_BYTES, 0, PATTERN_BYTES);
	/* The scratch frame is one of the smallest class, and not in use yet. */
	result = copy_twice(mover, frame->alias, mover->memory->hash_scratch->alias);
	start_step(failure, START_TRIAL, result);
	if (result == CUDA_SUCCESS &&
	    memcmp(bytes + PATTERN_BYTES, pattern, PATTERN_BYTES) != 0) {
		result = CUDA_ERROR_NOT_SUPPORTED;
		start_step(failure, START_BYTES, result);
	}
	frame_give(&mover->memory->frames, frame);
	return result;
}
