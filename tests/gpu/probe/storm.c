/*
 * Question 4, the right way: very many switches, every byte checked and changed between them.
 * Kernels do the checking: each block must hold its pattern plus one for each time it was used.
 */
#include "frame.h"
#include "trials.h"

enum { BLOCKS = 24, STREAMS = 3 };

/* The tests also build it with this: the rules without their waiting, which must be found out.
 */
#ifdef PLANTED_NO_WAIT
#define WAIT(call) CUDA_SUCCESS
#else
#define WAIT(call) (call)
#endif

struct storm {
	const struct gpu *g;
	struct block blocks[BLOCKS];
	CUstream streams[STREAMS];
	unsigned long switches, wanted, not_ready, under_load;
	struct samples switch_us;
	CUevent read[2]; /* the end of the long reading of each half */
	CUresult result; /* the first that was not success */
};

static bool fine(struct storm *s, CUresult result)
{
	if (s->result == CUDA_SUCCESS)
		s->result = result;
	return s->result == CUDA_SUCCESS;
}

/* Checks and changes it, wherever it is. */
static void use(struct storm *s, size_t i)
{
	struct block *b = &s->blocks[i];
	CUstream in = s->streams[i % STREAMS];

	fine(s, gpu_check(s->g, b->at, b->bytes, b->key, b->bumps, 1, in));
	fine(s, cu(cuEventRecord)(b->used, in));
	b->bumps++;
}

/* The blocks' last use is over: their bytes cross between aliases, then they switch. */
static void move(struct storm *s, size_t from, size_t upto)
{
	for (size_t i = from; i < upto && s->result == CUDA_SUCCESS; i++)
		block_copy(&s->blocks[i], s->blocks[i].home == ON_DEVICE, s->g->stream);
	if (!fine(s, cu(cuStreamSynchronize)(s->g->stream)))
		return;
	for (size_t i = from; i < upto && s->result == CUDA_SUCCESS; i++) {
		double began = gpu_now_us();

		fine(s, block_switch(s->g, &s->blocks[i], s->blocks[i].home == ON_DEVICE,
				     &s->not_ready));
		samples_add(&s->switch_us, gpu_now_us() - began);
		s->switches++;
	}
}

static void begin(struct storm *s, const struct gpu *g)
{
	struct places places = places_need_host(g);
	size_t bytes = 2 * MIB;

	*s = (struct storm){.g = g, .wanted = g->quick ? 2000 : 100000};
	for (int home = 0; home < HOMES; home++)
		if (bytes < places.granularity[home])
			bytes = places.granularity[home];
	samples_init(&s->switch_us);
	blocks_make(g, &places, bytes, BLOCKS, s->blocks);
	for (int half = 0; half < 2; half++)
		TRY(cu(cuEventCreate)(&s->read[half], CU_EVENT_DISABLE_TIMING));
	for (int i = 0; i < STREAMS; i++)
		TRY(cu(cuStreamCreate)(&s->streams[i], CU_STREAM_NON_BLOCKING));
	for (int i = 0; i < BLOCKS; i++)
		gpu_fill(g, s->blocks[i].at, bytes, s->blocks[i].key, g->stream);
	gpu_forget_wrong(g, g->stream);
	TRY(cu(cuCtxSynchronize)());
}

static void end(struct storm *s)
{
	uint64_t wrong;

	for (size_t i = 0; i < BLOCKS && s->result == CUDA_SUCCESS; i++)
		use(s, i);
	fine(s, cu(cuCtxSynchronize)());
	answer_number((long long)s->switches, "switches");
	answer_number((long long)s->wanted, "switches_wanted");
	answer_number((long long)s->not_ready, "set_access_not_ready");
	answer_figure(&s->switch_us, "us", "switch");
	answer_check(s->result == CUDA_SUCCESS, driver_error_name(s->result), "no fault");
	if (s->result != CUDA_SUCCESS)
		return;
	wrong = gpu_wrong(s->g, s->g->stream);
	answer_check(!wrong, "words differ", "every byte is as it was written");
	samples_finish(&s->switch_us);
}

/* Ends by itself well before the trial would be cut short, or its verdict were lost. */
static struct rounds rounds_of(const struct storm *s)
{
	double budget_ms = s->g->quick ? 1000 : 60000, most_ms = 600.0 * s->g->limit_s;

	return (struct rounds){.least = 1,
			       .most = s->wanted / BLOCKS + 1,
			       .budget_ms =
				   most_ms > 0 && most_ms < budget_ms ? most_ms : budget_ms};
}

/* Nothing runs while mappings change: every stream is drained first. */
void trial_danger_strict(struct gpu *g)
{
	struct rounds rounds;
	struct storm s;

	begin(&s, g);
	rounds = rounds_of(&s);
	answer_step("switching by the strict rule");
	while (s.result == CUDA_SUCCESS && rounds_more(&rounds)) {
		for (size_t i = 0; i < BLOCKS; i++)
			use(&s, i);
		if (fine(&s, WAIT(cu(cuCtxSynchronize)())))
			move(&s, 0, BLOCKS);
	}
	end(&s);
}

/* Reads the half over and over, for as long as the other half will take to move. */
static void keep_reading(struct storm *s, size_t half)
{
	const struct block *first = &s->blocks[half * BLOCKS / 2];
	uint64_t words = first->bytes * (BLOCKS / 2) / 8, ns = 3000000;
	CUdeviceptr at = first->at, flag = s->g->flag_there,
		    sum = s->g->scratch + 8 * (WORDS_OF_SCRATCH - 1);

	fine(s, gpu_launch(s->g, KERNEL_reread, s->g->blocks, s->streams[0],
			   (void *[]){&at, &words, &ns, &flag, &sum}));
	fine(s, cu(cuEventRecord)(s->read[half], s->streams[0]));
}

/* One half of the blocks switches while kernels use the other half; of a block that switches,
 * the last use has been seen to be over. */
void trial_danger_graced(struct gpu *g)
{
	struct rounds rounds;
	struct storm s;

	begin(&s, g);
	rounds = rounds_of(&s);
	rounds.most *= 2; /* half as many switches in each */
	answer_step("switching by the overlap rule");
	for (size_t half = 0; s.result == CUDA_SUCCESS && rounds_more(&rounds); half = !half) {
		size_t used = half * BLOCKS / 2, moved = !half * BLOCKS / 2;

		keep_reading(&s, half);
		for (size_t i = used; i < used + BLOCKS / 2; i++)
			use(&s, i);
		fine(&s, WAIT(cu(cuEventSynchronize)(s.read[!half])));
		for (size_t i = moved; i < moved + BLOCKS / 2 && s.result == CUDA_SUCCESS; i++)
			fine(&s, WAIT(cu(cuEventSynchronize)(s.blocks[i].used)));
		move(&s, moved, moved + BLOCKS / 2);
		s.under_load += cu(cuEventQuery)(s.read[half]) == CUDA_ERROR_NOT_READY;
	}
	answer_number((long long)s.under_load, "moves_ended_under_load");
	end(&s);
}
