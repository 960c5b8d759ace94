/*
 * The account of frames: never below what the driver holds, whichever of its calls it refuses,
 * and level with it when it refuses none. Behind a table of driver functions that keeps memory
 * while a handle or a mapping has it, as drivers do.
 */
#include "driver/driver.h"
#include "memory/frame.h"
#include "account/ledger.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define MOST 256

enum call { CREATE, MAP, ACCESS, UNMAP, RELEASE, HOST_ALLOC, HOST_FREE, CALLS };
static const char *const names[CALLS] = {"create",  "map",	  "access",   "unmap",
					 "release", "host alloc", "host free"};

static struct {
	bool host, handle;
	uint64_t bytes;
	CUdeviceptr at; /* 0: not mapped */
} memory[MOST];
static size_t count;
static size_t calls[CALLS];
static size_t failing[CALLS]; /* the nth call from here; 0: none; SIZE_MAX: each */
static CUresult error = CUDA_ERROR_OUT_OF_MEMORY;
static struct frame_pool pool;

static bool fails(enum call call)
{
	calls[call]++;
	return failing[call] == SIZE_MAX || (failing[call] && !--failing[call]);
}

static CUresult reserve(CUdeviceptr *at, size_t bytes, size_t alignment, CUdeviceptr hint,
			unsigned long long flags)
{
	(void)bytes, (void)alignment, (void)flags;
	*at = hint;
	return CUDA_SUCCESS;
}

static CUresult unreserve(CUdeviceptr at, size_t bytes)
{
	(void)at, (void)bytes;
	return CUDA_SUCCESS;
}

static size_t made(bool host, uint64_t bytes)
{
	cr_assert(lt(sz, count, MOST - 1));
	count++;
	memory[count].host = host;
	memory[count].handle = true;
	memory[count].bytes = bytes;
	memory[count].at = 0;
	return count;
}

static CUresult create(CUmemGenericAllocationHandle *handle, size_t bytes,
		       const CUmemAllocationProp *prop, unsigned long long flags)
{
	(void)flags;
	if (fails(CREATE))
		return error;
	*handle = made(prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE, bytes);
	return CUDA_SUCCESS;
}

static CUresult map(CUdeviceptr at, size_t bytes, size_t offset,
		    CUmemGenericAllocationHandle handle, unsigned long long flags)
{
	(void)offset, (void)flags;
	if (fails(MAP))
		return error;
	for (size_t i = 1; i <= count; i++)
		cr_assert(not(memory[i].at && at < memory[i].at + memory[i].bytes &&
			      memory[i].at < at + bytes),
			  "mapped where something else is mapped");
	memory[handle].at = at;
	return CUDA_SUCCESS;
}

static CUresult access(CUdeviceptr at, size_t bytes, const CUmemAccessDesc *desc, size_t descs)
{
	(void)at, (void)bytes, (void)desc, (void)descs;
	return fails(ACCESS) ? error : CUDA_SUCCESS;
}

static CUresult unmap(CUdeviceptr at, size_t bytes)
{
	(void)bytes;
	if (fails(UNMAP))
		return error;
	for (size_t i = 1; i <= count; i++)
		if (memory[i].at == at) {
			memory[i].at = 0;
			return CUDA_SUCCESS;
		}
	cr_fatal("nothing is mapped there");
}

static CUresult release(CUmemGenericAllocationHandle handle)
{
	if (fails(RELEASE))
		return error;
	cr_assert(memory[handle].handle);
	memory[handle].handle = false;
	return CUDA_SUCCESS;
}

static CUresult host_alloc(void **at, size_t bytes, unsigned int flags)
{
	(void)flags;
	if (fails(HOST_ALLOC))
		return error;
	*at = (void *)(uintptr_t)(made(true, bytes) << 32);
	return CUDA_SUCCESS;
}

static CUresult host_free(void *at)
{
	if (fails(HOST_FREE))
		return error;
	memory[(uintptr_t)at >> 32].handle = false;
	return CUDA_SUCCESS;
}

static void forget(void)
{
	ledger_give_back(0, UINT64_MAX);
	memset(memory, 0, sizeof(memory));
	memset(failing, 0, sizeof(failing));
	count = 0;
}

static uint64_t held(bool host)
{
	uint64_t bytes = 0;

	for (size_t i = 1; i <= count; i++)
		if (memory[i].host == host && (memory[i].handle || memory[i].at))
			bytes += memory[i].bytes;
	return bytes;
}

/* Never below; `level`: nor above. */
static void account(bool level, const char *when)
{
	cr_assert(ge(u64, ledger_taken_bytes(0), held(false)), "VRAM, %s", when);
	cr_assert(ge(u64, pool.host_bytes, held(true)), "RAM, %s", when);
	if (!level)
		return;
	cr_assert(eq(u64, ledger_taken_bytes(0), held(false)), "VRAM, %s", when);
	cr_assert(eq(u64, pool.host_bytes, held(true)), "RAM, %s", when);
}

static void begin(uint64_t cap, uint64_t host_limit, bool plain)
{
	lt_driver.cuMemAddressReserve = reserve;
	lt_driver.cuMemAddressFree = unreserve;
	lt_driver.cuMemCreate = create;
	lt_driver.cuMemMap = map;
	lt_driver.cuMemSetAccess = access;
	lt_driver.cuMemUnmap = unmap;
	lt_driver.cuMemRelease = release;
	lt_driver.cuMemHostAlloc = host_alloc;
	lt_driver.cuMemFreeHost = host_free;
	ledger_open(0, cap);
	cr_assert(frame_pool_init(&pool, 0, host_limit, plain));
}

/* Frames of several sizes come and go. */
static void churn(void)
{
	struct frame *frames[2][3] = {{NULL}};

	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int host = 0; host < 2; host++)
			for (unsigned int c = 0; c < 3; c++)
				frames[host][c] = frame_take(&pool, host, c);
		account(false, "while frames are in use");
		for (unsigned int host = 0; host < 2; host++)
			for (unsigned int c = 0; c < 3; c++)
				frame_give(&pool, frames[host][c]);
		frame_release_spare(&pool, round % 2, UINT64_MAX);
		account(false, "while frames are spare");
	}
	frame_release_spare(&pool, false, UINT64_MAX);
	frame_release_spare(&pool, true, UINT64_MAX);
}

static void refuse(enum call call, size_t nth, bool plain, CUresult with)
{
	char what[64];

	begin(64 * MIB, 64 * MIB, plain);
	error = with;
	failing[call] = nth;
	churn();
	snprintf(what, sizeof(what), "after %s %zu was refused%s", names[call], nth,
		 plain ? ", plain" : "");
	account(true, what);
	if (call != UNMAP && call != RELEASE && call != HOST_FREE)
		cr_assert(eq(u64, held(false) + held(true), 0), "%s", what);
	/* Nothing is refused any more: nothing may be mapped where something stayed. */
	failing[call] = 0;
	pool.device_limit_until_ns = 0;
	churn();
	account(true, what);
	frame_pool_finish(&pool);
	forget();
}

Test(frames, stay_on_the_account_while_the_driver_holds_them)
{
	for (int call = 0; call < CALLS; call++)
		for (int plain = 0; plain < 2; plain++) {
			for (size_t nth = 1; nth <= 8; nth++)
				refuse(call, nth, plain, CUDA_ERROR_UNKNOWN);
			refuse(call, SIZE_MAX, plain, CUDA_ERROR_UNKNOWN);
			refuse(call, 2, plain, CUDA_ERROR_OUT_OF_MEMORY);
		}
}

/* What makes the driver give up half-way, and then refuse to take it back. */
Test(frames, stay_on_the_account_when_their_making_cannot_be_undone)
{
	for (int undo = UNMAP; undo <= RELEASE; undo++) {
		begin(64 * MIB, 64 * MIB, false);
		for (unsigned int host = 0; host < 2; host++) {
			failing[ACCESS] = 1;
			failing[undo] = 1;
			cr_assert(zero(ptr, frame_take(&pool, host, 0)));
			cr_assert(eq(u64, held(host), 2 * MIB), "%s", names[undo]);
		}
		account(true, names[undo]);
		failing[ACCESS] = failing[undo] = 0;
		churn();
		account(true, names[undo]);
		forget();
	}
}

Test(frames, of_another_size_make_room_when_they_are_spare)
{
	for (unsigned int host = 0; host < 2; host++) {
		struct frame *small[4], *large;

		begin(8 * MIB, 8 * MIB, false);
		for (int i = 0; i < 4; i++)
			small[i] = frame_take(&pool, host, 0);
		cr_assert(not(zero(ptr, small[3])));
		cr_assert(zero(ptr, frame_take(&pool, host, 1)));
		for (int i = 0; i < 3; i++)
			frame_give(&pool, small[i]);
		large = frame_take(&pool, host, 1);
		cr_assert(not(zero(ptr, large)), "host %u", host);
		account(true, "with frames of two sizes");
		forget();
	}
}

Test(frames, that_nobody_has_needed_go_and_others_stay)
{
	struct frame *frames[8];

	begin(64 * MIB, 64 * MIB, false);
	for (int i = 0; i < 8; i++)
		frames[i] = frame_take(&pool, true, 0);
	for (int i = 0; i < 8; i++)
		frame_give(&pool, frames[i]);
	frame_trim(&pool, true, 0);
	cr_assert(eq(u64, pool.host_spare_bytes, 16 * MIB), "not before a while has passed");
	for (int i = 0; i < 3; i++)
		frames[i] = frame_take(&pool, true, 0);
	for (int i = 0; i < 3; i++)
		frame_give(&pool, frames[i]);
	frame_trim(&pool, true, 0);
	cr_assert(eq(u64, pool.host_spare_bytes, 6 * MIB), "three were needed");
	frame_trim(&pool, true, 4 * MIB);
	cr_assert(eq(u64, pool.host_spare_bytes, 4 * MIB), "two are kept");
	frame_trim(&pool, true, 0);
	cr_assert(eq(u64, pool.host_spare_bytes, 0));
	account(true, "after all went");
}

Test(frames, are_not_asked_for_again_where_the_card_had_none)
{
	begin(64 * MIB, 64 * MIB, false);
	frame_give(&pool, frame_take(&pool, false, 0));
	failing[CREATE] = SIZE_MAX;
	cr_assert(zero(ptr, frame_take(&pool, false, 1)));
	calls[CREATE] = 0;
	cr_assert(zero(ptr, frame_take(&pool, false, 2)));
	cr_assert(eq(sz, calls[CREATE], 0));
	cr_assert(eq(u64, frame_device_limit_bytes(&pool), 2 * MIB));
	pool.device_limit_until_ns = 1;
	cr_assert(zero(ptr, frame_take(&pool, false, 0)));
	cr_assert(eq(sz, calls[CREATE], 1), "after a while it is tried again");
}
