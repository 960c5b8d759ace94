/*
 * The learnt cycle: inference repeats itself. Remembers the operations of late, finds the same
 * run of them earlier, and takes what followed then for what follows now. Everything is
 * allocated at creation.
 */
#ifndef LOWTIDE_CYCLE_H
#define LOWTIDE_CYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cycle;

struct cycle *cycle_create(void);	 /* NULL: out of memory */
void cycle_destroy(struct cycle *cycle); /* NULL is fine */

/* An operation named these blocks. */
void cycle_learn(struct cycle *cycle, const uint32_t *blocks, size_t count);
/* How many operations the cycle has, once it has been followed for long enough to rely on; else
 * 0. */
uint64_t cycle_period(const struct cycle *cycle);
/* The blocks of the operation `ahead` (1: the next) places on. Count 0: unknown. */
const uint32_t *cycle_ahead(const struct cycle *cycle, uint64_t ahead, size_t *count);
/* The blocks of the operation `back` (0: the newest) places ago; NULL: forgotten. */
const uint32_t *cycle_back(const struct cycle *cycle, uint64_t back, size_t *count);

#endif
