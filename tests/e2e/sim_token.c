/*
 * Threads that meet in every way, for the token (tests/sim/token/). Prints the order in which
 * they came by. usage: sim_token CASE
 * Exits 1 where something is wrong whatever the order, 2 where a race that is planted struck.
 */
#include <cuda.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS 25

static void must_(bool is_so, int line, const char *what)
{
	if (is_so)
		return;
	fprintf(stderr, "line %d: not so: %s\n", line, what);
	exit(1);
}
#define MUST(what) must_((what), __LINE__, #what)

static char order[1 << 16];
static atomic_uint passed_by;

static void come_by(uintptr_t who)
{
	unsigned int at = atomic_fetch_add(&passed_by, 1);

	if (at < sizeof(order) - 1)
		order[at] = (char)('a' + who);
}

static void run(void *(*body)(void *), uintptr_t count)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < count; i++)
		MUST(!pthread_create(&threads[i], NULL, body, (void *)i));
	for (uintptr_t i = 0; i < count; i++) {
		void *result;

		MUST(!pthread_join(threads[i], &result));
		MUST(result == (void *)i);
	}
}

/* --- ways to meet
 * --------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t many = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_barrier_t together;
static pthread_key_t key;
static sem_t spare;
static unsigned int sum, turn, began, ended;
static atomic_uint readers, inside, counted;
static atomic_bool writing;

static void begin_once(void)
{
	int version;

	began++;
	cuDriverGetVersion(&version);
	began++;
}

static void end_of_key(void *who)
{
	pthread_mutex_lock(&lock);
	come_by((uintptr_t)who - 1);
	ended++;
	pthread_mutex_unlock(&lock);
}

static void *meet(void *who)
{
	int version;

	pthread_once(&once, begin_once);
	MUST(began == 2);
	pthread_setspecific(key, (char *)who + 1);
	pthread_barrier_wait(&together);
	for (int round = 0; round < ROUNDS; round++) {
		unsigned int before;

		come_by((uintptr_t)who);
		pthread_mutex_lock(&lock);
		before = sum;
		cuDriverGetVersion(&version);
		sum = before + 1;
		pthread_mutex_unlock(&lock);

		pthread_rwlock_rdlock(&many);
		readers++;
		MUST(!writing);
		sched_yield();
		MUST(!writing);
		readers--;
		pthread_rwlock_unlock(&many);
		pthread_rwlock_wrlock(&many);
		MUST(!readers && !writing);
		writing = true;
		usleep(10);
		writing = false;
		pthread_rwlock_unlock(&many);

		sem_wait(&spare);
		MUST(++inside <= 2);
		sched_yield();
		inside--;
		sem_post(&spare);

		pthread_mutex_lock(&lock);
		while (turn % THREADS != (uintptr_t)who)
			pthread_cond_wait(&changed, &lock);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	pthread_exit(who);
}

static void meetings(void)
{
	pthread_barrier_init(&together, NULL, THREADS);
	pthread_key_create(&key, end_of_key);
	sem_init(&spare, 0, 2);
	run(meet, THREADS);
	MUST(sum == THREADS * ROUNDS);
	MUST(turn == THREADS * ROUNDS);
	MUST(ended == THREADS);
	pthread_barrier_destroy(&together);
}

/* --- deadlines
 * ------------------------------------------------------------------------------------------ */

static uint64_t now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct timespec in_ms(clockid_t clock, unsigned int ms)
{
	uint64_t until_ns = now_ns(clock) + ms * 1000000ull;

	return (struct timespec){(time_t)(until_ns / 1000000000u),
				 (long)(until_ns % 1000000000u)};
}

static void *wait_in_vain(void *who)
{
	uint64_t began_ns = now_ns(CLOCK_MONOTONIC), took_ns;
	struct timespec until = in_ms(CLOCK_REALTIME, 3600000);
	sem_t never;

	sem_init(&never, 0, 0);
	pthread_mutex_lock(&lock);
	while (pthread_cond_timedwait(&changed, &lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&lock);
	took_ns = now_ns(CLOCK_MONOTONIC) - began_ns;
	MUST(took_ns >= 3600ull * 1000000000 && took_ns < 3700ull * 1000000000);
	until = in_ms(CLOCK_REALTIME, 1000 * (1 + (unsigned int)(uintptr_t)who));
	MUST(sem_timedwait(&never, &until) == -1 && errno == ETIMEDOUT);
	come_by((uintptr_t)who);
	return who;
}

/* An hour passes at once when all wait for it; the shorter wait ends first. */
static void deadlines(void)
{
	run(wait_in_vain, THREADS);
	MUST(!strcmp(order, "abcd"));
}

/* --- forks, and threads that nobody joins
 * --------------------------------------------------------------- */

static void *fork_beside_others(void *who)
{
	for (int i = 0; i < 5; i++) {
		int status, version;
		pid_t child;

		pthread_mutex_lock(&lock);
		come_by((uintptr_t)who);
		child = fork();
		if (!child) {
			pthread_t thread;

			pthread_mutex_unlock(&lock);
			if (pthread_create(&thread, NULL, wait_in_vain, NULL) ||
			    pthread_join(thread, NULL))
				_exit(1);
			_exit(0);
		}
		pthread_mutex_unlock(&lock);
		MUST(waitpid(child, &status, 0) == child && !status);
		cuDriverGetVersion(&version);
	}
	return who;
}

static void forks(void)
{
	run(fork_beside_others, THREADS);
}

static void *go_alone(void *who)
{
	pthread_detach(pthread_self());
	come_by((uintptr_t)who);
	sem_post(&spare);
	return who;
}

static void *never_end(void *who)
{
	for (;;)
		sched_yield();
	return who;
}

static void alone(void)
{
	pthread_t thread;

	sem_init(&spare, 0, 0);
	for (uintptr_t i = 0; i < 26; i++)
		MUST(!pthread_create(&thread, NULL, go_alone, (void *)i));
	for (int i = 0; i < 26; i++)
		sem_wait(&spare);
	/* Two that the end of the process finds in the middle of something. */
	MUST(!pthread_create(&thread, NULL, never_end, NULL));
	MUST(!pthread_create(&thread, NULL, wait_in_vain, NULL));
	sched_yield();
}

/* --- a call that only a signal ends
 * ---------------------------------------------------------------------- */

static atomic_bool signalled, over;

static void on_signal(int number)
{
	(void)number;
	atomic_store(&signalled, true);
}

static void *pause_for_a_signal(void *who)
{
	while (!atomic_load(&signalled))
		pause();
	atomic_store(&over, true);
	return who;
}

/* The one that pauses does not keep the other from sending it, nor the clock from moving. */
static void pauses(void)
{
	pthread_t thread;

	signal(SIGUSR1, on_signal);
	MUST(!pthread_create(&thread, NULL, pause_for_a_signal, NULL));
	while (!atomic_load(&over)) {
		usleep(1000);
		pthread_kill(thread, SIGUSR1);
	}
	MUST(!pthread_join(thread, NULL));
}

/* --- planted
 * --------------------------------------------------------------------------------------------
 */

static void *add_without_a_lock(void *who)
{
	int version;

	for (int round = 0; round < 3; round++) {
		unsigned int before = atomic_load(&counted);

		cuDriverGetVersion(&version);
		atomic_store(&counted, before + 1);
	}
	return who;
}

static void lost_update(void)
{
	run(add_without_a_lock, 2);
	if (atomic_load(&counted) != 6)
		exit(2);
}

static void *wait_without_asking(void *who)
{
	pthread_mutex_lock(&lock);
	pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return who;
}

static void lost_wakeup(void)
{
	pthread_t thread;

	MUST(!pthread_create(&thread, NULL, wait_without_asking, NULL));
	pthread_mutex_lock(&lock);
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	MUST(!pthread_join(thread, NULL));
}

static atomic_bool told;

static void *tell_late(void *who)
{
	atomic_store(&told, true);
	return who;
}

/* A wait that no library function knows of: but for patience, the other would never run. */
static void spin(void)
{
	pthread_t thread;

	pthread_mutex_lock(&lock);
	MUST(!pthread_create(&thread, NULL, tell_late, NULL));
	while (!atomic_load(&told))
		;
	pthread_mutex_unlock(&lock);
	MUST(!pthread_join(thread, NULL));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*body)(void);
	} cases[] = {
	    {"meetings", meetings},
	    {"deadlines", deadlines},
	    {"forks", forks},
	    {"alone", alone},
	    {"pauses", pauses},
	    {"lost_update", lost_update},
	    {"lost_wakeup", lost_wakeup},
	    {"spin", spin},
	};

	for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, argv[1])) {
			cuInit(0);
			cases[i].body();
			puts(order);
			return 0;
		}
	fprintf(stderr, "usage: sim_token CASE\n");
	return 3;
}
