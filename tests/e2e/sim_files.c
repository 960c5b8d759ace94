/* Programs whose log and statistics go to files. usage: sim_files [CASE]; files_test.sh says
 * what must come of each. */
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char **arguments;

static void use_device(void)
{
	CUdeviceptr at;

	start();
	MUST(cuMemAlloc(&at, 4 * MIB));
	fill(at, 1, 4 * MIB, NULL);
	check(at, 1, 4 * MIB);
}

/* As setproctitle does it: the environment moves away, and its old place takes a title. */
static void title(void)
{
	char *first = arguments[0], *end = first;
	char **moved;
	size_t count = 0;

	use_device();
	while (environ[count])
		count++;
	moved = calloc(count + 1, sizeof(*moved));
	for (size_t i = 0; i < count; i++) {
		end = environ[i] + strlen(environ[i]) > end ? environ[i] + strlen(environ[i])
							    : end;
		moved[i] = strdup(environ[i]);
	}
	environ = moved;
	for (char *at = first; at < end; at++)
		*at = "worker"[(at - first) % 6];
}

/* What of this process's is open in another program. */
static void execute(void)
{
	use_device();
	execl("/bin/sh", "sh", "-c", "ls -l /proc/self/fd", (char *)NULL);
	wrong("exec");
}

static pid_t clone_bare(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* A child that never touches a device, and ends after its parent has: it sees the pipe's end.
 */
static void outlive(pid_t (*split)(void))
{
	int ends[2];
	char byte;

	use_device();
	if (pipe(ends) != 0)
		wrong("pipe");
	if (split() != 0)
		return;
	close(ends[1]);
	while (read(ends[0], &byte, 1) > 0)
		;
	exit(0);
}

static void forked(void)
{
	outlive(fork);
}

static void cloned(void)
{
	outlive(clone_bare);
}

/* The devices are the children's; the parent has none. */
static void workers(void)
{
	int status;

	for (int i = 0; i < 2; i++)
		if (fork() == 0) {
			use_device();
			exit(0);
		}
	while (wait(&status) > 0)
		if (status)
			wrong("a worker's end");
}

/* What is mapped once a device has been used. */
static void maps(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	int byte;

	use_device();
	while (file && (byte = getc(file)) != EOF)
		putchar(byte);
}

static void is_privileged(void)
{
	if (!getauxval(AT_SECURE))
		wrong("it has the rights of who runs it");
}

int main(int argc, char **argv)
{
	static const struct program_case cases[] = {
	    CASE(use_device), CASE(title),   CASE(execute),	  CASE(forked),
	    CASE(cloned),     CASE(workers), CASE(is_privileged), CASE(maps),
	};

	arguments = argv;
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
