#include "order/worker.h"

#include "driver/driver.h"
#include "base/lock.h"
#include "base/settings.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at what is on its way: a copy of 32 MiB takes about 1 ms. */
#define PAUSE_NS 50000
/* How long the end of the process waits for a step that is under way. */
#define EXIT_PATIENCE_NS 1000000000

static struct lock lock = LOCK(RANK_WORKER);
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* All guarded by lock. */
static bool started, absent, wanted, stepping, ended;
static unsigned int paused;
static pid_t process; /* that the thread was started in */
/* What stands for a step among what a thread holds (debug builds). */
#define STEP (&stepping)

static bool (*_Atomic work)(void); /* atomic */

static void *step_along(void *unused)
{
	bool busy;

	(void)unused;
	prctl(PR_SET_TIMERSLACK, 1ul); /* or a pause takes twice as long */
	lock_take(&lock);
	while (!ended) {
		if (!wanted || paused) {
			pthread_cond_wait(&changed, &lock.mutex);
			continue;
		}
		wanted = false;
		stepping = true;
		lock_give(&lock);
		ranks_take(STEP, RANK_STEP, __FILE__, __LINE__);
		busy = atomic_load(&work)();
		ranks_give(STEP, RANK_STEP, __FILE__, __LINE__);
		lock_take(&lock);
		stepping = false;
		wanted = wanted || busy;
		pthread_cond_broadcast(&changed);
		if (!busy)
			continue;
		lock_give(&lock);
		lock_nap(PAUSE_NS);
		lock_take(&lock);
	}
	lock_give(&lock);
	return NULL;
}

/* Before the driver's own end: handlers run last registered first, and the driver has long
 * registered its. */
static void end_at_exit(void)
{
	struct timespec until;

	/* A child of the bare system call has neither the thread nor, perhaps, the lock free.
	 */
	if (getpid() != process)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += EXIT_PATIENCE_NS / 1000000000;
	lock_take(&lock);
	ended = true;
	pthread_cond_broadcast(&changed);
	while (stepping && !pthread_cond_timedwait(&changed, &lock.mutex, &until))
		;
	lock_give(&lock);
}

/* The program's signals are for its own threads. */
static void start(void)
{
	static bool registered;
	sigset_t all, before;
	pthread_t thread;

	started = true;
	process = getpid();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	absent = pthread_create(&thread, NULL, step_along, NULL) != 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (absent)
		return;
	pthread_setname_np(thread, "lowtide");
	pthread_detach(thread);
	if (!registered)
		registered = !atexit(end_at_exit);
}

void worker_does(bool (*step)(void))
{
	atomic_store(&work, step);
}

void worker_wake(void)
{
	if (!settings_get()->thread || !atomic_load(&work))
		return;
	lock_take(&lock);
	if (!started && !ended)
		start();
	wanted = true;
	pthread_cond_broadcast(&changed);
	lock_give(&lock);
}

bool worker_is_absent(void)
{
	bool answer;

	if (!settings_get()->thread)
		return true;
	lock_take(&lock);
	answer = absent;
	lock_give(&lock);
	return answer;
}

void worker_pause(void)
{
	ranks_take(STEP, RANK_STEP, __FILE__, __LINE__); /* it is waited for */
	ranks_give(STEP, RANK_STEP, __FILE__, __LINE__);
	lock_take(&lock);
	paused++;
	while (stepping)
		pthread_cond_wait(&changed, &lock.mutex);
	lock_give(&lock);
}

void worker_resume(void)
{
	lock_take(&lock);
	paused--;
	pthread_cond_broadcast(&changed);
	lock_give(&lock);
}

void worker_fork_prepare(void)
{
	lock_take(&lock);
}

void worker_fork_parent(void)
{
	lock_give(&lock);
}

/* The thread stayed behind. */
void worker_fork_child(void)
{
	started = wanted = stepping = false;
	paused = 0;
	pthread_cond_init(&changed, NULL);
	lock_give(&lock);
}
