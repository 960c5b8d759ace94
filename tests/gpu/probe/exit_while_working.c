/*
 * Question 9: how a process ends whose other thread is inside the driver, as the library's own
 * thread may be. Each way has a process of its own, which this one starts (as --variant
 * WORK/END), and which says when its thread is at work; then the clock runs.
 */
#include "frame.h"
#include "record.h"
#include "speed.h"
#include "trials.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum job { IDLE, SWITCHING, COPYING, WAITING, SYNCHRONISING, JOBS };
static const char *const job_names[JOBS] = {"idle", "switching", "copying", "waiting",
					    "synchronising"};
enum leave { MAIN_RETURNS, EXIT_CALLED, LEAVES };
static const char *const leave_names[LEAVES] = {"main_returns", "exit_called"};

/* --- the process that ends ---------------------------------------------------------------- */

#define COPIED (8 * MIB)
#define KERNEL_MS 400.0 /* of the work that its thread waits for */

struct worker {
	const struct gpu *g;
	enum job job;
	struct block block;
	CUdeviceptr device;
	void *pinned;
	CUevent end;
	atomic_ulong rounds;
	atomic_bool stopped; /* the driver has answered an error */
};

static CUresult keep_busy(const struct worker *w)
{
	uint64_t ns = (uint64_t)(KERNEL_MS * 1e6);
	CUdeviceptr no_flag = 0;

	return gpu_launch(w->g, KERNEL_spin, 1, w->g->stream, (void *[]){&ns, &no_flag});
}

static CUresult work_once(struct worker *w)
{
	unsigned long not_ready = 0;
	CUresult result;

	switch (w->job) {
	case SWITCHING:
		return block_switch(w->g, &w->block, w->block.home == ON_DEVICE, &not_ready);
	case COPYING:
		return cu(cuMemcpyHtoD_v2)(w->device, w->pinned, COPIED);
	case WAITING:
		result = keep_busy(w);
		if (result == CUDA_SUCCESS)
			result = cu(cuEventRecord)(w->end, w->g->stream);
		atomic_fetch_add(&w->rounds, 1);
		return result == CUDA_SUCCESS ? cu(cuEventSynchronize)(w->end) : result;
	case SYNCHRONISING:
		result = keep_busy(w);
		atomic_fetch_add(&w->rounds, 1);
		return result == CUDA_SUCCESS ? cu(cuCtxSynchronize)() : result;
	default:
		return CUDA_ERROR_UNKNOWN;
	}
}

/* Whatever the driver answers once the process is ending: this thread only stops. */
static void *work(void *argument)
{
	struct worker *w = argument;
	CUresult result = cu(cuCtxSetCurrent)(w->g->context);

	while (result == CUDA_SUCCESS) {
		result = work_once(w);
		atomic_fetch_add(&w->rounds, 1);
	}
	atomic_store(&w->stopped, true);
	for (;;)
		pause();
	return NULL;
}

static void prepare(struct worker *w)
{
	if (w->job == SWITCHING) {
		struct places places = places_need_host(w->g);

		blocks_make(w->g, &places, 32 * MIB, 1, &w->block);
	}
	TRY(cu(cuMemAlloc_v2)(&w->device, COPIED));
	TRY(cu(cuMemHostAlloc)(&w->pinned, COPIED, 0));
	TRY(cu(cuEventCreate)(&w->end, CU_EVENT_DISABLE_TIMING));
}

static void *leave_by_exit(void *unused)
{
	(void)unused;
	exit(0);
}

static void become(const struct gpu *g, enum job job, enum leave leave)
{
	/* Main returns, and its stack is gone, while the thread still uses them. */
	static struct worker w;
	static struct gpu kept;
	double until_ms = rounds_now_ms() + 8000;
	pthread_t thread, last;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	kept = *g;
	w = (struct worker){.g = &kept, .job = job};
	prepare(&w);
	if (job != IDLE) {
		if (pthread_create(&thread, NULL, work, &w))
			answer_failed("cannot start a thread");
		/* One round is over; of those that wait, one wait has begun. */
		while (!atomic_load(&w.rounds) && rounds_now_ms() < until_ms &&
		       !atomic_load(&w.stopped))
			gpu_sleep_ms(1);
		if (atomic_load(&w.stopped) || !atomic_load(&w.rounds))
			answer_failed("its thread does not get to work");
		gpu_sleep_ms(10);
	}
	answer_yes_no(true, "at_work");
	if (leave == MAIN_RETURNS)
		return;
	if (pthread_create(&last, NULL, leave_by_exit, NULL))
		answer_failed("cannot start a thread");
	for (;;)
		pause();
}

/* --- the trial that watches --------------------------------------------------------------- */

struct child {
	pid_t pid;
	int from; /* what it tells */
};

static bool begin(const struct gpu *g, const char *variant, struct child *child)
{
	char device[16], answers[16], name[64];
	char *argv[] = {(char[]){"probe"},
			(char[]){"--trial"},
			(char[]){"exit_while_working"},
			(char[]){"--variant"},
			name,
			(char[]){"--device"},
			device,
			(char[]){"--answers"},
			answers,
			(char[]){"--driver"},
			(char *)(uintptr_t)probe_driver.path,
			g->quick ? (char[]){"--quick"} : NULL,
			NULL};
	int ends[2], failed;

	if (pipe2(ends, O_CLOEXEC))
		return false;
	snprintf(name, sizeof(name), "%s", variant);
	snprintf(device, sizeof(device), "%d", g->ordinal);
	snprintf(answers, sizeof(answers), "%d", ends[1]);
	fcntl(ends[1], F_SETFD, 0);
	failed = posix_spawn(&child->pid, "/proc/self/exe", NULL, NULL, argv, environ);
	close(ends[1]);
	child->from = ends[0];
	if (failed)
		close(ends[0]);
	return !failed;
}

/* Until it has said that it is at work; false: it never does, and the record tells why. */
static bool at_work(const struct child *child, double within_ms, struct record *record)
{
	double until_ms = rounds_now_ms() + within_ms;
	char line[4096];
	size_t held = 0;

	while (!json_is_true(
	    json_object_get(json_object_get(record->trial, "facts"), "at_work"))) {
		struct pollfd ready = {.fd = child->from, .events = POLLIN};
		double left_ms = until_ms - rounds_now_ms();
		char *end;

		if (left_ms <= 0 || held == sizeof(line))
			return false;
		if (poll(&ready, 1, (int)left_ms + 1) > 0) {
			ssize_t got = read(child->from, line + held, sizeof(line) - held);

			if (got == 0 || (got < 0 && errno != EINTR))
				return false;
			held += got > 0 ? (size_t)got : 0;
		}
		while ((end = memchr(line, '\n', held)) != NULL) {
			size_t length = (size_t)(end - line);

			record_take(record, line, length);
			held -= length + 1;
			memmove(line, end + 1, held);
		}
	}
	return true;
}

/* False: it does not end within the time, and is made to. */
static bool ended(pid_t pid, double within_ms, int *status)
{
	double until_ms = rounds_now_ms() + within_ms;

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (rounds_now_ms() > until_ms) {
			kill(pid, SIGKILL);
			waitpid(pid, status, 0);
			return false;
		}
		gpu_sleep_ms(0.2);
	}
	return true;
}

static void say_status(int status, const char *variant)
{
	char text[128];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(text, sizeof(text), "exit status %d", WEXITSTATUS(status));
	answer_text(text, "%s", variant);
}

static void say_no_beginning(const struct record *record, const char *variant)
{
	const char *why = json_string_value(json_object_get(record->trial, "why"));
	char text[512];

	if (!why || !*why)
		why = record->step[0] ? record->step : "not a word";
	snprintf(text, sizeof(text), "did not begin: %s", why);
	answer_text(text, "%s", variant);
}

static void watch(const struct gpu *g, const char *variant)
{
	double limit_ms = g->quick ? 2000 : 10000, from_ms;
	struct record record = {.trial = record_new(variant, "")};
	struct child child;
	int status = 0;

	answer_step("ending a process: %s", variant);
	if (!record.trial || !begin(g, variant, &child))
		answer_failed("cannot start a process");
	if (!at_work(&child, 10000, &record)) {
		say_no_beginning(&record, variant);
		kill(child.pid, SIGKILL);
		waitpid(child.pid, &status, 0);
	} else {
		from_ms = rounds_now_ms();
		if (ended(child.pid, limit_ms, &status)) {
			answer_value(rounds_now_ms() - from_ms, "ms", "%s", variant);
			say_status(status, variant);
		} else {
			answer_text("still there when its time was up", "%s", variant);
		}
	}
	close(child.from);
	json_decref(record.trial);
}

/* What a variant is called: "switching/main_returns". False: it is none. */
static bool variant_of(const char *name, enum job *job, enum leave *leave)
{
	char text[64];

	for (int j = 0; j < JOBS; j++)
		for (int l = 0; l < LEAVES; l++) {
			snprintf(text, sizeof(text), "%s/%s", job_names[j], leave_names[l]);
			if (strcmp(text, name) != 0)
				continue;
			*job = (enum job)j;
			*leave = (enum leave)l;
			return true;
		}
	return false;
}

void trial_exit_while_working(struct gpu *g)
{
	enum leave leave;
	enum job job;
	char name[64];

	if (g->variant) {
		if (!variant_of(g->variant, &job, &leave))
			answer_failed("no such variant: %s", g->variant);
		become(g, job, leave);
		return;
	}
	for (int l = 0; l < LEAVES; l++)
		for (int j = 0; j < JOBS; j++) {
			/* In short: of calls to exit, only the one that switches. */
			if (g->quick && l == EXIT_CALLED && j != SWITCHING)
				continue;
			snprintf(name, sizeof(name), "%s/%s", job_names[j], leave_names[l]);
			watch(g, name);
		}
}
