/* Copies that the driver is handed whole: between contexts, and between memory and arrays. */
#include "edges.h"

#include <stdlib.h>

static void plain(CUdeviceptr dst, CUdeviceptr src, cuuint64_t flags)
{
	CUresult (*call)(CUdeviceptr, CUcontext, CUdeviceptr, CUcontext, size_t) =
	    (CUresult(*)(CUdeviceptr, CUcontext, CUdeviceptr, CUcontext,
			 size_t))driver_function("cuMemcpyPeer", 13000, flags);

	MUST(call(dst, context, src, context, BYTES));
}

static void async(CUdeviceptr dst, CUdeviceptr src, cuuint64_t flags)
{
	CUresult (*call)(CUdeviceptr, CUcontext, CUdeviceptr, CUcontext, size_t, CUstream) =
	    (CUresult(*)(CUdeviceptr, CUcontext, CUdeviceptr, CUcontext, size_t,
			 CUstream))driver_function("cuMemcpyPeerAsync", 13000, flags);

	MUST(call(dst, context, src, context, BYTES, NULL));
}

/* In planes of two rows. */
static CUDA_MEMCPY3D_PEER box(CUdeviceptr dst, CUdeviceptr src)
{
	return (CUDA_MEMCPY3D_PEER){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
				    .srcDevice = src,
				    .srcContext = context,
				    .srcPitch = UNIT,
				    .srcHeight = 2,
				    .dstMemoryType = CU_MEMORYTYPE_DEVICE,
				    .dstDevice = dst,
				    .dstContext = context,
				    .dstPitch = UNIT,
				    .dstHeight = 2,
				    .WidthInBytes = UNIT,
				    .Height = 2,
				    .Depth = BYTES / (2 * UNIT)};
}

static void in_3d(CUdeviceptr dst, CUdeviceptr src, cuuint64_t flags)
{
	CUDA_MEMCPY3D_PEER copy = box(dst, src);
	CUresult (*call)(const CUDA_MEMCPY3D_PEER *) =
	    (CUresult(*)(const CUDA_MEMCPY3D_PEER *))driver_function("cuMemcpy3DPeer", 13000,
								     flags);

	MUST(call(&copy));
}

static void in_3d_async(CUdeviceptr dst, CUdeviceptr src, cuuint64_t flags)
{
	CUDA_MEMCPY3D_PEER copy = box(dst, src);
	CUresult (*call)(const CUDA_MEMCPY3D_PEER *, CUstream) =
	    (CUresult(*)(const CUDA_MEMCPY3D_PEER *, CUstream))driver_function(
		"cuMemcpy3DPeerAsync", 13000, flags);

	MUST(call(&copy, NULL));
}

/* Every other time in the per-thread flavour. */
static cuuint64_t flavour(unsigned int i)
{
	return i % 2 ? CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM : 0;
}

void peer_copies(void)
{
	CUdeviceptr pieces[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i + 1 < PIECES; i += 2) {
		plain(pieces[i], pieces[i + 1], flavour(i / 2));
		MUST(cuCtxSynchronize());
		check(pieces[i], 100 * (i + 1), BYTES);
		stir(pieces, NULL);
		check(pieces[i], 100 * (i + 1) + 3, BYTES);
		for (unsigned int p = 0; p < PIECES; p++)
			fill(pieces[p], 100 * p, BYTES, NULL);
	}
}

void other_peer_copies(void)
{
	static void (*const copies[])(CUdeviceptr, CUdeviceptr, cuuint64_t) = {async, in_3d,
									       in_3d_async};
	CUdeviceptr pieces[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i < 6; i++) {
		unsigned int from = (3 * i + 1) % PIECES;

		copies[i / 2](pieces[i], pieces[from], flavour(i));
		MUST(cuCtxSynchronize());
		check(pieces[i], 100 * from, BYTES);
		fill(pieces[i], 100 * i, BYTES, NULL);
	}
}

/* Not wider than a card's lines may be, whatever the blocks. */
#define LINE (2 * MIB)

/* Parts of each piece, across one border of blocks and the other, go to an array, where a
 * kernel adds to the first word through a surface, and back. */
static void through_array(CUarray array, CUsurfObject surface, CUdeviceptr piece,
			  unsigned int value, cuuint64_t flags)
{
	CUresult (*in)(CUarray, size_t, CUdeviceptr, size_t) =
	    (CUresult(*)(CUarray, size_t, CUdeviceptr, size_t))driver_function("cuMemcpyDtoA",
									       13000, flags);
	CUresult (*out)(CUdeviceptr, CUarray, size_t, size_t) =
	    (CUresult(*)(CUdeviceptr, CUarray, size_t, size_t))driver_function("cuMemcpyAtoD",
									       13000, flags);
	unsigned int by = 9, first;

	for (size_t at = 2 * UNIT - LINE / 2; at < 4 * UNIT; at += 2 * UNIT) {
		MUST(in(array, 0, piece + at, LINE));
		MUST(cuLaunchKernel(function("by_tensor_at"), 1, 1, 1, 1, 1, 1, 0, NULL,
				    (void *[]){&surface, &by}, NULL));
		MUST(out(piece + at, array, 0, LINE));
		MUST(cuMemcpyDtoH(&first, piece + at, sizeof(first)));
		if (first != value + at / 4 + by)
			wrong("what a kernel wrote through a surface");
		MUST(cuMemsetD32(piece + at, value + (unsigned int)(at / 4), 1));
	}
	check(piece, value, BYTES);
}

void array_copies(void)
{
	CUDA_ARRAY_DESCRIPTOR line = {LINE / 16, 0, CU_AD_FORMAT_UNSIGNED_INT32, 4};
	CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_ARRAY};
	CUdeviceptr pieces[PIECES], beside;
	CUsurfObject surface;
	CUarray array;

	start();
	MUST(cuArrayCreate(&array, &line));
	/* Or what is left would be whole pieces. */
	MUST(cuMemAlloc(&beside, 2 * UNIT));
	resource.res.array.hArray = array;
	MUST(cuSurfObjectCreate(&surface, &resource));
	fill_pieces(pieces);
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < PIECES; i++)
			through_array(array, surface, pieces[i], 100 * i + 3 * round,
				      flavour(i + round));
		stir(pieces, NULL);
	}
	MUST(cuSurfObjectDestroy(surface));
	MUST(cuArrayDestroy(array));
}
