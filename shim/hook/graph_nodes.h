/*
 * What a graph names: the memory that its kernels are given, which a launch of it may use, and
 * that of its copies, memsets and operations on values, whose addresses are resolved when it
 * becomes executable: brought to one home, and pinned until graph_nodes_clear. Owns its lists;
 * whoever owns the struct guards it. Takes the pagers' locks.
 */
#ifndef LOWTIDE_GRAPH_NODES_H
#define LOWTIDE_GRAPH_NODES_H

#include "base/table.h"

#include <cuda.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct graph_address {
	uint64_t address;
	bool lost;
	UT_hash_handle hh;
};

struct graph_nodes {
	uint64_t *addresses; /* that kernels name, each once */
	size_t address_count, address_room;
	struct graph_address *seen; /* the same, to find one */
	struct pinned {
		uint64_t start, bytes;
	} * pinned;
	size_t pinned_count;
	bool unknown; /* has kernels of which nobody knows what they are given */
	bool unread;  /* has nodes that nobody can read: nothing moves while it lives */
};

/* Each adds to what is named already. */
void graph_nodes_read_graph(struct graph_nodes *named, CUgraph graph);
void graph_nodes_read_params(struct graph_nodes *named, const CUgraphNodeParams *params);
void graph_nodes_read_kernel(struct graph_nodes *named, const CUDA_KERNEL_NODE_PARAMS *kernel);
void graph_nodes_read_memcpy(struct graph_nodes *named, const CUDA_MEMCPY3D *copy);
void graph_nodes_read_memset(struct graph_nodes *named, const CUDA_MEMSET_NODE_PARAMS *fill);
void graph_nodes_read_memops(struct graph_nodes *named,
			     const CUDA_BATCH_MEM_OP_NODE_PARAMS *batch);
/* Unpins, and names nothing any more. */
void graph_nodes_clear(struct graph_nodes *named);

#endif
