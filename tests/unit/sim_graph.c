/* Graphs built by hand and captured from streams. */
#include "sim_test.h"

static CUDA_KERNEL_NODE_PARAMS increment_node(void **params)
{
	return (CUDA_KERNEL_NODE_PARAMS){.func = sim_function("increment"),
					 .gridDimX = 1,
					 .gridDimY = 1,
					 .gridDimZ = 1,
					 .blockDimX = 1,
					 .blockDimY = 1,
					 .blockDimZ = 1,
					 .kernelParams = params};
}

static unsigned int first_word(CUdeviceptr ptr)
{
	unsigned int word;

	OK(cuMemcpyDtoH(&word, ptr, sizeof(word)));
	return word;
}

Test(sim_graph, nodes_run_in_dependency_order_at_every_launch)
{
	CUgraph graph;
	CUgraphExec exec;
	CUgraphNode add, set;
	unsigned int by = 3;
	unsigned long n = 10;

	sim_start();
	CUdeviceptr ptr = sim_alloc(256);
	void *params[] = {&ptr, &by, &n};
	CUDA_KERNEL_NODE_PARAMS kernel = increment_node(params);
	CUDA_MEMSET_NODE_PARAMS zero = {
	    .dst = ptr, .elementSize = 4, .width = 10, .height = 1, .value = 100};
	OK(cuGraphCreate(&graph, 0));
	OK(cuGraphAddKernelNode(&add, graph, NULL, 0, &kernel));
	OK(cuGraphAddMemsetNode(&set, graph, NULL, 0, &zero, NULL));
	OK(cuGraphAddDependencies(graph, &set, &add, NULL, 1));
	by = 99;
	OK(cuGraphInstantiate(&exec, graph, 0));
	OK(cuGraphLaunch(exec, NULL));
	OK(cuGraphLaunch(exec, NULL));
	cr_assert_eq(first_word(ptr), 103);
	OK(cuGraphExecDestroy(exec));
	OK(cuGraphDestroy(graph));
}

Test(sim_graph, an_executable_takes_new_kernel_parameters)
{
	CUgraph graph;
	CUgraphExec exec;
	CUgraphNode add;
	unsigned int by = 3;
	unsigned long n = 10;

	sim_start();
	CUdeviceptr ptr = sim_alloc(256);
	void *params[] = {&ptr, &by, &n};
	CUDA_KERNEL_NODE_PARAMS kernel = increment_node(params);
	OK(cuMemsetD32(ptr, 0, 10));
	OK(cuGraphCreate(&graph, 0));
	OK(cuGraphAddKernelNode(&add, graph, NULL, 0, &kernel));
	OK(cuGraphInstantiate(&exec, graph, 0));
	by = 40;
	OK(cuGraphExecKernelNodeSetParams(exec, add, &kernel));
	OK(cuGraphLaunch(exec, NULL));
	cr_assert_eq(first_word(ptr), 40);
}

Test(sim_graph, a_cycle_is_not_instantiated)
{
	CUgraph graph;
	CUgraphExec exec;
	CUgraphNode a, b;

	sim_start();
	OK(cuGraphCreate(&graph, 0));
	OK(cuGraphAddEmptyNode(&a, graph, NULL, 0));
	OK(cuGraphAddEmptyNode(&b, graph, &a, 1));
	OK(cuGraphAddDependencies(graph, &b, &a, NULL, 1));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiate(&exec, graph, 0));
}

Test(sim_graph, an_update_to_another_shape_is_refused)
{
	CUgraphExecUpdateResultInfo info;
	CUgraph graph, other;
	CUgraphExec exec;
	CUgraphNode node;

	sim_start();
	OK(cuGraphCreate(&graph, 0));
	OK(cuGraphCreate(&other, 0));
	OK(cuGraphAddEmptyNode(&node, graph, NULL, 0));
	OK(cuGraphInstantiate(&exec, graph, 0));
	OK(cuGraphExecUpdate(exec, graph, &info));
	EXPECT(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate(exec, other, &info));
	cr_assert_eq(info.result, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
}

Test(sim_graph, a_captured_stream_does_nothing_until_its_graph_is_launched)
{
	CUstreamCaptureStatus status;
	CUstream stream;
	CUgraph graph;
	CUgraphExec exec;

	sim_start();
	CUdeviceptr ptr = sim_alloc(256);
	OK(cuMemsetD32(ptr, 0, 10));
	CUfunction warm = sim_function("increment");
	(void)warm;
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	OK(sim_increment(ptr, 7, 10, stream));
	OK(cuStreamIsCapturing(stream, &status));
	cr_assert_eq(status, CU_STREAM_CAPTURE_STATUS_ACTIVE);
	OK(cuStreamEndCapture(stream, &graph));
	OK(cuStreamSynchronize(stream));
	cr_assert_eq(first_word(ptr), 0);
	OK(cuGraphInstantiate(&exec, graph, 0));
	for (unsigned int i = 1; i <= 3; i++) {
		OK(cuGraphLaunch(exec, stream));
		OK(cuStreamSynchronize(stream));
		cr_assert_eq(first_word(ptr), 7 * i);
	}
}

Test(sim_graph, waiting_for_a_captured_stream_invalidates_the_capture)
{
	CUstream stream;
	CUgraph graph;

	sim_start();
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	EXPECT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(stream));
	EXPECT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));
	cr_assert_null(graph);
}

Test(sim_graph, waiting_for_the_context_invalidates_even_a_relaxed_capture)
{
	CUstream stream;
	CUgraph graph;

	sim_start();
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	EXPECT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuCtxSynchronize());
	EXPECT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));
	OK(cuCtxSynchronize());
}

Test(sim_graph, freeing_beside_a_relaxed_capture_leaves_it_be)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUstream stream;
	CUgraph graph;

	sim_start();
	CUdeviceptr ptr = sim_alloc(MIB);
	OK(cuThreadExchangeStreamCaptureMode(&mode));
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	OK(cuMemFree(ptr));
	OK(cuStreamEndCapture(stream, &graph));
}

Test(sim_graph, allocating_under_a_global_capture_invalidates_it)
{
	CUstream stream;
	CUgraph graph;
	CUdeviceptr ptr;

	sim_start();
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	EXPECT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuMemAlloc(&ptr, MIB));
	EXPECT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));
}

Test(sim_graph, a_fork_that_is_not_joined_is_refused)
{
	CUstream a, b;
	CUevent event;
	CUgraph graph;
	unsigned int by = 1;
	unsigned long n = 1;

	sim_start();
	CUdeviceptr ptr = sim_alloc(256);
	void *params[] = {&ptr, &by, &n};
	CUfunction function = sim_function("increment");
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
	OK(cuStreamBeginCapture(a, CU_STREAM_CAPTURE_MODE_RELAXED));
	OK(sim_launch(function, 1, a, params));
	OK(cuEventRecord(event, a));
	OK(cuStreamWaitEvent(b, event, 0));
	OK(sim_launch(function, 1, b, params));
	EXPECT(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, cuStreamEndCapture(a, &graph));
}
