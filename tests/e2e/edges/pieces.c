#include "edges.h"

void fill_pieces(CUdeviceptr *pieces)
{
	for (unsigned int i = 0; i < PIECES; i++)
		MUST(cuMemAlloc(&pieces[i], BYTES));
	for (unsigned int i = 0; i < PIECES; i++)
		fill(pieces[i], 100 * i, BYTES, NULL);
	MUST(cuCtxSynchronize());
}

void stir(CUdeviceptr *pieces, CUstream stream)
{
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < PIECES; i++)
			increment(pieces[i], 1, BYTES, stream);
	MUST(cuStreamSynchronize(stream));
}
