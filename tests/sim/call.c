/*
 * What every call of the program goes through: the lock, the price in host time, planned
 * failures, the lost context's answer, counts, the log; and the report at exit.
 */
#include "sim.h"

#include "fault.h"
#include "managed.h"
#include "manner.h"
#include "price.h"
#include "sim_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIM_POLL_NS 10000000
#define FUNCTIONS 512
#define FAILURES 256

struct counted_function {
	const char *name;
	uint64_t calls;
};

struct failure {
	char name[64]; /* "*": any */
	uint64_t nth;  /* of that function's calls; 0: each */
	bool onwards;  /* and each after that */
	bool met;      /* a call of it has failed */
	CUresult code;
};

/* Of token/, where it is preloaded. */
extern void lowtide_token_reach(double host_ns) __attribute__((weak));

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int depth;	       /* of the lock */
static _Thread_local int cancel_state; /* before it was taken */
static _Thread_local double thread_ns;
static _Thread_local int call_depth; /* of driver functions that call driver functions */

/* Guarded by the lock. */
static struct counted_function functions[FUNCTIONS];
static uint64_t any_calls, counters[SIM_COUNTERS];
static struct failure failures[FAILURES];
static size_t failure_count;
static bool configured;
static pid_t owner; /* a forked child tells nothing */
static bool forked; /* and the driver is not there for it, as the real one */
static FILE *call_log;
static const char *report_path;

bool sim_initialized;
_Thread_local bool sim_in_host_function;

/* The driver waits without cancellation points: nobody who holds the lock is cancelled. */
void sim_lock(void)
{
	int state;

	if (depth++ == 0) {
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
		pthread_mutex_lock(&mutex);
		cancel_state = state;
	}
}

void sim_unlock(void)
{
	if (--depth == 0) {
		pthread_mutex_unlock(&mutex);
		pthread_setcancelstate(cancel_state, &(int){0});
	}
}

/* Not for ever: what a wait-value operation waits for may be written by the host, which signals
 * nobody. */
void sim_wait_condition(pthread_cond_t *condition)
{
	struct timespec until;
	int held = depth;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += SIM_POLL_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	depth = 0;
	pthread_cond_timedwait(condition, &mutex, &until);
	depth = held;
}

void sim_pause(void)
{
	const struct timespec moment = {0, 100000};
	int held = depth;

	depth = 0;
	pthread_mutex_unlock(&mutex);
	nanosleep(&moment, NULL);
	pthread_mutex_lock(&mutex);
	depth = held;
}

/* Giving the lock back, under the token, is where another thread may go on. */
void sim_breathe(void)
{
	int held = depth;

	if (!lowtide_token_reach)
		return;
	lowtide_token_reach(sim_host_ns);
	depth = 0;
	pthread_mutex_unlock(&mutex);
	pthread_mutex_lock(&mutex);
	depth = held;
}

void sim_count(enum sim_counter counter, uint64_t amount)
{
	counters[counter] += amount;
}

uint64_t sim_counted(enum sim_counter counter)
{
	return counters[counter];
}

/* --- settings
 * ----------------------------------------------------------------------------------- */

/* LOWTIDE_SIM_FAIL=function:n[:code][,...]; `function:n+`: from its nth call on each of them;
 * `function:*`: each call of it. */
static void read_failures(const char *text)
{
	while (text && *text && failure_count < FAILURES) {
		struct failure *failure = &failures[failure_count];
		int code = CUDA_ERROR_OUT_OF_MEMORY, used = 0;
		char nth[24] = "";

		if (sscanf(text, "%63[^:,]:%23[0-9*+]%n:%d%n", failure->name, nth, &used, &code,
			   &used) < 2) {
			fprintf(stderr,
				"simulated GPU: LOWTIDE_SIM_FAIL: not function:n[:code]: %s\n",
				text);
			return;
		}
		failure->nth = nth[0] == '*' ? 0 : strtoull(nth, NULL, 10);
		failure->onwards = strchr(nth, '+') != NULL;
		failure->code = (CUresult)code;
		failure_count++;
		text = strchr(text + used, ',');
		text = text ? text + 1 : NULL;
	}
}

static void note_fork(void)
{
	forked = true;
}

static struct counted_function *function_named(const char *name)
{
	size_t slot = 0;

	for (const char *c = name; *c; c++)
		slot = slot * 31 + (unsigned char)*c;
	for (size_t i = 0; i < FUNCTIONS; i++) {
		struct counted_function *f = &functions[(slot + i) % FUNCTIONS];

		if (f->name && strcmp(f->name, name) != 0)
			continue;
		f->name = name;
		return f;
	}
	return &functions[slot % FUNCTIONS];
}

SIM_EXPORT int lowtide_sim_fail(const char *function, uint64_t nth, CUresult code)
{
	struct failure *failure;
	int taken = 0;

	sim_lock();
	if (failure_count < FAILURES && strlen(function) < sizeof(failure->name)) {
		failure = &failures[failure_count++];
		strcpy(failure->name, function);
		failure->nth = 0;
		failure->onwards = failure->met = false;
		if (nth)
			failure->nth =
			    nth + (strcmp(function, "*") != 0 ? function_named(function)->calls
							      : any_calls);
		failure->code = code;
		taken = 1;
	}
	sim_unlock();
	return taken;
}

static void configure(void)
{
	const char *log_path = getenv("LOWTIDE_SIM_LOG");

	sim_config_read();
	read_failures(getenv("LOWTIDE_SIM_FAIL"));
	report_path = getenv("LOWTIDE_SIM_REPORT");
	if (log_path && *log_path)
		call_log = fopen(log_path, "we");
	sim_fault_install();
	owner = getpid();
	pthread_atfork(NULL, NULL, note_fork);
	configured = true;
}

/* --- a call
 * ------------------------------------------------------------------------------------- */

static CUresult planned(const char *name, uint64_t nth)
{
	for (size_t i = 0; i < failure_count; i++) {
		bool any = !strcmp(failures[i].name, "*");
		uint64_t now = any ? any_calls : nth;

		if (!any && strcmp(failures[i].name, name) != 0)
			continue;
		if (!failures[i].nth || failures[i].nth == now ||
		    (failures[i].onwards && failures[i].nth < now)) {
			failures[i].met = true;
			return failures[i].code;
		}
	}
	return CUDA_SUCCESS;
}

static CUresult standing(const char *name, bool needs_context)
{
	CUcontext context;

	if (!sim_initialized && strcmp(name, "cuInit") != 0 &&
	    strcmp(name, "cuDriverGetVersion") != 0 && strncmp(name, "cuGetError", 10) != 0 &&
	    strncmp(name, "cuGetProc", 9) != 0)
		return CUDA_ERROR_NOT_INITIALIZED;
	if (!needs_context)
		return CUDA_SUCCESS;
	context = sim_context();
	if (!context)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!context->alive)
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	return context->sticky;
}

struct sim_call sim_call_begin(const char *name, bool needs_context)
{
	struct sim_call call = {name, CUDA_SUCCESS, call_depth == 0, 0};

	if (forked) {
		call.result = CUDA_ERROR_NOT_INITIALIZED;
		return call;
	}
	sim_lock();
	call_depth++;
	if (!configured)
		configure();
	sim_exit_note_thread();
	if (sim_in_host_function)
		call.result = CUDA_ERROR_NOT_PERMITTED;
	if (!call.outermost || sim_in_host_function)
		return call;
	any_calls++;
	call.begin_ns = sim_host_ns;
	call.result = planned(name, ++function_named(name)->calls);
	if (call.result == CUDA_SUCCESS)
		call.result = standing(name, needs_context);
	sim_host_spend(sim_prices.call_ns);
	if (sim_initialized)
		sim_seeded_progress();
	if (call_log)
		fprintf(call_log, "%s\n", name);
	return call;
}

CUresult sim_call_answer(struct sim_call *call, CUresult result)
{
	call->result = result;
	return result;
}

void sim_call_end(struct sim_call *call)
{
	if (forked)
		return;
	if (call->outermost && call_log && call->result != CUDA_SUCCESS)
		fprintf(call_log, "%s: error %d\n", call->name, (int)call->result);
	if (call->outermost)
		thread_ns += sim_host_ns - call->begin_ns;
	call_depth--;
	if (lowtide_token_reach)
		lowtide_token_reach(sim_host_ns);
	sim_unlock();
}

/* For the probe, which would else measure the simulator with the machine's own clock: what this
 * thread's calls have taken of the host's virtual time. Under `threads`, and in a wait for what
 * another thread must do, the time of other threads' calls is in it. */
SIM_EXPORT double lowtide_sim_thread_ns(void)
{
	return thread_ns;
}

/* --- the report
 * ----------------------------------------------------------------------------------- */

static const char *const counter_names[SIM_COUNTERS] = {
    [SIM_BYTES_H2D] = "bytes_h2d",
    [SIM_BYTES_D2H] = "bytes_d2h",
    [SIM_BYTES_ZERO_COPY] = "bytes_zero_copy",
    [SIM_ILLEGAL_ACCESSES] = "illegal_accesses",
    [SIM_REMAP_RACES] = "remap_races",
    [SIM_ALIAS_RACES] = "alias_races",
    [SIM_TORN_READS] = "torn_reads",
    [SIM_UNKNOWN_STREAMS] = "unknown_streams",
};

SIM_EXPORT uint64_t lowtide_sim_counted(const char *name)
{
	uint64_t value = UINT64_MAX;

	sim_lock();
	for (int i = 0; i < SIM_COUNTERS; i++)
		if (!strcmp(counter_names[i], name))
			value = counters[i];
	if (!strcmp(name, "vram_peak"))
		value = sim_vram_peak();
	if (!strcmp(name, "host_peak"))
		value = sim_host_peak();
	if (!strcmp(name, "vram_now"))
		value = sim_vram_used(0);
	if (!strcmp(name, "managed_now"))
		value = sim_managed_used(0);
	if (!strcmp(name, "host_now"))
		value = sim_host_used();
	if (!strcmp(name, "virtual_ns"))
		value = (uint64_t)sim_host_ns;
	if (!strcmp(name, "calls"))
		value = any_calls;
	if (!strncmp(name, "cu", 2))
		value = function_named(name)->calls;
	sim_unlock();
	return value;
}

__attribute__((destructor)) static void report(void)
{
	const char *separator = "";
	unsigned int met = 0;
	FILE *out;

	if (call_log)
		fclose(call_log);
	if (!configured || owner != getpid() || !report_path || !*report_path)
		return;
	out = fopen(report_path, "we");
	if (!out) {
		fprintf(stderr, "simulated GPU: LOWTIDE_SIM_REPORT=%s cannot be written\n",
			report_path);
		return;
	}
	fprintf(out,
		"{\"vram_capacity\": %llu, \"vram_peak\": %llu, \"host_peak\": %llu, "
		"\"virtual_ns\": %.0f",
		(unsigned long long)sim_config.vram_bytes[0],
		(unsigned long long)sim_vram_peak(), (unsigned long long)sim_host_peak(),
		sim_host_ns);
	for (int i = 0; i < SIM_COUNTERS; i++)
		fprintf(out, ", \"%s\": %llu", counter_names[i],
			(unsigned long long)counters[i]);
	for (size_t i = 0; i < failure_count; i++)
		met += failures[i].met;
	fprintf(out, ", \"failures_met\": %u, \"calls\": {", met);
	for (size_t i = 0; i < FUNCTIONS; i++)
		if (functions[i].name) {
			fprintf(out, "%s\"%s\": %llu", separator, functions[i].name,
				(unsigned long long)functions[i].calls);
			separator = ", ";
		}
	fprintf(out, "}}\n");
	fclose(out);
}

/* --- the first calls
 * ------------------------------------------------------------------------------- */

SIM_EXPORT CUresult cuInit(unsigned int flags)
{
	SIM_CALL_ANYWHERE();
	if (flags)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	sim_initialized = true;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDriverGetVersion(int *version)
{
	SIM_CALL_ANYWHERE();
	if (!version)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*version = sim_config.driver_version;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuGetExportTable(const void **table, const CUuuid *id)
{
	SIM_CALL_ANYWHERE();
	(void)id;
	if (table)
		*table = NULL;
	SIM_ANSWER(CUDA_ERROR_NOT_FOUND);
}
