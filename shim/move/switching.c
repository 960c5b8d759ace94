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
static struct switch_apart records[MEMORY_DEVICES];

static void begin(struct mover *mover, struct slot *slot, struct home_change *change)
{
	if (slot->way < ARRIVE_WAIT)
		leave_switch_begin(mover, slot, change);
	else
		arrive_switch_begin(mover, slot, change);
}

static void end(struct mover *mover, struct slot *slot, const struct home_change *change)
{
	if (slot->way < ARRIVE_WAIT)
		leave_switch_end(mover, slot, change);
	else
		arrive_switch_end(mover, slot, change);
}

void switch_here(struct mover *mover, struct slot *slot)
{
	struct home_change change;

	begin(mover, slot, &change);
	home_change_run(&change);
	end(mover, slot, &change);
}

void switch_apart(struct mover *mover, struct slot *slot)
{
	struct switch_apart *apart = &records[mover->memory->device];

	apart->slot = slot;
	atomic_store(&apart->over, false);
	begin(mover, slot, &apart->change);
	mover->apart = apart;
	lock_give(&mover->memory->lock);
	home_change_run(&apart->change);
	atomic_store(&apart->over, true);
	lock_take(&mover->memory->lock);
	/* Unless somebody has ended it, and with it perhaps even the slots. */
	switch_finish(mover);
}

void switch_finish(struct mover *mover)
{
	struct switch_apart *apart = mover->apart;

	if (!apart)
		return;
	while (!atomic_load(&apart->over))
		sched_yield();
	mover->apart = NULL;
	end(mover, apart->slot, &apart->change);
}
