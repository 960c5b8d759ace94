/*
 * Stands for programs that replay CUDA graphs: a step captured once from two streams and
 * replayed with changed parameters, a graph built node by node, and plain work between the
 * replays.
 */
#include "common.h"

#include <errno.h>
#include <stdlib.h>

struct model {
	struct program p;
	CUstream stream, side;
	CUevent fork, join;
	struct tensor *tensors; /* one more than the step reads: the spare */
	CUdeviceptr act[2], other[2], noise;
	CUdeviceptr copy; /* of the last tensor's size */
	CUfunction layer, inject, absorb, scale_add, checksum;
	CUgraph captured, built;
	CUgraphExec step, epilogue;
	CUgraphNode swapped, keyed; /* whose parameters change */
};

static void run_layers(struct model *m, CUstream stream, CUdeviceptr act[2], unsigned long from,
		       unsigned long to)
{
	double compute_ns = (double)m->p.o.compute_us * 1000;

	for (unsigned long i = from; i < to; i++) {
		CUdeviceptr in = act[0];

		LAUNCH(m->layer, stream, &m->tensors[i].at, &m->tensors[i].words, &in, &act[1],
		       &m->p.o.stride, &compute_ns);
		act[0] = act[1];
		act[1] = in;
	}
}

/* The first half of the layers on one stream, the second on another, then both together. */
static void capture_step(struct model *m)
{
	unsigned long count = m->p.o.tensors;
	CUdeviceptr act[2] = {m->act[0], m->act[1]}, other[2] = {m->other[0], m->other[1]};
	uint32_t key = 0;

	TRY(cuStreamBeginCapture(m->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	TRY(cuMemsetD32Async(m->noise, 9, WIDTH, m->stream));
	LAUNCH(m->inject, m->stream, &m->noise, &key);
	LAUNCH(m->absorb, m->stream, &act[0], &m->noise);
	TRY(cuMemcpyDtoDAsync(other[0], act[0], WIDTH * 4, m->stream));
	TRY(cuEventRecord(m->fork, m->stream));
	TRY(cuStreamWaitEvent(m->side, m->fork, 0));
	run_layers(m, m->stream, act, 0, count / 2);
	run_layers(m, m->side, other, count / 2, count);
	TRY(cuEventRecord(m->join, m->side));
	TRY(cuStreamWaitEvent(m->stream, m->join, 0));
	LAUNCH(m->absorb, m->stream, &act[0], &other[0]);
	if (act[0] != m->act[0])
		TRY(cuMemcpyDtoDAsync(m->act[0], act[0], WIDTH * 4, m->stream));
	TRY(cuStreamEndCapture(m->stream, &m->captured));
	TRY(cuGraphInstantiateWithFlags(&m->step, m->captured, 0));
}

/* The node that launches `kernel` with `first` as its first parameter. */
static CUgraphNode find_node(const struct model *m, CUfunction kernel, CUdeviceptr first)
{
	CUgraphNode *nodes, found = NULL;
	size_t count = 0;

	TRY(cuGraphGetNodes(m->captured, NULL, &count));
	nodes = program_alloc(count * sizeof(CUgraphNode));
	TRY(cuGraphGetNodes(m->captured, nodes, &count));
	for (size_t i = 0; i < count && !found; i++) {
		CUgraphNodeType type;
		CUDA_KERNEL_NODE_PARAMS params;

		TRY(cuGraphNodeGetType(nodes[i], &type));
		if (type != CU_GRAPH_NODE_TYPE_KERNEL)
			continue;
		TRY(cuGraphKernelNodeGetParams(nodes[i], &params));
		if (params.func == kernel && *(CUdeviceptr *)params.kernelParams[0] == first)
			found = nodes[i];
	}
	free(nodes);
	if (!found)
		errno = 0, program_fail("capture: a captured node is not in its graph");
	return found;
}

/* The last layer reads another tensor of the same size; the noise has another key. */
static void change_step(struct model *m, const struct tensor *weights, uint32_t key)
{
	CUDA_KERNEL_NODE_PARAMS params;
	void *arguments[6];

	TRY(cuGraphKernelNodeGetParams(m->swapped, &params));
	for (int i = 0; i < 6; i++)
		arguments[i] = params.kernelParams[i];
	arguments[0] = (void *)&weights->at;
	params.kernelParams = arguments;
	TRY(cuGraphExecKernelNodeSetParams(m->step, m->swapped, &params));

	TRY(cuGraphKernelNodeGetParams(m->keyed, &params));
	params.kernelParams = (void *[]){&m->noise, &key};
	TRY(cuGraphExecKernelNodeSetParams(m->step, m->keyed, &params));
}

/* By hand: a copy of the last tensor, a fill of its tail, and its sum into the activation. */
static void build_epilogue(struct model *m)
{
	const struct tensor *last = &m->tensors[m->p.o.tensors - 1];
	unsigned long words = last->words;
	CUgraphNode copied, filled, summed, absorbed, before[2];
	CUDA_MEMCPY3D copy = {
	    .srcMemoryType = CU_MEMORYTYPE_DEVICE,
	    .srcDevice = last->at,
	    .dstMemoryType = CU_MEMORYTYPE_DEVICE,
	    .dstDevice = m->copy,
	    .WidthInBytes = words / 2 * 4,
	    .Height = 1,
	    .Depth = 1,
	};
	CUDA_MEMSET_NODE_PARAMS fill = {
	    .dst = m->copy + words / 2 * 4,
	    .value = 0x01020304,
	    .elementSize = 4,
	    .width = words - words / 2,
	    .height = 1,
	};
	CUDA_KERNEL_NODE_PARAMS kernel = {
	    .func = m->checksum,
	    .gridDimX = BLOCKS,
	    .gridDimY = 1,
	    .gridDimZ = 1,
	    .blockDimX = THREADS,
	    .blockDimY = 1,
	    .blockDimZ = 1,
	    .kernelParams = (void *[]){&m->copy, &words, &m->other[1], &m->p.o.stride},
	};

	TRY(cuGraphCreate(&m->built, 0));
	TRY(cuGraphAddMemcpyNode(&copied, m->built, NULL, 0, &copy, m->p.context));
	TRY(cuGraphAddMemsetNode(&filled, m->built, NULL, 0, &fill, m->p.context));
	before[0] = copied;
	before[1] = filled;
	TRY(cuGraphAddKernelNode(&summed, m->built, before, 2, &kernel));
	kernel.func = m->absorb;
	kernel.kernelParams = (void *[]){&m->act[0], &m->other[1]};
	TRY(cuGraphAddKernelNode(&absorbed, m->built, &summed, 1, &kernel));
	TRY(cuGraphInstantiateWithFlags(&m->epilogue, m->built, 0));
}

/* Memory that a step needs for a while, freed while it is in use: in stream order, or beside a
 * capture, by turns. */
static void use_for_a_while(struct model *m, unsigned long step, unsigned long words)
{
	CUdeviceptr at;
	uint32_t one = 1;
	CUgraph empty;

	TRY(cuMemAlloc(&at, words * 4));
	TRY(cuMemsetD32Async(at, (uint32_t)step, words, m->stream));
	LAUNCH(m->scale_add, m->stream, &at, &words, &m->act[0], &one, &m->p.o.stride);
	LAUNCH(m->checksum, m->stream, &at, &words, &m->other[1], &m->p.o.stride);
	LAUNCH(m->absorb, m->stream, &m->act[0], &m->other[1]);
	if (step & 1) {
		TRY(cuMemFreeAsync(at, m->stream));
		return;
	}
	TRY(cuStreamBeginCapture(m->side, CU_STREAM_CAPTURE_MODE_RELAXED));
	TRY(cuMemFree(at));
	TRY(cuStreamEndCapture(m->side, &empty));
	TRY(cuGraphDestroy(empty));
}

int main(int argc, char **argv)
{
	struct model m = {0};
	struct options *o = &m.p.o;
	struct tensor *last, *spare;
	struct uploader u;

	program_begin(&m.p, argc, argv, PROGRAM_OPTIONS);
	m.layer = program_kernel(&m.p, "layer");
	m.inject = program_kernel(&m.p, "inject");
	m.absorb = program_kernel(&m.p, "absorb");
	m.scale_add = program_kernel(&m.p, "scale_add");
	m.checksum = program_kernel(&m.p, "checksum");
	TRY(cuStreamCreate(&m.stream, CU_STREAM_NON_BLOCKING));
	TRY(cuStreamCreate(&m.side, CU_STREAM_NON_BLOCKING));
	TRY(cuEventCreate(&m.fork, CU_EVENT_DISABLE_TIMING));
	TRY(cuEventCreate(&m.join, CU_EVENT_DISABLE_TIMING));

	m.tensors = program_alloc((o->tensors + 1) * sizeof(*m.tensors));
	last = &m.tensors[o->tensors - 1];
	spare = &m.tensors[o->tensors];
	uploader_init(&u, &m.p, m.stream);
	for (unsigned long i = 0; i < o->tensors; i++) {
		m.tensors[i] = tensor_make(&m.p, (uint64_t)o->mb << 20, o->tensors, i);
		upload(&u, &m.tensors[i], i & 1);
	}
	*spare = (struct tensor){0, last->words, tensor_key(&m.p, o->tensors)};
	TRY(cuMemAlloc(&spare->at, spare->words * 4));
	upload(&u, spare, false);
	uploader_finish(&u);
	for (int i = 0; i < 2; i++) {
		m.act[i] = zeroed_words(WIDTH);
		m.other[i] = zeroed_words(WIDTH);
	}
	m.noise = zeroed_words(WIDTH);
	m.copy = zeroed_words(last->words);

	capture_step(&m);
	m.swapped = find_node(&m, m.layer, last->at);
	m.keyed = find_node(&m, m.inject, m.noise);
	build_epilogue(&m);
	program_mark(&m.p, m.stream);
	for (unsigned long step = 0; step < o->steps; step++) {
		uint32_t one = 1;

		change_step(&m, step & 1 ? spare : last, (uint32_t)(o->seed + step));
		TRY(cuGraphLaunch(m.step, m.stream));
		TRY(cuGraphLaunch(m.epilogue, m.stream));
		LAUNCH(m.scale_add, m.stream, &m.tensors[0].at, &m.tensors[0].words, &m.act[0],
		       &one, &o->stride);
		use_for_a_while(&m, step, last->words);
		program_mark(&m.p, m.stream);
	}

	digest_device(&m.p, m.act[0], WIDTH * 4);
	if (o->stride == 1)
		digest_device(&m.p, m.copy, last->words * 4);
	TRY(cuGraphExecDestroy(m.step));
	TRY(cuGraphExecDestroy(m.epilogue));
	TRY(cuGraphDestroy(m.captured));
	TRY(cuGraphDestroy(m.built));
	for (unsigned long i = 0; i <= o->tensors; i++)
		tensor_free(&m.tensors[i]);
	for (int i = 0; i < 2; i++) {
		TRY(cuMemFree(m.act[i]));
		TRY(cuMemFree(m.other[i]));
	}
	TRY(cuMemFree(m.noise));
	TRY(cuMemFree(m.copy));
	TRY(cuEventDestroy(m.fork));
	TRY(cuEventDestroy(m.join));
	TRY(cuStreamDestroy(m.side));
	TRY(cuStreamDestroy(m.stream));
	free(m.tensors);
	program_end(&m.p);
	return 0;
}
