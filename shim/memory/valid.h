/*
 * What always holds in a device's tables while nobody is changing them: homes agree with
 * frames, counts with what they count, the index with the blocks. Debug builds
 * (-DLOWTIDE_DEBUG) look after each move, allocation and free, say what is not so, and abort.
 * The pager's lock is held.
 */
#ifndef LOWTIDE_VALID_H
#define LOWTIDE_VALID_H

#include "memory/memory.h"

#ifdef LOWTIDE_DEBUG
void memory_see_valid(const struct memory *memory);
/* For other tables too: says what is not so of number `i`, and aborts. */
_Noreturn void valid_not(const struct memory *memory, const char *what, uint32_t i);
#else
static inline void memory_see_valid(const struct memory *memory)
{
	(void)memory;
}
#endif

#endif
