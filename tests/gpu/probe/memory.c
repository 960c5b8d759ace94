/* Question 6: what a context takes, and how fast RAM can be pinned and let go. */
#include "frame.h"
#include "nvml.h"
#include "taken.h"
#include "trials.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static uint64_t before_context; /* NVML's figure, before there was a context; 0: none */

void memory_note_before(const struct gpu *g)
{
	if (!nvml_start(g) || !nvml_used_bytes(&before_context))
		before_context = 0;
}

static void context(const struct gpu *g)
{
	struct taken now = taken_look();
	size_t total;

	TRY(cu(cuDeviceTotalMem_v2)(&total, g->device));
	answer_number((long long)(total - now.free_bytes), "context/total_less_free");
	if (before_context && now.has_nvml)
		answer_number((long long)(now.nvml_bytes - before_context),
			      "context/device_bytes_nvml");
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
	struct places places;

	context(g);
	for (int threads = 1; threads <= MOST_THREADS; threads *= 2)
		pin_by(g, NULL, threads, "pin");
	registration(g);
	places = places_find(g);
	if (!places.granularity[ON_HOST]) {
		answer_result(places.host_answer, "host_frames");
		return;
	}
	for (int threads = 1; threads <= MOST_THREADS; threads *= 2)
		pin_by(g, &places.of[ON_HOST], threads, "create_frame");
}
