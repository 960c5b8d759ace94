/* Question 7: the content hash that the library ships: its speed, and its cost to others. */
#include "frame.h"
#include "trials.h"

#define HASHED (32 * MIB)

struct hashing {
	const struct gpu *g;
	CUdeviceptr table, out;
	CUstream stream;
};

static void start(const struct hashing *h)
{
	CUdeviceptr table = h->table, out = h->out;

	/* As the library launches it: a block for each 256 KiB. */
	LAUNCH(h->g, hash, HASHED / (256 << 10), h->stream, &table, &out);
}

static void point_at(const struct hashing *h, CUdeviceptr at)
{
	const uint64_t entry[2] = {at, HASHED};

	TRY(cu(cuMemcpyHtoD_v2)(h->table, entry, sizeof(entry)));
	TRY(cu(cuStreamSynchronize)(NULL));
}

static void speed(const struct hashing *h, CUdeviceptr at, const char *home)
{
	struct rounds rounds = {.least = 3, .most = 30, .budget_ms = h->g->quick ? 80 : 500};
	struct stopwatch watch = gpu_stopwatch();
	struct samples s;

	answer_step("hashing %s memory", home);
	samples_init(&s);
	point_at(h, at);
	start(h); /* warm-up */
	while (rounds_more(&rounds)) {
		gpu_start_watch(h->g, &watch, h->stream);
		start(h);
		samples_add(&s,
			    rate_gbps((double)HASHED, gpu_stop_watch_us(&watch, h->stream)));
	}
	answer_figure(&s, "GB/s", "%s", home);
	samples_finish(&s);
}

/* A kernel that is bound by memory, with and without hashes of as many bytes beside it, that
 * start when it does. */
static void beside(const struct hashing *h, CUdeviceptr at, size_t bytes)
{
	static const char *const names[] = {"kernel_alone", "kernel_beside_hash"};
	CUdeviceptr sum = h->g->scratch + 8 * (WORDS_OF_SCRATCH - 1);
	struct stopwatch watch = gpu_stopwatch();
	uint64_t words = bytes / 8;

	answer_step("hashing beside a kernel");
	point_at(h, at);
	for (int with = 0; with < 2; with++) {
		struct rounds rounds = {
		    .least = 3, .most = 30, .budget_ms = h->g->quick ? 80 : 500};
		struct samples s;

		samples_init(&s);
		while (rounds_more(&rounds)) {
			gpu_start_watch(h->g, &watch, h->g->stream);
			TRY(cu(cuStreamWaitEvent)(h->stream, watch.from, 0));
			for (size_t done = 0; with && done < bytes; done += HASHED)
				start(h);
			LAUNCH(h->g, read, h->g->blocks, h->g->stream, &at, &words, &sum);
			samples_add(&s, gpu_stop_watch_us(&watch, h->g->stream));
			TRY(cu(cuStreamSynchronize)(h->stream));
		}
		answer_figure(&s, "us", "%s", names[with]);
		samples_finish(&s);
	}
}

/* One changed bit anywhere must show. */
static void notices(const struct hashing *h, CUdeviceptr at)
{
	uint64_t sums[2][2] = {{0}}, word;
	CUdeviceptr last = at + HASHED - 8;

	for (int i = 0; i < 2; i++) {
		TRY(cu(cuMemsetD32Async)(h->out, 0, 4, h->stream));
		start(h);
		TRY(cu(cuStreamSynchronize)(h->stream));
		TRY(cu(cuMemcpyDtoH_v2)(sums[i], h->out, 16));
		TRY(cu(cuMemcpyDtoH_v2)(&word, last, 8));
		word ^= 1;
		TRY(cu(cuMemcpyHtoD_v2)(last, &word, 8));
		TRY(cu(cuStreamSynchronize)(NULL));
	}
	answer_check(sums[0][0] != sums[1][0] && sums[0][1] != sums[1][1], "the sums are equal",
		     "the hash notices one changed bit");
}

void trial_hash(struct gpu *g)
{
	size_t bytes = gpu_fitting((g->quick ? 64 : 256) * MIB);
	struct hashing h = {.g = g};
	CUmemGenericAllocationHandle frame;
	struct places places;
	CUdeviceptr device, host;

	if (bytes < HASHED)
		bytes = HASHED;
	TRY(cu(cuMemAlloc_v2)(&h.table, 64));
	h.out = h.table + 16;
	TRY(cu(cuStreamCreate)(&h.stream, CU_STREAM_NON_BLOCKING));
	TRY(cu(cuMemAlloc_v2)(&device, bytes));
	gpu_fill(g, device, bytes, 1, g->stream);
	TRY(cu(cuStreamSynchronize)(g->stream));
	speed(&h, device, "device");
	notices(&h, device);
	beside(&h, device, bytes);
	places = places_find(g);
	answer_result(places.host_answer, "host_frames");
	if (!places.granularity[ON_HOST])
		return;
	host = range_reserve(HASHED);
	TRY(range_back(g, host, HASHED, &places.of[ON_HOST], &frame));
	speed(&h, host, "host");
}
