/* Graphs: what their nodes name must be where they found it when they became executable. */
#include "edges.h"

typedef CUresult (*instantiate_fn)(CUgraphExec *, CUgraph, CUgraphNode *, char *, size_t);

static CUgraphExec instantiate(CUgraph graph, int version)
{
	CUgraphExec exec;

	if (version < 11040) {
		instantiate_fn made =
		    (instantiate_fn)driver_function("cuGraphInstantiate", version, 0);

		MUST(made(&exec, graph, NULL, NULL, 0));
	} else {
		MUST(cuGraphInstantiate(&exec, graph, 0));
	}
	return exec;
}

static CUDA_MEMCPY3D flat_copy(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
	return (CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			       .srcDevice = src,
			       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			       .dstDevice = dst,
			       .WidthInBytes = bytes,
			       .Height = 1,
			       .Depth = 1};
}

/* Copies and fills of a graph know where their memory lies from when it became executable. */
static void graph_nodes(int version)
{
	CUdeviceptr pieces[PIECES];
	CUgraph graph;
	CUgraphExec exec[PIECES];

	start();
	fill_pieces(pieces);
	for (unsigned int i = 0; i < PIECES; i += 2) {
		CUDA_MEMCPY3D copy = flat_copy(pieces[i], pieces[i + 1], BYTES);
		CUDA_MEMSET_NODE_PARAMS set = {pieces[i + 1], 0, 7, 4, WORDS, 1};
		CUgraphNode node, after;

		MUST(cuGraphCreate(&graph, 0));
		MUST(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context));
		MUST(cuGraphAddMemsetNode(&after, graph, &node, 1, &set, context));
		exec[i] = instantiate(graph, version);
		MUST(cuGraphDestroy(graph));
	}
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < PIECES; i++)
			fill(pieces[i], 100 * i, BYTES, NULL);
		stir(pieces, NULL);
		for (unsigned int i = 0; i < PIECES; i += 2)
			MUST(cuGraphLaunch(exec[i], NULL));
		MUST(cuCtxSynchronize());
		for (unsigned int i = 0; i < PIECES; i += 2)
			check(pieces[i], 100 * (i + 1) + 3, BYTES);
	}
	for (unsigned int i = 0; i < PIECES; i += 2)
		MUST(cuGraphExecDestroy(exec[i]));
	stir(pieces, NULL);
}

void graph(void)
{
	graph_nodes(13000);
}

void graph_of_10_0(void)
{
	graph_nodes(10000);
}

void graph_of_11_0(void)
{
	graph_nodes(11000);
}

/* An executable that is made before anything is paged, then updated to name what is: as a
 * whole, and node by node. */
void graph_updates(void)
{
	CUdeviceptr pieces[PIECES], small[2];
	CUgraphExecUpdateResultInfo info;
	CUgraphNode copy_node, set_node;
	CUDA_MEMCPY3D small_copy;
	CUgraphExec exec;
	CUgraph graph;

	start();
	for (int i = 0; i < 2; i++)
		MUST(cuMemAlloc(&small[i], 4096));
	small_copy = flat_copy(small[1], small[0], 4096);
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddMemcpyNode(&copy_node, graph, NULL, 0, &small_copy, context));
	MUST(cuGraphAddMemsetNode(&set_node, graph, &copy_node, 1,
				  &(CUDA_MEMSET_NODE_PARAMS){small[0], 0, 7, 4, 1024, 1},
				  context));
	MUST(cuGraphInstantiate(&exec, graph, 0));
	fill_pieces(pieces);
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int from = i * 5 % PIECES, to = (from + 3) % PIECES;
		CUDA_MEMCPY3D copy = flat_copy(pieces[to], pieces[from], BYTES);
		CUDA_MEMSET_NODE_PARAMS set = {pieces[from], 0, i, 4, WORDS, 1};

		if (i % 2) {
			MUST(cuGraphExecMemcpyNodeSetParams(exec, copy_node, &copy, context));
			MUST(cuGraphExecMemsetNodeSetParams(exec, set_node, &set, context));
		} else {
			MUST(cuGraphMemcpyNodeSetParams(copy_node, &copy));
			MUST(cuGraphMemsetNodeSetParams(set_node, &set));
			MUST(cuGraphExecUpdate(exec, graph, &info));
		}
		for (unsigned int p = 0; p < PIECES; p++)
			fill(pieces[p], 100 * p, BYTES, NULL);
		if (i % 4 == 0)
			stir(pieces, NULL);
		MUST(cuGraphLaunch(exec, NULL));
		MUST(cuCtxSynchronize());
		check(pieces[to], 100 * from + (i % 4 == 0 ? 3 : 0), BYTES);
	}
	MUST(cuGraphExecDestroy(exec));
	MUST(cuGraphDestroy(graph));
	stir(pieces, NULL);
}
