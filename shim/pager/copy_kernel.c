#include "pager/copy_kernel.h"

#include "driver/driver.h"

#define THREADS 256u
/* What a block of threads copies: enough that the grid stays small, and little enough that the
 * bus is kept busy. */
#define PART_BYTES ((size_t)64 << 10)
#define PARTS_MOST 1024u
#define ROWS_MOST 65535u /* of a grid, in y */

bool copy_kernel_can(const struct pager *pager)
{
	CUcontext context = NULL;

	return pager->memory.kernels.copy && real(cuCtxGetCurrent)(&context) == CUDA_SUCCESS &&
	       context == pager->memory.context;
}

bool copy_kernel_is(CUfunction function)
{
	for (int i = 0; i < PAGER_DEVICES; i++) {
		const struct pager *pager = pager_on(i);

		if (pager && function && pager->memory.kernels.copy == function)
			return true;
	}
	return false;
}

CUresult copy_kernel_launch(struct pager *pager, const struct copy_rows *rows, CUstream stream)
{
	struct copy_rows packed = *rows;
	void *params[] = {&packed.dst,	     &packed.dst_pitch, &packed.src,
			  &packed.src_pitch, &packed.width,	&packed.height};
	size_t parts = (rows->width + PART_BYTES - 1) / PART_BYTES;

	return real(cuLaunchKernel)(
	    pager->memory.kernels.copy, parts < PARTS_MOST ? (unsigned int)parts : PARTS_MOST,
	    rows->height < ROWS_MOST ? (unsigned int)rows->height : ROWS_MOST, 1, THREADS, 1, 1,
	    0, stream, params, NULL);
}
