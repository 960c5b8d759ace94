/* Question 10: managed memory that moves under kernels. */
#include "managed_home.h"

/* --- under kernels ------------------------------------------------------------------------ */

struct moves {
	unsigned long done, under_load; /* moves; those after which the kernel still ran */
	CUresult result;		/* the first that was not success */
};

static bool fine(struct moves *m, CUresult result)
{
	if (m->result == CUDA_SUCCESS)
		m->result = result;
	return m->result == CUDA_SUCCESS;
}

/* Back and forth until the stream's work is over: all of it, then a single page, in turn. */
static void move_until(const struct home *h, CUevent end, struct moves *m)
{
	size_t page = 2 * MIB, pages = h->bytes / page;
	CUresult over = CUDA_ERROR_NOT_READY;

	for (unsigned long i = 0; over == CUDA_ERROR_NOT_READY && i < 1000; i++) {
		enum side to = i / 2 % 2 ? IN_RAM : ON_THE_CARD;
		bool all = i % 2 == 0;
		CUdeviceptr at = h->at + (all ? 0 : i / 2 % pages * page);

		/* What the last one brought, a page of it goes back; then all the rest. */
		if (!all)
			to = to == IN_RAM ? ON_THE_CARD : IN_RAM;
		if (!fine(m,
			  managed_prefetch(h->g, at, all ? h->bytes : page, to, h->moving)) ||
		    !fine(m, cu(cuStreamSynchronize)(h->moving)))
			return;
		over = cu(cuEventQuery)(end);
		m->done++;
		m->under_load += over == CUDA_ERROR_NOT_READY;
	}
	if (over != CUDA_ERROR_NOT_READY)
		fine(m, over);
}

static void say_moves(const struct moves *m, const char *under)
{
	answer_number((long long)m->done, "%s/moves", under);
	answer_number((long long)m->under_load, "%s/moves_ended_under_load", under);
	answer_result(m->result, "%s", under);
	answer_check(m->result == CUDA_SUCCESS, driver_error_name(m->result),
		     "%s: no fault while pages move", under);
	/* The context is gone, and with it what would have come after. */
	if (m->result != CUDA_SUCCESS)
		answer_done();
}

static struct rounds rounds_under(const struct gpu *g)
{
	return (struct rounds){
	    .least = 3, .most = g->quick ? 40 : 2000, .budget_ms = g->quick ? 500 : 8000};
}

void home_under_reader(struct home *h)
{
	uint64_t words = h->bytes / 8, key = HOME_KEY, ns = 5000000;
	CUdeviceptr at = h->at, flag = h->g->flag_there, wrong = h->g->scratch + 8 * 5;
	struct rounds rounds = rounds_under(h->g);
	struct moves m = {.result = CUDA_SUCCESS};
	uint64_t seen = 0;
	CUevent end;

	answer_step("moving under a kernel that reads");
	TRY(cu(cuEventCreate)(&end, CU_EVENT_DISABLE_TIMING));
	home_refill(h);
	while (m.result == CUDA_SUCCESS && rounds_more(&rounds)) {
		*h->g->flag = 0;
		fine(&m, cu(cuLaunchKernel)(
			     h->recheck, h->g->blocks, 1, 1, 256, 1, 1, 0, h->g->stream,
			     (void *[]){&at, &words, &key, &ns, &flag, &wrong}, NULL));
		fine(&m, cu(cuEventRecord)(end, h->g->stream));
		gpu_flag_seen(h->g, 50);
		if (m.result == CUDA_SUCCESS)
			move_until(h, end, &m);
		fine(&m, cu(cuStreamSynchronize)(h->g->stream));
	}
	say_moves(&m, "under_reader");
	TRY(cu(cuMemcpyDtoH_v2)(&seen, wrong, 8));
	answer_check(!seen && home_is_whole(h), "words differ",
		     "under_reader: every word is read as it was written");
}

/* Kernels that add one to every word, back to back. */
void home_under_writer(struct home *h)
{
	struct rounds rounds = rounds_under(h->g);
	struct moves m = {.result = CUDA_SUCCESS};
	CUevent end;

	answer_step("moving under kernels that write");
	TRY(cu(cuEventCreate)(&end, CU_EVENT_DISABLE_TIMING));
	home_refill(h);
	gpu_forget_wrong(h->g, h->g->stream);
	while (m.result == CUDA_SUCCESS && rounds_more(&rounds)) {
		for (int i = 0; i < 8; i++)
			fine(&m, gpu_check(h->g, h->at, h->bytes, HOME_KEY, h->bumps++, 1,
					   h->g->stream));
		fine(&m, cu(cuEventRecord)(end, h->g->stream));
		if (m.result == CUDA_SUCCESS)
			move_until(h, end, &m);
		fine(&m, cu(cuStreamSynchronize)(h->g->stream));
	}
	say_moves(&m, "under_writer");
	answer_check(!gpu_wrong(h->g, h->g->stream) && home_is_whole(h), "words differ",
		     "under_writer: no write is lost");
}
