/*
 * Graphs. What one names is read before it becomes executable, before it is updated, and is
 * made known to the pager as one launch.
 */
#include "hook/graph.h"

#include "driver/driver.h"
#include "driver/export.h"
#include "hook/graph_nodes.h"
#include "hook/work.h"
#include "base/lock.h"
#include "base/table.h"

#include <stdlib.h>

struct executable {
	CUgraphExec handle;
	struct graph_nodes named; /* guarded by lock once it is in the table */
	bool lost;
	UT_hash_handle hh;
};

static struct lock lock = LOCK(RANK_GRAPHS);
static struct executable *executables; /* guarded by lock */

/* Caller holds the lock. */
static struct executable *executable_find(CUgraphExec handle)
{
	struct executable *executable;

	HASH_FIND_PTR(executables, &handle, executable);
	return executable;
}

void graph_fork_prepare(void)
{
	lock_take(&lock);
}

void graph_fork_done(void)
{
	lock_give(&lock);
}

/* Called before the driver resolves the graph's addresses. Without a pager the graph names
 * nothing yet, but updates of it may. */
static struct executable *executable_prepare(CUgraph graph)
{
	struct executable *executable = graph ? calloc(1, sizeof(*executable)) : NULL;

	if (executable && atomic_load(&pager_span))
		graph_nodes_read_graph(&executable->named, graph);
	return executable;
}

static CUresult executable_made(struct executable *executable, CUresult result,
				const CUgraphExec *handle)
{
	if (!executable)
		return result;
	if (result == CUDA_SUCCESS) {
		executable->handle = *handle;
		lock_take(&lock);
		HASH_ADD_PTR(executables, handle, executable);
		lock_give(&lock);
	}
	if (result != CUDA_SUCCESS || executable->lost) {
		graph_nodes_clear(&executable->named);
		free(executable);
	}
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGraphInstantiate(CUgraphExec *phGraphExec, CUgraph hGraph,
					      CUgraphNode *phErrorNode, char *logBuffer,
					      size_t bufferSize)
{
	struct executable *executable;

	if (!driver_has(cuGraphInstantiate))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_prepare(hGraph);
	return executable_made(
	    executable,
	    real(cuGraphInstantiate)(phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize),
	    phGraphExec);
}

LT_EXPORT CUresult CUDAAPI cuGraphInstantiate_v2(CUgraphExec *phGraphExec, CUgraph hGraph,
						 CUgraphNode *phErrorNode, char *logBuffer,
						 size_t bufferSize)
{
	struct executable *executable;

	if (!driver_has(cuGraphInstantiate_v2))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_prepare(hGraph);
	return executable_made(executable,
			       real(cuGraphInstantiate_v2)(phGraphExec, hGraph, phErrorNode,
							   logBuffer, bufferSize),
			       phGraphExec);
}

LT_EXPORT CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec *phGraphExec, CUgraph hGraph,
						       unsigned long long flags)
{
	struct executable *executable;

	if (!driver_has(cuGraphInstantiateWithFlags))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_prepare(hGraph);
	return executable_made(executable,
			       real(cuGraphInstantiateWithFlags)(phGraphExec, hGraph, flags),
			       phGraphExec);
}

LT_EXPORT CUresult CUDAAPI cuGraphInstantiateWithParams(
    CUgraphExec *phGraphExec, CUgraph hGraph, CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams)
{
	struct executable *executable;

	if (!driver_has(cuGraphInstantiateWithParams))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_prepare(hGraph);
	return executable_made(
	    executable,
	    real(cuGraphInstantiateWithParams)(phGraphExec, hGraph, instantiateParams),
	    phGraphExec);
}

LT_EXPORT CUresult CUDAAPI cuGraphInstantiateWithParams_ptsz(
    CUgraphExec *phGraphExec, CUgraph hGraph, CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams)
{
	struct executable *executable;

	if (!driver_has(cuGraphInstantiateWithParams_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_prepare(hGraph);
	return executable_made(
	    executable,
	    real(cuGraphInstantiateWithParams_ptsz)(phGraphExec, hGraph, instantiateParams),
	    phGraphExec);
}

/* The driver refused to destroy the executable: it may be launched again. */
static CUresult executable_kept(struct executable *executable, CUresult result)
{
	if (!executable)
		return result;
	lock_take(&lock);
	HASH_ADD_PTR(executables, handle, executable);
	lock_give(&lock);
	if (executable->lost) {
		graph_nodes_clear(&executable->named);
		free(executable);
	}
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec hGraphExec)
{
	struct executable *executable;
	CUresult result;

	if (!driver_has(cuGraphExecDestroy))
		return CUDA_ERROR_NOT_FOUND;
	lock_take(&lock);
	executable = executable_find(hGraphExec);
	if (executable)
		HASH_DEL(executables, executable);
	lock_give(&lock);
	result = real(cuGraphExecDestroy)(hGraphExec);
	if (result != CUDA_SUCCESS)
		return executable_kept(executable, result);
	if (executable) {
		graph_nodes_clear(&executable->named);
		free(executable);
	}
	return result;
}

/* --- updates */

/* An update of the whole: what it names replaces what was named before. A launch of the old
 * that is under way is waited for before anything moves. */
static CUresult executable_replaced(CUgraphExec handle, struct executable *fresh,
				    CUresult result)
{
	struct executable *executable;

	if (!fresh)
		return result;
	lock_take(&lock);
	executable = result == CUDA_SUCCESS ? executable_find(handle) : NULL;
	if (executable) {
		HASH_DEL(executables, executable);
		fresh->handle = handle;
		HASH_ADD_PTR(executables, handle, fresh);
		fresh = fresh->lost ? fresh : NULL;
	}
	lock_give(&lock);
	for (int i = 0; i < 2; i++) {
		struct executable *gone = i ? fresh : executable;

		if (gone)
			graph_nodes_clear(&gone->named);
		free(gone);
	}
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGraphExecUpdate(CUgraphExec hGraphExec, CUgraph hGraph,
					     CUgraphNode *hErrorNode_out,
					     CUgraphExecUpdateResult *updateResult_out)
{
	struct executable *fresh;

	if (!driver_has(cuGraphExecUpdate))
		return CUDA_ERROR_NOT_FOUND;
	fresh = executable_prepare(hGraph);
	return executable_replaced(
	    hGraphExec, fresh,
	    real(cuGraphExecUpdate)(hGraphExec, hGraph, hErrorNode_out, updateResult_out));
}

LT_EXPORT CUresult CUDAAPI cuGraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph,
						CUgraphExecUpdateResultInfo *resultInfo)
{
	struct executable *fresh;

	if (!driver_has(cuGraphExecUpdate_v2))
		return CUDA_ERROR_NOT_FOUND;
	fresh = executable_prepare(hGraph);
	return executable_replaced(hGraphExec, fresh,
				   real(cuGraphExecUpdate_v2)(hGraphExec, hGraph, resultInfo));
}

/* An update of one node: what it names is added to what was named before, because the driver
 * may refuse the update. NULL: not seen being made. The lock is held until executable_let_go.
 */
static struct executable *executable_hold(CUgraphExec handle)
{
	lock_take(&lock);
	return executable_find(handle);
}

static CUresult executable_let_go(CUresult result)
{
	lock_give(&lock);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuGraphExecKernelNodeSetParams(
    CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	struct executable *executable;
	CUDA_KERNEL_NODE_PARAMS kernel = {0};

	if (!driver_has(cuGraphExecKernelNodeSetParams))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_hold(hGraphExec);
	if (executable && nodeParams) {
		kernel.func = nodeParams->func;
		kernel.kernelParams = nodeParams->kernelParams;
		kernel.extra = nodeParams->extra;
		graph_nodes_read_kernel(&executable->named, &kernel);
	}
	return executable_let_go(
	    real(cuGraphExecKernelNodeSetParams)(hGraphExec, hNode, nodeParams));
}

LT_EXPORT CUresult CUDAAPI cuGraphExecKernelNodeSetParams_v2(
    CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	struct executable *executable;

	if (!driver_has(cuGraphExecKernelNodeSetParams_v2))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_hold(hGraphExec);
	if (executable && nodeParams)
		graph_nodes_read_kernel(&executable->named, nodeParams);
	return executable_let_go(
	    real(cuGraphExecKernelNodeSetParams_v2)(hGraphExec, hNode, nodeParams));
}

LT_EXPORT CUresult CUDAAPI cuGraphExecMemcpyNodeSetParams(CUgraphExec hGraphExec,
							  CUgraphNode hNode,
							  const CUDA_MEMCPY3D *copyParams,
							  CUcontext ctx)
{
	struct executable *executable;

	if (!driver_has(cuGraphExecMemcpyNodeSetParams))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_hold(hGraphExec);
	if (executable && copyParams)
		graph_nodes_read_memcpy(&executable->named, copyParams);
	return executable_let_go(
	    real(cuGraphExecMemcpyNodeSetParams)(hGraphExec, hNode, copyParams, ctx));
}

LT_EXPORT CUresult CUDAAPI
cuGraphExecMemsetNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
			       const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext ctx)
{
	struct executable *executable;

	if (!driver_has(cuGraphExecMemsetNodeSetParams))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_hold(hGraphExec);
	if (executable && memsetParams)
		graph_nodes_read_memset(&executable->named, memsetParams);
	return executable_let_go(
	    real(cuGraphExecMemsetNodeSetParams)(hGraphExec, hNode, memsetParams, ctx));
}

LT_EXPORT CUresult CUDAAPI cuGraphExecChildGraphNodeSetParams(CUgraphExec hGraphExec,
							      CUgraphNode hNode,
							      CUgraph childGraph)
{
	struct executable *executable;

	if (!driver_has(cuGraphExecChildGraphNodeSetParams))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_hold(hGraphExec);
	if (executable && childGraph)
		graph_nodes_read_graph(&executable->named, childGraph);
	return executable_let_go(
	    real(cuGraphExecChildGraphNodeSetParams)(hGraphExec, hNode, childGraph));
}

LT_EXPORT CUresult CUDAAPI cuGraphExecBatchMemOpNodeSetParams(
    CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams)
{
	struct executable *executable;

	if (!driver_has(cuGraphExecBatchMemOpNodeSetParams))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_hold(hGraphExec);
	if (executable && nodeParams)
		graph_nodes_read_memops(&executable->named, nodeParams);
	return executable_let_go(
	    real(cuGraphExecBatchMemOpNodeSetParams)(hGraphExec, hNode, nodeParams));
}

LT_EXPORT CUresult CUDAAPI cuGraphExecNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
						    CUgraphNodeParams *nodeParams)
{
	struct executable *executable;

	if (!driver_has(cuGraphExecNodeSetParams))
		return CUDA_ERROR_NOT_FOUND;
	executable = executable_hold(hGraphExec);
	if (executable && nodeParams)
		graph_nodes_read_params(&executable->named, nodeParams);
	return executable_let_go(real(cuGraphExecNodeSetParams)(hGraphExec, hNode, nodeParams));
}

/* --- launches */

/* All that the executable names is made known as if one kernel named it. */
static CUresult graph_launch_begin(struct work *work, CUstream stream, CUgraphExec handle)
{
	const struct graph_nodes nothing = {0}, *named = &nothing;
	struct executable *executable;
	CUresult result;

	work_init(work, stream);
	if (!handle || !atomic_load_explicit(&pager_span, memory_order_relaxed))
		return CUDA_SUCCESS;
	lock_take(&lock);
	executable = executable_find(handle);
	if (executable)
		named = &executable->named;
	else
		pager_unknown_work("a graph that was not seen being made");
	result = work_name_kernel(work, named->addresses, named->address_count,
				  !executable || named->unread || named->unknown);
	lock_give(&lock);
	return result;
}

/* `where`: the stream as the pager knows it. */
static CUresult graph_launch(PFN_cuGraphLaunch_v10000 call, CUgraphExec handle, CUstream stream,
			     CUstream where)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = graph_launch_begin(&work, where, handle);
	if (result == CUDA_SUCCESS)
		result = call(handle, stream);
	return work_end(&work, result);
}

LT_EXPORT CUresult CUDAAPI cuGraphLaunch(CUgraphExec hGraphExec, CUstream hStream)
{
	return graph_launch(DRIVERS(cuGraphLaunch), hGraphExec, hStream, work_legacy(hStream));
}

LT_EXPORT CUresult CUDAAPI cuGraphLaunch_ptsz(CUgraphExec hGraphExec, CUstream hStream)
{
	return graph_launch(DRIVERS(cuGraphLaunch_ptsz), hGraphExec, hStream,
			    work_per_thread(hStream));
}
