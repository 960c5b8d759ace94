#include "hook/graph_nodes.h"
#include "order/freezes.h"

#include "driver/driver.h"
#include "hook/launch_params.h"
#include "hook/work.h"
#include "pager/copy_kernel.h"

#include <stdlib.h>

static bool addresses_grow(struct graph_nodes *named)
{
	size_t room = named->address_room ? 2 * named->address_room : 64;
	uint64_t *addresses;

	if (named->address_count < named->address_room)
		return true;
	addresses = realloc(named->addresses, room * sizeof(*addresses));
	if (!addresses)
		return false;
	named->addresses = addresses;
	named->address_room = room;
	return true;
}

/* A node that is updated again and again names the same again and again. False: no memory. */
static bool add_address(struct graph_nodes *named, uint64_t address)
{
	struct graph_address *seen;

	HASH_FIND(hh, named->seen, &address, sizeof(address), seen);
	if (seen)
		return true;
	seen = addresses_grow(named) ? calloc(1, sizeof(*seen)) : NULL;
	if (!seen)
		return false;
	seen->address = address;
	HASH_ADD(hh, named->seen, address, sizeof(address), seen);
	if (seen->lost) {
		free(seen);
		return false;
	}
	named->addresses[named->address_count++] = address;
	return true;
}

static void add_addresses(struct graph_nodes *named, const uint64_t *addresses, size_t count)
{
	pager_bar(addresses, count);
	for (size_t i = 0; i < count; i++)
		if (!add_address(named, addresses[i])) {
			named->unknown = true;
			return;
		}
}

static void add_pinned(struct graph_nodes *named, uint64_t start, uint64_t bytes)
{
	struct pinned *list;

	if (!pager_may_hold(start) || !pager_of(start))
		return;
	for (size_t i = 0; i < named->pinned_count; i++)
		if (named->pinned[i].start == start && named->pinned[i].bytes == bytes)
			return;
	one_home_pin(&(struct pager_range){start, bytes});
	/* If it could not be brought in now, it must be for the launch. */
	if (work_needs_residence())
		add_addresses(named, &start, 1);
	list = realloc(named->pinned, (named->pinned_count + 1) * sizeof(*list));
	if (!list)
		return; /* pinned for good */
	list[named->pinned_count++] = (struct pinned){start, bytes};
	named->pinned = list;
}

static uint64_t box_bytes(size_t pitch, size_t width, size_t height, size_t rows, size_t depth)
{
	size_t row = pitch ? pitch : width, plane = row * (rows ? rows : height);

	return (depth ? depth - 1 : 0) * plane + (height ? height - 1 : 0) * row + width;
}

void graph_nodes_read_memcpy(struct graph_nodes *named, const CUDA_MEMCPY3D *copy)
{
	add_pinned(named, copy->srcDevice,
		   box_bytes(copy->srcPitch, copy->srcXInBytes + copy->WidthInBytes,
			     copy->srcY + copy->Height, copy->srcHeight,
			     copy->srcZ + copy->Depth));
	add_pinned(named, copy->dstDevice,
		   box_bytes(copy->dstPitch, copy->dstXInBytes + copy->WidthInBytes,
			     copy->dstY + copy->Height, copy->dstHeight,
			     copy->dstZ + copy->Depth));
}

void graph_nodes_read_kernel(struct graph_nodes *named, const CUDA_KERNEL_NODE_PARAMS *kernel)
{
	uint64_t *addresses = calloc(LAUNCH_PARAMS_MOST, sizeof(*addresses));
	CUfunction function = kernel->func ? kernel->func : (CUfunction)kernel->kern;
	bool unknown = true;

	if (copy_kernel_is(function) && kernel->kernelParams) {
		/* A captured copy from RAM to RAM; this driver may not tell its parameters. */
		const uint64_t ends[] = {*(uint64_t *)kernel->kernelParams[0],
					 *(uint64_t *)kernel->kernelParams[2]};

		add_addresses(named, ends, 2);
		unknown = false;
	} else if (addresses)
		add_addresses(named, addresses,
			      launch_params_named(function, kernel->kernelParams, kernel->extra,
						  addresses, LAUNCH_PARAMS_MOST, &unknown));
	if (unknown)
		pager_unknown_work("a kernel of unknown parameters in a graph");
	named->unknown |= unknown;
	free(addresses);
}

void graph_nodes_read_memset(struct graph_nodes *named, const CUDA_MEMSET_NODE_PARAMS *fill)
{
	add_pinned(named, fill->dst,
		   box_bytes(fill->pitch, fill->width * fill->elementSize, fill->height, 0, 1));
}

/* Operations that wait for values in memory, or write them. */
void graph_nodes_read_memops(struct graph_nodes *named,
			     const CUDA_BATCH_MEM_OP_NODE_PARAMS *batch)
{
	for (unsigned int i = 0; batch->paramArray && i < batch->count; i++) {
		const CUstreamBatchMemOpParams *operation = &batch->paramArray[i];

		if (operation->operation == CU_STREAM_MEM_OP_WAIT_VALUE_32 ||
		    operation->operation == CU_STREAM_MEM_OP_WAIT_VALUE_64)
			add_pinned(named, operation->waitValue.address, 8);
		else if (operation->operation == CU_STREAM_MEM_OP_WRITE_VALUE_32 ||
			 operation->operation == CU_STREAM_MEM_OP_WRITE_VALUE_64)
			add_pinned(named, operation->writeValue.address, 8);
	}
}

static void cannot_read(struct graph_nodes *named)
{
	if (named->unread)
		return;
	named->unread = true;
	pager_unknown_work("a graph that cannot be read");
	/* Nothing moves after this: work that uses what is still in RAM will be refused. */
	if (work_needs_residence())
		unmapped_bring(NULL, 0, REACH_ALL);
	freezes_add(1);
}

static bool read_kernel_node(struct graph_nodes *named, CUgraphNode node)
{
	CUDA_KERNEL_NODE_PARAMS kernel = {0};
	CUDA_KERNEL_NODE_PARAMS_v1 older;

	if (real(cuGraphKernelNodeGetParams_v2)) {
		if (real(cuGraphKernelNodeGetParams_v2)(node, &kernel) != CUDA_SUCCESS)
			return false;
	} else if (real(cuGraphKernelNodeGetParams) &&
		   real(cuGraphKernelNodeGetParams)(node, &older) == CUDA_SUCCESS) {
		kernel.func = older.func;
		kernel.kernelParams = older.kernelParams;
		kernel.extra = older.extra;
	} else {
		return false;
	}
	graph_nodes_read_kernel(named, &kernel);
	return true;
}

/* False: the node may use memory, and nobody says which. */
static bool read_node(struct graph_nodes *named, CUgraphNode node)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS batch;
	CUDA_MEMSET_NODE_PARAMS fill;
	CUDA_MEMCPY3D copy;
	CUgraphNodeType type;
	CUgraph child;

	if (real(cuGraphNodeGetType)(node, &type) != CUDA_SUCCESS)
		return false;
	switch ((int)type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		return read_kernel_node(named, node);
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		if (!real(cuGraphMemcpyNodeGetParams) ||
		    real(cuGraphMemcpyNodeGetParams)(node, &copy) != CUDA_SUCCESS)
			return false;
		graph_nodes_read_memcpy(named, &copy);
		return true;
	case CU_GRAPH_NODE_TYPE_MEMSET:
		if (!real(cuGraphMemsetNodeGetParams) ||
		    real(cuGraphMemsetNodeGetParams)(node, &fill) != CUDA_SUCCESS)
			return false;
		graph_nodes_read_memset(named, &fill);
		return true;
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
		if (!real(cuGraphBatchMemOpNodeGetParams) ||
		    real(cuGraphBatchMemOpNodeGetParams)(node, &batch) != CUDA_SUCCESS)
			return false;
		graph_nodes_read_memops(named, &batch);
		return true;
	case CU_GRAPH_NODE_TYPE_GRAPH:
		if (!real(cuGraphChildGraphNodeGetGraph) ||
		    real(cuGraphChildGraphNodeGetGraph)(node, &child) != CUDA_SUCCESS)
			return false;
		graph_nodes_read_graph(named, child);
		return true;
	case CU_GRAPH_NODE_TYPE_HOST:
	case CU_GRAPH_NODE_TYPE_EMPTY:
	case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
	case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
	case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT:
	case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
	case CU_GRAPH_NODE_TYPE_MEM_FREE:
		return true;
	default: /* conditional nodes, and what later toolkits may bring */
		return false;
	}
}

void graph_nodes_read_graph(struct graph_nodes *named, CUgraph graph)
{
	size_t count = 0;
	CUgraphNode *nodes;

	if (!real(cuGraphGetNodes) || !real(cuGraphNodeGetType) ||
	    real(cuGraphGetNodes)(graph, NULL, &count) != CUDA_SUCCESS) {
		cannot_read(named);
		return;
	}
	nodes = calloc(count + 1, sizeof(*nodes));
	if (!nodes || (count && real(cuGraphGetNodes)(graph, nodes, &count) != CUDA_SUCCESS)) {
		cannot_read(named);
		count = 0;
	}
	for (size_t i = 0; i < count; i++)
		if (!read_node(named, nodes[i]))
			cannot_read(named);
	free(nodes);
}

void graph_nodes_read_params(struct graph_nodes *named, const CUgraphNodeParams *params)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS batch = {0};
	CUDA_KERNEL_NODE_PARAMS kernel = {0};

	switch ((int)params->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		kernel.func = params->kernel.func;
		kernel.kern = params->kernel.kern;
		kernel.kernelParams = params->kernel.kernelParams;
		kernel.extra = params->kernel.extra;
		graph_nodes_read_kernel(named, &kernel);
		break;
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		graph_nodes_read_memcpy(named, &params->memcpy.copyParams);
		break;
	case CU_GRAPH_NODE_TYPE_MEMSET:
		add_pinned(named, params->memset.dst,
			   box_bytes(params->memset.pitch,
				     params->memset.width * params->memset.elementSize,
				     params->memset.height, 0, 1));
		break;
	case CU_GRAPH_NODE_TYPE_GRAPH:
		graph_nodes_read_graph(named, params->graph.graph);
		break;
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
		batch.count = params->memOp.count;
		batch.paramArray = params->memOp.paramArray;
		graph_nodes_read_memops(named, &batch);
		break;
	default:
		break;
	}
}

void graph_nodes_clear(struct graph_nodes *named)
{
	struct graph_address *seen, *next;

	for (size_t i = 0; i < named->pinned_count; i++)
		pager_pin(named->pinned[i].start, named->pinned[i].bytes, false);
	free(named->pinned);
	HASH_ITER (hh, named->seen, seen, next) {
		HASH_DEL(named->seen, seen);
		free(seen);
	}
	free(named->addresses);
	if (named->unread)
		freezes_add(-1);
	*named = (struct graph_nodes){0};
}
