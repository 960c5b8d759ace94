#include "doctor/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST ((size_t)16 << 20) /* of output: more is not a report */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void become(char *const argv[], int out)
{
	int nothing = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(nothing, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(nothing, STDERR_FILENO);
	execv(argv[0], argv);
	_exit(127);
}

/* Until it closes its end. */
static int take(int file, int64_t until_ms, FILE *into)
{
	struct pollfd ready = {.fd = file, .events = POLLIN};
	char part[4096];
	size_t bytes = 0;

	for (;;) {
		int64_t left = until_ms - now_ms();
		ssize_t got;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&ready, 1, (int)left) <= 0)
			continue;
		got = read(file, part, sizeof(part));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		bytes += (size_t)got;
		if (bytes > MOST)
			return -EFBIG;
		fwrite(part, 1, (size_t)got, into);
	}
}

/* It may have closed its output and go on. */
static int await(pid_t child, int64_t until_ms, int *status)
{
	for (;;) {
		pid_t got = waitpid(child, status, WNOHANG);

		if (got == child)
			return 0;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (now_ms() > until_ms)
			return -ETIMEDOUT;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
}

int capture(char *const argv[], int seconds, char **text, int *status)
{
	int64_t until_ms = now_ms() + (int64_t)seconds * 1000;
	int ends[2], raw = 0, result;
	size_t bytes;
	pid_t child;
	FILE *into = open_memstream(text, &bytes);

	if (!into)
		return -errno;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		result = -errno;
		goto close_text;
	}
	fflush(stdout);
	child = fork();
	if (child == 0)
		become(argv, ends[1]);
	result = child < 0 ? -errno : 0;
	close(ends[1]);
	if (!result) {
		result = take(ends[0], until_ms, into);
		if (!result)
			result = await(child, until_ms, &raw);
		if (result) {
			kill(-child, SIGKILL);
			kill(child, SIGKILL); /* should it not have made its group yet */
			/* What the kernel holds in a driver call is left to it. */
			await(child, now_ms() + 2000, &raw);
		}
		*status = WIFSIGNALED(raw) ? -WTERMSIG(raw) : WEXITSTATUS(raw);
	}
	close(ends[0]);
close_text:
	fclose(into);
	if (result) {
		free(*text);
		*text = NULL;
	}
	return result;
}
