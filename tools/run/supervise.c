#include "run/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* All but those a fault of our own raises. */
static void fill(sigset_t *set)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

	sigfillset(set);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(set, own[i]);
}

/* A signal of the kernel's (from the terminal, to the whole group), or one the program itself
 * sent its group, has reached it already. A timer's was meant for the program: timers outlive
 * exec, not fork. */
static bool is_for_program(const siginfo_t *info, pid_t program)
{
	switch (info->si_signo) {
	case SIGALRM:
	case SIGVTALRM:
	case SIGPROF:
		return true;
	case SIGCONT: /* a shell continues the whole group, and stop() does for the rest */
		return false;
	default:
		return info->si_code <= 0 && info->si_pid != program;
	}
}

static void hand_on(const siginfo_t *info, pid_t program)
{
	if (info->si_code == SI_QUEUE)
		sigqueue(program, info->si_signo, info->si_value);
	else
		kill(program, info->si_signo);
}

/* The program has stopped: so that its shell sees a stopped job, so do we, by the same signal;
 * on when somebody continues us. */
static void stop(int signal, pid_t program)
{
	struct sigaction usual = {.sa_handler = SIG_DFL}, before;
	struct timespec now = {0, 0};
	sigset_t one, resumed;

	sigemptyset(&one);
	sigaddset(&one, signal);
	if (signal != SIGSTOP)
		sigaction(signal, &usual, &before);
	raise(signal);
	sigprocmask(SIG_UNBLOCK, &one, NULL); /* here it stops */
	sigprocmask(SIG_BLOCK, &one, NULL);
	if (signal != SIGSTOP)
		sigaction(signal, &before, NULL);
	sigemptyset(&resumed);
	sigaddset(&resumed, SIGCONT);
	sigtimedwait(&resumed, NULL, &now);
	kill(program, SIGCONT);
}

/* True: the program has ended. Takes every child that is due: as a container's first process we
 * inherit those of others. */
static bool reap(pid_t program, struct ending *ending)
{
	bool ended = false;
	pid_t child;
	int status;

	while ((child = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (child != program)
			continue;
		if (WIFSTOPPED(status)) {
			stop(WSTOPSIG(status), program);
			continue;
		}
		ended = true;
		ending->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		ending->status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	}
	return ended;
}

static void become(char *const argv[], int keep, int report, pid_t parent,
		   const struct sigaction *child_action, const sigset_t *mask)
{
	int error;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (keep >= 0)
		fcntl(keep, F_SETFD, 0);
	sigaction(SIGCHLD, child_action, NULL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(1);
	_exit(0);
}

/* 0: it has been executed; else -errno. */
static int executed(int report)
{
	int error = 0;
	ssize_t got;

	do
		got = read(report, &error, sizeof(error));
	while (got < 0 && errno == EINTR);
	return got == sizeof(error) ? -error : 0;
}

int supervise(char *const argv[], int keep, struct ending *ending)
{
	/* SIGCHLD may have come ignored, and children would then leave no status. */
	struct sigaction usual = {.sa_handler = SIG_DFL}, child_action;
	sigset_t set, mask;
	pid_t parent = getpid(), program;
	int report[2], result;

	*ending = (struct ending){0};
	if (pipe2(report, O_CLOEXEC) != 0)
		return -errno;
	fill(&set);
	sigprocmask(SIG_SETMASK, &set, &mask);
	sigaction(SIGCHLD, &usual, &child_action);
	program = fork();
	if (program == 0)
		become(argv, keep, report[1], parent, &child_action, &mask);
	result = program < 0 ? -errno : 0;
	close(report[1]);
	if (!result)
		result = executed(report[0]);
	close(report[0]);
	while (program > 0) {
		siginfo_t info;

		if (sigwaitinfo(&set, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD) {
			if (is_for_program(&info, program))
				hand_on(&info, program);
		} else if (reap(program, ending)) {
			break;
		}
	}
	return result;
}

void supervise_die_by(int signal)
{
	struct rlimit none = {0, 0};
	struct sigaction usual = {.sa_handler = SIG_DFL};
	sigset_t one;

	/* The program has left its own core, where one is wanted. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	sigaction(signal, &usual, NULL);
	sigemptyset(&one);
	sigaddset(&one, signal);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	raise(signal);
	_exit(128 + signal); /* the first process of a container does not die of signals */
}
