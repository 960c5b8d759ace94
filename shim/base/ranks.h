/*
 * Ranks: the order in which locks may be taken, and (-DLOWTIDE_DEBUG) what each thread holds.
 *
 * A debug build says in one line where a thread takes a lock that does not rank after all that
 * it holds, takes one again, or gives one that it has not, and ends the process there. Any
 * thread; owns a list by thread.
 */
#ifndef LOWTIDE_RANKS_H
#define LOWTIDE_RANKS_H

#include <stdbool.h>

enum lock_rank {
#define RANK(name, what) RANK_##name,
#include "base/ranks.def"
#undef RANK
};

#ifdef LOWTIDE_DEBUG
/* `what`: the lock, or whatever stands for one. It is about to be taken, and may be waited for:
 * is its turn? */
void ranks_take(const void *what, enum lock_rank rank, const char *file, int line);
/* It was had without a wait, which cannot lock up. Returns true. */
bool ranks_hold(const void *what, enum lock_rank rank, const char *file, int line);
void ranks_give(const void *what, enum lock_rank rank, const char *file, int line);
/* Before a fork: each lock is held, but those of pagers, of which there may be none, and of
 * their fences, which a child begins anew. */
void ranks_all_held(const char *file, int line);
#else
#define ranks_take(what, rank, file, line) ((void)0)
#define ranks_give(what, rank, file, line) ((void)0)
#define ranks_all_held(file, line) ((void)0)
#endif

#endif
