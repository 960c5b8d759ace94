/*
 * Stream-ordered allocation: memory exists from the call on, and a free takes effect once its
 * stream has reached it and somebody synchronized, as with a pool whose release threshold is
 * zero.
 */
#include "pool.h"

#include "graph.h"
#include "sim.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct CUmemPoolHandle_st {
	CUdevice device;
	cuuint64_t threshold;
};

struct piece {
	struct piece *next;
	CUdeviceptr ptr;
	CUevent freed; /* NULL while the program owns the memory */
};

#define DEVICES 4
static struct CUmemPoolHandle_st defaults[DEVICES] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}};
static CUmemoryPool current[DEVICES] = {&defaults[0], &defaults[1], &defaults[2], &defaults[3]};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *pieces;

void sim_pool_reap(void)
{
	pthread_mutex_lock(&lock);
	for (struct piece **link = &pieces; *link;) {
		struct piece *p = *link;

		if (!p->freed || cuEventQuery(p->freed) != CUDA_SUCCESS) {
			link = &p->next;
			continue;
		}
		*link = p->next;
		cuEventDestroy_v2(p->freed);
		sim_linear_free(p->ptr);
		free(p);
	}
	pthread_mutex_unlock(&lock);
}

bool sim_pool_free(CUdeviceptr address)
{
	struct piece *found = NULL;

	pthread_mutex_lock(&lock);
	for (struct piece **link = &pieces; *link; link = &(*link)->next)
		if ((*link)->ptr == address && !(*link)->freed) {
			found = *link;
			*link = found->next;
			break;
		}
	pthread_mutex_unlock(&lock);
	if (found)
		sim_linear_free(address);
	free(found);
	return found != NULL;
}

static CUresult take(CUdeviceptr *out, size_t bytes)
{
	struct piece *p;
	CUresult result;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	sim_pool_reap();
	p = calloc(1, sizeof(*p));
	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = sim_linear_alloc(sim_context(), bytes, &p->ptr);
	if (result != CUDA_SUCCESS) {
		free(p);
		return result;
	}
	*out = p->ptr;
	pthread_mutex_lock(&lock);
	p->next = pieces;
	pieces = p;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuMemAllocAsync(CUdeviceptr *out, size_t bytes, CUstream stream)
{
	SIM_CALL();
	(void)stream;
	return take(out, bytes);
}

SIM_EXPORT CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t bytes, CUmemoryPool pool,
					    CUstream stream)
{
	SIM_CALL();
	(void)stream;
	return pool ? take(out, bytes) : CUDA_ERROR_INVALID_VALUE;
}

SIM_EXPORT CUresult cuMemFreeAsync(CUdeviceptr ptr, CUstream stream)
{
	SIM_CALL();
	CUresult result = CUDA_ERROR_INVALID_VALUE;
	CUevent event;

	pthread_mutex_lock(&lock);
	for (struct piece *p = pieces; p; p = p->next) {
		if (p->ptr != ptr || p->freed)
			continue;
		result = cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
		if (result != CUDA_SUCCESS)
			break;
		result = cuEventRecord(event, stream);
		if (result == CUDA_SUCCESS)
			p->freed = event;
		else
			cuEventDestroy_v2(event);
		break;
	}
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
	free(pool);
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
	SIM_CALL_ANYWHERE();
	(void)keep;
	if (!pool)
		return CUDA_ERROR_INVALID_VALUE;
	sim_pool_reap();
	return CUDA_SUCCESS;
}
