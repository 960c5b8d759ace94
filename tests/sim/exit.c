/*
 * How a process ends whose threads still use the driver: as any other, unless LOWTIDE_SIM_EXIT
 * plants that it crashes, hangs, or takes some milliseconds of the machine's own time. A
 * process that ends by _exit, or in which only one thread has called the driver, never notices.
 */
#include "manner.h"
#include "sim.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Guarded by the lock. */
static int threads; /* that have called the driver and live */
static pid_t owner;
static pthread_key_t key;
static bool keyed;

static _Thread_local bool noted;

static void thread_ends(void *unused)
{
	(void)unused;
	sim_lock();
	threads--;
	sim_unlock();
}

void sim_exit_note_thread(void)
{
	if (noted)
		return;
	noted = true;
	owner = getpid();
	if (!keyed)
		keyed = pthread_key_create(&key, thread_ends) == 0;
	if (keyed && pthread_setspecific(key, &noted) == 0)
		threads++;
}

static _Noreturn void hang(void)
{
	for (;;)
		pause();
}

/* After the report, which has no priority. */
__attribute__((destructor(101))) static void end(void)
{
	const char *manner = getenv("LOWTIDE_SIM_EXIT");
	char *rest;
	double ms;

	if (!manner || !*manner || owner != getpid() || threads < 2)
		return;
	if (!strcmp(manner, "hang"))
		hang();
	if (!strcmp(manner, "crash")) {
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	ms = strtod(manner, &rest);
	if (*rest || ms < 0) {
		fprintf(
		    stderr,
		    "simulated GPU: LOWTIDE_SIM_EXIT: not crash, hang or milliseconds: %s\n",
		    manner);
		return;
	}
	nanosleep(&(struct timespec){(time_t)(ms / 1e3),
				     (long)((ms - 1e3 * (double)(time_t)(ms / 1e3)) * 1e6)},
		  NULL);
}
