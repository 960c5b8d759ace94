#include "token.h"

#include "real.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

/* What a place where the token may pass takes of the clock, and what a spinning thread's turn
 * does. */
#define PASS_NS 200
#define YIELD_NS 1000
/* A thread may be put aside for up to two to the so manyth passes of others. */
#define LONGEST_ASIDE 10
/* A thread that makes no call that we see for so long may be waiting for another. */
#define PATIENCE_S 30

static atomic_flag guarded = ATOMIC_FLAG_INIT;
static atomic_bool begun, let_go;
static atomic_uint passes; /* grows while the program goes on */
static _Thread_local struct token_thread *mine __attribute__((tls_model("initial-exec")));

/* Guarded by the guard. */
static struct token_thread *threads, *holder;
static uint64_t random_state;
static unsigned int rarity; /* one place in so many is where the token passes */
static unsigned long patience_s;

static void guard(void)
{
	while (atomic_flag_test_and_set(&guarded))
		real.sched_yield();
}

static void unguard(void)
{
	atomic_flag_clear(&guarded);
}

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static unsigned long setting(const char *name, unsigned long preset)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : preset;
}

static unsigned long seed(void)
{
	return setting("LOWTIDE_SIM_SEED", 1);
}

/* Some faults need many changes of threads, others that a thread goes far alone: each seed has
 * a manner of its own. */
static void sow(void)
{
	random_state = seed() * 0x9E3779B97F4A7C15ull + 0x7654321;
	for (int i = 0; i < 8; i++)
		random_below(1);
	rarity = 2u << (2 * random_below(3));
	patience_s = setting("LOWTIDE_SIM_PATIENCE", PATIENCE_S);
}

static void wake_up(struct token_thread *thread)
{
	atomic_store(&thread->goes, 1);
	syscall(SYS_futex, &thread->goes, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* --- letting go
 * ---------------------------------------------------------------------------------------- */

/* What all wait for, in the order of their birth. */
static void say_why(const char *why)
{
	char line[1024];
	const char *separator = "";
	int used =
	    snprintf(line, sizeof(line), "token: %s (LOWTIDE_SIM_SEED=%lu):", why, seed());

	for (struct token_thread *t = threads; t; t = t->next) {
		if (t->state == TOKEN_OVER || used < 0 || used >= (int)sizeof(line))
			continue;
		used += snprintf(line + used, sizeof(line) - (size_t)used, "%s %s", separator,
				 t->state == TOKEN_WAITING ? t->what : "no call that is seen");
		separator = ",";
	}
	dprintf(STDERR_FILENO, "%s; every thread goes on as the system likes\n", line);
}

/* The guard is held. */
static void let_all_go(const char *why)
{
	say_why(why);
	token_clock_let_go();
	atomic_store(&let_go, true);
	holder = NULL;
	for (struct token_thread *t = threads; t; t = t->next)
		if (t->state != TOKEN_OVER)
			wake_up(t);
}

/* Until the token is ours. */
static void stop(struct token_thread *self)
{
	const struct timespec second = {1, 0};
	unsigned int seen = atomic_load(&passes);
	unsigned long seconds = 0;

	while (!atomic_load(&self->goes)) {
		unsigned int now;

		if (!syscall(SYS_futex, &self->goes, FUTEX_WAIT_PRIVATE, 0, &second, NULL, 0) ||
		    errno != ETIMEDOUT)
			continue;
		now = atomic_load(&passes);
		seconds = now == seen ? seconds + 1 : 0;
		seen = now;
		if (seconds < patience_s)
			continue;
		guard();
		if (!atomic_load(&let_go) && holder)
			let_all_go("nothing was called for a long time, threads are in");
		unguard();
		seconds = 0;
	}
}

/* --- who goes on
 * --------------------------------------------------------------------------------------- */

static void make_ready(struct token_thread *thread, bool late)
{
	thread->state = TOKEN_READY;
	thread->late = late;
}

/* Those whose time has come can go on. */
static void look_at_the_clock(void)
{
	uint64_t now_ns = token_now_ns();

	for (struct token_thread *t = threads; t; t = t->next)
		if (t->state == TOKEN_WAITING && t->until_ns <= now_ns)
			make_ready(t, true);
}

/* The clock moves to the first deadline. False: there is none. */
static bool pass_time(void)
{
	uint64_t first_ns = TOKEN_NEVER;

	for (struct token_thread *t = threads; t; t = t->next)
		if (t->state == TOKEN_WAITING && t->until_ns < first_ns)
			first_ns = t->until_ns;
	if (first_ns == TOKEN_NEVER)
		return false;
	token_reach(first_ns);
	return true;
}

static bool any(int state)
{
	for (struct token_thread *t = threads; t; t = t->next)
		if ((int)t->state == state)
			return true;
	return false;
}

/* One that can go on, but not `other`; NULL: none can. Those put aside come last. */
static struct token_thread *choose(const struct token_thread *other)
{
	unsigned int now = atomic_load(&passes);
	uint64_t ready[2] = {0, 0}, nth;
	bool aside;

	look_at_the_clock();
	for (struct token_thread *t = threads; t; t = t->next)
		if (t->state == TOKEN_READY && t != other)
			ready[t->aside > now]++;
	aside = !ready[0];
	if (!ready[aside])
		return NULL;
	nth = random_below(ready[aside]);
	for (struct token_thread *t = threads; t; t = t->next)
		if (t->state == TOKEN_READY && t != other && (t->aside > now) == aside &&
		    nth-- == 0)
			return t;
	return NULL;
}

/* The guard is held, and let go. `self` may be the next one, or NULL. */
static void hand_to(struct token_thread *next, struct token_thread *self)
{
	atomic_fetch_add(&passes, 1);
	holder = next;
	if (next != self && self)
		atomic_store(&self->goes, 0);
	unguard(); /* first: the next one may fork, and the child has the guard as it is now */
	if (next != self)
		wake_up(next);
	if (next != self && self)
		stop(self);
}

/* The holder can not go on, or is no more. The guard is held, and let go. */
static void hand_on(struct token_thread *self)
{
	struct token_thread *next = choose(NULL);

	if (!next && pass_time())
		next = choose(NULL);
	if (next) {
		hand_to(next, self);
		return;
	}
	holder = NULL;
	if (self)
		atomic_store(&self->goes, 0);
	if (any(TOKEN_WAITING) && !any(TOKEN_OUTSIDE))
		let_all_go("all threads wait, for");
	unguard();
	if (self)
		stop(self);
}

void token_pass(struct token_thread *self)
{
	struct token_thread *next = NULL;

	token_spend(PASS_NS);
	if (self->keeps)
		return;
	guard();
	atomic_fetch_add(&passes, 1);
	if (!atomic_load(&let_go) && random_below(rarity) == 0) {
		/* Perhaps for long: what it has just looked at may be past when it comes back.
		 */
		self->aside = atomic_load(&passes) + (1u << random_below(LONGEST_ASIDE + 1));
		next = choose(NULL);
	}
	if (next)
		hand_to(next, self);
	else
		unguard();
}

void token_yield(struct token_thread *self)
{
	struct token_thread *next = NULL;

	token_spend(YIELD_NS);
	guard();
	atomic_fetch_add(&passes, 1);
	if (!atomic_load(&let_go))
		next = choose(self);
	if (next)
		hand_to(next, self);
	else
		unguard();
}

enum token_end token_wait(struct token_thread *self, const void *object, const char *what,
			  uint64_t until_ns)
{
	guard();
	if (atomic_load(&let_go)) {
		unguard();
		return TOKEN_LET_GO;
	}
	self->state = TOKEN_WAITING;
	self->object = object;
	self->what = what;
	self->until_ns = until_ns;
	self->late = false;
	hand_on(self);
	if (atomic_load(&let_go))
		return TOKEN_LET_GO;
	return self->late ? TOKEN_LATE : TOKEN_WOKEN;
}

/* Somebody can go on, and nobody does: all waited for what came from outside. */
static void start_one(void)
{
	struct token_thread *next = holder || atomic_load(&let_go) ? NULL : choose(NULL);

	if (next)
		hand_to(next, NULL);
	else
		unguard();
}

void token_wake(const void *object, bool one)
{
	uint64_t waiting = 0, nth;

	if (!atomic_load(&begun) || atomic_load(&let_go))
		return;
	guard();
	for (struct token_thread *t = threads; t; t = t->next)
		waiting += t->state == TOKEN_WAITING && t->object == object;
	nth = one && waiting ? random_below(waiting) : 0;
	for (struct token_thread *t = threads; t; t = t->next)
		if (t->state == TOKEN_WAITING && t->object == object && (!one || nth-- == 0))
			make_ready(t, false);
	start_one();
}

void token_leave(struct token_thread *self)
{
	guard();
	self->state = TOKEN_OUTSIDE;
	atomic_store(&self->goes, 0);
	hand_on(NULL);
}

void token_return(struct token_thread *self)
{
	guard();
	make_ready(self, false);
	start_one();
	if (!atomic_load(&let_go))
		stop(self);
}

/* --- births and deaths
 * --------------------------------------------------------------------------------- */

static void begin(void)
{
	static struct token_thread first;

	real_find();
	sow();
	atomic_store(&first.goes, 1);
	threads = holder = mine = &first;
	first.handle = pthread_self();
	atomic_store(&begun, true);
	token_thread_main(&first);
}

struct token_thread *token_self(void)
{
	if (!atomic_load(&begun))
		begin();
	return atomic_load(&let_go) ? NULL : mine;
}

void token_add(struct token_thread *thread)
{
	struct token_thread **link = &threads;

	guard();
	while (*link)
		link = &(*link)->next;
	*link = thread;
	unguard();
}

/* The guard is held. */
static void unlink_thread(struct token_thread *thread)
{
	struct token_thread **link = &threads;

	while (*link && *link != thread)
		link = &(*link)->next;
	if (*link)
		*link = thread->next;
}

void token_remove(struct token_thread *thread)
{
	guard();
	unlink_thread(thread);
	unguard();
	free(thread);
}

void token_begin(struct token_thread *thread)
{
	mine = thread;
	stop(thread);
}

void token_end(struct token_thread *self)
{
	bool had_it;

	mine = NULL;
	guard();
	self->state = TOKEN_OVER;
	for (struct token_thread *t = threads; t; t = t->next)
		if (t->state == TOKEN_WAITING && t->object == self)
			make_ready(t, false);
	had_it = holder == self;
	if (self->detached) {
		unlink_thread(self);
		free(self);
	}
	if (had_it)
		hand_on(NULL);
	else
		unguard();
}

struct token_thread *token_find(pthread_t handle)
{
	struct token_thread *found;

	guard();
	found = threads;
	while (found && !pthread_equal(found->handle, handle))
		found = found->next;
	unguard();
	return found;
}

void token_forget_others(void)
{
	atomic_flag_clear(&guarded);
	threads = holder = mine;
	if (!mine)
		atomic_store(&let_go, true);
	else
		mine->next = NULL;
}
