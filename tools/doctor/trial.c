#include "doctor/trial.h"

#include "doctor/trial_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *trial_step_name(enum trial_step step)
{
	static const char *const names[] = {
	    [TRIAL_NOT_BEGUN] = "asking what the device is",
	    [TRIAL_CONTEXT] = "making a context",
	    [TRIAL_FUNCTIONS] = "finding the functions of virtual memory management",
	    [TRIAL_RESERVE] = "reserving addresses",
	    [TRIAL_DEVICE_FRAME] = "mapping a frame of device memory",
	    [TRIAL_MODULE] = "loading our kernels",
	    [TRIAL_DEVICE_WORK] = "running the kernel on device memory",
	    [TRIAL_HOST_FRAME] = "mapping a frame of host memory",
	    [TRIAL_HOST_WORK] = "letting the kernel read and write host memory",
	    [TRIAL_HOST_BYTES] = "comparing what the kernel read and wrote in host memory",
	    [TRIAL_HOST_LARGE] = "mapping 32 MiB of host memory",
	    [TRIAL_DONE] = "nothing",
	};

	return names[step];
}

static void begin_child(pid_t parent)
{
	int nothing = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* What a driver prints must not end up in our report. */
	if (nothing >= 0) {
		dup2(nothing, STDIN_FILENO);
		dup2(nothing, STDOUT_FILENO);
	}
	/* Should the library be preloaded into this very command: it stays out of the way. */
	setenv("LOWTIDE_DISABLE", "1", 1);
	unsetenv("LOWTIDE_STATS");
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A process that the kernel holds in a driver call may outlive even SIGKILL; it is left then.
 */
static void wait_for(pid_t child, int seconds, struct trial *trial)
{
	const uint64_t limit = now_ms() + (uint64_t)seconds * 1000, grace = 2000;
	int status;

	for (;;) {
		pid_t got = waitpid(child, &status, WNOHANG);

		if (got == child) {
			if (WIFSIGNALED(status) && !trial->timed_out)
				trial->killed_by = WTERMSIG(status);
			return;
		}
		if (got < 0 && errno != EINTR)
			return;
		if (now_ms() > limit && !trial->timed_out) {
			trial->timed_out = true;
			kill(child, SIGKILL);
		}
		if (now_ms() > limit + grace)
			return;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
}

struct trial *trial_run(int seconds)
{
	struct trial *trial = mmap(NULL, sizeof(*trial), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid(), child;

	if (trial == MAP_FAILED)
		return NULL;
	fflush(NULL);
	child = fork();
	if (child < 0) {
		trial_free(trial);
		return NULL;
	}
	if (child == 0) {
		begin_child(parent);
		trial_driver(trial);
		trial->finished = true;
		_exit(0); /* the driver's own end is not on trial */
	}
	wait_for(child, seconds, trial);
	return trial;
}

void trial_free(struct trial *trial)
{
	if (trial)
		munmap(trial, sizeof(*trial));
}
