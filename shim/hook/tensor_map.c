#include "hook/tensor_map.h"

#include "driver/driver.h"
#include "driver/export.h"
#include "base/lock.h"
#include "base/log.h"
#include "pager/pager.h"

#include <pthread.h>
#include <string.h>

#define WORDS (TENSOR_MAP_BYTES / sizeof(uint64_t))
#define TABLE_BITS 10 /* 136 KiB, and more maps than a model has layers */

_Static_assert(sizeof(CUtensorMap) == TENSOR_MAP_BYTES, "a tensor map has another size");

struct remembered {
	uint64_t words[WORDS];
	uint64_t address; /* 0: none */
};

atomic_bool tensor_maps_remembered;
static struct lock lock = LOCK(RANK_TENSOR_MAPS);
static struct remembered table[1u << TABLE_BITS]; /* guarded by lock */

static struct remembered *slot_of(const uint64_t *words)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < WORDS; i++)
		hash = (hash ^ words[i]) * 0x9E3779B97F4A7C15ull;
	return &table[hash >> (64 - TABLE_BITS)];
}

static void map_remember(const uint64_t *words, uint64_t address)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	struct remembered *at;

	lock_take(&lock);
	at = slot_of(words);
	memcpy(at->words, words, sizeof(at->words));
	at->address = address;
	lock_give(&lock);
	atomic_store(&tensor_maps_remembered, true);
	if (!atomic_flag_test_and_set(&said))
		log_info("this driver's tensor maps do not show their address: each one is "
			 "remembered");
}

/* Each map is compared word by word, as the scans will compare it: nothing is assumed of which
 * word holds the address, nor that it is the same one in every map. */
static CUresult map_encoded(CUresult result, const CUtensorMap *map, const void *global)
{
	uint64_t words[WORDS], address = (uint64_t)(uintptr_t)global;

	if (result != CUDA_SUCCESS || !pager_may_hold(address))
		return result;
	/* A kernel may find it in memory, where nobody sees it named. */
	pager_bar(&address, 1);
	memcpy(words, map, sizeof(words));
	for (size_t i = 0; i < WORDS; i++)
		if (words[i] == address)
			return result;
	map_remember(words, address);
	return result;
}

size_t tensor_maps_named(const unsigned char *bytes, size_t count, size_t step,
			 uint64_t *addresses, size_t room)
{
	size_t found = 0;

	lock_take(&lock);
	for (size_t at = 0; at + TENSOR_MAP_BYTES <= count && found < room; at += step) {
		uint64_t words[WORDS];
		const struct remembered *it;

		memcpy(words, bytes + at, sizeof(words));
		it = slot_of(words);
		if (it->address && !memcmp(it->words, words, sizeof(words)))
			addresses[found++] = it->address;
	}
	lock_give(&lock);
	return found;
}

void tensor_maps_fork_prepare(void)
{
	lock_take(&lock);
}

void tensor_maps_fork_done(void)
{
	lock_give(&lock);
}

LT_EXPORT CUresult CUDAAPI cuTensorMapEncodeTiled(
    CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType, cuuint32_t tensorRank,
    void *globalAddress, const cuuint64_t *globalDim, const cuuint64_t *globalStrides,
    const cuuint32_t *boxDim, const cuuint32_t *elementStrides,
    CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
    CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill)
{
	if (!driver_has(cuTensorMapEncodeTiled))
		return CUDA_ERROR_NOT_FOUND;
	return map_encoded(real(cuTensorMapEncodeTiled)(tensorMap, tensorDataType, tensorRank,
							globalAddress, globalDim, globalStrides,
							boxDim, elementStrides, interleave,
							swizzle, l2Promotion, oobFill),
			   tensorMap, globalAddress);
}

LT_EXPORT CUresult CUDAAPI cuTensorMapEncodeIm2col(
    CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType, cuuint32_t tensorRank,
    void *globalAddress, const cuuint64_t *globalDim, const cuuint64_t *globalStrides,
    const int *pixelBoxLowerCorner, const int *pixelBoxUpperCorner, cuuint32_t channelsPerPixel,
    cuuint32_t pixelsPerColumn, const cuuint32_t *elementStrides,
    CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
    CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill)
{
	if (!driver_has(cuTensorMapEncodeIm2col))
		return CUDA_ERROR_NOT_FOUND;
	return map_encoded(real(cuTensorMapEncodeIm2col)(
			       tensorMap, tensorDataType, tensorRank, globalAddress, globalDim,
			       globalStrides, pixelBoxLowerCorner, pixelBoxUpperCorner,
			       channelsPerPixel, pixelsPerColumn, elementStrides, interleave,
			       swizzle, l2Promotion, oobFill),
			   tensorMap, globalAddress);
}

LT_EXPORT CUresult CUDAAPI cuTensorMapEncodeIm2colWide(
    CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType, cuuint32_t tensorRank,
    void *globalAddress, const cuuint64_t *globalDim, const cuuint64_t *globalStrides,
    int pixelBoxLowerCornerWidth, int pixelBoxUpperCornerWidth, cuuint32_t channelsPerPixel,
    cuuint32_t pixelsPerColumn, const cuuint32_t *elementStrides,
    CUtensorMapInterleave interleave, CUtensorMapIm2ColWideMode mode,
    CUtensorMapSwizzle swizzle, CUtensorMapL2promotion l2Promotion,
    CUtensorMapFloatOOBfill oobFill)
{
	if (!driver_has(cuTensorMapEncodeIm2colWide))
		return CUDA_ERROR_NOT_FOUND;
	return map_encoded(real(cuTensorMapEncodeIm2colWide)(
			       tensorMap, tensorDataType, tensorRank, globalAddress, globalDim,
			       globalStrides, pixelBoxLowerCornerWidth,
			       pixelBoxUpperCornerWidth, channelsPerPixel, pixelsPerColumn,
			       elementStrides, interleave, mode, swizzle, l2Promotion, oobFill),
			   tensorMap, globalAddress);
}

LT_EXPORT CUresult CUDAAPI cuTensorMapReplaceAddress(CUtensorMap *tensorMap,
						     void *globalAddress)
{
	if (!driver_has(cuTensorMapReplaceAddress))
		return CUDA_ERROR_NOT_FOUND;
	return map_encoded(real(cuTensorMapReplaceAddress)(tensorMap, globalAddress), tensorMap,
			   globalAddress);
}

/* The call writes the map anew: one that does not show its address is remembered as it is then.
 */
LT_EXPORT CUresult CUDAAPI cuTensorMapSetAllocationClass(CUtensorMap *tensorMap,
							 CUtensorMapAllocClass allocClass,
							 CUtensorMapAllocClass *outAllocClass)
{
	uint64_t address = 0;
	CUresult result;

	if (!driver_has(cuTensorMapSetAllocationClass))
		return CUDA_ERROR_NOT_FOUND;
	if (tensorMap && atomic_load(&tensor_maps_remembered))
		tensor_maps_named((const unsigned char *)tensorMap, TENSOR_MAP_BYTES,
				  TENSOR_MAP_BYTES, &address, 1);
	result = real(cuTensorMapSetAllocationClass)(tensorMap, allocClass, outAllocClass);
	return address ? map_encoded(result, tensorMap, (void *)(uintptr_t)address) : result;
}
