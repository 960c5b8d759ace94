/*
 * What other threads do, and the time that passes, at moments that a test chooses: whenever the
 * library takes the pager's lock or the other one's, takes a nap, lets others run or asks for
 * the time. The units that include this are linked with --wrap for each of these (tests.mk).
 */
#ifndef BESIDE_RIG_H
#define BESIDE_RIG_H

#include "moves_rig.h"
#include "pager/registry.h"

#include <pthread.h>

/* Each is done once, the nth time from now. */
static struct beside {
	void (*what)(void);
	int nth;
} at_lock, at_other, at_try, at_nap, at_yield, at_clock;

/* Of another device and context; it holds nothing. */
static struct pager other;

static inline void other_lives(void)
{
	lock_init(&other.memory.lock, RANK_PAGER);
	other.memory.device = 3;
	other.memory.context = (CUcontext)&other;
	other.memory.table.arena.base = arena_slot(3);
	other.memory.table.arena.bytes = GRANULE;
	registry_enter(&other);
}

static uint64_t now_ns = 1000000000, naps;
static uint64_t yield_ns = 1000000; /* what a turn of the others takes */

static inline void next_time(struct beside *moment, int nth, void (*what)(void))
{
	*moment = (struct beside){what, nth};
}

static void happen(struct beside *moment)
{
	void (*what)(void) = moment->what;

	if (!what || --moment->nth > 0)
		return;
	moment->what = NULL;
	what();
}

uint64_t __wrap_clock_now_ns(void);
void __wrap_lock_nap(uint64_t ns);
int __wrap_sched_yield(void);
void __wrap_lock_take(struct lock *lock);
void __real_lock_take(struct lock *lock);
bool __wrap_lock_try(struct lock *lock);
bool __real_lock_try(struct lock *lock);

uint64_t __wrap_clock_now_ns(void)
{
	happen(&at_clock);
	return now_ns;
}

void __wrap_lock_nap(uint64_t ns)
{
	naps++;
	now_ns += ns;
	happen(&at_nap);
}

int __wrap_sched_yield(void)
{
	now_ns += yield_ns;
	happen(&at_yield);
	return 0;
}

void __wrap_lock_take(struct lock *lock)
{
	if (lock == &rig.pager.memory.lock)
		happen(&at_lock);
	else if (lock == &other.memory.lock)
		happen(&at_other);
	__real_lock_take(lock);
}

bool __wrap_lock_try(struct lock *lock)
{
	if (lock == &rig.pager.memory.lock)
		happen(&at_try);
	return __real_lock_try(lock);
}

#endif
