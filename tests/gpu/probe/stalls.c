/* Question 3: who waits for whom. */
#include "frame.h"
#include "speed.h"
#include "trials.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* --- launches and copies, while another thread switches ------------------------------------
 */

struct switcher {
	const struct gpu *g;
	struct block *block;
	atomic_bool stop;
	atomic_ulong switches;
	unsigned long not_ready; /* the switcher's own until it is joined */
};

static void *switch_on_and_on(void *argument)
{
	struct switcher *s = argument;

	gpu_join(s->g);
	while (!atomic_load(&s->stop)) {
		TRY(block_switch(s->g, s->block, s->block->home == ON_DEVICE, &s->not_ready));
		atomic_fetch_add(&s->switches, 1);
	}
	return NULL;
}

enum { LAUNCHES = 64 };

struct workload {
	CUdeviceptr at, copied;
	void *pinned;
	size_t copy_bytes;
	CUstream copies;
};

/* Until the budget is spent, and until as many switches fell into it (NULL: none are asked). */
static void measure(const struct gpu *g, const struct workload *w, const char *when,
		    const struct switcher *beside)
{
	struct rounds rounds = {.least = 5, .most = 4000, .budget_ms = g->quick ? 200 : 3000};
	struct stopwatch kernel = gpu_stopwatch(), copy = gpu_stopwatch();
	struct samples launch_us, kernel_us, copy_rate;
	uint64_t words = 4096, key = 1;
	CUdeviceptr at = w->at;

	samples_init(&launch_us);
	samples_init(&kernel_us);
	samples_init(&copy_rate);
	while (rounds_more(&rounds)) {
		gpu_start_watch(g, &copy, w->copies);
		TRY(copy_start(COPY_IN, w->copied, (CUdeviceptr)(uintptr_t)w->pinned,
			       w->copy_bytes, w->copies));
		for (int i = 0; i < LAUNCHES; i++) {
			double from = gpu_now_us();

			LAUNCH(g, fill, 8, g->stream, &at, &words, &key);
			samples_add(&launch_us, gpu_now_us() - from);
			if (beside)
				sched_yield(); /* where processors are few, its turn */
		}
		gpu_start_watch(g, &kernel, g->stream);
		LAUNCH(g, fill, 8, g->stream, &at, &words, &key);
		samples_add(&kernel_us, gpu_stop_watch_us(&kernel, g->stream));
		samples_add(&copy_rate, rate_gbps((double)w->copy_bytes,
						  gpu_stop_watch_us(&copy, w->copies)));
		/* On a crowded machine the other thread may not have had its turn yet. */
		if (beside && rounds.done == rounds.most && atomic_load(&beside->switches) < 10)
			rounds.most++;
	}
	answer_figure(&launch_us, "us", "%s/launch", when);
	answer_figure(&kernel_us, "us", "%s/kernel", when);
	answer_figure(&copy_rate, "GB/s", "%s/copy", when);
	samples_finish(&launch_us);
	samples_finish(&kernel_us);
	samples_finish(&copy_rate);
}

/* How often set-access answered 600. */
static unsigned long launches_beside_switches(const struct gpu *g, struct block *block)
{
	struct switcher s = {.g = g, .block = block};
	struct workload w = {.copy_bytes = 8 * MIB};
	pthread_t thread;

	answer_step("launching alone");
	TRY(cu(cuMemAlloc_v2)(&w.at, 4096 * 8));
	TRY(cu(cuMemAlloc_v2)(&w.copied, w.copy_bytes));
	TRY(cu(cuMemHostAlloc)(&w.pinned, w.copy_bytes, 0));
	TRY(cu(cuStreamCreate)(&w.copies, CU_STREAM_NON_BLOCKING));
	measure(g, &w, "alone", NULL);
	answer_step("launching beside a thread that switches");
	if (pthread_create(&thread, NULL, switch_on_and_on, &s))
		answer_failed("cannot start a thread");
	measure(g, &w, "beside", &s);
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	answer_number((long long)atomic_load(&s.switches), "switches");
	return s.not_ready;
}

/* --- mapping calls, while work runs ------------------------------------------------------- */

enum load { KERNEL, LEGACY_KERNEL, COPY, LOADS };

struct running {
	enum load load;
	CUevent end;
	CUstream stream;
	double ms;
	void *pinned;
	CUdeviceptr to;
	size_t bytes;
};

static void start(const struct gpu *g, struct running *r)
{
	if (r->load == COPY)
		TRY(copy_start(COPY_IN, r->to, (CUdeviceptr)(uintptr_t)r->pinned, r->bytes,
			       r->stream));
	else
		gpu_spin(g, r->ms, r->stream);
	TRY(cu(cuEventRecord)(r->end, r->stream));
	if (r->load != COPY)
		gpu_flag_seen(g, 5);
}

/* It waited if the work was over when it returned, and it took most of the work's time. */
static void judge(const struct running *r, double took_us, const char *call, const char *home)
{
	static const char *const whom[LOADS] = {"kernels", "legacy_kernels", "copies"};
	CUresult running = cu(cuEventQuery)(r->end);

	if (running != CUDA_ERROR_NOT_READY)
		TRY(running);
	answer_yes_no(running == CUDA_SUCCESS && took_us > r->ms * 1e3 / 2, "%s%s/waits_for_%s",
		      call, home, whom[r->load]);
	TRY(cu(cuEventSynchronize)(r->end));
}

#define UNDER_LOAD(name, call)                                                                 \
	do {                                                                                   \
		double under_from;                                                             \
		start(g, r);                                                                   \
		under_from = gpu_now_us();                                                     \
		result = (call);                                                               \
		judge(r, gpu_now_us() - under_from, name, suffix);                             \
		if (result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY)                  \
			answer_failed("%s: %s", name, driver_error_name(result));              \
	} while (0)

static unsigned long calls_under(const struct gpu *g, struct running *r,
				 const CUmemLocation *place, const char *suffix)
{
	size_t bytes = 8 * MIB;
	CUdeviceptr at = range_reserve(bytes);
	CUmemGenericAllocationHandle frame;
	unsigned long not_ready = 0;
	CUresult result;

	UNDER_LOAD("create", frame_make(place, bytes, &frame));
	UNDER_LOAD("map", cu(cuMemMap)(at, bytes, 0, frame, 0));
	UNDER_LOAD("set_access", range_open(g, at, bytes, true));
	if (result == CUDA_ERROR_NOT_READY) {
		not_ready++;
		TRY(range_open(g, at, bytes, true)); /* the work is over by now */
	}
	UNDER_LOAD("unmap", cu(cuMemUnmap)(at, bytes));
	UNDER_LOAD("release", cu(cuMemRelease)(frame));
	TRY(cu(cuMemAddressFree)(at, bytes));
	return not_ready;
}

static void prepare(const struct gpu *g, struct running *r, enum load load)
{
	struct stopwatch watch = gpu_stopwatch();

	*r = (struct running){.load = load, .stream = g->stream, .ms = 20};
	TRY(cu(cuEventCreate)(&r->end, CU_EVENT_DISABLE_TIMING));
	if (load == LEGACY_KERNEL)
		r->stream = NULL;
	if (load != COPY)
		return;
	r->bytes = gpu_fitting((g->quick ? 128 : 256) * MIB);
	TRY(cu(cuMemHostAlloc)(&r->pinned, r->bytes, 0));
	TRY(cu(cuMemAlloc_v2)(&r->to, r->bytes));
	gpu_start_watch(g, &watch, r->stream);
	TRY(copy_start(COPY_IN, r->to, (CUdeviceptr)(uintptr_t)r->pinned, r->bytes, r->stream));
	r->ms = gpu_stop_watch_us(&watch, r->stream) / 1e3;
}

void trial_stalls(struct gpu *g)
{
	struct places places = places_find(g);
	unsigned long not_ready = 0;
	struct running r;
	struct block block;

	for (int load = 0; load < LOADS; load++) {
		answer_step("mapping calls while work runs (%d)", load);
		prepare(g, &r, (enum load)load);
		not_ready += calls_under(g, &r, &places.of[ON_DEVICE], "");
		if (places.granularity[ON_HOST])
			not_ready += calls_under(g, &r, &places.of[ON_HOST], "/host");
	}
	answer_number((long long)not_ready, "set_access/not_ready");
	if (!places.granularity[ON_HOST]) {
		answer_result(places.host_answer, "host_frames");
		answer_done();
	}
	blocks_make(g, &places, 32 * MIB, 1, &block);
	not_ready += launches_beside_switches(g, &block);
	answer_number((long long)not_ready, "set_access/not_ready");
}
