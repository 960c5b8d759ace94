/*
 * What the files that are the pager (lifecycle.c, alloc.c, execute.c, use.c, notices.c,
 * query.c) share, and nobody else calls. The pager's lock is held in all of these unless they
 * say otherwise.
 */
#ifndef LOWTIDE_PAGER_INTERNAL_H
#define LOWTIDE_PAGER_INTERNAL_H

#include "pager/pager.h"

/* Uses that wait for what only a window can move, before the first is made for them. */
#define PAGER_OWED_FIRST 16

/* How long an allocation waits for what was freed but may still be in use. */
#define PAGER_FREED_PATIENCE_NS 2000000000ull

/* --- lifecycle.c. No lock. */
/* For the current context, made if need be; NULL: none, and the driver serves. */
struct pager *pager_here(void);

/* --- execute.c */
/* Makes the moves that the policy asked for, the first so many of pager->actions, if this is a
 * moment for it. */
void carry_out(struct pager *pager, size_t actions);
/* What frames may take may have changed: tells the policy. */
void refresh_cap(struct pager *pager);
/* Frames that nobody has needed for a while go back to the driver; `all`: every spare one. */
void trim_frames(struct pager *pager, bool all);

/* --- use.c */
/* What pager_use_ranges does for one pager; takes the lock. */
void use_ranges_of(struct pager *pager, const struct pager_range *ranges, size_t count,
		   struct pager_use *use);

/* --- notices.c */
void begin_paging(struct pager *pager);
/* Something should have moved: if what keeps it lasts, says so, once a reason. */
void tell_if_still(struct pager *pager);
void tell_sometimes(struct pager *pager, uint64_t now_ns);
/* An allocation of so many bytes found neither VRAM nor RAM; `addresses`: nor even addresses.
 */
void tell_refused(struct pager *pager, uint64_t bytes, bool addresses);
uint64_t cold_bytes_of(const struct pager *pager, uint64_t *managed_bytes);

/* The component that holds the address; NULL: none. */
static inline struct component *component_at(const struct pager *pager, uint64_t address)
{
	return component_find(&pager->memory.table, address);
}

/* Nothing of the program's: there may be empty slabs. */
static inline bool pager_holds_nothing(const struct pager *pager)
{
	return pager->memory.table.live_components == pager->memory.slabs.empty_count;
}

static inline struct component *component_of_slab(struct pager *pager, const struct slab *slab)
{
	return component_at(pager, slab->start);
}

#endif
