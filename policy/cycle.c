#include "cycle.h"

#include <stdlib.h>
#include <string.h>

#define OPERATIONS (1u << 15) /* remembered; a power of two */
#define NAMES (1u << 19)      /* block ids of them; a power of two */
#define CONTEXTS (1u << 16)   /* runs of three operations, by hash; a power of two */
#define RUN 3
/* A prediction is relied on after so many right ones, or half a cycle of them. */
#define STREAK 16

struct operation {
	uint64_t key;
	uint64_t first; /* in names, counted from the beginning of time */
	uint32_t count;
};

struct cycle {
	struct operation operations[OPERATIONS];
	uint32_t names[NAMES];
	uint64_t seen_at[CONTEXTS]; /* operation + 1 that ended the run; 0: never */
	uint64_t now;		    /* operations learnt */
	uint64_t named;
	uint64_t twin;	 /* the earlier operation that the newest repeats, + 1; 0: none */
	uint64_t streak; /* right predictions in a row */
	uint64_t misses; /* wrong ones since the last right one */
};

struct cycle *cycle_create(void)
{
	return calloc(1, sizeof(struct cycle));
}

void cycle_destroy(struct cycle *cycle)
{
	free(cycle);
}

static uint64_t mixed(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xFF51AFD7ED558CCDull;
	x ^= x >> 33;
	x *= 0xC4CEB9FE1A85EC53ull;
	return x ^ x >> 33;
}

/* The same for the same set of blocks, in whatever order. */
static uint64_t key_of(const uint32_t *blocks, size_t count)
{
	uint64_t key = count;

	for (size_t i = 0; i < count; i++)
		key += mixed(blocks[i] + 1);
	return key;
}

static const struct operation *at(const struct cycle *cycle, uint64_t number)
{
	return &cycle->operations[number % OPERATIONS];
}

static uint64_t *context(struct cycle *cycle)
{
	uint64_t hash = 0;

	for (uint64_t i = 1; i <= RUN && i <= cycle->now; i++)
		hash = mixed(hash + at(cycle, cycle->now - i)->key);
	return &cycle->seen_at[hash % CONTEXTS];
}

static bool remembered(const struct cycle *cycle, uint64_t number)
{
	return number < cycle->now && cycle->now - number <= OPERATIONS &&
	       cycle->named - at(cycle, number)->first <= NAMES;
}

/* One step of the prediction: was the operation that followed the twin the same as this one? */
static void follow(struct cycle *cycle, uint64_t number)
{
	uint64_t *seen = context(cycle);
	uint64_t expected = cycle->twin; /* twin + 1 is the operation after the twin */

	if (cycle->twin && remembered(cycle, expected) &&
	    at(cycle, expected)->key == at(cycle, number)->key) {
		cycle->twin = expected + 1;
		cycle->streak++;
		cycle->misses = 0;
	} else if (cycle->twin && cycle->streak > STREAK && cycle->misses < RUN) {
		/* One operation that differs (a growing cache, a sampled token) does not end a
		 * cycle. */
		cycle->twin = expected + 1;
		cycle->misses++;
	} else {
		cycle->twin = cycle->now > RUN && *seen && remembered(cycle, *seen - 1) &&
				      at(cycle, *seen - 1)->key == at(cycle, number)->key
				  ? *seen
				  : 0;
		cycle->streak = cycle->misses = 0;
	}
	*seen = number + 1;
}

void cycle_learn(struct cycle *cycle, const uint32_t *blocks, size_t count)
{
	struct operation *operation = &cycle->operations[cycle->now % OPERATIONS];

	if (!count || count > NAMES / 4)
		return;
	/* Names of one operation lie together: skip the end of the ring where they would not.
	 */
	if (cycle->named % NAMES + count > NAMES)
		cycle->named += NAMES - cycle->named % NAMES;
	*operation = (struct operation){key_of(blocks, count), cycle->named, (uint32_t)count};
	memcpy(&cycle->names[cycle->named % NAMES], blocks, count * sizeof(*blocks));
	cycle->named += count;
	cycle->now++;
	follow(cycle, cycle->now - 1);
}

uint64_t cycle_period(const struct cycle *cycle)
{
	uint64_t period = cycle->twin ? cycle->now - cycle->twin : 0;

	return period && cycle->streak >= STREAK && (cycle->streak >= period / 2) ? period : 0;
}

const uint32_t *cycle_ahead(const struct cycle *cycle, uint64_t ahead, size_t *count)
{
	uint64_t number = cycle->twin + ahead - 1;

	*count = 0;
	if (!cycle->twin || cycle->streak < RUN || !remembered(cycle, number))
		return NULL;
	*count = at(cycle, number)->count;
	return &cycle->names[at(cycle, number)->first % NAMES];
}

const uint32_t *cycle_back(const struct cycle *cycle, uint64_t back, size_t *count)
{
	*count = 0;
	if (back >= cycle->now || !remembered(cycle, cycle->now - 1 - back))
		return NULL;
	*count = at(cycle, cycle->now - 1 - back)->count;
	return &cycle->names[at(cycle, cycle->now - 1 - back)->first % NAMES];
}
