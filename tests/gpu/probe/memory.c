/* Question 6: what is taken that nobody asked for, and how fast RAM can be pinned and let go.
 */
#include "frame.h"
#include "nvml.h"
#include "trials.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t before_context; /* NVML's figure, before there was a context; 0: none */

void memory_note_before(const struct gpu *g)
{
	if (!nvml_start(g) || !nvml_used_bytes(&before_context))
		before_context = 0;
}

/* The device memory that is taken, by the driver's own figure and by NVML's. */
struct taken {
	uint64_t driver, nvml;
	bool has_nvml;
};

static struct taken look(void)
{
	struct taken t;

	t.driver = gpu_free_bytes();
	t.has_nvml = nvml_used_bytes(&t.nvml);
	return t;
}

static void say_taken(const struct taken *before, const char *what)
{
	struct taken now = look();

	answer_number((long long)(before->driver - now.driver), "%s/device_bytes", what);
	if (before->has_nvml && now.has_nvml)
		answer_number((long long)(now.nvml - before->nvml), "%s/device_bytes_nvml",
			      what);
}

static void context(const struct gpu *g)
{
	struct taken now = look();
	size_t total;

	TRY(cu(cuDeviceTotalMem_v2)(&total, g->device));
	answer_number((long long)(total - now.driver), "context/total_less_free");
	if (before_context && now.has_nvml)
		answer_number((long long)(now.nvml - before_context),
			      "context/device_bytes_nvml");
}

static void reservations(void)
{
	static const size_t gib[] = {1, 1024, 8192};

	for (int i = 0; i < 3; i++) {
		struct taken before = look();
		double from = gpu_now_us();
		CUdeviceptr at;
		CUresult result;
		char what[32];

		answer_step("reserving %zu GiB", gib[i]);
		result = cu(cuMemAddressReserve)(&at, gib[i] * GIB, 0, 0, 0);
		snprintf(what, sizeof(what), "reserve/%zuGiB", gib[i]);
		answer_value(gpu_now_us() - from, "us", "%s", what);
		answer_result(result, "%s", what);
		if (result != CUDA_SUCCESS)
			continue;
		say_taken(&before, what);
		TRY(cu(cuMemAddressFree)(at, gib[i] * GIB));
	}
}

/* Host frames of 128 MiB, each mapped once, then once more: page tables are what is left over.
 */
static void host_mappings(const struct gpu *g, const struct places *places, size_t gib_times_4)
{
	size_t bytes = 128 * MIB, count = gib_times_4 * (GIB / 4) / bytes;
	CUmemGenericAllocationHandle *frames = calloc(count, sizeof(*frames));
	CUdeviceptr range = range_reserve(2 * count * bytes);
	struct taken before = look();
	char what[48];
	double from;

	if (!frames)
		answer_failed("out of memory");
	answer_step("mapping %zu MiB of host frames", count * 128);
	from = gpu_now_us();
	for (size_t i = 0; i < count; i++)
		TRY(range_back(g, range + i * bytes, bytes, &places->of[ON_HOST], &frames[i]));
	answer_value((gpu_now_us() - from) / 1e3, "ms", "host/%zuMiB/make_and_map",
		     count * 128);
	snprintf(what, sizeof(what), "host/%zuMiB/mapped_once", count * 128);
	say_taken(&before, what);
	for (size_t i = count; i < 2 * count; i++)
		TRY(cu(cuMemMap)(range + i * bytes, bytes, 0, frames[i - count], 0));
	TRY(range_open(g, range + count * bytes, count * bytes, true));
	snprintf(what, sizeof(what), "host/%zuMiB/mapped_twice", count * 128);
	say_taken(&before, what);
	from = gpu_now_us();
	for (size_t i = 0; i < 2 * count; i++)
		TRY(cu(cuMemUnmap)(range + i * bytes, bytes));
	for (size_t i = 0; i < count; i++)
		TRY(cu(cuMemRelease)(frames[i]));
	answer_value((gpu_now_us() - from) / 1e3, "ms", "host/%zuMiB/unmap_and_release",
		     count * 128);
	snprintf(what, sizeof(what), "host/%zuMiB/after_release", count * 128);
	say_taken(&before, what);
	TRY(cu(cuMemAddressFree)(range, 2 * count * bytes));
	free(frames);
}

/* --- pinning ------------------------------------------------------------------------------ */

struct pinner {
	const struct gpu *g;
	const CUmemLocation *frame; /* NULL: cuMemHostAlloc */
	size_t bytes;
	double make_us, release_us;
	pthread_t thread;
};

static void *pin(void *argument)
{
	struct pinner *p = argument;
	double from;

	gpu_join(p->g);
	from = gpu_now_us();
	if (p->frame) {
		CUmemGenericAllocationHandle frame;

		TRY(frame_make(p->frame, p->bytes, &frame));
		p->make_us = gpu_now_us() - from;
		from = gpu_now_us();
		TRY(cu(cuMemRelease)(frame));
	} else {
		void *at;

		TRY(cu(cuMemHostAlloc)(&at, p->bytes, 0));
		p->make_us = gpu_now_us() - from;
		from = gpu_now_us();
		TRY(cu(cuMemFreeHost)(at));
	}
	p->release_us = gpu_now_us() - from;
	return NULL;
}

enum { MOST_THREADS = 4 };

/* Together, as fast as the slowest of them was. */
static void pin_by(const struct gpu *g, const CUmemLocation *frame, int threads,
		   const char *what)
{
	struct rounds rounds = {.least = 2, .most = 8, .budget_ms = g->quick ? 60 : 1200};
	size_t bytes = gpu_fitting((g->quick ? 64 : 256) * MIB);
	struct samples make, release;

	answer_step("%s by %d threads", what, threads);
	samples_init(&make);
	samples_init(&release);
	while (rounds_more(&rounds)) {
		struct pinner p[MOST_THREADS];
		double make_us = 0, release_us = 0;

		for (int i = 0; i < threads; i++) {
			p[i] = (struct pinner){.g = g, .frame = frame, .bytes = bytes};
			if (pthread_create(&p[i].thread, NULL, pin, &p[i]))
				answer_failed("cannot start a thread");
		}
		for (int i = 0; i < threads; i++) {
			pthread_join(p[i].thread, NULL);
			if (p[i].make_us > make_us)
				make_us = p[i].make_us;
			if (p[i].release_us > release_us)
				release_us = p[i].release_us;
		}
		samples_add(&make, rate_gbps((double)bytes * threads, make_us));
		samples_add(&release, rate_gbps((double)bytes * threads, release_us));
	}
	answer_figure(&make, "GB/s", "%s/%d_thread%s", what, threads, threads > 1 ? "s" : "");
	answer_figure(&release, "GB/s", "%s_release/%d_thread%s", what, threads,
		      threads > 1 ? "s" : "");
	samples_finish(&make);
	samples_finish(&release);
}

/* Memory that the program already has, every page of it touched. */
static void registration(const struct gpu *g)
{
	size_t bytes = gpu_fitting((g->quick ? 32 : 256) * MIB);
	struct rounds rounds = {.least = 2, .most = 8, .budget_ms = g->quick ? 60 : 800};
	struct samples take, leave;
	char *memory = aligned_alloc(2 * MIB, bytes);
	CUresult result;

	if (!memory)
		answer_failed("out of memory");
	memset(memory, 1, bytes);
	answer_step("registering memory");
	result = cu(cuMemHostRegister_v2)(memory, bytes, 0); /* warm-up */
	answer_result(result, "cuMemHostRegister");
	if (result != CUDA_SUCCESS) {
		free(memory);
		return;
	}
	TRY(cu(cuMemHostUnregister)(memory));
	samples_init(&take);
	samples_init(&leave);
	while (rounds_more(&rounds)) {
		double from = gpu_now_us();

		TRY(cu(cuMemHostRegister_v2)(memory, bytes, 0));
		samples_add(&take, rate_gbps((double)bytes, gpu_now_us() - from));
		from = gpu_now_us();
		TRY(cu(cuMemHostUnregister)(memory));
		samples_add(&leave, rate_gbps((double)bytes, gpu_now_us() - from));
	}
	answer_figure(&take, "GB/s", "register");
	answer_figure(&leave, "GB/s", "unregister");
	samples_finish(&take);
	samples_finish(&leave);
	free(memory);
}

void trial_memory(struct gpu *g)
{
	static const size_t quarters[] = {4, 32, 128}, quick_quarters[] = {1};
	const size_t *sizes = g->quick ? quick_quarters : quarters;
	struct places places;
	uint64_t room = host_free_bytes();

	context(g);
	for (int threads = 1; threads <= MOST_THREADS; threads *= 2)
		pin_by(g, NULL, threads, "pin");
	registration(g);
	places = places_find(g);
	reservations();
	if (!places.granularity[ON_HOST]) {
		answer_result(places.host_answer, "host_frames");
		return;
	}
	for (int threads = 1; threads <= MOST_THREADS; threads *= 2)
		pin_by(g, &places.of[ON_HOST], threads, "create_frame");
	for (size_t i = 0; i < (g->quick ? 1 : 3); i++) {
		if (room && sizes[i] * (GIB / 4) > room / 2)
			answer_text("too little RAM is free", "host/%zuMiB", sizes[i] * 256);
		else
			host_mappings(g, &places, sizes[i]);
	}
}
