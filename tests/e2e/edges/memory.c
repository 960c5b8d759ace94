/* Paged memory: what it is made of, what is asked for it, what stays with it. */
#include "edges.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

/* Memory of cuMemAlloc has no handle, wherever it lies. */
void handles(void)
{
	CUmemGenericAllocationHandle handle;
	CUdeviceptr pieces[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i < PIECES; i++)
		for (size_t at = 0; at < BYTES; at += 2 * UNIT)
			if (cuMemRetainAllocationHandle(&handle,
							(void *)(uintptr_t)(pieces[i] + at)) !=
			    CUDA_ERROR_INVALID_VALUE)
				wrong("a handle of memory that has none");
}

/* An attribute of memory stays, whatever else moves; and goes when the program says so. */
void attribute_stays(void)
{
	int (*syncs)(CUdeviceptr) =
	    __extension__(int (*)(CUdeviceptr)) dlsym(RTLD_DEFAULT, "sim_syncs");
	CUdeviceptr pieces[PIECES];
	unsigned int on = 1, off = 0, told;

	start();
	fill_pieces(pieces);
	for (unsigned int round = 0; round < 3; round++) {
		CUdeviceptr at = pieces[round * 2];

		MUST(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at));
		MUST(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at + 64));
		stir(pieces, NULL);
		for (size_t offset = 0; offset < BYTES; offset += 2 * UNIT) {
			MUST(cuPointerGetAttribute(&told, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS,
						   at + offset));
			if (!told || !syncs(at + offset))
				wrong("the attribute was lost");
		}
		MUST(cuPointerSetAttribute(&off, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at));
		stir(pieces, NULL);
		MUST(cuPointerGetAttribute(&told, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at));
		if (told || syncs(at))
			wrong("the attribute stayed");
	}
	check(pieces[1], 100 + 18, BYTES);
}

/* Rows that start where the driver says: filled and read as rows, used as one range. */
void pitch(void)
{
	size_t row_bytes = UNIT - 1000, rows = BYTES / UNIT, pitch_bytes;
	unsigned int *host = malloc(row_bytes * rows);
	CUdeviceptr pieces[PIECES];

	start();
	if (cuMemAllocPitch(&pieces[0], &pitch_bytes, row_bytes, rows, 3) !=
	    CUDA_ERROR_INVALID_VALUE)
		wrong("elements of three bytes");
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAllocPitch(&pieces[i], &pitch_bytes, row_bytes, rows, 4));
		if (pitch_bytes < row_bytes)
			wrong("rows overlap");
		MUST(cuMemsetD2D32(pieces[i], pitch_bytes, 1000 * i, row_bytes / 4, rows));
	}
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < PIECES; i++)
			increment(pieces[i], 1, pitch_bytes * rows, NULL);
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemcpy2D(&(CUDA_MEMCPY2D){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
						 .srcDevice = pieces[i],
						 .srcPitch = pitch_bytes,
						 .dstMemoryType = CU_MEMORYTYPE_HOST,
						 .dstHost = host,
						 .dstPitch = row_bytes,
						 .WidthInBytes = row_bytes,
						 .Height = rows}));
		for (size_t word = 0; word < row_bytes / 4 * rows; word++)
			if (host[word] != 1000 * i + 3)
				wrong("a word of a row");
		MUST(cuMemFree(pieces[i]));
	}
	free(host);
}
