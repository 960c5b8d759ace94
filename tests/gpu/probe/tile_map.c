#include "tile_map.h"

#include "driver.h"

#include <string.h>

enum { ROW_WORDS = 64, ROW_BYTES = 4 * ROW_WORDS, BOX_ROWS = 32 };

CUresult tile_map_encode(CUtensorMap *map, CUdeviceptr at, uint64_t bytes)
{
	const cuuint64_t sizes[2] = {ROW_WORDS, bytes / ROW_BYTES}, strides[1] = {ROW_BYTES};
	const cuuint32_t box[2] = {ROW_WORDS, BOX_ROWS}, steps[2] = {1, 1};

	memset(map, 0, sizeof(*map));
	return cu(cuTensorMapEncodeTiled)(
	    map, CU_TENSOR_MAP_DATA_TYPE_UINT32, 2, (void *)(uintptr_t)at, sizes, strides, box,
	    steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
	    CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}
