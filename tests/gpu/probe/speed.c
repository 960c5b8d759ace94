#include "speed.h"

enum transfer_state { READ, WRITE, RANDOM };

static void start(const struct gpu *g, enum transfer_state way, CUdeviceptr at, uint64_t words,
		  uint64_t reads, CUstream in)
{
	CUdeviceptr sum = g->scratch + 8 * (WORDS_OF_SCRATCH - 1);
	uint64_t key = 1;

	if (way == READ)
		LAUNCH(g, read, g->blocks, in, &at, &words, &sum);
	else if (way == WRITE)
		LAUNCH(g, fill, g->blocks, in, &at, &words, &key);
	else
		LAUNCH(g, random, g->blocks, in, &at, &words, &reads, &sum);
}

static struct rounds rounds_of(const struct gpu *g)
{
	return (struct rounds){
	    .least = 3, .most = g->quick ? 7 : 25, .budget_ms = g->quick ? 60 : 500};
}

static void one_way(const struct gpu *g, enum transfer_state way, CUdeviceptr at, size_t bytes,
		    const char *who)
{
	static const char *const names[] = {"read", "write", "random"};
	uint64_t words = bytes / 8, reads = g->quick ? 1 << 15 : 1 << 17;
	struct stopwatch watch = gpu_stopwatch();
	struct rounds rounds = rounds_of(g);
	struct samples s;

	samples_init(&s);
	start(g, way, at, words, reads, g->stream); /* warm-up */
	while (rounds_more(&rounds)) {
		double us;

		gpu_start_watch(g, &watch, g->stream);
		start(g, way, at, words, reads, g->stream);
		us = gpu_stop_watch_us(&watch, g->stream);
		samples_add(&s,
			    way == RANDOM ? (double)reads / us : rate_gbps((double)bytes, us));
	}
	answer_figure(&s, way == RANDOM ? "M/s" : "GB/s", "%s/%s", who, names[way]);
	samples_finish(&s);
}

static void four_kernels(const struct gpu *g, CUdeviceptr at, size_t bytes, const char *who)
{
	struct rounds rounds = rounds_of(g);
	struct samples s;
	CUstream streams[4];

	samples_init(&s);
	for (int i = 0; i < 4; i++)
		TRY(cu(cuStreamCreate)(&streams[i], CU_STREAM_NON_BLOCKING));
	while (rounds_more(&rounds)) {
		double began = gpu_now_us();

		for (int i = 0; i < 4; i++)
			start(g, READ, at + bytes / 4 * (size_t)i, bytes / 4 / 8, 0,
			      streams[i]);
		for (int i = 0; i < 4; i++)
			TRY(cu(cuStreamSynchronize)(streams[i]));
		samples_add(&s, rate_gbps((double)bytes, gpu_now_us() - began));
	}
	answer_figure(&s, "GB/s", "%s/read_4_kernels", who);
	samples_finish(&s);
}

void speed_of_kernels(const struct gpu *g, CUdeviceptr at, size_t bytes, const char *who)
{
	answer_step("timing kernels on %s memory", who);
	for (int way = READ; way <= RANDOM; way++)
		one_way(g, (enum transfer_state)way, at, bytes, who);
	four_kernels(g, at, bytes, who);
}

CUresult copy_start(enum direction direction, CUdeviceptr to, CUdeviceptr from, size_t bytes,
		    CUstream in)
{
	if (direction == COPY_IN)
		return cu(cuMemcpyHtoDAsync_v2)(to, (const void *)(uintptr_t)from, bytes, in);
	if (direction == COPY_OUT)
		return cu(cuMemcpyDtoHAsync_v2)((void *)(uintptr_t)to, from, bytes, in);
	return cu(cuMemcpyDtoDAsync_v2)(to, from, bytes, in);
}

void speed_of_copy(const struct gpu *g, enum direction direction, CUdeviceptr to,
		   CUdeviceptr from, size_t bytes, struct samples *gbps)
{
	struct stopwatch watch = gpu_stopwatch();
	struct rounds rounds = rounds_of(g);

	TRY(copy_start(direction, to, from, bytes, g->stream)); /* warm-up */
	while (rounds_more(&rounds)) {
		gpu_start_watch(g, &watch, g->stream);
		TRY(copy_start(direction, to, from, bytes, g->stream));
		samples_add(gbps,
			    rate_gbps((double)bytes, gpu_stop_watch_us(&watch, g->stream)));
	}
}
