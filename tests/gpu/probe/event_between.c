/* Question 7: what stands between two kernels when an event does, and whether a programmatic
 * dependent launch still starts early behind one. */
#include "trials.h"

extern const char probe_dependent_ptx[];

enum { LINKS = 32 }; /* of a chain; even, so that it ends in the stream it began in */
enum between { NOTHING, EVENT, TIMED_EVENT, WAIT_DONE, CROSS_STREAM, BETWEENS };
static const char *const names[BETWEENS] = {"none", "event", "timed_event", "wait_done",
					    "cross_stream"};

struct tools {
	const struct gpu *g;
	CUstream streams[2];
	CUevent event, timed, done; /* done: recorded once, long ago */
	struct stopwatch watch;
	double headstart_ms; /* enough for the host to queue a whole chain */
};

static struct tools tools_make(const struct gpu *g)
{
	struct tools t = {
	    .g = g, .streams = {g->stream}, .watch = gpu_stopwatch(), .headstart_ms = 1};

	TRY(cu(cuStreamCreate)(&t.streams[1], CU_STREAM_NON_BLOCKING));
	TRY(cu(cuEventCreate)(&t.event, CU_EVENT_DISABLE_TIMING));
	TRY(cu(cuEventCreate)(&t.timed, CU_EVENT_DEFAULT));
	TRY(cu(cuEventCreate)(&t.done, CU_EVENT_DISABLE_TIMING));
	TRY(cu(cuEventRecord)(t.done, t.streams[1]));
	TRY(cu(cuEventSynchronize)(t.done));
	return t;
}

static void start_watch(const struct tools *t)
{
	gpu_spin(t->g, t->headstart_ms, t->streams[0]);
	TRY(cu(cuEventRecord)(t->watch.from, t->streams[0]));
}

/* False: the card had begun before all was queued, so that the host's time is in it; the next
 * time it is kept busy for longer. */
static bool stop_watch(struct tools *t, double *us)
{
	CUresult begun;
	float ms;

	TRY(cu(cuEventRecord)(t->watch.to, t->streams[0]));
	begun = cu(cuEventQuery)(t->watch.from);
	TRY(cu(cuEventSynchronize)(t->watch.to));
	TRY(cu(cuEventElapsedTime)(&ms, t->watch.from, t->watch.to));
	*us = (double)ms * 1e3;
	if (begun == CUDA_ERROR_NOT_READY)
		return true;
	if (t->headstart_ms < 50)
		t->headstart_ms *= 2;
	return false;
}

/* --- chains ------------------------------------------------------------------------------- */

static void put_between(const struct tools *t, enum between what, int link)
{
	switch (what) {
	case EVENT:
		TRY(cu(cuEventRecord)(t->event, t->streams[0]));
		break;
	case TIMED_EVENT:
		TRY(cu(cuEventRecord)(t->timed, t->streams[0]));
		break;
	case WAIT_DONE:
		TRY(cu(cuStreamWaitEvent)(t->streams[0], t->done, 0));
		break;
	case CROSS_STREAM: /* the next kernel is the other stream's */
		TRY(cu(cuEventRecord)(t->event, t->streams[link % 2]));
		TRY(cu(cuStreamWaitEvent)(t->streams[(link + 1) % 2], t->event, 0));
		break;
	default:
		break;
	}
}

static bool chain(struct tools *t, enum between what, double *us)
{
	uint64_t value = 0;
	bool fair;

	start_watch(t);
	for (int link = 0; link < LINKS; link++) {
		LAUNCH(t->g, params_1, 1, t->streams[what == CROSS_STREAM ? link % 2 : 0],
		       &value);
		put_between(t, what, link);
	}
	fair = stop_watch(t, us);
	*us /= LINKS;
	return fair;
}

/* Each with its neighbours in turn, so that a clock that changes changes all. */
static void chains(struct tools *t)
{
	struct rounds rounds = {.least = 5, .most = 400, .budget_ms = t->g->quick ? 400 : 3000};
	struct samples s[BETWEENS];
	unsigned long unfair = 0;

	answer_step("timing chains of kernels");
	for (int i = 0; i < BETWEENS; i++)
		samples_init(&s[i]);
	while (rounds_more(&rounds))
		for (int i = 0; i < BETWEENS; i++) {
			double us;

			if (chain(t, (enum between)i, &us))
				samples_add(&s[i], us);
			else
				unfair++;
		}
	answer_number((long long)unfair, "chains_not_queued_in_time");
	for (int i = 0; i < BETWEENS; i++) {
		answer_figure(&s[i], "us", "gap/%s", names[i]);
		samples_finish(&s[i]);
	}
}

/* --- programmatic dependent launch -------------------------------------------------------- */

enum manner { ORDINARY, EARLY, EARLY_PAST_EVENT, EARLY_PAST_WAIT, MANNERS };
static const char *const manner_names[MANNERS] = {"ordinary", "early", "early_past_event",
						  "early_past_wait"};

struct pair {
	CUfunction primary, dependent;
	CUdeviceptr word, wrong; /* words of the scratch memory */
	uint64_t value;		 /* another each time */
};

static CUresult launch(const struct tools *t, CUfunction function, bool early, void **params)
{
	CUlaunchAttribute attribute = {
	    .id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
	    .value.programmaticStreamSerializationAllowed = 1};
	CUlaunchConfig config = {.gridDimX = 1,
				 .gridDimY = 1,
				 .gridDimZ = 1,
				 .blockDimX = 32,
				 .blockDimY = 1,
				 .blockDimZ = 1,
				 .hStream = t->streams[0],
				 .attrs = &attribute,
				 .numAttrs = early};

	return cu(cuLaunchKernelEx)(&config, function, params, NULL);
}

static bool pair_run(struct tools *t, struct pair *p, enum manner manner, double *us)
{
	uint64_t ns = 50000, value = ++p->value;

	start_watch(t);
	TRY(launch(t, p->primary, false, (void *[]){&ns, &p->word, &value}));
	if (manner >= EARLY_PAST_EVENT)
		TRY(cu(cuEventRecord)(t->event, t->streams[0]));
	if (manner == EARLY_PAST_WAIT)
		TRY(cu(cuStreamWaitEvent)(t->streams[0], t->done, 0));
	TRY(launch(t, p->dependent, manner != ORDINARY,
		   (void *[]){&ns, &p->word, &value, &p->wrong}));
	return stop_watch(t, us);
}

static void pairs_time(struct tools *t, struct pair *p, double medians[MANNERS])
{
	struct rounds rounds = {.least = 5, .most = 400, .budget_ms = t->g->quick ? 300 : 2000};
	struct samples s[MANNERS];

	for (int i = 0; i < MANNERS; i++)
		samples_init(&s[i]);
	while (rounds_more(&rounds))
		for (int i = 0; i < MANNERS; i++) {
			double us;

			if (pair_run(t, p, (enum manner)i, &us))
				samples_add(&s[i], us);
		}
	for (int i = 0; i < MANNERS; i++) {
		medians[i] = samples_summarise(&s[i]).median;
		answer_figure(&s[i], "us", "dependent/%s", manner_names[i]);
		samples_finish(&s[i]);
	}
}

static const char *not_offered(const struct gpu *g)
{
	if (gpu_attribute(g, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) < 9)
		return "needs compute capability 9.0";
	if (!cu(cuLaunchKernelEx))
		return "cuLaunchKernelEx: not offered by this driver";
	return NULL;
}

/* Two kernels of as long, of which the second must wait for the first only at its end: well
 * under the two in a row, it started early. */
static bool overlaps(const double medians[MANNERS], enum manner manner)
{
	return medians[manner] < 0.75 * medians[ORDINARY];
}

static void dependent_launches(struct tools *t)
{
	const char *why = not_offered(t->g);
	struct pair p = {.word = t->g->scratch + 8 * (WORDS_OF_SCRATCH - 2),
			 .wrong = t->g->scratch + 8 * (WORDS_OF_SCRATCH - 3)};
	double medians[MANNERS];
	CUresult result;
	uint64_t wrong;

	if (why) {
		answer_text(why, "dependent");
		return;
	}
	answer_step("launching kernels that may start early");
	result = gpu_kernel(probe_dependent_ptx, "probe_primary", &p.primary);
	if (result == CUDA_SUCCESS)
		result = gpu_kernel(probe_dependent_ptx, "probe_dependent", &p.dependent);
	answer_result(result, "dependent");
	if (result != CUDA_SUCCESS)
		return;
	pairs_time(t, &p, medians);
	answer_yes_no(overlaps(medians, EARLY), "dependent/overlaps");
	answer_yes_no(overlaps(medians, EARLY_PAST_EVENT), "dependent/overlaps_past_event");
	answer_yes_no(overlaps(medians, EARLY_PAST_WAIT), "dependent/overlaps_past_wait");
	TRY(cu(cuMemcpyDtoH_v2)(&wrong, p.wrong, 8));
	answer_check(!wrong, "it did not", "a dependent kernel sees what the one before wrote");
}

void trial_event_between(struct gpu *g)
{
	struct tools t = tools_make(g);

	chains(&t);
	dependent_launches(&t);
}
