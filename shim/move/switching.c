#include "move/switching.h"

#include "base/lock.h"

#include <sched.h>
#include <stdatomic.h>

struct switch_apart {
	struct transfer *transfer;
	struct mapping_change change;
	atomic_bool over; /* the driver's part is */
};

/* By device: a pager's is taken while its `apart` is set, by one thread at a time. */
static struct switch_apart records[MEMORY_DEVICES];

static void begin(struct mover *mover, struct transfer *transfer, struct mapping_change *change)
{
	if (transfer->state < IN_WAIT)
		transfer_out_switch_begin(mover, transfer, change);
	else
		transfer_in_switch_begin(mover, transfer, change);
}

static void end(struct mover *mover, struct transfer *transfer,
		const struct mapping_change *change)
{
	if (transfer->state < IN_WAIT)
		transfer_out_switch_end(mover, transfer, change);
	else
		transfer_in_switch_end(mover, transfer, change);
}

void switch_here(struct mover *mover, struct transfer *transfer)
{
	struct mapping_change change;

	begin(mover, transfer, &change);
	mapping_change_run(&change);
	end(mover, transfer, &change);
}

void switch_apart(struct mover *mover, struct transfer *transfer)
{
	struct switch_apart *apart = &records[mover->memory->device];

	apart->transfer = transfer;
	atomic_store(&apart->over, false);
	begin(mover, transfer, &apart->change);
	mover->apart = apart;
	lock_give(&mover->memory->lock);
	mapping_change_run(&apart->change);
	atomic_store(&apart->over, true);
	lock_take(&mover->memory->lock);
	/* Unless somebody has ended it, and with it perhaps all transfers. */
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
	end(mover, apart->transfer, &apart->change);
}
