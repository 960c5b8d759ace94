/* What the nodes of a graph name stays where it is while the graph lives, on the rig. */
#include "moves_rig.h"
#include "hook/graph_nodes.h"
#include "pager/registry.h"

static struct graph_nodes named;

static void start(void)
{
	rig_start();
	registry_enter(&rig.pager);
}

/* A node is changed to name a block twice, and one behind it: both are pinned, once. */
static void check_pins(const CUgraphNodeParams *params, uint32_t first, uint32_t second)
{
	graph_nodes_read_params(&named, params);
	graph_nodes_read_params(&named, params);
	cr_assert(eq(u32, rig_block(first)->pins, 1));
	cr_assert(eq(u32, rig_block(second)->pins, 1));
	graph_nodes_clear(&named);
	cr_assert(zero(u32, rig_block(first)->pins));
	cr_assert(zero(u32, rig_block(second)->pins));
	rig_check();
}

Test(graph, pins_what_a_copy_is_changed_to_name, .init = start)
{
	uint32_t b = rig_component(4, 0, HOME_DEVICE, 7);
	const CUgraphNodeParams params = {
	    .type = CU_GRAPH_NODE_TYPE_MEMCPY,
	    .memcpy.copyParams = {.srcDevice = rig_block(b)->address,
				  .dstDevice = rig_block(b + 2)->address,
				  .WidthInBytes = 64,
				  .Height = 1,
				  .Depth = 1}};

	check_pins(&params, b, b + 2);
}

Test(graph, pins_what_a_fill_is_changed_to_name, .init = start)
{
	uint32_t b = rig_component(4, 0, HOME_DEVICE, 7);
	const CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_MEMSET,
					  .memset = {.dst = rig_block(b)->address,
						     .elementSize = 4,
						     .width = GRANULE / 2, /* two blocks */
						     .height = 1}};

	check_pins(&params, b, b + 1);
}

Test(graph, pins_values_that_are_waited_for_and_written, .init = start)
{
	uint32_t b = rig_component(4, 0, HOME_DEVICE, 7);
	CUstreamBatchMemOpParams operations[2] = {0};
	CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
				    .memOp = {.count = 2, .paramArray = operations}};

	operations[0].operation = CU_STREAM_MEM_OP_WAIT_VALUE_32;
	operations[0].waitValue.address = rig_block(b)->address;
	operations[1].operation = CU_STREAM_MEM_OP_WRITE_VALUE_64;
	operations[1].writeValue.address = rig_block(b + 3)->address;
	check_pins(&params, b, b + 3);
}

/* A kernel that is given these, packed. */
static void read_kernel(const uint64_t *words, size_t bytes)
{
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)(uintptr_t)words,
			 CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
	const CUDA_KERNEL_NODE_PARAMS kernel = {.func = (CUfunction)(uintptr_t)0x77,
						.extra = extra};

	graph_nodes_read_kernel(&named, &kernel);
}

Test(graph, keeps_each_address_that_kernels_name_once, .init = start)
{
	uint64_t base = rig_block(rig_component(4, 0, HOME_DEVICE, 7))->address, words[200];

	for (size_t i = 0; i < 200; i++)
		words[i] = base + i / 2 * 64;
	read_kernel(words, sizeof(words));
	read_kernel(words, sizeof(words));
	cr_assert(eq(sz, named.address_count, 100));
	for (size_t i = 0; i < 100; i++)
		cr_assert(eq(u64, named.addresses[i], base + i * 64));
	cr_assert_not(named.unknown);
	graph_nodes_clear(&named);
	cr_assert(zero(sz, named.address_count));
	read_kernel(words, sizeof(words[0]));
	cr_assert(eq(sz, named.address_count, 1));
	graph_nodes_clear(&named);
}
