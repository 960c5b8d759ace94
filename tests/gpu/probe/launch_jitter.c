/* Question 3: how long a launch may take at worst, while another thread uses the driver. */
#include "frame.h"
#include "trials.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>

enum other {
	NOBODY,
	SWITCHING,
	EVENT_QUERY_TIGHT,
	EVENT_QUERY_50US,
	STREAM_QUERY_TIGHT,
	STREAM_QUERY_50US,
	FRAMES,
	OTHERS
};
static const char *const names[OTHERS] = {"alone",
					  "switching",
					  "event_query_tight",
					  "event_query_50us",
					  "stream_query_tight",
					  "stream_query_50us",
					  "frames"};

enum { LAUNCHES = 64, LEAST_CALLS = 10 };

struct beside {
	const struct gpu *g;
	const struct places *places;
	enum other what;
	struct block block;
	pthread_t thread;
	atomic_bool stop;
	atomic_ulong calls;	 /* a switch counts as one */
	unsigned long not_ready; /* the other thread's own until it is joined */
};

static bool go_on(struct beside *b)
{
	atomic_fetch_add(&b->calls, 1);
	/* The simulated driver has one lock and no turns: on a crowded machine the other side
	 * would never get it. A moment's sleep is none of its time. */
	if (b->g->simulated)
		gpu_sleep_ms(0.001);
	return !atomic_load(&b->stop);
}

static void switch_homes(struct beside *b)
{
	do
		TRY(block_switch(b->g, &b->block, b->block.home == ON_DEVICE, &b->not_ready));
	while (go_on(b));
}

/* As a pager that waits for a copy's end: asked until it has come, then of the next. */
static void poll_work(struct beside *b)
{
	bool by_stream = b->what == STREAM_QUERY_TIGHT || b->what == STREAM_QUERY_50US;
	bool paced = b->what == EVENT_QUERY_50US || b->what == STREAM_QUERY_50US;
	uint64_t ns = 2000000;
	CUdeviceptr no_flag = 0;
	CUstream stream;
	CUevent end;

	TRY(cu(cuStreamCreate)(&stream, CU_STREAM_NON_BLOCKING));
	TRY(cu(cuEventCreate)(&end, CU_EVENT_DISABLE_TIMING));
	do {
		CUresult over;

		LAUNCH(b->g, spin, 1, stream, &ns, &no_flag);
		TRY(cu(cuEventRecord)(end, stream));
		do {
			if (paced)
				gpu_sleep_ms(0.05);
			over = by_stream ? cu(cuStreamQuery)(stream) : cu(cuEventQuery)(end);
		} while (go_on(b) && over == CUDA_ERROR_NOT_READY);
		if (over != CUDA_ERROR_NOT_READY)
			TRY(over);
	} while (!atomic_load(&b->stop));
	TRY(cu(cuStreamSynchronize)(stream));
}

static void make_frames(struct beside *b)
{
	size_t bytes = (b->g->quick ? 8 : 32) * MIB;

	do {
		CUmemGenericAllocationHandle frame;

		TRY(frame_make(&b->places->of[ON_HOST], bytes, &frame));
		TRY(cu(cuMemRelease)(frame));
	} while (go_on(b));
}

static void *work(void *argument)
{
	struct beside *b = argument;

	prctl(PR_SET_TIMERSLACK, 1000ul); /* else 50 us are 100 */
	gpu_join(b->g);
	if (b->what == SWITCHING)
		switch_homes(b);
	else if (b->what == FRAMES)
		make_frames(b);
	else
		poll_work(b);
	return NULL;
}

/* Launches in short bursts, so that the queue is never full. */
static void launch_on(const struct gpu *g, const struct beside *b, struct samples *us)
{
	struct rounds rounds = {.least = 5, .most = 2000, .budget_ms = g->quick ? 120 : 1500};
	unsigned long first_calls;
	uint64_t value = 0;

	LAUNCH(g, params_1, 1, g->stream, &value); /* warm-up */
	first_calls = atomic_load(&b->calls);
	while (rounds_more(&rounds)) {
		unsigned long calls = atomic_load(&b->calls);

		for (int i = 0; i < LAUNCHES; i++) {
			double from = gpu_now_us();

			LAUNCH(g, params_1, 1, g->stream, &value);
			samples_add(us, gpu_now_us() - from);
		}
		TRY(cu(cuStreamSynchronize)(g->stream));
		/* On a crowded machine the other thread may not have had its turn before these
		 * launches. */
		if (b->what != NOBODY && calls - first_calls < LEAST_CALLS) {
			rounds.most++;
			rounds.least++;
		}
	}
}

static void beside(const struct gpu *g, const struct places *places, enum other what)
{
	struct beside b = {.g = g, .places = places, .what = what};
	struct samples us;

	answer_step("launching, %s", names[what]);
	samples_init(&us);
	if (what == SWITCHING)
		blocks_make(g, places, 32 * MIB, 1, &b.block);
	if (what != NOBODY && pthread_create(&b.thread, NULL, work, &b))
		answer_failed("cannot start a thread");
	launch_on(g, &b, &us);
	atomic_store(&b.stop, true);
	if (what != NOBODY) {
		pthread_join(b.thread, NULL);
		answer_number((long long)atomic_load(&b.calls), "%s/calls", names[what]);
	}
	answer_value(samples_percentile(&us, 0.999), "us", "%s/launch_p99.9", names[what]);
	answer_figure(&us, "us", "%s/launch", names[what]);
	samples_finish(&us);
}

void trial_launch_jitter(struct gpu *g)
{
	struct places places = {.host_answer = CUDA_ERROR_NOT_SUPPORTED};

	/* Where there is no virtual memory management, polling can still be asked about. */
	if (driver_has_vmm() &&
	    gpu_attribute(g, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED))
		places = places_find(g);
	for (int what = 0; what < OTHERS; what++) {
		if ((what == SWITCHING || what == FRAMES) && !places.granularity[ON_HOST])
			answer_result(places.host_answer, "%s", names[what]);
		else
			beside(g, &places, (enum other)what);
	}
}
