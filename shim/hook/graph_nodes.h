/*
 * What a graph names: the memory that its kernels are given, which a launch of it may use, and
 * that of its copies, fills and operations on values, whose addresses are resolved when it
 * becomes executable: brought to one home, and pinned until named_clear. Owns its lists;
 * whoever owns the struct guards it. Takes the pagers' locks.
 */
#ifndef LOWTIDE_GRAPH_NAMES_H
#define LOWTIDE_GRAPH_NAMES_H

#include <cuda.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct named {
	uint64_t *addresses; /* that kernels name, each once */
	size_t address_count;
	uint32_t *index; /* by address: its place + 1, see slot_of */
	size_t index_room;
	struct pinned {
		uint64_t start, bytes;
	} * pinned;
	size_t pinned_count;
	bool unknown; /* has kernels of which nobody knows what they are given */
	bool unread;  /* has nodes that nobody can read: nothing moves while it lives */
};

/* Each adds to what is named already. */
void named_read_graph(struct named *named, CUgraph graph);
void named_read_params(struct named *named, const CUgraphNodeParams *params);
void named_read_kernel(struct named *named, const CUDA_KERNEL_NODE_PARAMS *kernel);
void named_read_copy(struct named *named, const CUDA_MEMCPY3D *copy);
void named_read_fill(struct named *named, const CUDA_MEMSET_NODE_PARAMS *fill);
void named_read_operations(struct named *named, const CUDA_BATCH_MEM_OP_NODE_PARAMS *batch);
/* Unpins, and names nothing any more. */
void named_clear(struct named *named);

#endif
