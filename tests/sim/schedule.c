/*
 * Order and time. Which operation runs next is the scheduler's choice; what it may choose
 * among, and the virtual times that result, are the same for all three.
 */
#include "sim.h"

#include "fault.h"

#include <pthread.h>
#include <stdlib.h>

double sim_host_ns;
static double engine_free_ns[SIM_ENGINES]; /* guarded by the lock */
static int
    compute_priority; /* of what was last given the compute engine; guarded by the lock */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int workers;	      /* guarded by the lock */
static uint64_t random_state; /* guarded by the lock */

#define WORKERS 4

struct sim_mark *sim_mark_new(void)
{
	struct sim_mark *mark = calloc(1, sizeof(*mark));

	if (mark)
		mark->references = 1;
	return mark;
}

struct sim_mark *sim_mark_hold(struct sim_mark *mark)
{
	if (mark)
		mark->references++;
	return mark;
}

void sim_mark_drop(struct sim_mark *mark)
{
	if (mark && --mark->references == 0)
		free(mark);
}

void sim_host_spend(double ns)
{
	sim_host_ns += ns;
}

struct sim_op *sim_op_new(enum sim_engine engine, bool (*step)(struct sim_op *), void *data)
{
	struct sim_op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	op->mark = sim_mark_new();
	op->engine = engine;
	op->step = step;
	op->data = data;
	return op;
}

void sim_op_wait_for(struct sim_op *op, struct sim_mark *mark)
{
	struct sim_mark **more;

	if (!mark)
		return;
	more = realloc(op->waits, (op->wait_count + 1) * sizeof(*more));
	if (!more)
		return;
	op->waits = more;
	op->waits[op->wait_count++] = sim_mark_hold(mark);
}

static uint64_t random_below(uint64_t n)
{
	if (!random_state)
		random_state = sim_config.seed * 0x9E3779B97F4A7C15ull + 0x1234567;
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

/* A kernel of a stream with a higher priority does not wait for one that runs: its blocks are
 * taken first as those of the other end, which is long before the whole kernel does. What it
 * takes is taken from those behind. */
static bool goes_first(const struct sim_op *op)
{
	return op->engine == SIM_COMPUTE && op->stream->priority < compute_priority;
}

/* The earliest moment at which the head of a queue could start; false if something it needs is
 * not done. */
static bool ready(struct sim_op *op, double *start_ns)
{
	double start = op->queued_ns;

	if (op->may_start && !op->started && !op->may_start(op))
		return false;
	for (size_t i = 0; i < op->wait_count; i++) {
		const struct sim_mark *mark = op->waits[i];
		double when = mark == op->primary ? mark->dependents_ns : mark->end_ns;

		if (!mark->done)
			return false;
		if (when > start)
			start = when;
	}
	if (op->engine != SIM_NO_ENGINE && !goes_first(op) &&
	    engine_free_ns[op->engine] > start)
		start = engine_free_ns[op->engine];
	*start_ns = start;
	return true;
}

double sim_op_start_ns(struct sim_op *op)
{
	double start_ns = 0;

	ready(op, &start_ns);
	return start_ns;
}

/* A kernel's zero-copy accesses and the copies share one bus, turn about: what is queued there
 * delays the kernel by as much as it asks for itself, and is delayed by all of that. */
static void share_bus(struct sim_op *op, enum sim_engine bus, double ns)
{
	double waiting;

	if (ns <= 0)
		return;
	if (engine_free_ns[bus] < op->mark->start_ns)
		engine_free_ns[bus] = op->mark->start_ns;
	waiting = engine_free_ns[bus] - op->mark->start_ns;
	engine_free_ns[bus] += ns;
	if (waiting > ns)
		waiting = ns;
	if (op->mark->start_ns + waiting + ns > op->mark->end_ns)
		op->mark->end_ns = op->mark->start_ns + waiting + ns;
}

/* What it does after it has waited for the kernel before it starts when that has ended. */
static double end_of(const struct sim_op *op, double start_ns)
{
	double waited_ns = start_ns + op->before_wait_ns;

	if (op->primary && op->primary->end_ns > waited_ns)
		waited_ns = op->primary->end_ns;
	return waited_ns + op->duration_ns - op->before_wait_ns;
}

static void finish(struct sim_op *op)
{
	struct CUstream_st *stream = op->stream;
	double start = 0;

	ready(op, &start);
	op->mark->start_ns = start;
	op->mark->end_ns = end_of(op, start);
	op->mark->dependents_ns =
	    op->lets_dependents ? start + op->dependents_after_ns : op->mark->end_ns;
	op->mark->done = true;
	share_bus(op, SIM_COPY_IN, op->bus_in_ns);
	share_bus(op, SIM_COPY_OUT, op->bus_out_ns);
	if (goes_first(op) && engine_free_ns[SIM_COMPUTE] > start) {
		engine_free_ns[SIM_COMPUTE] += op->duration_ns;
	} else if (op->engine != SIM_NO_ENGINE) {
		engine_free_ns[op->engine] = op->mark->end_ns;
		if (op->engine == SIM_COMPUTE)
			compute_priority = op->stream->priority;
	}
	stream->head = op->next;
	if (!stream->head)
		stream->tail = NULL;
	for (size_t i = 0; i < op->wait_count; i++)
		sim_mark_drop(op->waits[i]);
	free(op->waits);
	sim_mark_drop(op->primary);
	sim_mark_drop(op->mark);
	if (op->release)
		op->release(op);
	else
		free(op->data);
	free(op->touched);
	free(op);
	pthread_cond_broadcast(&changed);
	if (stream->destroyed && !stream->head)
		sim_drop_stream(stream);
}

/* One piece of an operation. The lock is held; under `threads` it is let go meanwhile. */
static void run_piece(struct sim_op *op)
{
	bool threads = sim_config.scheduler == SIM_THREADS, over = true;
	struct CUctx_st *context = op->stream->context;

	op->started = true;
	if (context->sticky == CUDA_SUCCESS || op->despite_error) {
		bool fault;

		op->running = true;
		if (threads)
			sim_unlock();
		fault = !sim_fault_guard(op, &over);
		if (threads)
			sim_lock();
		op->running = false;
		if (fault) {
			context->sticky = CUDA_ERROR_ILLEGAL_ADDRESS;
			sim_count(SIM_ILLEGAL_ACCESSES, 1);
			over = true;
		}
	}
	op->in_kernel = !over;
	if (over)
		finish(op);
}

/* The next operation by virtual time (or any, by the seed) that could start by `until_ns`; of
 * two at the same time, the one whose stream has the higher priority. */
static struct sim_op *choose(double until_ns)
{
	bool seeded = sim_config.scheduler == SIM_SEEDED;
	struct sim_op *best = NULL;
	double best_ns = 0;
	uint64_t seen = 0;

	for (struct CUstream_st *stream = sim_streams; stream; stream = stream->next) {
		struct sim_op *op = stream->head;
		double start_ns;

		if (!op || op->running || !ready(op, &start_ns) || start_ns > until_ns)
			continue;
		seen++;
		if (seeded ? !random_below(seen)
			   : !best || start_ns < best_ns ||
				 (start_ns == best_ns &&
				  stream->priority < best->stream->priority)) {
			best = op;
			best_ns = start_ns;
		}
	}
	return best;
}

/* Is a stream held up by a value in memory? The processor may store it at any moment, and
 * nobody is told. */
static bool waits_for_memory(void)
{
	for (const struct CUstream_st *stream = sim_streams; stream; stream = stream->next)
		if (stream->head && stream->head->may_start && !stream->head->started)
			return true;
	return false;
}

static void *work(void *unused)
{
	(void)unused;
	sim_lock();
	for (;;) {
		struct sim_op *op = choose(1e300);

		if (op)
			run_piece(op);
		else if (waits_for_memory())
			sim_pause();
		else
			sim_wait_condition(&changed);
	}
	return NULL;
}

static void start_workers(void)
{
	for (; workers < WORKERS; workers++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, NULL))
			break;
		pthread_detach(thread);
	}
}

void sim_enqueue(CUstream stream, struct sim_op *op)
{
	op->stream = stream;
	op->queued_ns = sim_host_ns;
	/* Behind an event that lets it past, a dependent launch waits for the kernel alone. */
	sim_op_wait_for(op, op->primary ? op->primary : stream->last);
	if (!(stream->flags & CU_STREAM_NON_BLOCKING)) {
		/* The legacy stream and the blocking ones wait for each other. */
		if (!stream->legacy)
			sim_op_wait_for(op, stream->context->legacy->last);
		for (struct CUstream_st *other = stream->legacy ? sim_streams : NULL; other;
		     other = other->next)
			if (other->context == stream->context && other != stream &&
			    !(other->flags & CU_STREAM_NON_BLOCKING))
				sim_op_wait_for(op, other->last);
	}
	sim_mark_drop(stream->last);
	stream->last = sim_mark_hold(op->mark);
	if (op->is_kernel || !op->keeps_primary) {
		sim_mark_drop(stream->primary);
		stream->primary = op->is_kernel ? sim_mark_hold(op->mark) : NULL;
	}
	if (stream->tail)
		stream->tail->next = op;
	else
		stream->head = op;
	stream->tail = op;
	if (sim_config.scheduler == SIM_THREADS) {
		start_workers();
		pthread_cond_broadcast(&changed);
	}
}

static bool progress(double until_ns)
{
	struct sim_op *op = choose(until_ns);

	if (!op)
		return false;
	/* In order of time, an operation runs whole; by the seed, another may come between its
	 * pieces. */
	if (sim_config.scheduler == SIM_SEEDED) {
		run_piece(op);
	} else {
		struct sim_mark *mark = sim_mark_hold(op->mark);

		while (!mark->done)
			run_piece(op);
		sim_mark_drop(mark);
	}
	return true;
}

void sim_seeded_progress(void)
{
	if (sim_config.scheduler != SIM_SEEDED)
		return;
	for (uint64_t pieces = random_below(6); pieces; pieces--)
		if (!progress(1e300))
			break;
}

CUresult sim_wait_mark(struct sim_mark *mark)
{
	sim_mark_hold(mark);
	while (!mark->done) {
		if (sim_config.scheduler == SIM_THREADS)
			sim_wait_condition(&changed);
		else if (!progress(1e300))
			sim_pause(); /* it waits for something that another thread must do */
		else
			sim_breathe();
	}
	if (mark->end_ns > sim_host_ns)
		sim_host_ns = mark->end_ns;
	sim_mark_drop(mark);
	return CUDA_SUCCESS;
}

CUresult sim_wait_stream(CUstream stream)
{
	struct CUctx_st *context = stream->context;

	if (stream->last)
		sim_wait_mark(stream->last);
	return context->sticky;
}

static CUstream busy_stream(const struct CUctx_st *context)
{
	CUstream stream = sim_streams;

	while (stream && !(stream->context == context && stream->last && !stream->last->done))
		stream = stream->next;
	return stream;
}

CUresult sim_wait_context(struct CUctx_st *context)
{
	/* From the beginning each time: the list may have changed meanwhile. */
	for (CUstream stream; (stream = busy_stream(context)) != NULL;)
		sim_wait_mark(stream->last);
	for (CUstream stream = sim_streams; stream; stream = stream->next)
		if (stream->context == context && stream->last &&
		    stream->last->end_ns > sim_host_ns)
			sim_host_ns = stream->last->end_ns;
	return context->sticky;
}

bool sim_working(void)
{
	CUstream stream = sim_streams;

	while (stream) {
		struct sim_mark *last = stream->last;

		if (!last || (last->done && last->end_ns <= sim_host_ns)) {
			stream = stream->next;
		} else {
			if (!sim_ended(last))
				return true;
			stream = sim_streams; /* finding that out may have changed the list */
		}
	}
	return false;
}

bool sim_ended(struct sim_mark *mark)
{
	if (sim_config.scheduler == SIM_THREADS)
		return mark->done;
	if (sim_config.scheduler == SIM_VIRTUAL)
		while (!mark->done && progress(sim_host_ns))
			;
	return mark->done && mark->end_ns <= sim_host_ns;
}
