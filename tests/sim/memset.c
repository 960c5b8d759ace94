/* Fills, one- and two-dimensional, of each width. */
#include "copy.h"

#include "capture.h"

static CUresult fill(CUdeviceptr dst, size_t pitch, unsigned int bytes, uint32_t value,
		     size_t width, size_t height, CUstream stream, enum sim_blocking blocking)
{
	CUstream named = sim_stream_named(stream);
	struct sim_box box = {.dst = {.start = dst,
				      .pitch = pitch,
				      .slice_pitch = pitch * height,
				      .must_be_device = true},
			      .width = width * bytes,
			      .height = height,
			      .depth = 1,
			      .fill_bytes = bytes,
			      .fill = value};

	if (dst % bytes || width > SIZE_MAX / bytes ||
	    (height > 1 && (pitch < width * bytes || pitch % bytes)))
		return CUDA_ERROR_INVALID_VALUE;
	if (blocking == SIM_ASYNC && sim_capturing(named)) {
		CUDA_MEMSET_NODE_PARAMS node = {dst, pitch, value, bytes, width, height};

		return sim_capture_memset(named, &node);
	}
	if (blocking == SIM_SYNC && sim_capture_unsafe() != CUDA_SUCCESS)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	return sim_copy(box, stream, blocking);
}

SIM_EXPORT CUresult cuMemsetD8_v2(CUdeviceptr dst, unsigned char value, size_t n)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, 0, 1, value, n, 1, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemsetD16_v2(CUdeviceptr dst, unsigned short value, size_t n)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, 0, 2, value, n, 1, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemsetD32_v2(CUdeviceptr dst, unsigned int value, size_t n)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, 0, 4, value, n, 1, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char value, size_t n,
				    CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, 0, 1, value, n, 1, stream, SIM_ASYNC));
}

SIM_EXPORT CUresult cuMemsetD16Async(CUdeviceptr dst, unsigned short value, size_t n,
				     CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, 0, 2, value, n, 1, stream, SIM_ASYNC));
}

SIM_EXPORT CUresult cuMemsetD32Async(CUdeviceptr dst, unsigned int value, size_t n,
				     CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, 0, 4, value, n, 1, stream, SIM_ASYNC));
}

SIM_EXPORT CUresult cuMemsetD2D8_v2(CUdeviceptr dst, size_t pitch, unsigned char value,
				    size_t width, size_t height)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, pitch, 1, value, width, height, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemsetD2D16_v2(CUdeviceptr dst, size_t pitch, unsigned short value,
				     size_t width, size_t height)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, pitch, 2, value, width, height, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemsetD2D32_v2(CUdeviceptr dst, size_t pitch, unsigned int value,
				     size_t width, size_t height)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, pitch, 4, value, width, height, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemsetD2D8Async(CUdeviceptr dst, size_t pitch, unsigned char value,
				      size_t width, size_t height, CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, pitch, 1, value, width, height, stream, SIM_ASYNC));
}

SIM_EXPORT CUresult cuMemsetD2D16Async(CUdeviceptr dst, size_t pitch, unsigned short value,
				       size_t width, size_t height, CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, pitch, 2, value, width, height, stream, SIM_ASYNC));
}

SIM_EXPORT CUresult cuMemsetD2D32Async(CUdeviceptr dst, size_t pitch, unsigned int value,
				       size_t width, size_t height, CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(fill(dst, pitch, 4, value, width, height, stream, SIM_ASYNC));
}
