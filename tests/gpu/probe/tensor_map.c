/* Question 7: where a TMA descriptor keeps its address. Two are encoded that differ in nothing
 * else; the words that differ, and the word that is the address, are what the pager looks for.
 */
#include "frame.h"
#include "trials.h"

#include <string.h>

static CUresult encode(CUtensorMap *map, CUdeviceptr at)
{
	const cuuint64_t sizes[2] = {64, 64}, strides[1] = {256};
	const cuuint32_t box[2] = {32, 32}, steps[2] = {1, 1};

	memset(map, 0, sizeof(*map));
	return cu(cuTensorMapEncodeTiled)(
	    map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2, (void *)(uintptr_t)at, sizes, strides, box,
	    steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
	    CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

/* Of one address: while nothing is mapped there, a host frame is, a device frame is. */
static void of_homes(const struct gpu *g)
{
	struct places places = places_find(g);
	CUdeviceptr at = range_reserve(2 * MIB);
	CUtensorMap unmapped, cold, resident;
	CUmemGenericAllocationHandle frame;
	CUresult result = encode(&unmapped, at);

	answer_result(result, "encode/unmapped");
	TRY(range_back(g, at, 2 * MIB, &places.of[ON_DEVICE], &frame));
	TRY(encode(&resident, at));
	if (result == CUDA_SUCCESS)
		answer_yes_no(!memcmp(&unmapped, &resident, sizeof(resident)),
			      "unmapped_as_resident");
	if (!places.granularity[ON_HOST])
		return;
	TRY(cu(cuMemUnmap)(at, 2 * MIB));
	TRY(range_back(g, at, 2 * MIB, &places.of[ON_HOST], &frame));
	result = encode(&cold, at);
	answer_result(result, "encode/cold");
	if (result == CUDA_SUCCESS)
		answer_yes_no(!memcmp(&cold, &resident, sizeof(resident)), "cold_as_resident");
}

void trial_tensor_map(struct gpu *g)
{
	CUtensorMap maps[2];
	CUdeviceptr at;
	CUresult result;

	if (!cu(cuTensorMapEncodeTiled))
		answer_skipped("cuTensorMapEncodeTiled: not offered by this driver");
	TRY(cu(cuMemAlloc_v2)(&at, 4 * MIB));
	result = encode(&maps[0], at);
	answer_result(result, "encode");
	if (result != CUDA_SUCCESS)
		return;
	TRY(encode(&maps[1], at + 2 * MIB));
	for (size_t i = 0; i < sizeof(maps[0]) / 8; i++) {
		cuuint64_t first = maps[0].opaque[i], second = maps[1].opaque[i];

		if (first != second)
			answer_text(first == at && second == at + 2 * MIB ? "the address"
									  : "differs",
				    "word_%zu", i);
	}
	if (driver_has_vmm())
		of_homes(g);
}
