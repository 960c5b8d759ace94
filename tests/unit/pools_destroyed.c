/* Pools that are destroyed while memory of theirs lives, on a driver of a few functions. */
#include "driver/driver.h"
#include "account/admission.h"
#include "account/context_end.h"
#include "order/captures.h"
#include "account/ledger.h"
#include "account/ordered_free.h"
#include "account/pools.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#define PAGE LEDGER_PAGE_BYTES
#define STREAM ((CUstream)(uintptr_t)0x91)
#define EVENTS 4096

struct CUmemPoolHandle_st {
	int device;
	uint64_t reserved_bytes;
};

static struct {
	CUcontext context;
	int device; /* the current one */
	struct CUmemPoolHandle_st defaults[2], own[2];
	CUdeviceptr next;
	size_t recorded, over, made, destroyed, waits;
	bool tells_location, no_events, captured;
	CUresult destroys, frees;
} card;

static CUresult current_device(CUdevice *device)
{
	*device = card.device;
	return CUDA_SUCCESS;
}

static CUresult current_context(CUcontext *context)
{
	*context = card.context;
	return CUDA_SUCCESS;
}

static CUresult total(size_t *bytes, CUdevice device)
{
	(void)device;
	*bytes = 1024 * PAGE;
	return CUDA_SUCCESS;
}

static CUresult default_pool(CUmemoryPool *pool, CUdevice device)
{
	*pool = &card.defaults[device];
	return CUDA_SUCCESS;
}

static CUresult attribute(CUmemoryPool pool, CUmemPool_attribute attribute, void *value)
{
	switch ((int)attribute) {
	case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
		*(cuuint64_t *)value = pool->reserved_bytes;
		return CUDA_SUCCESS;
	case 11: /* CU_MEMPOOL_ATTR_LOCATION_ID */
		*(int *)value = pool->device;
		return card.tells_location ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	case 12: /* CU_MEMPOOL_ATTR_LOCATION_TYPE */
		*(CUmemLocationType *)value = CU_MEM_LOCATION_TYPE_DEVICE;
		return card.tells_location ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

static CUresult trim(CUmemoryPool pool, size_t bytes)
{
	(void)pool, (void)bytes;
	return CUDA_SUCCESS;
}

static CUresult destroy(CUmemoryPool pool)
{
	if (pool == &card.defaults[0] || pool == &card.defaults[1])
		return CUDA_ERROR_INVALID_VALUE;
	return card.destroys;
}

static CUresult free_async(CUdeviceptr address, CUstream stream)
{
	(void)address, (void)stream;
	return card.frees;
}

static CUresult free_now(CUdeviceptr address)
{
	return free_async(address, NULL);
}

static CUresult event_create(CUevent *event, unsigned int flags)
{
	(void)flags;
	if (card.no_events)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*event = (CUevent)(uintptr_t)++card.made;
	return CUDA_SUCCESS;
}

/* Events are over in the order in which they were made: of the first `card.over`. */
static CUresult event_record(CUevent event, CUstream stream)
{
	(void)event, (void)stream;
	card.recorded++;
	return CUDA_SUCCESS;
}

static CUresult event_query(CUevent event)
{
	return (uintptr_t)event <= card.over ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

static CUresult event_synchronize(CUevent event)
{
	card.waits += event_query(event) != CUDA_SUCCESS;
	return CUDA_SUCCESS;
}

static CUresult event_destroy(CUevent event)
{
	(void)event;
	card.destroyed++;
	return CUDA_SUCCESS;
}

static CUresult synchronize(CUstream stream)
{
	(void)stream;
	card.waits++;
	return CUDA_SUCCESS;
}

static CUresult is_capturing(CUstream stream, CUstreamCaptureStatus *status)
{
	(void)stream;
	*status =
	    card.captured ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
	return CUDA_SUCCESS;
}

static CUresult exchange_mode(CUstreamCaptureMode *mode)
{
	(void)mode;
	return CUDA_SUCCESS;
}

static void start(void)
{
	setenv("LOWTIDE_VRAM", "32M", 1); /* 16 pages */
	setenv("LOWTIDE_RESERVE", "0", 1);
	setenv("LOWTIDE_LOG", "off", 1);
	card.context = (CUcontext)&card;
	card.defaults[1].device = card.own[1].device = 1;
	card.next = 0x10000000;
	card.tells_location = true;
	lt_driver.cuCtxGetDevice = current_device;
	lt_driver.cuCtxGetCurrent = current_context;
	lt_driver.cuDeviceTotalMem_v2 = total;
	lt_driver.cuDeviceGetDefaultMemPool = default_pool;
	lt_driver.cuDeviceGetMemPool = default_pool;
	lt_driver.cuMemPoolGetAttribute = attribute;
	lt_driver.cuMemPoolTrimTo = trim;
	lt_driver.cuMemFreeAsync = free_async;
	lt_driver.cuEventCreate = event_create;
	lt_driver.cuEventRecord = event_record;
	lt_driver.cuEventQuery = event_query;
	lt_driver.cuEventSynchronize = event_synchronize;
	lt_driver.cuEventDestroy_v2 = event_destroy;
	lt_driver.cuStreamSynchronize = synchronize;
	lt_driver.cuStreamIsCapturing = is_capturing;
	lt_driver.cuThreadExchangeStreamCaptureMode = exchange_mode;
}

static CUresult try_pages(CUmemoryPool pool, size_t pages, CUdeviceptr *at)
{
	struct pool_request pooled;
	CUresult result = pools_ask(&pooled, pool, pages * PAGE);

	if (result != CUDA_SUCCESS)
		return result;
	*at = card.next;
	card.next += pages * PAGE;
	pool->reserved_bytes += pages * PAGE;
	return pools_settle(&pooled, CUDA_SUCCESS, *at, STREAM);
}

static CUdeviceptr alloc_pages(CUmemoryPool pool, size_t pages)
{
	CUdeviceptr at = 0;

	cr_assert(eq(int, (int)try_pages(pool, pages, &at), CUDA_SUCCESS));
	return at;
}

static void free_in_order(CUdeviceptr at)
{
	cr_assert(eq(int, (int)ordered_free(at, STREAM, STREAM, free_async), CUDA_SUCCESS));
}

/* The program has waited for all that it gave to the card. */
static void wait_for_all(void)
{
	card.over = card.made;
	ordered_free_settle();
}

static void destroy_pool(CUmemoryPool pool)
{
	cr_assert(eq(int, (int)pools_destroy(pool, destroy), CUDA_SUCCESS));
	pool->reserved_bytes = UINT64_MAX / 2; /* whoever asks it now is told this */
}

#define CHARGED(device, pages) cr_assert(eq(u64, ledger_taken_bytes(device), (pages)*PAGE))

Test(destroyed_pools, stay_charged_until_their_last_allocation_is_freed, .init = start)
{
	CUdeviceptr first = alloc_pages(&card.own[0], 3), last = alloc_pages(&card.own[0], 2);

	destroy_pool(&card.own[0]);
	CHARGED(0, 5);
	pools_refresh();
	free_in_order(first);
	wait_for_all();
	CHARGED(0, 5);
	free_in_order(last);
	ordered_free_settle();
	CHARGED(0, 5);
	wait_for_all();
	CHARGED(0, 0);
	cr_assert(eq(sz, card.destroyed, card.made));
	cr_assert(zero(sz, card.waits));
}

Test(destroyed_pools, stay_charged_for_a_free_that_has_not_run_yet, .init = start)
{
	free_in_order(alloc_pages(&card.own[0], 4));
	destroy_pool(&card.own[0]);
	ordered_free_settle();
	CHARGED(0, 4);
	wait_for_all();
	CHARGED(0, 0);
}

Test(destroyed_pools, are_charged_no_more_when_each_free_has_run_before, .init = start)
{
	free_in_order(alloc_pages(&card.own[0], 4));
	wait_for_all();
	pools_refresh();
	CHARGED(0, 4); /* what a pool keeps is charged */
	destroy_pool(&card.own[0]);
	CHARGED(0, 0);
}

Test(destroyed_pools, are_charged_for_what_they_had_then, .init = start)
{
	CUdeviceptr last = alloc_pages(&card.own[0], 1);

	free_in_order(alloc_pages(&card.own[0], 6));
	wait_for_all();
	/* Somebody waited, and nobody has asked since. */
	card.own[0].reserved_bytes -= 4 * PAGE;
	destroy_pool(&card.own[0]);
	CHARGED(0, 3);
	free_in_order(last);
	wait_for_all();
	CHARGED(0, 0);
}

Test(destroyed_pools, leave_no_more_room_than_the_cap_has, .init = start)
{
	CUdeviceptr last = alloc_pages(&card.own[0], 10), more;

	destroy_pool(&card.own[0]);
	card.own[1] = (struct CUmemPoolHandle_st){0};
	cr_assert(eq(int, (int)try_pages(&card.own[1], 7, &more), CUDA_ERROR_OUT_OF_MEMORY));
	alloc_pages(&card.own[1], 6);
	free_in_order(last);
	card.over = card.made;
	alloc_pages(&card.own[1], 10); /* finds by itself that there is room now */
	CHARGED(0, 16);
}

Test(destroyed_pools, are_not_confused_with_one_that_is_given_their_handle, .init = start)
{
	CUdeviceptr of_first = alloc_pages(&card.own[0], 2), of_second;

	destroy_pool(&card.own[0]);
	card.own[0].reserved_bytes = 0;
	of_second = alloc_pages(&card.own[0], 3);
	CHARGED(0, 5);
	free_in_order(of_first);
	wait_for_all();
	CHARGED(0, 3);
	destroy_pool(&card.own[0]);
	free_in_order(of_second);
	wait_for_all();
	CHARGED(0, 0);
}

Test(destroyed_pools, let_their_memory_be_freed_by_the_plain_call_too, .init = start)
{
	CUdeviceptr last = alloc_pages(&card.own[0], 2);

	destroy_pool(&card.own[0]);
	cr_assert(eq(int, (int)admission_free(last, free_now), CUDA_SUCCESS));
	CHARGED(0, 0);
}

Test(destroyed_pools, stay_charged_when_the_driver_refuses_to_free, .init = start)
{
	CUdeviceptr last = alloc_pages(&card.own[0], 2);

	destroy_pool(&card.own[0]);
	card.frees = CUDA_ERROR_INVALID_VALUE;
	cr_assert(eq(int, (int)ordered_free(last, STREAM, STREAM, free_async),
		     CUDA_ERROR_INVALID_VALUE));
	cr_assert(eq(int, (int)admission_free(last, free_now), CUDA_ERROR_INVALID_VALUE));
	CHARGED(0, 2);
	card.frees = CUDA_SUCCESS;
	free_in_order(last);
	wait_for_all();
	CHARGED(0, 0);
}

Test(destroyed_pools, are_charged_no_more_when_the_contexts_of_their_memory_ended,
     .init = start)
{
	CUcontext other = (CUcontext)&card.own;
	CUdeviceptr freed = alloc_pages(&card.own[0], 1);

	alloc_pages(&card.own[0], 1);
	card.context = other;
	alloc_pages(&card.own[0], 1);
	card.context = (CUcontext)&card;
	free_in_order(freed);
	destroy_pool(&card.own[0]);
	account_context_ended((CUcontext)&card);
	CHARGED(0, 3);
	account_context_ended(other);
	CHARGED(0, 0);
}

/* A driver that need not wait is not made to; too much is charged rather than too little. */
Test(destroyed_pools, stay_charged_for_a_free_of_which_nothing_can_be_known, .init = start)
{
	CUdeviceptr at = alloc_pages(&card.own[0], 2);

	card.no_events = true;
	free_in_order(at);
	destroy_pool(&card.own[0]);
	wait_for_all();
	CHARGED(0, 2);
	cr_assert(zero(sz, card.waits));
}

Test(destroyed_pools, know_nothing_of_what_graphs_allocate, .init = start)
{
	CUdeviceptr last = alloc_pages(&card.own[0], 2);

	captures_began(CU_STREAM_CAPTURE_MODE_RELAXED);
	card.captured = true;
	alloc_pages(&card.own[0], 1);
	card.captured = false;
	captures_ended();
	destroy_pool(&card.own[0]);
	free_in_order(last);
	wait_for_all();
	CHARGED(0, 0);
}

/* --- pools that live on */

Test(pools, that_the_driver_refuses_to_destroy_keep_their_account, .init = start)
{
	CUdeviceptr last = alloc_pages(&card.own[0], 2);

	free_in_order(alloc_pages(&card.own[0], 3));
	card.destroys = CUDA_ERROR_UNKNOWN;
	cr_assert(eq(int, (int)pools_destroy(&card.own[0], destroy), CUDA_ERROR_UNKNOWN));
	CHARGED(0, 5);
	wait_for_all();
	CHARGED(0, 5);
	card.own[0].reserved_bytes = 2 * PAGE;
	pools_refresh();
	CHARGED(0, 2); /* it is asked as before */
	card.destroys = CUDA_SUCCESS;
	destroy_pool(&card.own[0]);
	CHARGED(0, 2);
	free_in_order(last);
	wait_for_all();
	CHARGED(0, 0);
}

Test(pools, of_a_device_are_never_destroyed_and_their_memory_is_not_followed, .init = start)
{
	CUdeviceptr at = alloc_pages(&card.defaults[0], 2);

	cr_assert(
	    eq(int, (int)pools_destroy(&card.defaults[0], destroy), CUDA_ERROR_INVALID_VALUE));
	CHARGED(0, 2);
	free_in_order(at);
	cr_assert(zero(sz, card.made), "no event for what is asked of the pool");
	card.defaults[0].reserved_bytes = PAGE;
	pools_refresh();
	CHARGED(0, 1);
}

Test(pools, of_another_device_are_charged_there, .init = start)
{
	CUdeviceptr last = alloc_pages(&card.own[1], 3);

	CHARGED(0, 0);
	CHARGED(1, 3);
	destroy_pool(&card.own[1]);
	CHARGED(1, 3);
	free_in_order(last);
	wait_for_all();
	CHARGED(1, 0);
	/* The other device's default pool is one too. */
	alloc_pages(&card.defaults[1], 1);
	CHARGED(1, 1);
	cr_assert(
	    eq(int, (int)pools_destroy(&card.defaults[1], destroy), CUDA_ERROR_INVALID_VALUE));
	CHARGED(1, 1);
}

Test(pools, of_which_the_driver_does_not_tell_where_are_the_current_devices, .init = start)
{
	CUdeviceptr last;

	card.tells_location = false;
	last = alloc_pages(&card.own[1], 3);
	CHARGED(0, 3);
	CHARGED(1, 0);
	destroy_pool(&card.own[1]);
	free_in_order(last);
	wait_for_all();
	CHARGED(0, 0);
}

Test(pools, nobody_asks_about_are_unknown_when_they_are_destroyed, .init = start)
{
	cr_assert(eq(int, (int)pools_destroy(NULL, destroy), CUDA_SUCCESS));
	cr_assert(eq(int, (int)pools_destroy(&card.own[0], destroy), CUDA_SUCCESS));
	CHARGED(0, 0);
}

/* A program that only polls gives no occasion to look at what is freed by now. */
Test(pools, leave_few_events_behind_where_nobody_waits, .init = start)
{
	for (int i = 0; i < EVENTS; i++) {
		free_in_order(alloc_pages(&card.own[0], 1));
		card.own[0].reserved_bytes = 0;
		card.over = card.made - 1;
	}
	cr_assert(le(sz, card.made - card.destroyed, 256));
	cr_assert(zero(sz, card.waits));
}
