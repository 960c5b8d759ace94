/* Paged memory: copies between contexts, what it is made of, what stays with it. */
#include "edges.h"

#include <dlfcn.h>
#include <stdint.h>

void peer_copies(void)
{
	CUdeviceptr pieces[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i + 1 < PIECES; i += 2) {
		MUST(cuMemcpyPeer(pieces[i], context, pieces[i + 1], context, BYTES));
		MUST(cuCtxSynchronize());
		check(pieces[i], 100 * (i + 1), BYTES);
		stir(pieces, NULL);
		check(pieces[i], 100 * (i + 1) + 3, BYTES);
		for (unsigned int p = 0; p < PIECES; p++)
			fill(pieces[p], 100 * p, BYTES, NULL);
	}
}

/* Memory of cuMemAlloc has no handle, wherever it lies. */
void handles(void)
{
	CUmemGenericAllocationHandle handle;
	CUdeviceptr pieces[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i < PIECES; i++)
		for (size_t at = 0; at < BYTES; at += 2 * MIB)
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
		for (size_t offset = 0; offset < BYTES; offset += 2 * MIB) {
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
