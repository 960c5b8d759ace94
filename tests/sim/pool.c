/*
 * Stream-ordered allocation: memory exists from the call on, and a free takes effect once its
 * stream has reached it and somebody synchronized. What is free then goes back to the device,
 * but for as much as the pool's release threshold lets it keep; a later allocation of the same
 * size takes from that. A pool that is destroyed keeps what it has until none of its memory is
 * in use or being freed: what the driver's manual promises, and no more.
 */
#include "pool.h"

#include "capture.h"
#include "graph.h"
#include "sim.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct CUmemPoolHandle_st {
	CUdevice device;
	cuuint64_t threshold;
	cuuint64_t used, reserved, used_high, reserved_high; /* bytes, of whole pages */
	bool destroyed; /* lives on for what is in use of it */
};

struct piece {
	struct piece *next;
	CUmemoryPool pool;
	CUcontext context;
	CUdeviceptr ptr;
	size_t bytes;  /* of whole pages */
	CUevent freed; /* NULL while the program owns the memory */
	bool spare;    /* free, and kept by the pool */
};

#define DEVICES 4
static struct CUmemPoolHandle_st defaults[DEVICES] = {
    {.device = 0}, {.device = 1}, {.device = 2}, {.device = 3}};
static CUmemoryPool current[DEVICES] = {&defaults[0], &defaults[1], &defaults[2], &defaults[3]};
/* Of no pool: memory of cuMemAlloc that is freed in stream order, as the driver allows. */
static struct CUmemPoolHandle_st loose = {.device = -1};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *pieces;

static void give_back(struct piece **link)
{
	struct piece *p = *link;

	*link = p->next;
	p->pool->reserved -= p->bytes;
	sim_linear_free(p->ptr);
	if (p->pool->destroyed && !p->pool->reserved)
		free(p->pool);
	free(p);
}

static cuuint64_t kept_by(CUmemoryPool pool, const cuuint64_t *keep)
{
	if (pool->destroyed)
		return pool->used ? UINT64_MAX : 0;
	return keep ? *keep : pool->threshold;
}

/* Of one pool (NULL: of all) what is free beyond what it keeps goes. The lock is held. */
static void release(CUmemoryPool pool, const cuuint64_t *keep)
{
	for (struct piece **link = &pieces; *link;) {
		struct piece *p = *link;

		if (p->spare && (!pool || p->pool == pool) &&
		    p->pool->reserved > kept_by(p->pool, keep))
			give_back(link);
		else
			link = &p->next;
	}
}

static void find_free(void)
{
	for (struct piece *p = pieces; p; p = p->next) {
		if (!p->freed || cuEventQuery(p->freed) != CUDA_SUCCESS)
			continue;
		cuEventDestroy_v2(p->freed);
		p->freed = NULL;
		p->spare = true;
		p->pool->used -= p->bytes;
	}
}

void sim_pool_reap(void)
{
	pthread_mutex_lock(&lock);
	find_free();
	release(NULL, NULL);
	pthread_mutex_unlock(&lock);
}

bool sim_pool_free(CUdeviceptr address)
{
	struct piece *p;

	pthread_mutex_lock(&lock);
	for (p = pieces; p; p = p->next)
		if (p->ptr == address && !p->freed && !p->spare) {
			p->spare = true;
			p->pool->used -= p->bytes;
			break;
		}
	release(NULL, NULL);
	pthread_mutex_unlock(&lock);
	return p != NULL;
}

void sim_pool_forget(CUcontext context)
{
	pthread_mutex_lock(&lock);
	for (struct piece **link = &pieces; *link;) {
		struct piece *p = *link;

		if (p->context != context) {
			link = &p->next;
			continue;
		}
		p->pool->used -= p->spare ? 0 : p->bytes;
		p->spare = true;
		p->freed = NULL;
		if (p->pool->destroyed) {
			p->context = sim_region_at(p->ptr)->context = NULL;
			link = &p->next;
			continue;
		}
		*link = p->next;
		p->pool->reserved -= p->bytes;
		free(p);
	}
	release(NULL, NULL);
	pthread_mutex_unlock(&lock);
}

/* Of the current context: with that its memory goes. */
static struct piece *spare_piece(CUmemoryPool pool, size_t bytes)
{
	struct piece *p = pieces;

	while (p && !(p->spare && p->pool == pool && p->bytes == bytes &&
		      p->context == sim_context()))
		p = p->next;
	return p;
}

static CUresult take(CUdeviceptr *out, size_t bytes, CUmemoryPool pool)
{
	size_t pages = (bytes + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
	CUresult result = CUDA_SUCCESS;
	struct piece *p;

	if (!out || !bytes)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	find_free();
	p = spare_piece(pool, pages);
	if (!p) {
		p = calloc(1, sizeof(*p));
		result = p ? sim_linear_alloc_on(pool->device, sim_context(), pages, &p->ptr)
			   : CUDA_ERROR_OUT_OF_MEMORY;
		if (result != CUDA_SUCCESS) {
			free(p);
			pthread_mutex_unlock(&lock);
			return result;
		}
		p->pool = pool;
		p->context = sim_context();
		p->bytes = pages;
		p->next = pieces;
		pieces = p;
		pool->reserved += pages;
	}
	p->spare = false;
	pool->used += pages;
	pool->used_high = pool->used > pool->used_high ? pool->used : pool->used_high;
	pool->reserved_high =
	    pool->reserved > pool->reserved_high ? pool->reserved : pool->reserved_high;
	*out = p->ptr;
	pthread_mutex_unlock(&lock);
	return result;
}

SIM_EXPORT CUresult cuMemAllocAsync(CUdeviceptr *out, size_t bytes, CUstream stream)
{
	SIM_CALL();
	(void)stream;
	return take(out, bytes, current[sim_context()->device]);
}

SIM_EXPORT CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t bytes, CUmemoryPool pool,
					    CUstream stream)
{
	SIM_CALL();
	(void)stream;
	return pool ? take(out, bytes, pool) : CUDA_ERROR_INVALID_VALUE;
}

/* The lock is held. NULL: no memory of cuMemAlloc begins there, or none is left here. */
static struct piece *adopt(CUdeviceptr ptr)
{
	const struct sim_region *region = sim_region_at(ptr);
	struct piece *p;

	if (!region || region->kind != SIM_LINEAR || region->start != ptr)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	*p = (struct piece){.next = pieces,
			    .pool = &loose,
			    .context = region->context,
			    .ptr = ptr,
			    .bytes = region->end - region->start};
	loose.reserved += p->bytes;
	loose.used += p->bytes;
	pieces = p;
	return p;
}

SIM_EXPORT CUresult cuMemFreeAsync(CUdeviceptr ptr, CUstream stream)
{
	SIM_CALL();
	CUresult result = CUDA_ERROR_INVALID_VALUE;
	struct piece *p = pieces;
	CUevent event = NULL;

	/* A graph frees only what a graph allocated. */
	if (sim_capturing(sim_stream_named(stream)))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	while (p && p->ptr != ptr)
		p = p->next;
	if (!p)
		p = adopt(ptr);
	if (p && !p->freed && !p->spare)
		result = cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
	if (result == CUDA_SUCCESS)
		result = cuEventRecord(event, stream);
	if (result == CUDA_SUCCESS)
		p->freed = event;
	else if (event)
		cuEventDestroy_v2(event);
	pthread_mutex_unlock(&lock);
	return result;
}

SIM_EXPORT CUresult cuMemPoolCreate(CUmemoryPool *out, const CUmemPoolProps *props)
{
	SIM_CALL_ANYWHERE();
	if (!out || !props || props->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return CUDA_ERROR_OUT_OF_MEMORY;
	(*out)->device = props->location.id;
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuMemPoolDestroy(CUmemoryPool pool)
{
	SIM_CALL_ANYWHERE();
	if (!pool || (pool >= defaults && pool < defaults + DEVICES))
		return CUDA_ERROR_INVALID_VALUE;
	for (int i = 0; i < DEVICES; i++)
		if (current[i] == pool)
			current[i] = &defaults[i];
	pthread_mutex_lock(&lock);
	pool->destroyed = true;
	if (pool->reserved)
		release(pool, NULL);
	else
		free(pool);
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *out, CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!out || device < 0 || device >= DEVICES)
		return CUDA_ERROR_INVALID_VALUE;
	*out = &defaults[device];
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuDeviceGetMemPool(CUmemoryPool *out, CUdevice device)
{
	SIM_CALL_ANYWHERE();
	if (!out || device < 0 || device >= DEVICES)
		return CUDA_ERROR_INVALID_VALUE;
	*out = current[device];
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool)
{
	SIM_CALL_ANYWHERE();
	if (!pool || device < 0 || device >= DEVICES || pool->device != device)
		return CUDA_ERROR_INVALID_VALUE;
	current[device] = pool;
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t keep)
{
	cuuint64_t bytes = keep;

	SIM_CALL_ANYWHERE();
	if (!pool)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	find_free();
	release(pool, &bytes);
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
					  void *value)
{
	SIM_CALL_ANYWHERE();
	if (!pool || !value)
		return CUDA_ERROR_INVALID_VALUE;
	switch ((int)attribute) {
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
		pool->threshold = *(cuuint64_t *)value;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
		pool->reserved_high = pool->reserved;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
		pool->used_high = pool->used;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

SIM_EXPORT CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
					  void *value)
{
	SIM_CALL_ANYWHERE();
	if (!pool || !value)
		return CUDA_ERROR_INVALID_VALUE;
	switch ((int)attribute) {
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
		*(cuuint64_t *)value = pool->threshold;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
		*(cuuint64_t *)value = pool->reserved;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
		*(cuuint64_t *)value = pool->reserved_high;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
		*(cuuint64_t *)value = pool->used;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
		*(cuuint64_t *)value = pool->used_high;
		return CUDA_SUCCESS;
	case 12: /* CU_MEMPOOL_ATTR_LOCATION_TYPE, of newer headers */
		*(CUmemLocationType *)value = CU_MEM_LOCATION_TYPE_DEVICE;
		return CUDA_SUCCESS;
	case 11: /* CU_MEMPOOL_ATTR_LOCATION_ID */
		*(int *)value = pool->device;
		return CUDA_SUCCESS;
	default:
		*(int *)value = 1;
		return CUDA_SUCCESS;
	}
}
