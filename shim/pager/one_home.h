/*
 * Calls that are handed to the driver whole, with addresses of managed memory in them: copies
 * between devices and arrays, batches, the nodes of graphs. What the driver does with a range
 * that lies partly in VRAM and partly in RAM is nowhere documented, so before such a call its
 * ranges are each brought to one home: VRAM where there is room, else RAM (which is no home
 * where cold memory is unmapped: see unmapped.h). Takes the pager's lock, not inside the gate;
 * one_home_settled takes none, and may be asked there.
 */
#ifndef LOWTIDE_ONE_HOME_H
#define LOWTIDE_ONE_HOME_H

#include "pager/pager.h"

/* As the bytes of a range: to the end of what holds its start. */
#define ONE_HOME_REST UINT64_MAX

/* Counts a call handed to the driver whole if any of the ranges is managed. False: some range
 * still lies in both homes, because this is no moment for a window, or there is no frame. */
bool one_home_settle(const struct pager_range *ranges, size_t count);
/* The same of one range of one pager, whose lock is held. */
bool one_home_settle_one(struct pager *pager, const struct pager_range *range);
bool one_home_settled(const struct pager_range *ranges, size_t count);

/* Brings the range to one home, then pins it there. */
void one_home_pin(const struct pager_range *range);

/* What of the range is in RAM comes in, as far as it can. The pager's lock is held. */
void one_home_bring_in(struct pager *pager, const struct pager_range *range);

#endif
