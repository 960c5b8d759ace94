/* What the parameters of a launch name, word by word: packed buffers, structs, lists. */
#include "driver/driver.h"
#include "hook/launch_params.h"
#include "pager/pager.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define LOW 0x500000000000ull
#define FUNCTION ((CUfunction)(uintptr_t)0x77)

static size_t struct_bytes;

static CUresult one_struct(CUfunction function, size_t index, size_t *offset, size_t *bytes)
{
	(void)function;
	if (index)
		return CUDA_ERROR_INVALID_VALUE;
	*offset = 0;
	*bytes = struct_bytes;
	return CUDA_SUCCESS;
}

static void start(void)
{
	atomic_store(&pager_low, LOW);
	atomic_store(&pager_span, 1ull << 30);
	lt_driver.cuFuncGetParamInfo = one_struct;
}

static size_t packed(const void *buffer, size_t bytes, uint64_t *addresses, size_t room)
{
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)buffer,
			 CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
	bool unknown;

	return launch_params_named(FUNCTION, NULL, extra, addresses, room, &unknown);
}

static void put(unsigned char *at, uint64_t address)
{
	memcpy(at, &address, sizeof(address));
}

Test(params, of_a_packed_buffer_are_read_to_its_last_word, .init = start)
{
	for (size_t bytes = 8; bytes <= 64; bytes += 4) {
		unsigned char buffer[72] = {0};
		uint64_t addresses[16];

		put(buffer + bytes - 8, LOW + 4096 * bytes);
		cr_assert(eq(sz, packed(buffer, bytes, addresses, 16), 1), "%zu bytes", bytes);
		cr_assert(eq(u64, addresses[0], LOW + 4096 * bytes));
	}
}

Test(params, of_a_packed_buffer_may_stand_at_multiples_of_four, .init = start)
{
	unsigned char buffer[32] = {0};
	uint64_t addresses[16];

	put(buffer + 4, LOW + 64);
	put(buffer + 12, LOW + 128);
	cr_assert(eq(sz, packed(buffer, sizeof(buffer), addresses, 16), 2));
	cr_assert(eq(u64, addresses[0], LOW + 64));
	cr_assert(eq(u64, addresses[1], LOW + 128));
}

/* What lies behind the buffer is not the launch's, and may not be there. */
Test(params, are_read_no_further_than_a_packed_buffer_goes, .init = start)
{
	unsigned char buffer[32] = {0};
	uint64_t addresses[16];

	put(buffer + 16, LOW + 64);
	for (size_t bytes = 0; bytes < 24; bytes++)
		cr_assert(eq(sz, packed(buffer, bytes, addresses, 16), 0), "%zu bytes", bytes);
	cr_assert(eq(sz, packed(buffer, 24, addresses, 16), 1));
}

Test(params, in_a_struct_are_read_to_its_last_word, .init = start)
{
	unsigned char value[40] = {0};
	void *params[] = {value};
	uint64_t addresses[16];
	bool unknown;

	struct_bytes = sizeof(value);
	put(value + 32, LOW + 4096);
	put(value + 4, LOW + 8192);
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, params, NULL, addresses, 16, &unknown), 2));
	cr_assert(eq(u64, addresses[0], LOW + 8192));
	cr_assert(eq(u64, addresses[1], LOW + 4096));
	cr_assert_not(unknown);
}

Test(params, that_fill_the_list_are_not_known_to_be_all, .init = start)
{
	unsigned char value[64];
	void *params[] = {value};
	uint64_t addresses[16];
	bool unknown;

	struct_bytes = sizeof(value);
	for (size_t i = 0; i < sizeof(value); i += 8)
		put(value + i, LOW + 4096 * i);
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, params, NULL, addresses, 8, &unknown), 8));
	cr_assert(unknown);
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, params, NULL, addresses, 9, &unknown), 8));
	cr_assert_not(unknown);
}

Test(params, outside_of_managed_memory_name_nothing, .init = start)
{
	uint64_t value[4] = {LOW - 1, LOW + (1ull << 30), 0, UINT64_MAX};
	void *params[] = {value};
	uint64_t addresses[16];
	bool unknown;

	struct_bytes = sizeof(value);
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, params, NULL, addresses, 16, &unknown), 0));
	value[1]--;
	cr_assert(
	    eq(sz, launch_params_named(FUNCTION, params, NULL, addresses, 16, &unknown), 1));
}
