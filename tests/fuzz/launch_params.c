/*
 * Any layout that a driver may tell of a kernel's parameters, any values in them, one by one or
 * packed. Every managed address that lies where a compiler puts a pointer is found, nothing is
 * read that is not a parameter's (each lies in memory of its own size), what is found is in
 * managed memory, and where more is named than there is room for, that is told.
 */
#include "hook/launch_params.h"

#include "driver/driver.h"
#include "hook/tensor_map.h"
#include "pager/pager.h"

#include "input.h"

#include <string.h>

#define LOW ((uint64_t)0x500000000000)
#define SPAN ((uint64_t)1 << 20)
#define PARAMS_MOST 24
#define BYTES_MOST 400

static struct {
	size_t count, offset[PARAMS_MOST], bytes[PARAMS_MOST];
	uint8_t *value[PARAMS_MOST];
	uint8_t *packed;
	size_t packed_bytes;
	bool of_kernel; /* the handle is a kernel's, not a function's */
} rig;

/* --- the driver, and what else the library has around the launch path */

struct driver lt_driver;
_Atomic uint64_t pager_low = LOW, pager_span = SPAN;

CUresult driver_load(void)
{
	return CUDA_SUCCESS;
}

void pager_bar(const uint64_t *addresses, size_t count)
{
	(void)addresses, (void)count;
}

static CUresult tell(bool of_kernel, size_t index, size_t *offset, size_t *bytes)
{
	if (of_kernel != rig.of_kernel)
		return CUDA_ERROR_INVALID_HANDLE;
	if (index >= rig.count)
		return CUDA_ERROR_INVALID_VALUE;
	*offset = rig.offset[index];
	*bytes = rig.bytes[index];
	return CUDA_SUCCESS;
}

static CUresult CUDAAPI of_function(CUfunction f, size_t index, size_t *offset, size_t *bytes)
{
	(void)f;
	return tell(false, index, offset, bytes);
}

static CUresult CUDAAPI of_kernel(CUkernel k, size_t index, size_t *offset, size_t *bytes)
{
	(void)k;
	return tell(true, index, offset, bytes);
}

static CUresult CUDAAPI version(int *out)
{
	*out = 13000;
	return CUDA_SUCCESS;
}

/* --- the program */

static void make_params(struct input *input)
{
	size_t end = 0;

	rig.of_kernel = input_byte(input) % 4 == 3;
	rig.count = input_below(input, PARAMS_MOST + 1);
	for (size_t i = 0; i < rig.count; i++) {
		size_t align = (size_t)1 << input_below(input, 5);

		rig.offset[i] = (end + align - 1) & ~(align - 1);
		rig.bytes[i] = 1 + input_below(input, input_byte(input) % 4 ? 24 : BYTES_MOST);
		end = rig.offset[i] + rig.bytes[i];
	}
	rig.packed_bytes = end;
}

/* Small numbers, floats, and addresses of which some are managed. */
static void fill(struct input *input)
{
	rig.packed = calloc(1, rig.packed_bytes ? rig.packed_bytes : 1);
	for (size_t at = 0; at + 4 <= rig.packed_bytes; at += 4) {
		uint64_t word = LOW + input_half(input);
		uint8_t kind = input_byte(input);

		if (kind % 4 == 0 && at + 8 <= rig.packed_bytes)
			memcpy(rig.packed + at, &word, 8);
		else if (kind % 4 == 1)
			memset(rig.packed + at, kind, 4);
	}
	for (size_t i = 0; i < rig.count; i++) {
		rig.value[i] = malloc(rig.bytes[i]);
		memcpy(rig.value[i], rig.packed + rig.offset[i], rig.bytes[i]);
	}
}

static bool is_found(uint64_t word, const uint64_t *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (addresses[i] == word)
			return true;
	return false;
}

/* Every word of a parameter that is aligned as a pointer in its buffer. */
static void hold_found(const uint64_t *addresses, size_t count, bool unknown)
{
	for (size_t i = 0; i < count; i++)
		FUZZ_HOLD(addresses[i] - LOW < SPAN, "what is found is nobody's");
	for (size_t i = 0; i < rig.count && !unknown; i++) {
		size_t at = (rig.offset[i] + 7) / 8 * 8;

		for (; at + 8 <= rig.offset[i] + rig.bytes[i]; at += 8) {
			uint64_t word;

			memcpy(&word, rig.packed + at, 8);
			FUZZ_HOLD(word - LOW >= SPAN || is_found(word, addresses, count),
				  "parameter %zu: the address at %zu is not found", i, at);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct input input = {bytes, length};
	uint64_t addresses[LAUNCH_PARAMS_FEW];
	size_t room = 1 + input_below(&input, 2 * 64), count;
	CUfunction function = (CUfunction)(uintptr_t)0x1000;
	bool unknown;

	lt_driver.cuFuncGetParamInfo = of_function;
	lt_driver.cuKernelGetParamInfo = of_kernel;
	lt_driver.cuDriverGetVersion = version;
	launch_params_forget();
	make_params(&input);
	fill(&input);
	/* Asked twice: the second time it is known. */
	for (int time = 0; time < 2; time++) {
		count = launch_params_named(function, (void **)rig.value, NULL, addresses, room,
					    &unknown);
		FUZZ_HOLD(count <= room && (count < room || unknown),
			  "no room is left, and it is not told");
		FUZZ_HOLD(!unknown || count == room, "the driver tells, and it is unknown");
		hold_found(addresses, count, unknown);
	}
	if (rig.packed_bytes) {
		uint8_t *exact = malloc(rig.packed_bytes);
		void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, exact,
				 CU_LAUNCH_PARAM_BUFFER_SIZE, &rig.packed_bytes,
				 CU_LAUNCH_PARAM_END};

		memcpy(exact, rig.packed, rig.packed_bytes);
		count = launch_params_named(function, NULL, extra, addresses, room, &unknown);
		FUZZ_HOLD(count <= room && (count < room || unknown),
			  "packed: no room is left, and it is not told");
		hold_found(addresses, count, unknown);
		free(exact);
	}
	for (size_t i = 0; i < rig.count; i++)
		free(rig.value[i]);
	free(rig.packed);
	return 0;
}
