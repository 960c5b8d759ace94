/* Graphs as the simulator holds them. A graph that can run is a deep copy of the one it came
 * from. */
#ifndef SIM_GRAPH_H
#define SIM_GRAPH_H

#include "sim.h"

#include <cuda.h>
#include <stddef.h>

struct CUgraphNode_st {
	struct CUgraph_st *graph;
	unsigned long serial; /* the same in every copy: how an executable finds its node */
	CUgraphNodeType type;
	CUgraphNode *deps;
	size_t dep_count;
	CUgraphNode twin;	  /* its copy while a graph is being copied */
	int done;		  /* scratch of the walk in dependency order */
	struct sim_places places; /* of an executable's: when it became so */
	union {
		CUDA_KERNEL_NODE_PARAMS_v2 kernel;
		CUDA_MEMCPY3D memcpy;
		CUDA_MEMSET_NODE_PARAMS memset;
		CUDA_HOST_NODE_PARAMS host;
		CUgraph child;
	} u;
};

struct CUgraph_st {
	CUgraphNode *nodes;
	size_t count;
};

struct CUgraphExec_st {
	CUgraph graph;
};

CUresult sim_graph_add(CUgraphNode *out, CUgraph graph, const CUgraphNode *deps, size_t count,
		       CUgraphNodeType type, const void *params);

#endif
