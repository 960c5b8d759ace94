/*
 * The clock, and those who sleep by it. All clocks read the same, so that a deadline means the
 * same by each. It moves by what threads do, with the simulated GPU's host time, and, when all
 * wait, to the first deadline.
 */
#include "token.h"

#include "real.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/time.h>

#define BEGIN_NS 1700000000000000000ull
/* So that who waits for the clock alone does not wait for ever. */
#define LOOK_NS 50

static _Atomic uint64_t now = BEGIN_NS;
static _Atomic uint64_t real_ns; /* at which the token was let go; 0: it was not */

uint64_t token_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

static struct timespec time_of(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

static uint64_t machine_ns(clockid_t clock)
{
	struct timespec time;

	real.clock_gettime(clock, &time);
	return token_ns(&time);
}

uint64_t token_now_ns(void)
{
	uint64_t since = atomic_load(&real_ns);

	return atomic_load(&now) + (since ? machine_ns(CLOCK_MONOTONIC) - since : 0);
}

void token_spend(uint64_t ns)
{
	if (!atomic_load(&real_ns))
		atomic_fetch_add(&now, ns);
}

void token_reach(uint64_t now_ns)
{
	uint64_t before = atomic_load(&now);

	while (before < now_ns && !atomic_compare_exchange_weak(&now, &before, now_ns))
		;
}

void token_clock_let_go(void)
{
	atomic_store(&real_ns, machine_ns(CLOCK_MONOTONIC));
}

struct timespec token_real_time(const struct timespec *until)
{
	uint64_t now_ns = token_now_ns(), until_ns = token_ns(until);

	return time_of(machine_ns(CLOCK_REALTIME) +
		       (until_ns > now_ns ? until_ns - now_ns : 0));
}

/* The simulated GPU tells its host time at the end of each call: a wait for the GPU takes as
 * long by our clock. */
TOKEN_EXPORT void lowtide_token_reach(double host_ns)
{
	if (!atomic_load(&real_ns))
		token_reach(BEGIN_NS + (uint64_t)host_ns);
}

/* --- the C library's
 * ------------------------------------------------------------------------------------ */

TOKEN_EXPORT int clock_gettime(clockid_t clock, struct timespec *time)
{
	(void)token_self();
	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID || clock < 0)
		return real.clock_gettime(clock, time);
	token_spend(LOOK_NS);
	*time = time_of(token_now_ns());
	return 0;
}

TOKEN_EXPORT int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	struct timespec exact;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &exact);
	*time = (struct timeval){exact.tv_sec, exact.tv_nsec / 1000};
	return 0;
}

TOKEN_EXPORT time_t time(time_t *seconds)
{
	struct timespec exact;

	clock_gettime(CLOCK_REALTIME, &exact);
	if (seconds)
		*seconds = exact.tv_sec;
	return exact.tv_sec;
}

TOKEN_EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *asked,
				 struct timespec *rest)
{
	struct token_thread *self = token_self();
	uint64_t until_ns;

	(void)clock;
	if (asked->tv_sec < 0 || asked->tv_nsec < 0 || asked->tv_nsec >= 1000000000)
		return EINVAL;
	until_ns = token_ns(asked) + (flags & TIMER_ABSTIME ? 0 : token_now_ns());
	while (self && token_now_ns() < until_ns)
		if (token_wait(self, NULL, "a moment", until_ns) == TOKEN_LET_GO)
			self = NULL;
	if (token_now_ns() < until_ns) {
		struct timespec until = time_of(until_ns);

		until = token_real_time(&until);
		return real.clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
	}
	if (rest && !(flags & TIMER_ABSTIME))
		*rest = (struct timespec){0, 0};
	return 0;
}

TOKEN_EXPORT int nanosleep(const struct timespec *asked, struct timespec *rest)
{
	errno = clock_nanosleep(CLOCK_MONOTONIC, 0, asked, rest);
	return errno ? -1 : 0;
}

TOKEN_EXPORT int usleep(useconds_t us)
{
	const struct timespec asked = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

	return nanosleep(&asked, NULL);
}

TOKEN_EXPORT unsigned int sleep(unsigned int seconds)
{
	const struct timespec asked = {(time_t)seconds, 0};

	nanosleep(&asked, NULL);
	return 0;
}

TOKEN_EXPORT int sched_yield(void)
{
	struct token_thread *self = token_self();

	if (!self)
		return real.sched_yield();
	token_yield(self);
	return 0;
}
