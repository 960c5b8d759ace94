#include "move/mover_valid.h"

#ifdef LOWTIDE_DEBUG
#include "memory/valid.h"
#include "move/transfer.h"

#define HOLD(what, condition, i)                                                               \
	do {                                                                                   \
		if (!(condition))                                                              \
			valid_not(mover->memory, what, i);                                     \
	} while (0)

static bool is_void(const struct transfer *transfer)
{
	return transfer->state == OUT_VOID || transfer->state == IN_VOID;
}

static void see_transfer(const struct mover *mover, uint32_t i)
{
	const struct transfer *transfer = &mover->overlap->transfers[i];
	const struct block *block = &mover->memory->table.blocks[transfer->block];

	if (is_void(transfer))
		return; /* its block may be another's by now */
	HOLD("what is on its way has not been freed", block->component != NO_BLOCK, i);
	HOLD("a block on its way knows its transfer", block->transfer == i + 1, i);
}

void mover_see_valid(const struct mover *mover)
{
	const struct overlap *overlap = mover->overlap;
	bool is_queued[TRANSFERS] = {false};
	uint32_t busy = 0;

	memory_see_valid(mover->memory);
	for (size_t i = 0; overlap && i < overlap->queued; i++) {
		HOLD("a transfer is queued once", !is_queued[overlap->queue[i]],
		     overlap->queue[i]);
		is_queued[overlap->queue[i]] = true;
	}
	for (uint32_t i = 0; overlap && i < TRANSFERS; i++) {
		if (overlap->transfers[i].state == TRANSFER_NONE)
			continue;
		HOLD("what is on its way is queued", is_queued[i], i);
		see_transfer(mover, i);
		busy++;
	}
	HOLD("transfers are counted", !overlap || busy == overlap->busy, busy);
	for (uint32_t i = 0; i < mover->memory->table.block_end; i++) {
		const struct block *block = &mover->memory->table.blocks[i];
		uint32_t t = block->transfer - 1;

		if (block->component == NO_BLOCK || !block->transfer)
			continue;
		HOLD("a transfer knows its block",
		     overlap && overlap->transfers[t].state != TRANSFER_NONE &&
			 overlap->transfers[t].block == i,
		     i);
	}
}
#endif
