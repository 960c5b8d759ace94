/*
 * Graphs. When one becomes executable its nodes say what it names: its copies' and fills'
 * memory is pinned for the executable's life (their addresses are resolved once), its kernels'
 * is what a launch of it names.
 */
#include "door/driver.h"
#include "door/export.h"
#include "hook/params.h"
#include "hook/work.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->lost = true)
#include <uthash.h>

struct pinned {
	uint64_t start, bytes;
};

struct executable {
	CUgraphExec handle;
	uint64_t *addresses; /* that its kernels name */
	size_t address_count;
	struct pinned *pinned;
	size_t pinned_count;
	bool lost;
	UT_hash_handle hh;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* ranked before the pager's */
static struct executable *executables;			 /* guarded by lock */

static void *grown(void *list, size_t count, size_t more, size_t size)
{
	return realloc(list, (count + more) * size);
}

static void add_addresses(struct executable *executable, const uint64_t *addresses,
			  size_t count)
{
	uint64_t *list = count ? grown(executable->addresses, executable->address_count, count,
				       sizeof(*list))
			       : NULL;

	pager_bar(addresses, count);
	if (!list)
		return;
	memcpy(list + executable->address_count, addresses, count * sizeof(*list));
	executable->addresses = list;
	executable->address_count += count;
}

static void add_pinned(struct executable *executable, uint64_t start, uint64_t bytes)
{
	struct pinned *list;

	if (!pager_may_hold(start) || !pager_of(start))
		return;
	pager_pin(start, bytes, true);
	list = grown(executable->pinned, executable->pinned_count, 1, sizeof(*list));
	if (!list)
		return; /* pinned for good */
	list[executable->pinned_count++] = (struct pinned){start, bytes};
	executable->pinned = list;
}

static uint64_t span(size_t pitch, size_t width, size_t height, size_t rows, size_t depth)
{
	size_t row = pitch ? pitch : width, plane = row * (rows ? rows : height);

	return (depth ? depth - 1 : 0) * plane + (height ? height - 1 : 0) * row + width;
}

static void read_copy(struct executable *executable, const CUDA_MEMCPY3D *copy)
{
	add_pinned(executable, copy->srcDevice,
		   span(copy->srcPitch, copy->srcXInBytes + copy->WidthInBytes,
			copy->srcY + copy->Height, copy->srcHeight, copy->srcZ + copy->Depth));
	add_pinned(executable, copy->dstDevice,
		   span(copy->dstPitch, copy->dstXInBytes + copy->WidthInBytes,
			copy->dstY + copy->Height, copy->dstHeight, copy->dstZ + copy->Depth));
}

static void read_kernel(struct executable *executable, const CUDA_KERNEL_NODE_PARAMS *kernel)
{
	uint64_t *addresses = calloc(PARAMS_NAMED_MOST, sizeof(*addresses));
	CUfunction function = kernel->func ? kernel->func : (CUfunction)kernel->kern;
	bool unknown = true;

	if (addresses)
		add_addresses(executable, addresses,
			      params_named(function, kernel->kernelParams, kernel->extra,
					   addresses, PARAMS_NAMED_MOST, &unknown));
	if (unknown)
		pager_unknown_work();
	free(addresses);
}

static void read_graph(struct executable *executable, CUgraph graph);

static void read_node(struct executable *executable, CUgraphNode node)
{
	CUDA_KERNEL_NODE_PARAMS kernel;
	CUDA_MEMSET_NODE_PARAMS fill;
	CUDA_MEMCPY3D copy;
	CUgraphNodeType type;
	CUgraph child;

	if (real(cuGraphNodeGetType)(node, &type) != CUDA_SUCCESS)
		return;
	if (type == CU_GRAPH_NODE_TYPE_KERNEL && real(cuGraphKernelNodeGetParams_v2) &&
	    real(cuGraphKernelNodeGetParams_v2)(node, &kernel) == CUDA_SUCCESS)
		read_kernel(executable, &kernel);
	else if (type == CU_GRAPH_NODE_TYPE_MEMCPY && real(cuGraphMemcpyNodeGetParams) &&
		 real(cuGraphMemcpyNodeGetParams)(node, &copy) == CUDA_SUCCESS)
		read_copy(executable, &copy);
	else if (type == CU_GRAPH_NODE_TYPE_MEMSET && real(cuGraphMemsetNodeGetParams) &&
		 real(cuGraphMemsetNodeGetParams)(node, &fill) == CUDA_SUCCESS)
		add_pinned(executable, fill.dst,
			   span(fill.pitch, fill.width * fill.elementSize, fill.height, 0, 1));
	else if (type == CU_GRAPH_NODE_TYPE_GRAPH && real(cuGraphChildGraphNodeGetGraph) &&
		 real(cuGraphChildGraphNodeGetGraph)(node, &child) == CUDA_SUCCESS)
		read_graph(executable, child);
}

static void read_graph(struct executable *executable, CUgraph graph)
{
	size_t count = 0;
	CUgraphNode *nodes;

	if (!real(cuGraphGetNodes) || !real(cuGraphNodeGetType) ||
	    real(cuGraphGetNodes)(graph, NULL, &count) != CUDA_SUCCESS || !count)
		return;
	nodes = calloc(count, sizeof(*nodes));
	if (nodes && real(cuGraphGetNodes)(graph, nodes, &count) == CUDA_SUCCESS)
		for (size_t i = 0; i < count; i++)
			read_node(executable, nodes[i]);
	free(nodes);
}

/* Caller holds the lock. */
static struct executable *find(CUgraphExec handle)
{
	struct executable *executable;

	HASH_FIND_PTR(executables, &handle, executable);
	return executable;
}

static void clear(struct executable *executable)
{
	for (size_t i = 0; i < executable->pinned_count; i++)
		pager_pin(executable->pinned[i].start, executable->pinned[i].bytes, false);
	free(executable->pinned);
	free(executable->addresses);
	executable->pinned = NULL;
	executable->addresses = NULL;
	executable->pinned_count = executable->address_count = 0;
}

static CUresult made(CUresult result, CUgraphExec handle, CUgraph graph)
{
	struct executable *executable;

	if (result != CUDA_SUCCESS || !atomic_load(&pager_span))
		return result;
	executable = calloc(1, sizeof(*executable));
	if (!executable)
		return result;
	executable->handle = handle;
	read_graph(executable, graph);
	pthread_mutex_lock(&lock);
	HASH_ADD_PTR(executables, handle, executable);
	pthread_mutex_unlock(&lock);
	if (executable->lost) {
		clear(executable);
		free(executable);
	}
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec *phGraphExec, CUgraph hGraph,
						       unsigned long long flags)
{
	CUresult result;

	if (!driver_has(cuGraphInstantiateWithFlags))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuGraphInstantiateWithFlags)(phGraphExec, hGraph, flags);
	return made(result, result == CUDA_SUCCESS ? *phGraphExec : NULL, hGraph);
}

LT_EXPORT CUresult CUDAAPI cuGraphInstantiateWithParams(
    CUgraphExec *phGraphExec, CUgraph hGraph, CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams)
{
	CUresult result;

	if (!driver_has(cuGraphInstantiateWithParams))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuGraphInstantiateWithParams)(phGraphExec, hGraph, instantiateParams);
	return made(result, result == CUDA_SUCCESS ? *phGraphExec : NULL, hGraph);
}

LT_EXPORT CUresult CUDAAPI cuGraphInstantiateWithParams_ptsz(
    CUgraphExec *phGraphExec, CUgraph hGraph, CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams)
{
	CUresult result;

	if (!driver_has(cuGraphInstantiateWithParams_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result =
	    real(cuGraphInstantiateWithParams_ptsz)(phGraphExec, hGraph, instantiateParams);
	return made(result, result == CUDA_SUCCESS ? *phGraphExec : NULL, hGraph);
}

LT_EXPORT CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec hGraphExec)
{
	struct executable *executable;
	CUresult result;

	if (!driver_has(cuGraphExecDestroy))
		return CUDA_ERROR_NOT_FOUND;
	pthread_mutex_lock(&lock);
	executable = find(hGraphExec);
	if (executable)
		HASH_DEL(executables, executable);
	pthread_mutex_unlock(&lock);
	result = real(cuGraphExecDestroy)(hGraphExec);
	if (executable) {
		clear(executable);
		free(executable);
	}
	return result;
}

/* The whole graph again: what it names now, and besides what it named before (a launch may be
 * under way). */
LT_EXPORT CUresult CUDAAPI cuGraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph,
						CUgraphExecUpdateResultInfo *resultInfo)
{
	struct executable *executable;
	CUresult result;

	if (!driver_has(cuGraphExecUpdate_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuGraphExecUpdate_v2)(hGraphExec, hGraph, resultInfo);
	if (result != CUDA_SUCCESS)
		return result;
	pthread_mutex_lock(&lock);
	executable = find(hGraphExec);
	if (executable) {
		executable->address_count = 0;
		read_graph(executable, hGraph);
	}
	pthread_mutex_unlock(&lock);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGraphExecKernelNodeSetParams_v2(
    CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	struct executable *executable;
	CUresult result;

	if (!driver_has(cuGraphExecKernelNodeSetParams_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuGraphExecKernelNodeSetParams_v2)(hGraphExec, hNode, nodeParams);
	pthread_mutex_lock(&lock);
	executable = result == CUDA_SUCCESS ? find(hGraphExec) : NULL;
	if (executable)
		read_kernel(executable, nodeParams);
	pthread_mutex_unlock(&lock);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGraphExecMemcpyNodeSetParams(CUgraphExec hGraphExec,
							  CUgraphNode hNode,
							  const CUDA_MEMCPY3D *copyParams,
							  CUcontext ctx)
{
	struct executable *executable;
	CUresult result;

	if (!driver_has(cuGraphExecMemcpyNodeSetParams))
		return CUDA_ERROR_NOT_FOUND;
	pthread_mutex_lock(&lock);
	executable = find(hGraphExec);
	if (executable && copyParams)
		read_copy(executable, copyParams);
	pthread_mutex_unlock(&lock);
	result = real(cuGraphExecMemcpyNodeSetParams)(hGraphExec, hNode, copyParams, ctx);
	return result;
}

LT_EXPORT CUresult CUDAAPI
cuGraphExecMemsetNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
			       const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext ctx)
{
	struct executable *executable;

	if (!driver_has(cuGraphExecMemsetNodeSetParams))
		return CUDA_ERROR_NOT_FOUND;
	pthread_mutex_lock(&lock);
	executable = find(hGraphExec);
	if (executable && memsetParams)
		add_pinned(executable, memsetParams->dst,
			   span(memsetParams->pitch,
				memsetParams->width * memsetParams->elementSize,
				memsetParams->height, 0, 1));
	pthread_mutex_unlock(&lock);
	return real(cuGraphExecMemsetNodeSetParams)(hGraphExec, hNode, memsetParams, ctx);
}

/* What the executable names, as one launch does. */
static CUresult before(CUgraphExec handle, struct pager_use *use)
{
	struct executable *executable;
	CUresult result = CUDA_SUCCESS;

	*use = (struct pager_use){NULL, 0};
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	executable = find(handle);
	if (executable)
		result = pager_use(executable->addresses, executable->address_count, use);
	pthread_mutex_unlock(&lock);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGraphLaunch(CUgraphExec hGraphExec, CUstream hStream)
{
	struct pager_use use;
	CUresult result;
	bool begun;

	if (!driver_has(cuGraphLaunch))
		return CUDA_ERROR_NOT_FOUND;
	result = before(hGraphExec, &use);
	if (result != CUDA_SUCCESS)
		return result;
	begun = work_begin();
	result = real(cuGraphLaunch)(hGraphExec, hStream);
	pager_used(&use, work_legacy(hStream), result != CUDA_SUCCESS);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuGraphLaunch_ptsz(CUgraphExec hGraphExec, CUstream hStream)
{
	struct pager_use use;
	CUresult result;
	bool begun;

	if (!driver_has(cuGraphLaunch_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = before(hGraphExec, &use);
	if (result != CUDA_SUCCESS)
		return result;
	begun = work_begin();
	result = real(cuGraphLaunch_ptsz)(hGraphExec, hStream);
	pager_used(&use, work_per_thread(hStream), result != CUDA_SUCCESS);
	return work_end(begun, work_per_thread(hStream), result);
}
