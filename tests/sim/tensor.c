/*
 * Tensor maps. LOWTIDE_SIM_TMA says where in one the address stands: a word's number (0 by
 * default), or `scrambled`.
 */
#include "sim.h"

#include "manner.h"
#include "sim_tensor.h"

#include <stdlib.h>
#include <string.h>

/* The word that says whether the memory is in RAM, if LOWTIDE_SIM_HOMES=map_tells_home; the
 * address goes over it where LOWTIDE_SIM_TMA puts that there. */
#define SIM_TENSOR_HOME 14

static unsigned int address_word;
static int scrambled;

static void configure(void)
{
	const char *where = getenv("LOWTIDE_SIM_TMA");

	scrambled = where && !strcmp(where, "scrambled");
	address_word = scrambled ? 5 : where ? (unsigned int)atoi(where) % SIM_TENSOR_WORDS : 0;
}

/* What the map says besides the address, as words that are no address. */
static void describe(uint64_t *words, const cuuint64_t *dims, cuuint32_t rank)
{
	for (unsigned int i = 0; i < SIM_TENSOR_WORDS; i++)
		words[i] = 0xF000000000000000ull + (i < rank ? dims[i] : i);
}

static CUresult encode(CUtensorMap *map, cuuint32_t rank, const void *address,
		       const cuuint64_t *dims)
{
	const struct sim_region *region = sim_region_at((uintptr_t)address);
	uint64_t words[SIM_TENSOR_WORDS];

	if (sim_manners.map_needs_memory && (!region || region->kind == SIM_RESERVED))
		return CUDA_ERROR_INVALID_VALUE;
	if (!map || (uintptr_t)map % 64 || !rank || rank > 5 || !dims ||
	    (uintptr_t)address % 16)
		return CUDA_ERROR_INVALID_VALUE;
	configure();
	describe(words, dims, rank);
	if (sim_manners.map_tells_home && region && region->host)
		words[SIM_TENSOR_HOME] ^= 1;
	sim_tensor_set(words, address_word, scrambled, (uintptr_t)address);
	memcpy(map, words, sizeof(words));
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuTensorMapEncodeTiled(
    CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *address,
    const cuuint64_t *dims, const cuuint64_t *strides, const cuuint32_t *box,
    const cuuint32_t *element_strides, CUtensorMapInterleave interleave,
    CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	SIM_CALL_ANYWHERE();
	(void)type, (void)strides, (void)box, (void)element_strides, (void)interleave;
	(void)swizzle, (void)promotion, (void)fill;
	SIM_ANSWER(encode(map, rank, address, dims));
}

SIM_EXPORT CUresult cuTensorMapEncodeIm2col(
    CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *address,
    const cuuint64_t *dims, const cuuint64_t *strides, const int *lower, const int *upper,
    cuuint32_t channels, cuuint32_t pixels, const cuuint32_t *element_strides,
    CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
    CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	SIM_CALL_ANYWHERE();
	(void)type, (void)strides, (void)lower, (void)upper, (void)channels, (void)pixels;
	(void)element_strides, (void)interleave, (void)swizzle, (void)promotion, (void)fill;
	SIM_ANSWER(encode(map, rank, address, dims));
}

SIM_EXPORT CUresult cuTensorMapEncodeIm2colWide(
    CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *address,
    const cuuint64_t *dims, const cuuint64_t *strides, int lower, int upper,
    cuuint32_t channels, cuuint32_t pixels, const cuuint32_t *element_strides,
    CUtensorMapInterleave interleave, CUtensorMapIm2ColWideMode mode,
    CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	SIM_CALL_ANYWHERE();
	(void)type, (void)strides, (void)lower, (void)upper, (void)channels, (void)pixels;
	(void)element_strides, (void)interleave, (void)mode, (void)swizzle, (void)promotion;
	(void)fill;
	SIM_ANSWER(encode(map, rank, address, dims));
}

SIM_EXPORT CUresult cuTensorMapReplaceAddress(CUtensorMap *map, void *address)
{
	uint64_t words[SIM_TENSOR_WORDS];

	SIM_CALL_ANYWHERE();
	if (!map || (uintptr_t)address % 16)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	configure();
	memcpy(words, map, sizeof(words));
	sim_tensor_set(words, address_word, scrambled, (uintptr_t)address);
	memcpy(map, words, sizeof(words));
	SIM_ANSWER(CUDA_SUCCESS);
}
