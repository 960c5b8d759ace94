/*
 * What graphs reach beside what their first words say: rows, planes, child graphs, nodes that
 * are changed; and what becomes of it when they end. usage: sim_graphs CASE, with SIM_IMAGE
 * naming the test kernels. Each case holds its memory against what it should be, with or
 * without the library; where things lie is looked at only under it.
 */
#include "program.h"

#include <stdint.h>
#include <stdlib.h>

#define PIECES 12
#define PIECE_BYTES (2 * UNIT)
#define LONG_BYTES (4 * PIECE_BYTES)
#define ROW_BYTES 64

static CUdeviceptr pieces[PIECES];

static void stir(void)
{
	for (unsigned int i = 0; i < PIECES; i++)
		increment(pieces[i], 1, PIECE_BYTES, NULL);
	MUST(cuCtxSynchronize());
}

/* Twice what the cap holds. */
static void begin(void)
{
	start();
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&pieces[i], PIECE_BYTES));
		fill(pieces[i], 100 * i, PIECE_BYTES, NULL);
	}
}

static CUdeviceptr long_piece(unsigned int value)
{
	CUdeviceptr at;

	MUST(cuMemAlloc(&at, LONG_BYTES));
	fill(at, value, LONG_BYTES, NULL);
	stir(); /* it is cold, or partly so */
	return at;
}

static CUgraphExec made_executable(CUgraph graph)
{
	CUgraphExec exec;

	MUST(cuGraphInstantiate(&exec, graph, 0));
	MUST(cuGraphDestroy(graph));
	return exec;
}

static void run(CUgraphExec exec)
{
	MUST(cuGraphLaunch(exec, NULL));
	MUST(cuCtxSynchronize());
}

/* It comes in, if it may; or leaves for the others. */
static void bring(CUdeviceptr at, size_t bytes, int in)
{
	for (int again = 0; again < 3; again++)
		for (size_t done = 0; in && done < bytes; done += PIECE_BYTES)
			increment(at + done, 0, PIECE_BYTES, NULL);
	for (unsigned int i = 0; !in && i < PIECES; i++)
		for (int again = 0; again < 2; again++)
			if (pieces[i] != at)
				increment(pieces[i], 0, PIECE_BYTES, NULL);
	MUST(cuCtxSynchronize());
}

static void check_row(CUdeviceptr at, unsigned int first, unsigned int step)
{
	unsigned int row[ROW_BYTES / 4];

	MUST(cuMemcpyDtoH(row, at, sizeof(row)));
	for (unsigned int i = 0; i < ROW_BYTES / 4; i++)
		if (row[i] != first + step * i)
			wrong("a word of a row");
}

/* A fill of four short rows, each in another block. */
static void rows(void)
{
	CUDA_MEMSET_NODE_PARAMS set = {.pitch = PIECE_BYTES,
				       .value = 7,
				       .elementSize = 4,
				       .width = ROW_BYTES / 4,
				       .height = 4};
	CUgraphNode node;
	CUgraphExec exec;
	CUgraph graph;
	CUdeviceptr at;

	begin();
	at = set.dst = long_piece(5);
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddMemsetNode(&node, graph, NULL, 0, &set, context));
	exec = made_executable(graph);
	for (int round = 0; round < 4; round++) {
		bring(at, LONG_BYTES, round % 2);
		run(exec);
		for (unsigned int row = 0; row < 4; row++) {
			check_row(at + row * PIECE_BYTES, 7, 0);
			check_row(at + row * PIECE_BYTES + ROW_BYTES,
				  5 + (unsigned int)(row * PIECE_BYTES + ROW_BYTES) / 4, 1);
			fill(at + row * PIECE_BYTES, 50, ROW_BYTES, NULL);
		}
	}
	MUST(cuGraphExecDestroy(exec));
}

static CUDA_MEMCPY3D box(CUdeviceptr dst, CUdeviceptr src, size_t width, size_t depth)
{
	return (CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			       .srcDevice = src,
			       .srcPitch = width,
			       .srcHeight = PIECE_BYTES / width,
			       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			       .dstDevice = dst,
			       .dstPitch = width,
			       .dstHeight = PIECE_BYTES / width,
			       .WidthInBytes = width,
			       .Height = 1,
			       .Depth = depth};
}

/* A copy of four short planes, each in another block. */
static void planes(void)
{
	CUDA_MEMCPY3D copy;
	CUgraphNode node;
	CUgraphExec exec;
	CUgraph graph;
	CUdeviceptr at[2];

	begin();
	at[0] = long_piece(5);
	at[1] = long_piece(9000);
	copy = box(at[0], at[1], ROW_BYTES, 4);
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context));
	exec = made_executable(graph);
	for (int round = 0; round < 4; round++) {
		bring(at[round / 2], LONG_BYTES, round % 2);
		run(exec);
		for (unsigned int plane = 0; plane < 4; plane++) {
			check_row(at[0] + plane * PIECE_BYTES,
				  9000 + (unsigned int)(plane * PIECE_BYTES) / 4, 1);
			fill(at[0] + plane * PIECE_BYTES, 50, ROW_BYTES, NULL);
		}
	}
	MUST(cuGraphExecDestroy(exec));
}

static void child(void)
{
	CUDA_MEMCPY3D copy;
	CUgraphNode node;
	CUgraphExec exec;
	CUgraph graph, inner;

	begin();
	stir();
	copy = box(pieces[2], pieces[9], PIECE_BYTES, 1);
	MUST(cuGraphCreate(&inner, 0));
	MUST(cuGraphAddMemcpyNode(&node, inner, NULL, 0, &copy, context));
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddChildGraphNode(&node, graph, NULL, 0, inner));
	MUST(cuGraphDestroy(inner));
	exec = made_executable(graph);
	for (unsigned int round = 0; round < 4; round++) {
		bring(pieces[round / 2 ? 2 : 9], PIECE_BYTES, round % 2);
		run(exec);
		check(pieces[2], 900 + 1, PIECE_BYTES);
	}
	MUST(cuGraphExecDestroy(exec));
}

/* By the call that changes a node of any type. */
static void changed(void)
{
	CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_MEMCPY};
	CUDA_MEMCPY3D copy;
	CUgraphNode node;
	CUgraphExec exec;
	CUgraph graph;
	CUdeviceptr small[2];

	start();
	for (int i = 0; i < 2; i++)
		MUST(cuMemAlloc(&small[i], ROW_BYTES));
	copy = box(small[0], small[1], ROW_BYTES, 1);
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context));
	MUST(cuGraphInstantiate(&exec, graph, 0));
	begin();
	for (unsigned int i = 0; i < 6; i++) {
		stir();
		params.memcpy.copyCtx = context;
		params.memcpy.copyParams = box(pieces[i], pieces[11 - i], PIECE_BYTES, 1);
		MUST(cuGraphExecNodeSetParams(exec, node, &params));
		stir();
		run(exec);
		check(pieces[i], 100 * (11 - i) + 2 * (i + 1), PIECE_BYTES);
	}
	MUST(cuGraphExecDestroy(exec));
	MUST(cuGraphDestroy(graph));
}

static int under_the_library(void)
{
	return getenv("LOWTIDE_VRAM") != NULL;
}

static uint32_t where_all_lie(void)
{
	uint32_t there = 0;

	for (unsigned int i = 0; i < PIECES; i++)
		there |= (uint32_t)in_vram(pieces[i]) << i;
	return there;
}

/* By what it names a graph holds memory where it is, and no longer when it has ended. */
static void ended(void)
{
	CUDA_MEMCPY3D copy;
	CUgraphNode node;
	CUgraphExec exec;
	CUgraph graph;

	begin();
	stir();
	copy = box(pieces[10], pieces[11], PIECE_BYTES, 1);
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context));
	exec = made_executable(graph);
	for (int round = 0; round < 3; round++) {
		int there = in_vram(pieces[10]);

		stir();
		if (under_the_library() && in_vram(pieces[10]) != there)
			wrong("a graph's memory moved");
	}
	MUST(cuGraphExecDestroy(exec));
	for (int i = 0; i < 3; i++) {
		increment(pieces[10], 0, PIECE_BYTES, NULL);
		increment(pieces[11], 0, PIECE_BYTES, NULL);
		MUST(cuCtxSynchronize());
	}
	for (unsigned int i = 0; i < 9; i++)
		for (int again = 0; again < 2; again++)
			increment(pieces[i], 0, PIECE_BYTES, NULL);
	MUST(cuCtxSynchronize());
	if (under_the_library() && (in_vram(pieces[10]) || in_vram(pieces[11])))
		wrong("memory stays where a graph that has ended held it");
}

/* Its nodes cannot be read: nothing moves while it is there. */
static void unread(void)
{
	CUDA_MEMCPY3D copy;
	uint32_t there;
	CUgraphNode node;
	CUgraphExec exec;
	CUgraph graph;

	begin();
	stir();
	copy = box(pieces[10], pieces[11], ROW_BYTES, 1);
	MUST(cuGraphCreate(&graph, 0));
	MUST(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context));
	exec = made_executable(graph);
	there = where_all_lie();
	for (int round = 0; round < 3; round++)
		stir();
	if (under_the_library() && where_all_lie() != there)
		wrong("something moved under a graph of which nothing is known");
	MUST(cuGraphExecDestroy(exec));
	for (unsigned int i = 0; i < PIECES; i++)
		if (!(there >> i & 1))
			for (int again = 0; again < 3; again++)
				increment(pieces[i], 0, PIECE_BYTES, NULL);
	MUST(cuCtxSynchronize());
	if (under_the_library() && where_all_lie() == there)
		wrong("nothing moves any more");
}

int main(int argc, char **argv)
{
	static const struct program_case cases[] = {CASE(rows),	   CASE(planes), CASE(child),
						    CASE(changed), CASE(ended),	 CASE(unread)};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
