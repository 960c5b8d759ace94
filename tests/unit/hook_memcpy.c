/*
 * Copies and fills of memory of which any block may be cold, on a driver of a few lines: what
 * arrives, that no call of the driver spans two homes unless the copy is all resident, that
 * each goes to the stream of its flavour, when it waits, and that a late error is told.
 */
#include "driver/driver.h"
#include "order/captures.h"
#include "hook/memcpy.h"
#include "pager/copy_kernel.h"
#include "base/settings.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA ((uint64_t)0x500000000000)
#define BLOCK 256u
#define BLOCKS 16u
#define BYTES (BLOCK * BLOCKS)
#define STREAM ((CUstream)(uintptr_t)0x700)

static uint8_t *ours, host[BYTES], want_ours[BYTES], want_host[BYTES];
static uint32_t cold;
static CUstream stream;
static int inside, used, waits, uploads;
static int parts; /* asked for by asynchronous copies */
static bool whole, told_over;
static CUresult answer, late;
static struct pager_range named[2];
static uint64_t seed = 7;

/* --- the library around the hooks */

struct driver lt_driver;
_Atomic uint64_t pager_low, pager_span;
atomic_bool unmapped_mode, tensor_maps_remembered;

CUresult driver_load(void)
{
	return CUDA_SUCCESS;
}

struct pager *pager_of(uint64_t address)
{
	return address - ARENA < BYTES ? (struct pager *)&ours : NULL;
}

static uint64_t home_at(uint64_t start, uint64_t bytes, bool *is_cold)
{
	uint64_t block = (start - ARENA) / BLOCK, end = block;

	*is_cold = false;
	if (!pager_of(start))
		return bytes;
	*is_cold = cold >> block & 1;
	while (end < BLOCKS && (cold >> end & 1) == *is_cold)
		end++;
	end = ARENA + end * BLOCK - start;
	return bytes < end ? bytes : end;
}

uint64_t pager_same_home(CUdeviceptr start, uint64_t bytes, bool *is_cold)
{
	cr_assert(eq(int, inside, 1), "homes may change");
	return home_at(start, bytes, is_cold);
}

CUdeviceptr pager_reach(CUdeviceptr address)
{
	return address;
}

CUdeviceptr pager_shown_range(CUdeviceptr start, uint64_t bytes)
{
	return !pager_of(start) || bytes <= ARENA + BYTES - start ? start : start + BYTES;
}

void pager_use_ranges(const struct pager_range *ranges, size_t count, struct pager_use *use)
{
	use->count = 1;
	memset(named, 0, sizeof(named));
	memcpy(named, ranges, count * sizeof(*ranges));
}

void pager_used(const struct pager_use *use, CUstream where, bool over)
{
	cr_assert(eq(int, inside, 1));
	cr_assert(where == stream, "the end is told of another stream");
	used += use->count == 1;
	told_over = over;
}

void pager_uploaded(CUdeviceptr start, uint64_t bytes, uint64_t source)
{
	(void)start, (void)bytes, (void)source;
	uploads++;
}

bool pager_any_made(void)
{
	return true;
}

void pager_scan_table(const void *bytes, size_t count)
{
	(void)bytes, (void)count;
}

void gate_enter(void)
{
	inside++;
}

void gate_leave(void)
{
	inside--;
}

void unmapped_table(uint64_t address)
{
	(void)address;
}

bool captures_include(CUstream which)
{
	(void)which;
	return false;
}

static int worked;
void streams_thread_worked(void)
{
	worked++;
}

bool copy_kernel_can(const struct pager *pager)
{
	(void)pager;
	return false;
}

CUresult copy_kernel_launch(struct pager *pager, const struct copy_rows *rows, CUstream where)
{
	(void)pager, (void)rows, (void)where;
	return CUDA_ERROR_UNKNOWN;
}

size_t tensor_maps_named(const unsigned char *bytes, size_t count, size_t step,
			 uint64_t *addresses, size_t room)
{
	(void)bytes, (void)count, (void)step, (void)addresses, (void)room;
	return 0;
}

const struct settings *settings_get(void)
{
	static const struct settings settings;

	return &settings;
}

/* One card. */
bool detour_needed(CUdeviceptr address)
{
	(void)address;
	return false;
}

CUresult detour_begin(struct detour *detour, CUstream where, CUdeviceptr one, CUdeviceptr other)
{
	(void)detour, (void)where, (void)one, (void)other;
	abort();
}

void detour_end(struct detour *detour, struct pager_use *use)
{
	(void)detour, (void)use;
	abort();
}

CUresult detour_copy(const struct detour *detour, const struct detour_side *dst,
		     const struct detour_side *src, size_t bytes, bool ram_to_ram)
{
	(void)detour, (void)dst, (void)src, (void)bytes, (void)ram_to_ram;
	abort();
}

CUresult detour_memset(const struct detour *detour, CUdeviceptr start, unsigned int unit,
		       unsigned int value, size_t bytes)
{
	(void)detour, (void)start, (void)unit, (void)value, (void)bytes;
	abort();
}

/* --- the driver */

static void hold_home(CUdeviceptr at, size_t bytes)
{
	bool is_cold;

	cr_assert(eq(u64, home_at(at, bytes, &is_cold), bytes), "a call spans two homes");
	cr_assert_not(whole && is_cold, "cold memory is left to the driver");
	cr_assert(eq(int, inside, 1), "outside the gate");
}

static CUresult moved(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
	hold_home(to, bytes);
	hold_home(from, bytes);
	if (answer == CUDA_SUCCESS)
		memmove((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
	return answer;
}

static CUresult CUDAAPI part(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream where)
{
	cr_assert(where == stream, "a part goes to another stream");
	whole = false;
	parts++;
	return moved(to, from, bytes);
}

static CUresult whole_call(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
	whole = true;
	return moved(to, from, bytes);
}

static CUresult CUDAAPI h2d(CUdeviceptr to, const void *from, size_t bytes)
{
	return whole_call(to, (CUdeviceptr)(uintptr_t)from, bytes);
}

static CUresult CUDAAPI d2h(void *to, CUdeviceptr from, size_t bytes)
{
	return whole_call((CUdeviceptr)(uintptr_t)to, from, bytes);
}

static CUresult CUDAAPI d2d(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
	return whole_call(to, from, bytes);
}

static CUresult CUDAAPI h2d_async(CUdeviceptr to, const void *from, size_t bytes, CUstream s)
{
	(void)s;
	return h2d(to, from, bytes);
}

static CUresult CUDAAPI d2h_async(void *to, CUdeviceptr from, size_t bytes, CUstream s)
{
	(void)s;
	return d2h(to, from, bytes);
}

static CUresult filled(CUdeviceptr at, const void *value, size_t unit, size_t count)
{
	hold_home(at, unit * count);
	for (size_t i = 0; i < count && answer == CUDA_SUCCESS; i++)
		memcpy((uint8_t *)(uintptr_t)at + i * unit, value, unit);
	return answer;
}

static CUresult CUDAAPI fill8(CUdeviceptr at, unsigned char value, size_t count, CUstream s)
{
	cr_assert(s == stream);
	return filled(at, &value, 1, count);
}

static CUresult CUDAAPI fill16(CUdeviceptr at, unsigned short value, size_t count, CUstream s)
{
	cr_assert(s == stream);
	return filled(at, &value, 2, count);
}

static CUresult CUDAAPI fill32(CUdeviceptr at, unsigned int value, size_t count, CUstream s)
{
	cr_assert(s == stream);
	return filled(at, &value, 4, count);
}

static CUresult CUDAAPI fill_rows(CUdeviceptr at, size_t pitch, unsigned int value,
				  size_t width, size_t height, CUstream s)
{
	(void)s;
	whole = true;
	for (size_t row = 0; row < height; row++)
		filled(at + row * pitch, &value, 4, width);
	return answer;
}

static CUresult CUDAAPI attribute(void *data, CUpointer_attribute which, CUdeviceptr at)
{
	(void)data, (void)which, (void)at;
	return CUDA_ERROR_INVALID_VALUE; /* pageable */
}

static CUresult CUDAAPI synchronize(CUstream where)
{
	cr_assert(where == stream && !inside);
	waits++;
	return late;
}

static uint64_t below(uint64_t bound)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % bound;
}

static void begin(uint32_t cold_blocks, CUstream where)
{
	if (!ours) {
		ours = mmap((void *)ARENA, BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		cr_assert(ours == (void *)ARENA);
		pager_low = ARENA;
		pager_span = BYTES;
		lt_driver.cuMemcpyAsync = part;
		lt_driver.cuMemcpyHtoD_v2 = lt_driver.cuMemcpyHtoD_v2_ptds = h2d;
		lt_driver.cuMemcpyDtoH_v2 = lt_driver.cuMemcpyDtoH_v2_ptds = d2h;
		lt_driver.cuMemcpyDtoD_v2 = d2d;
		lt_driver.cuMemcpyHtoDAsync_v2 = lt_driver.cuMemcpyHtoDAsync_v2_ptsz =
		    h2d_async;
		lt_driver.cuMemcpyDtoHAsync_v2 = d2h_async;
		lt_driver.cuMemsetD8Async = fill8;
		lt_driver.cuMemsetD16Async = fill16;
		lt_driver.cuMemsetD32Async = fill32;
		lt_driver.cuMemsetD2D32Async = fill_rows;
		lt_driver.cuPointerGetAttribute = attribute;
		lt_driver.cuStreamSynchronize = synchronize;
	}
	for (uint32_t i = 0; i < BYTES; i++) {
		want_ours[i] = ours[i] = (uint8_t)(i * 7 + i / 256);
		want_host[i] = host[i] = (uint8_t)(i * 13 + i / 256 + 101);
	}
	inside = used = waits = uploads = worked = parts = 0;
	answer = late = CUDA_SUCCESS;
	whole = told_over = false;
	cold = cold_blocks;
	stream = where;
}

static void arrived(bool waits_once)
{
	cr_assert(eq(int, inside, 0));
	cr_assert(eq(int, used, 1));
	cr_assert_not(told_over, "what goes on is told to be over");
	cr_assert(memcmp(ours, want_ours, BYTES) == 0 && memcmp(host, want_host, BYTES) == 0);
	cr_assert(eq(int, waits, waits_once && !whole));
}

static bool is_named(uint64_t start, uint64_t bytes)
{
	for (int i = 0; i < 2; i++)
		if (named[i].start == start && named[i].bytes == bytes)
			return true;
	return false;
}

static void copies(size_t to, size_t from, size_t bytes, uint32_t cold_blocks)
{
	begin(cold_blocks, CU_STREAM_LEGACY);
	memcpy(want_ours + to, host + from, bytes);
	cr_assert(eq(int, cuMemcpyHtoD_v2(ARENA + to, host + from, bytes), CUDA_SUCCESS));
	arrived(true);
	cr_assert(is_named(ARENA + to, bytes));
	cr_assert(eq(int, uploads, 1));

	begin(cold_blocks, CU_STREAM_PER_THREAD);
	memcpy(want_host + to, ours + from, bytes);
	cr_assert(eq(int, cuMemcpyDtoH_v2_ptds(host + to, ARENA + from, bytes), CUDA_SUCCESS));
	arrived(true);
	cr_assert(is_named(ARENA + from, bytes));
	cr_assert(eq(int, worked, 1), "the thread's own stream has worked");
	cr_assert(eq(int, uploads, 0));

	begin(cold_blocks, STREAM);
	memcpy(want_ours + to, host + from, bytes);
	cuMemcpyHtoDAsync_v2(ARENA + to, host + from, bytes, STREAM);
	arrived(false);

	begin(cold_blocks, CU_STREAM_PER_THREAD);
	memcpy(want_ours + to, host + from, bytes);
	cuMemcpyHtoDAsync_v2_ptsz(ARENA + to, host + from, bytes, NULL);
	arrived(false);

	begin(cold_blocks, CU_STREAM_LEGACY);
	memcpy(want_host + to, ours + from, bytes);
	cuMemcpyDtoHAsync_v2(host + to, ARENA + from, bytes, NULL);
	arrived(false);
}

Test(copies, arrive_whole_across_homes)
{
	copies(0, 0, BYTES, 0x5555);
	copies(0, 0, BYTES, 0);
	copies(0, 0, BYTES, 0xffff);
	copies(BLOCK - 1, 3, BLOCK + 2, 0x0002);
	for (int i = 0; i < 2000; i++) {
		size_t bytes = 1 + below(BYTES / 2);

		copies(below(BYTES - bytes), below(BYTES - bytes), bytes,
		       (uint32_t)below(65536));
	}
}

Test(copies, within_the_device_arrive_across_the_homes_of_both_sides)
{
	for (int i = 0; i < 2000; i++) {
		size_t bytes = 1 + below(BYTES / 2), to = below(BYTES / 2 - bytes + 1);
		size_t from = BYTES / 2 + below(BYTES / 2 - bytes + 1);

		begin((uint32_t)below(65536), CU_STREAM_LEGACY);
		memcpy(want_ours + to, ours + from, bytes);
		cuMemcpyDtoD_v2(ARENA + to, ARENA + from, bytes);
		arrived(false);
		cr_assert(is_named(ARENA + to, bytes) && is_named(ARENA + from, bytes));
	}
}

Test(copies, tell_a_late_error)
{
	begin(0xffff, CU_STREAM_LEGACY);
	late = CUDA_ERROR_LAUNCH_FAILED;
	cr_assert(eq(int, cuMemcpyHtoD_v2(ARENA, host, BYTES), CUDA_ERROR_LAUNCH_FAILED));
	cr_assert(eq(int, uploads, 0), "nothing was uploaded");
	begin(0xffff, CU_STREAM_PER_THREAD);
	late = CUDA_ERROR_LAUNCH_FAILED;
	cr_assert(eq(int, cuMemcpyDtoH_v2_ptds(host, ARENA, BYTES), CUDA_ERROR_LAUNCH_FAILED));
}

Test(copies, tell_the_first_error_and_stop)
{
	begin(0x5555, CU_STREAM_LEGACY);
	answer = CUDA_ERROR_INVALID_VALUE;
	late = CUDA_ERROR_LAUNCH_FAILED;
	cr_assert(eq(int, cuMemcpyHtoD_v2(ARENA, host, BYTES), CUDA_ERROR_INVALID_VALUE));
	cr_assert(eq(int, parts, 1), "it goes on");
	cr_assert_not(told_over, "parts of it may be under way");
	begin(0, CU_STREAM_LEGACY);
	answer = CUDA_ERROR_INVALID_VALUE;
	cuMemcpyHtoD_v2(ARENA, host, BYTES);
	cr_assert(told_over, "it was refused");
}

Test(copies, of_nothing_are_the_drivers)
{
	begin(0, CU_STREAM_LEGACY);
	inside = 1; /* the driver of this test wants it */
	cuMemcpyHtoD_v2(ARENA, host, 0);
	cr_assert(eq(int, used, 0));
	cr_assert(whole);
}

Test(fills, reach_every_unit_of_every_row_across_homes)
{
	for (int i = 0; i < 2000; i++) {
		size_t unit = (size_t)1 << below(3), width = 1 + below(60),
		       height = 1 + below(6);
		size_t pitch = (width + below(20)) * 4, at = below(100) * 4;
		unsigned int value = (unsigned int)below(1u << 31);

		begin((uint32_t)below(65536), STREAM);
		if (unit == 4) {
			for (size_t row = 0; row < height; row++)
				for (size_t x = 0; x < width; x++)
					memcpy(want_ours + at + row * pitch + 4 * x, &value, 4);
			cuMemsetD2D32Async(ARENA + at, pitch, value, width, height, STREAM);
			arrived(false);
			cr_assert(is_named(ARENA + at, (height - 1) * pitch + 4 * width));
			continue;
		}
		for (size_t x = 0; x < 8 * width; x++)
			memcpy(want_ours + at + unit * x, &value, unit);
		if (unit == 1)
			cuMemsetD8Async(ARENA + at, (unsigned char)value, 8 * width, STREAM);
		else
			cuMemsetD16Async(ARENA + at, (unsigned short)value, 8 * width, STREAM);
		cr_assert(memcmp(ours, want_ours, BYTES) == 0);
		cr_assert(is_named(ARENA + at, 8 * width * unit));
		cr_assert(eq(int, inside, 0));
	}
}
