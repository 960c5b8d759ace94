#include "base/ranks.h"

#ifdef LOWTIDE_DEBUG
#include "base/log.h"

#include <stdlib.h>

#define HELD_MAX 64

struct held {
	const void *what;
	enum lock_rank rank;
	const char *file;
	int line;
};

/* In the order in which they were taken. */
static _Thread_local struct held held[HELD_MAX];
static _Thread_local unsigned int count;

static const char *name(enum lock_rank rank)
{
	static const char *const names[] = {
#define RANK(name, what) #name,
#include "base/ranks.def"
#undef RANK
	};

	return names[rank];
}

bool ranks_hold(const void *what, enum lock_rank rank, const char *file, int line)
{
	if (count == HELD_MAX) {
		log_error("ranks: %s:%d takes %s: more locks than anybody takes", file, line,
			  name(rank));
		abort();
	}
	held[count++] = (struct held){what, rank, file, line};
	return true;
}

/* Of one rank, there are several pagers: by device, in which order they lie in their array; and
 * the gate nests. */
static bool is_after(const struct held *before, const void *what, enum lock_rank rank)
{
	return before->rank < rank ||
	       (before->rank == rank && rank == RANK_PAGER && before->what < what) ||
	       (before->what == what && rank == RANK_GATE);
}

void ranks_take(const void *what, enum lock_rank rank, const char *file, int line)
{
	for (unsigned int i = count; i-- > 0;) {
		if (is_after(&held[i], what, rank))
			continue;
		log_error("ranks: %s:%d takes %s %s %s of %s:%d", file, line, name(rank),
			  held[i].what == what ? "again, under" : "under, not before,",
			  name(held[i].rank), held[i].file, held[i].line);
		abort();
	}
	ranks_hold(what, rank, file, line);
}

void ranks_all_held(const char *file, int line)
{
	bool is_held[] = {
#define RANK(name, what) false,
#include "base/ranks.def"
#undef RANK
	};

	for (unsigned int i = 0; i < count; i++)
		is_held[held[i].rank] = true;
	is_held[RANK_PAGER] = is_held[RANK_FENCES] = true;
	is_held[RANK_STEP] = is_held[RANK_GATE] = true;
	for (unsigned int i = 0; i < sizeof(is_held) / sizeof(is_held[0]); i++)
		if (!is_held[i]) {
			log_error("ranks: %s:%d: %s is not held, and a fork would leave it as "
				  "it is",
				  file, line, name(i));
			abort();
		}
}

void ranks_give(const void *what, enum lock_rank rank, const char *file, int line)
{
	unsigned int i = count;

	while (i && held[i - 1].what != what)
		i--;
	if (!i) {
		log_error("ranks: %s:%d gives %s, which it does not hold", file, line,
			  name(rank));
		abort();
	}
	for (count--; i <= count; i++)
		held[i - 1] = held[i];
}
#endif
