/* Graphs: nodes own copies of their parameters; a launch replays them in dependency order. */
#include "graph.h"

#include "sim.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_ulong next_serial = 1;

/* --- parameters ------------------------------------------------------------------------- */

static size_t params_end(CUfunction function, size_t *count)
{
	size_t offset, bytes, end = 0;

	*count = 0;
	while (sim_param_info(function, *count, &offset, &bytes) == CUDA_SUCCESS) {
		end = offset + bytes;
		++*count;
	}
	return end;
}

/* One block of memory: the pointer array, then the packed values it points into. */
static CUresult kernel_copy(CUDA_KERNEL_NODE_PARAMS_v2 *to,
			    const CUDA_KERNEL_NODE_PARAMS_v2 *from)
{
	size_t count, offset, bytes, end;
	const unsigned char *packed = NULL;
	unsigned char *values;
	void **array;

	if (!from->func && !from->kern)
		return CUDA_ERROR_INVALID_VALUE;
	*to = *from;
	if (!to->func && cuKernelGetFunction(&to->func, to->kern) != CUDA_SUCCESS)
		return CUDA_ERROR_INVALID_HANDLE;
	end = params_end(to->func, &count);
	for (void **e = from->extra; e && *e != CU_LAUNCH_PARAM_END; e += 2)
		if (*e == CU_LAUNCH_PARAM_BUFFER_POINTER)
			packed = e[1];
	if (count && !packed && !from->kernelParams)
		return CUDA_ERROR_INVALID_VALUE;
	array = calloc(1, (count + 1) * sizeof(*array) + end + 16);
	if (!array)
		return CUDA_ERROR_OUT_OF_MEMORY;
	values = (unsigned char *)(array + count + 1);
	for (size_t i = 0; i < count; i++) {
		sim_param_info(to->func, i, &offset, &bytes);
		array[i] = values + offset;
		memcpy(array[i], packed ? packed + offset : from->kernelParams[i], bytes);
	}
	to->kernelParams = array;
	to->extra = NULL;
	return CUDA_SUCCESS;
}

static CUgraph graph_copy(CUgraph from);
static void graph_free(CUgraph graph);

static void node_clear(CUgraphNode node)
{
	if (node->type == CU_GRAPH_NODE_TYPE_KERNEL)
		free(node->u.kernel.kernelParams);
	if (node->type == CU_GRAPH_NODE_TYPE_GRAPH)
		graph_free(node->u.child);
	memset(&node->u, 0, sizeof(node->u));
}

/* Replaces the node's parameters only if the new ones are good. */
static CUresult node_set(CUgraphNode node, const void *params)
{
	struct CUgraphNode_st fresh = {.type = node->type};
	CUresult result = CUDA_SUCCESS;

	if (!params && node->type != CU_GRAPH_NODE_TYPE_EMPTY)
		return CUDA_ERROR_INVALID_VALUE;
	switch ((int)node->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		result = kernel_copy(&fresh.u.kernel, params);
		break;
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		fresh.u.memcpy = *(const CUDA_MEMCPY3D *)params;
		break;
	case CU_GRAPH_NODE_TYPE_MEMSET:
		fresh.u.memset = *(const CUDA_MEMSET_NODE_PARAMS *)params;
		if (fresh.u.memset.elementSize != 1 && fresh.u.memset.elementSize != 2 &&
		    fresh.u.memset.elementSize != 4)
			result = CUDA_ERROR_INVALID_VALUE;
		break;
	case CU_GRAPH_NODE_TYPE_HOST:
		fresh.u.host = *(const CUDA_HOST_NODE_PARAMS *)params;
		if (!fresh.u.host.fn)
			result = CUDA_ERROR_INVALID_VALUE;
		break;
	case CU_GRAPH_NODE_TYPE_GRAPH:
		fresh.u.child = graph_copy((CUgraph)(void *)params);
		if (!fresh.u.child)
			result = CUDA_ERROR_OUT_OF_MEMORY;
		break;
	default:
		break;
	}
	if (result != CUDA_SUCCESS)
		return result;
	node_clear(node);
	node->u = fresh.u;
	return CUDA_SUCCESS;
}

static const void *node_params(CUgraphNode node)
{
	return node->type == CU_GRAPH_NODE_TYPE_GRAPH ? (const void *)node->u.child : &node->u;
}

/* --- construction ----------------------------------------------------------------------- */

static CUresult node_depend(CUgraphNode node, const CUgraphNode *deps, size_t count)
{
	CUgraphNode *grown;

	if (!count)
		return CUDA_SUCCESS;
	if (!deps)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		if (!deps[i] || deps[i]->graph != node->graph || deps[i] == node)
			return CUDA_ERROR_INVALID_VALUE;
	grown = realloc(node->deps, (node->dep_count + count) * sizeof(*grown));
	if (!grown)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(grown + node->dep_count, deps, count * sizeof(*grown));
	node->deps = grown;
	node->dep_count += count;
	return CUDA_SUCCESS;
}

static void node_free(CUgraphNode node)
{
	node_clear(node);
	free(node->deps);
	free(node);
}

CUresult sim_graph_add(CUgraphNode *out, CUgraph graph, const CUgraphNode *deps, size_t count,
		       CUgraphNodeType type, const void *params)
{
	CUgraphNode node, *grown;
	CUresult result;

	if (!out || !graph)
		return CUDA_ERROR_INVALID_VALUE;
	node = calloc(1, sizeof(*node));
	grown = realloc(graph->nodes, (graph->count + 1) * sizeof(*grown));
	if (grown)
		graph->nodes = grown;
	if (!node || !grown) {
		free(node);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	node->graph = graph;
	node->type = type;
	node->serial = atomic_fetch_add(&next_serial, 1);
	result = node_set(node, params);
	if (result == CUDA_SUCCESS)
		result = node_depend(node, deps, count);
	if (result != CUDA_SUCCESS) {
		node_free(node);
		return result;
	}
	graph->nodes[graph->count++] = node;
	*out = node;
	return CUDA_SUCCESS;
}

static void graph_free(CUgraph graph)
{
	if (!graph)
		return;
	for (size_t i = 0; i < graph->count; i++)
		node_free(graph->nodes[i]);
	free(graph->nodes);
	free(graph);
}

static CUgraph graph_copy(CUgraph from)
{
	CUgraph to = calloc(1, sizeof(*to));

	for (size_t i = 0; to && i < from->count; i++) {
		CUgraphNode old = from->nodes[i];

		if (sim_graph_add(&old->twin, to, NULL, 0, old->type, node_params(old)) !=
		    CUDA_SUCCESS) {
			graph_free(to);
			return NULL;
		}
		old->twin->serial = old->serial;
	}
	for (size_t i = 0; to && i < from->count; i++)
		for (size_t d = 0; d < from->nodes[i]->dep_count; d++)
			node_depend(from->nodes[i]->twin, &from->nodes[i]->deps[d]->twin, 1);
	return to;
}

static CUgraphNode node_twin(CUgraphExec exec, CUgraphNode node)
{
	for (size_t i = 0; exec && node && i < exec->graph->count; i++)
		if (exec->graph->nodes[i]->serial == node->serial)
			return exec->graph->nodes[i];
	return NULL;
}

/* --- where memory is ---------------------------------------------------------------------- */

static void side_places(const CUDA_MEMCPY3D *c, bool dst, struct sim_places *places)
{
	CUdeviceptr at = dst ? c->dstDevice : c->srcDevice;
	size_t pitch = dst ? c->dstPitch : c->srcPitch,
	       x = dst ? c->dstXInBytes : c->srcXInBytes;

	if ((dst ? c->dstMemoryType : c->srcMemoryType) != CU_MEMORYTYPE_HOST)
		sim_places_of(at + x, (c->Height - 1) * pitch + c->WidthInBytes, places);
}

/* Of a node that is a copy or a fill: what lies behind its addresses now. */
static struct sim_places node_places(CUgraphNode node)
{
	struct sim_places places = {0};
	const CUDA_MEMSET_NODE_PARAMS *m = &node->u.memset;

	if (node->type == CU_GRAPH_NODE_TYPE_MEMCPY) {
		side_places(&node->u.memcpy, true, &places);
		side_places(&node->u.memcpy, false, &places);
	} else if (node->type == CU_GRAPH_NODE_TYPE_MEMSET) {
		sim_places_of(m->dst, (m->height - 1) * m->pitch + m->width * m->elementSize,
			      &places);
	}
	return places;
}

static void node_resolve(CUgraphNode node)
{
	node->places = node_places(node);
}

/* A graph's copies and fills resolve their addresses when it becomes executable. */
static void resolve(CUgraph graph)
{
	for (size_t i = 0; i < graph->count; i++) {
		node_resolve(graph->nodes[i]);
		if (graph->nodes[i]->type == CU_GRAPH_NODE_TYPE_GRAPH)
			resolve(graph->nodes[i]->u.child);
	}
}

/* --- running ---------------------------------------------------------------------------- */

static CUresult graph_run(CUgraph graph, CUstream stream, int only_check);

static CUresult node_run(CUgraphNode node, CUstream s)
{
	const CUDA_KERNEL_NODE_PARAMS_v2 *k = &node->u.kernel;
	const CUDA_MEMSET_NODE_PARAMS *m = &node->u.memset;
	size_t pitch = m->height > 1 ? m->pitch : m->width * m->elementSize;
	struct sim_places places = node_places(node);

	if (places.sum != node->places.sum) {
		sim_count(SIM_REMAP_RACES, 1);
		fprintf(stderr,
			"simulated GPU: a graph's copy or fill reaches what its addresses "
			"were mapped to when it was instantiated, which they no longer are\n");
		return CUDA_ERROR_ILLEGAL_ADDRESS;
	}
	switch ((int)node->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		return cuLaunchKernel(k->func, k->gridDimX, k->gridDimY, k->gridDimZ,
				      k->blockDimX, k->blockDimY, k->blockDimZ,
				      k->sharedMemBytes, s, k->kernelParams, NULL);
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		return cuMemcpy3DAsync_v2(&node->u.memcpy, s);
	case CU_GRAPH_NODE_TYPE_MEMSET:
		if (m->elementSize == 1)
			return cuMemsetD2D8Async(m->dst, pitch, (unsigned char)m->value,
						 m->width, m->height, s);
		if (m->elementSize == 2)
			return cuMemsetD2D16Async(m->dst, pitch, (unsigned short)m->value,
						  m->width, m->height, s);
		return cuMemsetD2D32Async(m->dst, pitch, m->value, m->width, m->height, s);
	case CU_GRAPH_NODE_TYPE_HOST:
		return cuLaunchHostFunc(s, node->u.host.fn, node->u.host.userData);
	case CU_GRAPH_NODE_TYPE_GRAPH:
		return graph_run(node->u.child, s, 0);
	default:
		return CUDA_SUCCESS;
	}
}

/* Runs each node after those it depends on; a cycle is an invalid value. */
static CUresult graph_run(CUgraph graph, CUstream stream, int only_check)
{
	size_t left = graph->count, before;
	CUresult result;

	for (size_t i = 0; i < graph->count; i++)
		graph->nodes[i]->done = 0;
	do {
		before = left;
		for (size_t i = 0; i < graph->count; i++) {
			CUgraphNode node = graph->nodes[i];
			int ready = !node->done;

			for (size_t d = 0; d < node->dep_count; d++)
				ready = ready && node->deps[d]->done;
			if (!ready)
				continue;
			result = only_check ? CUDA_SUCCESS : node_run(node, stream);
			if (result != CUDA_SUCCESS)
				return result;
			node->done = 1;
			left--;
		}
	} while (left && left < before);
	return left ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* --- the driver's functions -------------------------------------------------------------- */

SIM_EXPORT CUresult cuGraphCreate(CUgraph *out, unsigned int flags)
{
	SIM_CALL_ANYWHERE();
	if (!out || flags)
		return CUDA_ERROR_INVALID_VALUE;
	*out = calloc(1, sizeof(**out));
	return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

SIM_EXPORT CUresult cuGraphDestroy(CUgraph graph)
{
	SIM_CALL_ANYWHERE();
	if (!graph)
		return CUDA_ERROR_INVALID_VALUE;
	graph_free(graph);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuGraphClone(CUgraph *out, CUgraph graph)
{
	SIM_CALL_ANYWHERE();
	if (!out || !graph)
		return CUDA_ERROR_INVALID_VALUE;
	*out = graph_copy(graph);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

#define ADD(name, params_t, kind)                                                              \
	SIM_EXPORT CUresult name(CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,     \
				 size_t count, const params_t *params)                         \
	{                                                                                      \
		SIM_CALL_ANYWHERE();                                                           \
		return sim_graph_add(out, graph, deps, count, kind, params);                   \
	}
ADD(cuGraphAddKernelNode_v2, CUDA_KERNEL_NODE_PARAMS_v2, CU_GRAPH_NODE_TYPE_KERNEL)
ADD(cuGraphAddHostNode, CUDA_HOST_NODE_PARAMS, CU_GRAPH_NODE_TYPE_HOST)

SIM_EXPORT CUresult cuGraphAddMemcpyNode(CUgraphNode *out, CUgraph graph,
					 const CUgraphNode *deps, size_t count,
					 const CUDA_MEMCPY3D *params, CUcontext ctx)
{
	SIM_CALL_ANYWHERE();
	(void)ctx;
	return sim_graph_add(out, graph, deps, count, CU_GRAPH_NODE_TYPE_MEMCPY, params);
}

SIM_EXPORT CUresult cuGraphAddMemsetNode(CUgraphNode *out, CUgraph graph,
					 const CUgraphNode *deps, size_t count,
					 const CUDA_MEMSET_NODE_PARAMS *params, CUcontext ctx)
{
	SIM_CALL_ANYWHERE();
	(void)ctx;
	return sim_graph_add(out, graph, deps, count, CU_GRAPH_NODE_TYPE_MEMSET, params);
}

SIM_EXPORT CUresult cuGraphAddEmptyNode(CUgraphNode *out, CUgraph graph,
					const CUgraphNode *deps, size_t count)
{
	SIM_CALL_ANYWHERE();
	return sim_graph_add(out, graph, deps, count, CU_GRAPH_NODE_TYPE_EMPTY, NULL);
}

SIM_EXPORT CUresult cuGraphAddChildGraphNode(CUgraphNode *out, CUgraph graph,
					     const CUgraphNode *deps, size_t count,
					     CUgraph child)
{
	SIM_CALL_ANYWHERE();
	return sim_graph_add(out, graph, deps, count, CU_GRAPH_NODE_TYPE_GRAPH, child);
}

SIM_EXPORT CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph *out)
{
	SIM_CALL_ANYWHERE();
	if (!node || !out || node->type != CU_GRAPH_NODE_TYPE_GRAPH)
		return CUDA_ERROR_INVALID_VALUE;
	*out = node->u.child;
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode *from,
					      const CUgraphNode *to,
					      const CUgraphEdgeData *edges, size_t count)
{
	SIM_CALL_ANYWHERE();
	CUresult result = CUDA_SUCCESS;

	(void)edges;
	if (!graph || (count && (!from || !to)))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; result == CUDA_SUCCESS && i < count; i++)
		result = to[i] ? node_depend(to[i], &from[i], 1) : CUDA_ERROR_INVALID_VALUE;
	return result;
}

SIM_EXPORT CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count)
{
	SIM_CALL_ANYWHERE();
	if (!graph || !count)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; nodes && i < *count; i++)
		nodes[i] = i < graph->count ? graph->nodes[i] : NULL;
	if (!nodes || *count > graph->count)
		*count = graph->count;
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType *type)
{
	SIM_CALL_ANYWHERE();
	if (!node || !type)
		return CUDA_ERROR_INVALID_VALUE;
	*type = node->type;
	return CUDA_SUCCESS;
}

#define GET_SET(get, set, exec_set_decl, params_t, kind, member)                               \
	SIM_EXPORT CUresult get(CUgraphNode node, params_t *params)                            \
	{                                                                                      \
		SIM_CALL_ANYWHERE();                                                           \
		if (!node || !params || node->type != (kind))                                  \
			return CUDA_ERROR_INVALID_VALUE;                                       \
		*params = node->u.member;                                                      \
		return CUDA_SUCCESS;                                                           \
	}                                                                                      \
	SIM_EXPORT CUresult set(CUgraphNode node, const params_t *params)                      \
	{                                                                                      \
		SIM_CALL_ANYWHERE();                                                           \
		if (!node || node->type != (kind))                                             \
			return CUDA_ERROR_INVALID_VALUE;                                       \
		return node_set(node, params);                                                 \
	}                                                                                      \
	SIM_EXPORT CUresult exec_set_decl                                                      \
	{                                                                                      \
		SIM_CALL_ANYWHERE();                                                           \
		CUgraphNode twin = node_twin(exec, node);                                      \
                                                                                               \
		CUresult result = CUDA_ERROR_INVALID_VALUE;                                    \
                                                                                               \
		if (twin && twin->type == (kind))                                              \
			result = node_set(twin, params);                                       \
		if (result == CUDA_SUCCESS)                                                    \
			node_resolve(twin);                                                    \
		return result;                                                                 \
	}
GET_SET(cuGraphKernelNodeGetParams_v2, cuGraphKernelNodeSetParams_v2,
	cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode node,
					  const CUDA_KERNEL_NODE_PARAMS_v2 *params),
	CUDA_KERNEL_NODE_PARAMS_v2, CU_GRAPH_NODE_TYPE_KERNEL, kernel)
GET_SET(cuGraphHostNodeGetParams, cuGraphHostNodeSetParams,
	cuGraphExecHostNodeSetParams(CUgraphExec exec, CUgraphNode node,
				     const CUDA_HOST_NODE_PARAMS *params),
	CUDA_HOST_NODE_PARAMS, CU_GRAPH_NODE_TYPE_HOST, host)
GET_SET(cuGraphMemcpyNodeGetParams, cuGraphMemcpyNodeSetParams,
	cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode node,
				       const CUDA_MEMCPY3D *params,
				       __attribute__((unused)) CUcontext ctx),
	CUDA_MEMCPY3D, CU_GRAPH_NODE_TYPE_MEMCPY, memcpy)
GET_SET(cuGraphMemsetNodeGetParams, cuGraphMemsetNodeSetParams,
	cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode node,
				       const CUDA_MEMSET_NODE_PARAMS *params,
				       __attribute__((unused)) CUcontext ctx),
	CUDA_MEMSET_NODE_PARAMS, CU_GRAPH_NODE_TYPE_MEMSET, memset)

/* Of the types whose parameters can be changed here, and no other. */
SIM_EXPORT CUresult cuGraphExecNodeSetParams(CUgraphExec exec, CUgraphNode node,
					     CUgraphNodeParams *params)
{
	CUDA_KERNEL_NODE_PARAMS kernel;
	CUDA_MEMSET_NODE_PARAMS fill;

	if (!params)
		return CUDA_ERROR_INVALID_VALUE;
	switch ((int)params->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		kernel = (CUDA_KERNEL_NODE_PARAMS){
		    .func = params->kernel.func,
		    .kern = params->kernel.kern,
		    .ctx = params->kernel.ctx,
		    .gridDimX = params->kernel.gridDimX,
		    .gridDimY = params->kernel.gridDimY,
		    .gridDimZ = params->kernel.gridDimZ,
		    .blockDimX = params->kernel.blockDimX,
		    .blockDimY = params->kernel.blockDimY,
		    .blockDimZ = params->kernel.blockDimZ,
		    .sharedMemBytes = params->kernel.sharedMemBytes,
		    .kernelParams = params->kernel.kernelParams,
		    .extra = params->kernel.extra,
		};
		return cuGraphExecKernelNodeSetParams_v2(exec, node, &kernel);
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		return cuGraphExecMemcpyNodeSetParams(exec, node, &params->memcpy.copyParams,
						      params->memcpy.copyCtx);
	case CU_GRAPH_NODE_TYPE_MEMSET:
		fill = (CUDA_MEMSET_NODE_PARAMS){
		    .dst = params->memset.dst,
		    .pitch = params->memset.pitch,
		    .value = params->memset.value,
		    .elementSize = params->memset.elementSize,
		    .width = params->memset.width,
		    .height = params->memset.height,
		};
		return cuGraphExecMemsetNodeSetParams(exec, node, &fill, params->memset.ctx);
	default:
		return CUDA_ERROR_NOT_SUPPORTED;
	}
}

SIM_EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph,
						unsigned long long flags)
{
	SIM_CALL_ANYWHERE();
	CUresult result;

	(void)flags;
	if (!out || !graph)
		return CUDA_ERROR_INVALID_VALUE;
	result = graph_run(graph, NULL, 1);
	if (result != CUDA_SUCCESS)
		return result;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return CUDA_ERROR_OUT_OF_MEMORY;
	(*out)->graph = graph_copy(graph);
	if (!(*out)->graph) {
		free(*out);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	resolve((*out)->graph);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuGraphInstantiate_v2(CUgraphExec *out, CUgraph graph, CUgraphNode *error,
					  char *log, size_t bytes)
{
	if (error)
		*error = NULL;
	if (log && bytes)
		*log = '\0';
	return cuGraphInstantiateWithFlags(out, graph, 0);
}

SIM_EXPORT CUresult cuGraphInstantiate(CUgraphExec *out, CUgraph graph, CUgraphNode *error,
				       char *log, size_t bytes)
{
	return cuGraphInstantiate_v2(out, graph, error, log, bytes);
}

SIM_EXPORT CUresult cuGraphExecDestroy(CUgraphExec exec)
{
	SIM_CALL_ANYWHERE();
	if (!exec)
		return CUDA_ERROR_INVALID_VALUE;
	graph_free(exec->graph);
	free(exec);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
	SIM_CALL();
	return exec ? graph_run(exec->graph, stream, 0) : CUDA_ERROR_INVALID_VALUE;
}

SIM_EXPORT CUresult cuGraphUpload(CUgraphExec exec, CUstream stream)
{
	SIM_CALL_ANYWHERE();
	(void)stream;
	return exec ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* The new graph must have the same nodes, of the same types, in the same order of creation. */
SIM_EXPORT CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph,
					 CUgraphExecUpdateResultInfo *info)
{
	SIM_CALL_ANYWHERE();
	CUgraph copy;

	if (!exec || !graph || !info)
		return CUDA_ERROR_INVALID_VALUE;
	memset(info, 0, sizeof(*info));
	info->result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
	if (graph->count != exec->graph->count)
		info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
	for (size_t i = 0; info->result == CU_GRAPH_EXEC_UPDATE_SUCCESS && i < graph->count;
	     i++) {
		CUgraphNode a = graph->nodes[i], b = exec->graph->nodes[i];

		if (a->type != b->type)
			info->result = CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
		else if (a->dep_count != b->dep_count)
			info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
		if (info->result != CU_GRAPH_EXEC_UPDATE_SUCCESS)
			info->errorNode = a;
	}
	if (info->result != CU_GRAPH_EXEC_UPDATE_SUCCESS)
		return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
	copy = graph_copy(graph);
	if (!copy)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < copy->count; i++)
		copy->nodes[i]->serial = exec->graph->nodes[i]->serial;
	graph_free(exec->graph);
	exec->graph = copy;
	resolve(copy);
	return CUDA_SUCCESS;
}
