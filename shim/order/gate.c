#include "order/gate.h"

#include "base/clock.h"
#include "base/lock.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct slot {
	struct slot *next;	 /* immutable once in the list */
	atomic_bool taken;	 /* by a living thread */
	_Atomic uint32_t inside; /* depth; written by its thread only */
};

static _Atomic(struct slot *)
    slots;		 /* only ever grows: a slot is used again by a later thread */
static atomic_uint shut; /* by so many pagers: each has a window of its own */
static pthread_key_t leaving_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static _Thread_local struct slot *mine;

/* It may enter again, from what else ends with it: then with a slot anew, since this one may be
 * another thread's at once. */
static void thread_leaves(void *slot)
{
	mine = NULL;
	atomic_store(&((struct slot *)slot)->inside, 0);
	atomic_store(&((struct slot *)slot)->taken, false);
}

static void make_key(void)
{
	pthread_key_create(&leaving_key, thread_leaves);
}

static struct slot *slot_take(void)
{
	struct slot *slot, *head;

	lock_once(&key_once, make_key);
	for (slot = atomic_load(&slots); slot; slot = slot->next) {
		bool free_slot = false;

		if (atomic_compare_exchange_strong(&slot->taken, &free_slot, true))
			break;
	}
	if (!slot) {
		slot = calloc(1, sizeof(*slot));
		if (!slot)
			return NULL;
		atomic_store(&slot->taken, true);
		head = atomic_load(&slots);
		do
			slot->next = head;
		while (!atomic_compare_exchange_weak(&slots, &head, slot));
	}
	pthread_setspecific(leaving_key, slot);
	return slot;
}

/* For threads that found no memory for a slot of their own. One that nests while the gate is
 * being shut waits until the shutter's patience ends. */
static _Atomic uint32_t anonymous;

/* What stand for the gate among what a thread holds (debug builds): it is inside, so often; it
 * has shut the gate. */
#define INSIDE (&mine)
#define SHUT (&shut)

static void enter(_Atomic uint32_t *inside)
{
	for (;;) {
		atomic_fetch_add(inside, 1);
		if (!atomic_load(&shut))
			return;
		atomic_fetch_sub(inside, 1);
		while (atomic_load(&shut))
			sched_yield();
	}
}

void gate_enter(void)
{
	struct slot *slot = mine;

	ranks_take(INSIDE, RANK_GATE, __FILE__, __LINE__);
	lock_cancel_hold();
	if (!slot)
		slot = mine = slot_take();
	if (!slot)
		enter(&anonymous);
	else if (atomic_load_explicit(&slot->inside, memory_order_relaxed))
		atomic_fetch_add_explicit(&slot->inside, 1, memory_order_relaxed);
	else
		enter(&slot->inside);
}

void gate_leave(void)
{
	_Atomic uint32_t *inside = mine ? &mine->inside : &anonymous;

	ranks_give(INSIDE, RANK_GATE, __FILE__, __LINE__);
	if (mine) /* nobody else writes it: no need of a locked instruction */
		atomic_store_explicit(inside,
				      atomic_load_explicit(inside, memory_order_relaxed) - 1,
				      memory_order_release);
	else
		atomic_fetch_sub(inside, 1);
	lock_cancel_let();
}

static bool empties(_Atomic uint32_t *inside, uint64_t *until_ns, uint64_t patience_ns)
{
	while (atomic_load(inside)) {
		if (!*until_ns)
			*until_ns = clock_now_ns() + patience_ns;
		if (clock_now_ns() > *until_ns)
			return false;
		sched_yield();
	}
	return true;
}

bool gate_shut(uint64_t patience_ns)
{
	uint64_t until_ns = 0;
	bool empty;

	ranks_take(SHUT, RANK_GATE, __FILE__, __LINE__);
	atomic_fetch_add(&shut, 1);
	empty = empties(&anonymous, &until_ns, patience_ns);
	for (struct slot *slot = atomic_load(&slots); slot && empty; slot = slot->next)
		empty = empties(&slot->inside, &until_ns, patience_ns);
	if (!empty)
		gate_open();
	return empty;
}

void gate_open(void)
{
	atomic_fetch_sub(&shut, 1);
	ranks_give(SHUT, RANK_GATE, __FILE__, __LINE__);
}

void gate_forget_threads(void)
{
	atomic_store(&shut, 0);
	atomic_store(&anonymous, 0);
	for (struct slot *slot = atomic_load(&slots); slot; slot = slot->next)
		if (slot != mine)
			atomic_store(&slot->inside, 0);
}
