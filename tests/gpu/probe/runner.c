#include "runner.h"

#include "record.h"
#include "samples.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	pid_t pid;
	int from; /* the end of its pipe that is read */
};

static bool begin(const struct run *how, const char *name, double limit_s, struct child *child)
{
	char device[16], answers[16], limit[16];
	const char *argv[] = {"probe",	   "--trial",  name,   "--driver",
			      how->driver, "--device", device, "--answers",
			      answers,	   "--limit",  limit,  how->quick ? "--quick" : NULL,
			      NULL};
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return false;
	snprintf(device, sizeof(device), "%d", how->device);
	snprintf(limit, sizeof(limit), "%.0f", ceil(limit_s));
	snprintf(answers, sizeof(answers), "%d", ends[1]);
	child->pid = fork();
	if (child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fcntl(ends[1], F_SETFD, 0);
		/* What a driver says on stdout must not mix with our table or record. */
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execv("/proc/self/exe", (char **)(uintptr_t)argv);
		_exit(127);
	}
	close(ends[1]);
	child->from = ends[0];
	if (child->pid > 0)
		return true;
	close(ends[0]);
	return false;
}

/* Until it has closed its end, or the time is up (false). */
static bool listen_to(int from, double limit_s, struct record *record)
{
	double until_ms = rounds_now_ms() + limit_s * 1e3;
	size_t held = 0, room = 0;
	char *buffer = NULL;
	bool in_time = true;

	for (;;) {
		struct pollfd ready = {.fd = from, .events = POLLIN};
		double left_ms = until_ms - rounds_now_ms();
		ssize_t got;
		char *line, *end;
		int polled = left_ms > 0 ? poll(&ready, 1, (int)left_ms + 1) : 0;

		if (polled < 0 && errno == EINTR)
			continue;
		if (polled <= 0) {
			in_time = polled < 0;
			break;
		}
		if (held == room) {
			char *grown = realloc(buffer, room + 65536);

			if (!grown)
				break;
			buffer = grown;
			room += 65536;
		}
		got = read(from, buffer + held, room - held);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		held += (size_t)got;
		line = buffer;
		while ((end = memchr(line, '\n', held - (size_t)(line - buffer)))) {
			record_take(record, line, (size_t)(end - line));
			line = end + 1;
		}
		held -= (size_t)(line - buffer);
		memmove(buffer, line, held);
	}
	free(buffer);
	return in_time;
}

/* Its exit status. A process that a driver holds in the kernel cannot be killed: it is left
 * behind (false). */
static bool reap(pid_t pid, double within_ms, int *status)
{
	double until = rounds_now_ms() + within_ms;
	pid_t got;

	while ((got = waitpid(pid, status, WNOHANG)) != pid) {
		if ((got < 0 && errno != EINTR) || rounds_now_ms() > until)
			return false;
		poll(NULL, 0, 2);
	}
	return true;
}

json_t *runner_run(const struct run *how, const char *name, const char *question,
		   double limit_s)
{
	struct record record = {.trial = record_new(name, question)};
	struct child child;
	struct ending ending = {.limit_s = limit_s};

	if (!record.trial)
		return NULL;
	if (!begin(how, name, limit_s, &child)) {
		record_end(&record, NULL);
		return record.trial;
	}
	ending.in_time = listen_to(child.from, limit_s, &record);
	close(child.from);
	/* Having told everything it may still hang in the driver on its way out. */
	ending.reaped =
	    ending.in_time && reap(child.pid, record.ended ? 200 : 5000, &ending.status);
	if (!ending.reaped) {
		kill(child.pid, SIGKILL);
		ending.reaped = reap(child.pid, 5000, &ending.status);
	}
	record_end(&record, &ending);
	return record.trial;
}
