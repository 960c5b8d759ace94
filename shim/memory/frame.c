#include "memory/frame.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "memory/access.h"
#include "account/ledger.h"

#include <stdlib.h>
#include <string.h>

/* Others may give memory back: after so long the card is tried again. */
#define DEVICE_LIMIT_NS 10000000000ull

/* 0 where there is no NUMA, and where the driver does not say. */
static int nearest_node(int device)
{
	int node = 0;

	if (!real(cuDeviceGetAttribute) ||
	    real(cuDeviceGetAttribute)(&node, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, device) !=
		CUDA_SUCCESS ||
	    node < 0)
		return 0;
	return node;
}

bool frame_pool_init(struct frame_pool *pool, int device, uint64_t host_limit_bytes,
		     bool plain_host)
{
	memset(pool, 0, sizeof(*pool));
	pool->plain_host = plain_host;
	pool->device = device;
	pool->node = nearest_node(device);
	pool->host_limit_bytes = host_limit_bytes;
	return arena_init(&pool->aliases, ARENA_BYTES, arena_slot(device) + ARENA_HALF_BYTES);
}

uint64_t frame_device_limit_bytes(const struct frame_pool *pool)
{
	return pool->device_limit_until_ns && clock_now_ns() < pool->device_limit_until_ns
		   ? pool->device_limit_bytes
		   : UINT64_MAX;
}

/* Without this each move would evict for a frame that the driver then does not make. */
static void learn_device_limit(struct frame_pool *pool, const struct frame *refused)
{
	pool->device_limit_bytes = pool->device_bytes - frame_bytes(refused->size_class);
	pool->device_limit_until_ns = clock_now_ns() + DEVICE_LIMIT_NS;
}

static bool budget_take(struct frame_pool *pool, bool host, uint64_t bytes)
{
	if (!host)
		return pool->device_bytes + bytes <= frame_device_limit_bytes(pool) &&
		       ledger_take(pool->device, bytes);
	return bytes <= pool->host_limit_bytes &&
	       pool->host_bytes <= pool->host_limit_bytes - bytes;
}

static void count(struct frame_pool *pool, const struct frame *frame, bool made)
{
	uint64_t bytes = frame_bytes(frame->size_class);
	uint64_t *total = frame->host ? &pool->host_bytes : &pool->device_bytes;

	*total += made ? bytes : -bytes;
	if (pool->host_bytes > pool->host_peak_bytes)
		pool->host_peak_bytes = pool->host_bytes;
}

static void count_spare(struct frame_pool *pool, const struct frame *frame, bool spare)
{
	uint64_t bytes = frame_bytes(frame->size_class);
	_Atomic uint64_t *total =
	    frame->host ? &pool->host_spare_bytes : &pool->device_spare_bytes;

	*total += spare ? bytes : -bytes;
	if (pool->unneeded_bytes[frame->host] > *total)
		pool->unneeded_bytes[frame->host] = *total;
}

static bool is_plain(const struct frame_pool *pool, bool host)
{
	return host && pool->plain_host;
}

/* What the driver refuses to take back stays where it is. */
static void unmake(const struct frame_pool *pool, struct frame *frame)
{
	if (frame->mapped && is_plain(pool, frame->host))
		frame->mapped =
		    real(cuMemFreeHost)((void *)(uintptr_t)frame->alias) != CUDA_SUCCESS;
	else if (frame->mapped)
		frame->mapped =
		    real(cuMemUnmap)(frame->alias, frame_bytes(frame->size_class)) !=
		    CUDA_SUCCESS;
	if (!frame->handle)
		return;
	if (real(cuMemRelease)(frame->handle) == CUDA_SUCCESS)
		frame->handle = 0;
}

/* Sets the handle; the alias is taken. */
static CUresult make_mapped(const struct frame_pool *pool, struct frame *frame)
{
	uint64_t bytes = frame_bytes(frame->size_class);
	bool host = frame->host;
	CUmemAllocationProp prop = {
	    .type = CU_MEM_ALLOCATION_TYPE_PINNED,
	    .location = {.type = host ? CU_MEM_LOCATION_TYPE_HOST_NUMA
				      : CU_MEM_LOCATION_TYPE_DEVICE,
			 .id = host ? pool->node : pool->device},
	};
	CUresult result = real(cuMemCreate)(&frame->handle, bytes, &prop, 0);

	if (result != CUDA_SUCCESS) {
		frame->handle = 0;
		return result;
	}
	result = real(cuMemMap)(frame->alias, bytes, 0, frame->handle, 0);
	frame->mapped = result == CUDA_SUCCESS;
	if (result == CUDA_SUCCESS)
		result = access_allow(frame->alias, bytes, pool->device);
	if (result != CUDA_SUCCESS)
		unmake(pool, frame);
	return result;
}

static CUresult make_plain(struct frame *frame)
{
	void *at = NULL;
	/* Portable: a window may be opened from another context's thread. */
	CUresult result =
	    real(cuMemHostAlloc)(&at, frame_bytes(frame->size_class), CU_MEMHOSTALLOC_PORTABLE);

	frame->mapped = result == CUDA_SUCCESS;
	frame->alias = (CUdeviceptr)(uintptr_t)at;
	return result;
}

struct frame *frame_begin(struct frame_pool *pool, bool host, unsigned int size_class)
{
	uint64_t bytes = frame_bytes(size_class);
	struct frame *frame;

	if (!budget_take(pool, host, bytes)) {
		pool->refusal[host] = FRAME_OVER_LIMIT;
		return NULL;
	}
	frame = calloc(1, sizeof(*frame));
	if (!frame)
		goto give_budget;
	frame->size_class = (uint8_t)size_class;
	frame->host = host;
	if (!is_plain(pool, host)) {
		frame->alias = arena_take(&pool->aliases, bytes);
		if (!frame->alias)
			goto free_frame;
	}
	count(pool, frame, true);
	return frame;
free_frame:
	free(frame);
give_budget:
	if (!host)
		ledger_give_back(pool->device, bytes);
	return NULL;
}

bool frame_make(struct frame_pool *pool, struct frame *frame)
{
	uint64_t began_ns = clock_now_ns();

	frame->made =
	    is_plain(pool, frame->host) ? make_plain(frame) : make_mapped(pool, frame);
	if (frame->made != CUDA_SUCCESS)
		return false;
	atomic_fetch_add(&pool->made, 1);
	atomic_fetch_add(&pool->made_ns, clock_now_ns() - began_ns);
	return true;
}

/* It is no frame any more. The one rule: what the driver still holds of it, by a handle or a
 * mapping, stays on the account, as do the addresses of a mapping. */
static void frame_end(struct frame_pool *pool, struct frame *frame)
{
	uint64_t bytes = frame_bytes(frame->size_class);
	bool held = frame->mapped || frame->handle;

	if (!is_plain(pool, frame->host) && !frame->mapped)
		arena_give(&pool->aliases, frame->alias, bytes);
	if (!frame->host && !held)
		ledger_give_back(pool->device, bytes);
	/* Of the device's frames it is none; RAM's are all that its budget knows. */
	if (!frame->host || !held)
		count(pool, frame, false);
	free(frame);
}

void frame_cancel(struct frame_pool *pool, struct frame *frame)
{
	pool->refusal[frame->host] = FRAME_NOT_MADE;
	pool->driver_said[frame->host] = frame->made;
	if (!frame->host && frame->made == CUDA_ERROR_OUT_OF_MEMORY)
		learn_device_limit(pool, frame);
	frame_end(pool, frame);
}

static struct frame *frame_new(struct frame_pool *pool, bool host, unsigned int size_class)
{
	struct frame *frame = frame_begin(pool, host, size_class);

	if (!frame || frame_make(pool, frame))
		return frame;
	frame_cancel(pool, frame);
	return NULL;
}

static void frame_unmake(struct frame_pool *pool, struct frame *frame)
{
	unmake(pool, frame);
	frame_end(pool, frame);
}

struct frame *frame_take_spare(struct frame_pool *pool, bool host, unsigned int size_class)
{
	struct frame *frame = pool->spare[host][size_class];

	if (frame) {
		pool->spare[host][size_class] = frame->next;
		frame->next = NULL;
		count_spare(pool, frame, false);
	}
	return frame;
}

struct frame *frame_take(struct frame_pool *pool, bool host, unsigned int size_class)
{
	struct frame *frame = frame_take_spare(pool, host, size_class);

	if (host)
		pool->asked_bytes = frame_bytes(size_class);
	if (frame)
		return frame;
	frame = frame_new(pool, host, size_class);
	/* Spare frames of other sizes may be what fills the budget. */
	if (!frame && frame_release_spare(pool, host, frame_bytes(size_class))) {
		frame = frame_new(pool, host, size_class);
		pool->resized += frame != NULL;
	}
	return frame;
}

void frame_give(struct frame_pool *pool, struct frame *frame)
{
	if (!frame)
		return;
	frame->next = pool->spare[frame->host][frame->size_class];
	pool->spare[frame->host][frame->size_class] = frame;
	count_spare(pool, frame, true);
}

struct frame *frame_take_spares(struct frame_pool *pool, bool host, uint64_t bytes)
{
	struct frame *taken = NULL;
	uint64_t found = 0;

	for (unsigned int c = FRAME_CLASSES; c-- > 0;)
		while (found < bytes && pool->spare[host][c]) {
			struct frame *frame = frame_take_spare(pool, host, c);

			frame->next = taken;
			taken = frame;
			found += frame_bytes(c);
		}
	return taken;
}

void frames_undo(const struct frame_pool *pool, struct frame *frames)
{
	for (; frames; frames = frames->next)
		unmake(pool, frames);
}

void frames_end(struct frame_pool *pool, struct frame *frames)
{
	while (frames) {
		struct frame *next = frames->next;

		frame_end(pool, frames);
		frames = next;
	}
}

uint64_t frame_release_spare(struct frame_pool *pool, bool host, uint64_t bytes)
{
	uint64_t gone = 0;

	for (int c = FRAME_CLASSES - 1; c >= 0; c--)
		while (gone < bytes && pool->spare[host][c]) {
			gone += frame_bytes((unsigned int)c);
			frame_unmake(pool, frame_take_spare(pool, host, (unsigned int)c));
		}
	return gone;
}

void frame_trim(struct frame_pool *pool, bool host, uint64_t keep_bytes)
{
	uint64_t unneeded = pool->unneeded_bytes[host];

	for (int c = FRAME_CLASSES - 1; c >= 0; c--)
		while (unneeded >= keep_bytes + frame_bytes((unsigned int)c) &&
		       pool->spare[host][c]) {
			unneeded -= frame_bytes((unsigned int)c);
			frame_unmake(pool, frame_take_spare(pool, host, (unsigned int)c));
		}
	pool->unneeded_bytes[host] = host ? pool->host_spare_bytes : pool->device_spare_bytes;
}

static void frame_gone(struct frame_pool *pool, struct frame *frame)
{
	frame->mapped = false;
	frame_end(pool, frame);
}

void frame_pool_forget_plain(struct frame_pool *pool)
{
	for (unsigned int c = 0; pool->plain_host && c < FRAME_CLASSES; c++)
		while (pool->spare[true][c])
			frame_gone(pool, frame_take_spare(pool, true, c));
}

void frame_pool_finish(struct frame_pool *pool)
{
	frame_release_spare(pool, false, UINT64_MAX);
	frame_release_spare(pool, true, UINT64_MAX);
	if (!pool->device_bytes && !pool->host_bytes)
		arena_finish(&pool->aliases);
}
