/* What a launch names (tests/fuzz/launch_params.c has the driver and says what holds of any
 * layout).
 */
#include "fed.h"

#include "driver/driver.h"
#include "hook/launch_params.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define LOW ((uint64_t)0x500000000000)
#define FUNCTION ((CUfunction)(uintptr_t)0x9000)

static size_t shape[3][2]; /* offset, bytes */
static size_t shapes;
static CUresult first_answer;

static CUresult CUDAAPI told(CUfunction f, size_t index, size_t *offset, size_t *bytes)
{
	(void)f;
	if (first_answer != CUDA_SUCCESS)
		return first_answer;
	if (index >= shapes)
		return CUDA_ERROR_INVALID_VALUE;
	*offset = shape[index][0];
	*bytes = shape[index][1];
	return CUDA_SUCCESS;
}

static CUresult CUDAAPI version(int *out)
{
	*out = 13000;
	return CUDA_SUCCESS;
}

static void driver(size_t bytes)
{
	lt_driver.cuFuncGetParamInfo = told;
	lt_driver.cuKernelGetParamInfo = NULL;
	lt_driver.cuDriverGetVersion = version;
	first_answer = CUDA_SUCCESS;
	shapes = 1;
	shape[0][0] = 0;
	shape[0][1] = bytes;
}

Test(params, name_every_pointer_whatever_the_layout)
{
	fed(2, 30000, 240);
}

Test(params, name_the_last_word_of_a_packed_buffer)
{
	uint64_t words[4] = {1, 2, 3, LOW + 8}, addresses[4];
	size_t bytes = sizeof(words);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, words, CU_LAUNCH_PARAM_BUFFER_SIZE,
			 &bytes, CU_LAUNCH_PARAM_END};
	bool unknown;

	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, NULL, extra, addresses, 4, &unknown), 1));
	cr_assert(eq(u64, addresses[0], LOW + 8));
	cr_assert_not(unknown);
}

Test(params, name_a_packed_buffer_whose_size_comes_first)
{
	uint64_t word = LOW, addresses[4];
	size_t bytes = sizeof(word);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_BUFFER_POINTER,
			 &word, CU_LAUNCH_PARAM_END};
	bool unknown;

	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, NULL, extra, addresses, 4, &unknown), 1));
}

Test(params, name_the_last_word_of_a_struct)
{
	uint64_t words[4] = {0, 0, 0, LOW}, addresses[4];
	void *values[] = {words};
	bool unknown;

	driver(sizeof(words));
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, values, NULL, addresses, 4, &unknown), 1));
	cr_assert_not(unknown);
}

/* Members of a packed struct, and of a packed buffer, lie wherever 4 divides. */
Test(params, name_what_is_packed_to_half_a_word)
{
	uint64_t addresses[4], word = LOW + 16;
	unsigned char bytes[24] = {0}; /* a size that does not tell */
	size_t count = sizeof(bytes);
	void *values[] = {bytes};
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, bytes, CU_LAUNCH_PARAM_BUFFER_SIZE,
			 &count, CU_LAUNCH_PARAM_END};
	bool unknown;

	memcpy(bytes + 12, &word, sizeof(word));
	driver(sizeof(bytes));
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, values, NULL, addresses, 4, &unknown), 1));
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, NULL, extra, addresses, 4, &unknown), 1));
	cr_assert(eq(u64, addresses[0], word));
}

/* A driver whose maps do not show the address. */
static CUresult CUDAAPI encode(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank,
			       void *address, const cuuint64_t *dim, const cuuint64_t *strides,
			       const cuuint32_t *box, const cuuint32_t *element_strides,
			       CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
			       CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	uint64_t hidden = ~(uint64_t)(uintptr_t)address;

	(void)type, (void)rank, (void)dim, (void)strides, (void)box, (void)element_strides;
	(void)interleave, (void)swizzle, (void)promotion, (void)fill;
	memset(map, 0, sizeof(*map));
	memcpy((char *)map + 40, &hidden, sizeof(hidden));
	return CUDA_SUCCESS;
}

Test(params, name_what_a_tensor_map_hides)
{
	static _Alignas(64) unsigned char bytes[64 + sizeof(CUtensorMap)];
	void *values[] = {bytes};
	size_t count = sizeof(bytes);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, bytes, CU_LAUNCH_PARAM_BUFFER_SIZE,
			 &count, CU_LAUNCH_PARAM_END};
	uint64_t addresses[4];
	CUtensorMap map;
	bool unknown;

	driver(sizeof(bytes));
	lt_driver.cuTensorMapEncodeTiled = encode;
	cr_assert(eq(
	    int, CUDA_SUCCESS,
	    cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 1, (void *)(LOW + 64),
				   NULL, NULL, NULL, NULL, CU_TENSOR_MAP_INTERLEAVE_NONE,
				   CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE,
				   CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE)));
	memcpy(bytes + 64, &map, sizeof(map));
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, values, NULL, addresses, 4, &unknown), 1));
	cr_assert(eq(u64, addresses[0], LOW + 64));
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, NULL, extra, addresses, 4, &unknown), 1));
	cr_assert(eq(u64, addresses[0], LOW + 64));
	/* In a packed buffer they lie where 16 divides. */
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes + 48, &map, sizeof(map));
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, NULL, extra, addresses, 4, &unknown), 1));
	/* One bit else, and it is another map. */
	bytes[48 + 3] ^= 1;
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, NULL, extra, addresses, 4, &unknown), 0));
}

/* Of so many, some stand where a remembered one does in a table of any size that is kept. */
Test(params, take_nothing_else_for_a_tensor_map)
{
	static _Alignas(64) unsigned char bytes[sizeof(CUtensorMap)];
	void *values[] = {bytes};
	uint64_t random = 88172645463325252ull, addresses[4];
	CUtensorMap map;
	bool unknown;

	driver(sizeof(bytes));
	lt_driver.cuTensorMapEncodeTiled = encode;
	for (uint64_t i = 0; i < 4096; i++)
		cr_assert(eq(int, CUDA_SUCCESS,
			     cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 1,
						    (void *)(LOW + 64 * i), NULL, NULL, NULL,
						    NULL, CU_TENSOR_MAP_INTERLEAVE_NONE,
						    CU_TENSOR_MAP_SWIZZLE_NONE,
						    CU_TENSOR_MAP_L2_PROMOTION_NONE,
						    CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE)));
	for (int i = 0; i < 4096; i++) {
		for (size_t at = 0; at < sizeof(bytes); at += 8) {
			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			memcpy(bytes + at, &(uint64_t){random | 1}, 8);
		}
		cr_assert(
		    eq(sz, launch_params_named(FUNCTION, values, NULL, addresses, 4, &unknown),
		       0),
		    "map %d", i);
	}
}

Test(params, tell_that_there_may_be_more_than_there_was_room_for)
{
	uint64_t words[4] = {LOW, LOW + 8, LOW + 16, LOW + 24}, addresses[4];
	void *values[] = {words};
	bool unknown;

	driver(sizeof(words));
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, values, NULL, addresses, 3, &unknown), 3));
	cr_assert(unknown);
}

Test(params, are_unknown_where_the_driver_does_not_know_the_function)
{
	uint64_t word = LOW, addresses[4];
	void *values[] = {&word};
	bool unknown;

	driver(sizeof(word));
	first_answer = CUDA_ERROR_NOT_FOUND;
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, values, NULL, addresses, 4, &unknown), 0));
	cr_assert(unknown);
	cr_assert(eq(u64, launch_params_unknown().kernels, 1));
	cr_assert(eq(u64, launch_params_unknown().launches, 1));
	/* It is not asked again, and is unknown all the same. */
	launch_params_named(FUNCTION, values, NULL, addresses, 4, &unknown);
	cr_assert(unknown);
	cr_assert(eq(u64, launch_params_unknown().kernels, 1));
	cr_assert(eq(u64, launch_params_unknown().launches, 2));
}

Test(params, are_asked_for_anew_once_they_may_be_of_another_function)
{
	uint64_t words[2] = {1, LOW}, addresses[4];
	void *values[] = {words};
	bool unknown;

	driver(8);
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, values, NULL, addresses, 4, &unknown), 0));
	shape[0][1] = 16;
	launch_params_forget();
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, values, NULL, addresses, 4, &unknown), 1));
}

Test(params, of_none_are_known)
{
	uint64_t addresses[4];
	void *values[1] = {NULL};
	bool unknown;

	driver(8);
	shapes = 0;
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, values, NULL, addresses, 4, &unknown), 0));
	cr_assert_not(unknown);
}
