#include "move/switching.h"

#include "base/lock.h"

#include <sched.h>
#include <stdatomic.h>

struct switch_apart {
	struct slot *slot;
	struct home_change change;
	atomic_bool over; /* the driver's part is */
};

/* By device: a pager's is taken while its `apart` is set, by one thread at a time. */
static struct switch_apart records[PAGER_DEVICES];

static void begin(struct pager *pager, struct slot *slot, struct home_change *change)
{
	if (slot->way < ARRIVE_WAIT)
		leave_switch_begin(pager, slot, change);
	else
		arrive_switch_begin(pager, slot, change);
}

static void end(struct pager *pager, struct slot *slot, const struct home_change *change)
{
	if (slot->way < ARRIVE_WAIT)
		leave_switch_end(pager, slot, change);
	else
		arrive_switch_end(pager, slot, change);
}

void switch_here(struct pager *pager, struct slot *slot)
{
	struct home_change change;

	begin(pager, slot, &change);
	home_change_run(&change);
	end(pager, slot, &change);
}

void switch_apart(struct pager *pager, struct slot *slot)
{
	struct switch_apart *apart = &records[pager->device];

	apart->slot = slot;
	atomic_store(&apart->over, false);
	begin(pager, slot, &apart->change);
	pager->apart = apart;
	lock_give(&pager->lock);
	home_change_run(&apart->change);
	atomic_store(&apart->over, true);
	lock_take(&pager->lock);
	/* Unless somebody has ended it, and with it perhaps even the slots. */
	switch_finish(pager);
}

void switch_finish(struct pager *pager)
{
	struct switch_apart *apart = pager->apart;

	if (!apart)
		return;
	while (!atomic_load(&apart->over))
		sched_yield();
	pager->apart = NULL;
	end(pager, apart->slot, &apart->change);
}
