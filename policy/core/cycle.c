#include "core/cycle.h"

#include <stdlib.h>
#include <string.h>

#define STEPS (1u << 16)
#define NAMES (1u << 17)
#define CONTEXTS (1u << 18)
#define NAMES_PER_STEP (NAMES / 8)

/* How many of the last steps must repeat for a place in the history to count: by chance
 * three in a row rarely do. */
#define CONTEXT 3
#define LONG_CONTEXT 8
/* One or two steps that differ may be an exception; after so many the follower jumps to
 * where the last steps stood before, if they did. */
#define MISSES_TO_JUMP 3
/* Steps that the work may leave out without the follower being wrong. */
#define SKIP 4
#define LEAST_FOLLOWED 12
/* The follower changes to a nearer repeat only once that has held for so many steps: a loop
 * inside a layer is not the cycle. */
#define NEARER_RUN 64
/* Names looked at for one answer of cycle_steps_to. */
#define HOPS 256

bool cycle_init(struct cycle *cycle)
{
	memset(cycle, 0, sizeof(*cycle));
	cycle->steps = calloc(STEPS, sizeof(*cycle->steps));
	cycle->names = calloc(NAMES, sizeof(*cycle->names));
	cycle->contexts = calloc(CONTEXTS, sizeof(*cycle->contexts));
	if (cycle->steps && cycle->names && cycle->contexts)
		return true;
	cycle_finish(cycle);
	return false;
}

void cycle_finish(struct cycle *cycle)
{
	free(cycle->steps);
	free(cycle->names);
	free(cycle->contexts);
	free(cycle->last);
	free(cycle->upcoming);
	memset(cycle, 0, sizeof(*cycle));
}

bool cycle_reserve(struct cycle *cycle, uint32_t blocks)
{
	uint32_t added = blocks - cycle->last_capacity;
	uint64_t *last, *upcoming;

	if (blocks <= cycle->last_capacity)
		return true;
	last = realloc(cycle->last, blocks * sizeof(*last));
	if (!last)
		return false;
	cycle->last = last;
	upcoming = realloc(cycle->upcoming, blocks * sizeof(*upcoming));
	if (!upcoming)
		return false;
	cycle->upcoming = upcoming;
	memset(last + cycle->last_capacity, 0, added * sizeof(*last));
	memset(upcoming + cycle->last_capacity, 0, added * sizeof(*upcoming));
	cycle->last_capacity = blocks;
	return true;
}

static uint64_t mix_bits(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static struct cycle_step *step_of(const struct cycle *cycle, uint64_t step)
{
	return &cycle->steps[step % STEPS];
}

static struct cycle_name *name_of(const struct cycle *cycle, uint64_t name)
{
	return &cycle->names[name % NAMES];
}

static bool holds_name(const struct cycle *cycle, uint64_t name)
{
	return name && name + NAMES > cycle->name;
}

static bool holds_step(const struct cycle *cycle, uint64_t step)
{
	return step && step + STEPS > cycle->step &&
	       holds_name(cycle, step_of(cycle, step)->first);
}

static void write_step(struct cycle *cycle, const uint32_t *blocks, size_t count, uint64_t op)
{
	uint64_t number = ++cycle->step;
	struct cycle_step *step = step_of(cycle, number);

	if (count > NAMES_PER_STEP)
		count = NAMES_PER_STEP;
	*step =
	    (struct cycle_step){.first = cycle->name + 1, .op = op, .count = (uint32_t)count};
	for (size_t i = 0; i < count; i++) {
		uint64_t name = ++cycle->name, before = cycle->last[blocks[i]];

		if (holds_name(cycle, before))
			name_of(cycle, before)->after = name;
		*name_of(cycle, name) =
		    (struct cycle_name){.step = number, .before = before, .block = blocks[i]};
		cycle->last[blocks[i]] = name;
		step->hash +=
		    mix_bits(blocks[i]); /* a sum: the order of arguments says nothing */
	}
}

static uint64_t context_of(const struct cycle *cycle, uint64_t depth)
{
	uint64_t key = depth;

	for (uint64_t i = 0; i < depth; i++)
		key = mix_bits(key ^ step_of(cycle, cycle->step - i)->hash);
	return key;
}

/* Where in the past the last `depth` steps stood: the step that ended them; 0 = nowhere.
 * Enters the newest step as their place from now on. */
static uint64_t recall_context(struct cycle *cycle, uint64_t depth)
{
	uint64_t found, *slot;

	if (cycle->step < depth)
		return 0;
	slot = &cycle->contexts[context_of(cycle, depth) % CONTEXTS];
	found = *slot;
	*slot = cycle->step;
	if (found < depth || !holds_step(cycle, found - depth + 1))
		return 0;
	for (uint64_t i = 0; i < depth; i++)
		if (step_of(cycle, found - i)->hash != step_of(cycle, cycle->step - i)->hash)
			return 0;
	return found;
}

static bool is_same_step(const struct cycle *cycle, uint64_t past)
{
	return past < cycle->step &&
	       step_of(cycle, past)->hash == step_of(cycle, cycle->step)->hash;
}

/* Was the block named a few steps before, too? Then it says little about the place: many
 * kernels use the same buffers in turns. */
static bool is_common(const struct cycle *cycle, const struct cycle_name *name)
{
	return holds_name(cycle, name->before) &&
	       name_of(cycle, name->before)->step + LONG_CONTEXT > name->step;
}

/* The newest step is equal to that past one, or at least half of the blocks that are not
 * common are the same: a decode step names one block more when its cache has grown. */
static bool is_similar_step(const struct cycle *cycle, uint64_t past)
{
	const struct cycle_step *then = step_of(cycle, past),
				*now = step_of(cycle, cycle->step);
	uint32_t rare_then = 0, rare_now = 0, shared = 0;

	if (past >= cycle->step)
		return false;
	if (is_same_step(cycle, past))
		return true;
	for (uint32_t i = 0; i < now->count; i++)
		rare_now += !is_common(cycle, name_of(cycle, now->first + i));
	for (uint32_t i = 0; i < then->count; i++) {
		const struct cycle_name *name = name_of(cycle, then->first + i);

		if (is_common(cycle, name))
			continue;
		rare_then++;
		shared += cycle->last[name->block] >= now->first;
	}
	return shared && 2 * shared >= rare_then && 2 * shared >= rare_now;
}

/* A step shortly after the expected one that the newest is equal to: the work left
 * something out this time. 0 = none. Steps that were put in need no rule: the follower
 * stays where it is until the work comes back to it. */
static uint64_t skipped_to(const struct cycle *cycle)
{
	for (uint64_t k = 2; k <= SKIP; k++)
		if (is_same_step(cycle, cycle->at + k))
			return cycle->at + k;
	return 0;
}

static void follower_lose(struct cycle *cycle)
{
	cycle->at = cycle->followed = cycle->record = 0;
	cycle->misses = 0;
}

static void follower_jump(struct cycle *cycle, uint64_t to)
{
	uint64_t before = cycle->step - 1 - cycle->at, after = cycle->step - to;
	uint64_t change = before > after ? before - after : after - before;

	if (!cycle->at)
		follower_lose(cycle);
	else if (change > SKIP)
		cycle->followed = 0;
	cycle->at = to;
	cycle->misses = 0;
}

/* Were seven in eight of the last guesses right? `window` guesses are looked at, at least
 * LEAST_FOLLOWED and else at most `most`. */
static bool mostly_right(const struct cycle *cycle, uint64_t window, uint64_t most)
{
	if (window > most)
		window = most;
	if (window < LEAST_FOLLOWED)
		window = LEAST_FOLLOWED;
	return (uint64_t)__builtin_popcountll(cycle->record << (64 - window)) >=
	       window - window / 8;
}

bool cycle_predicts(const struct cycle *cycle)
{
	return cycle->at && mostly_right(cycle, cycle->step - cycle->at, 32);
}

/* Moves the follower one step on. `near`: where the last few steps stood before;
 * `same_way`: where the last LONG_CONTEXT did; 0 = nowhere.
 *
 * In the middle of a phase any earlier round of it predicts the next step; but only an
 * earlier beginning of the phase knows how long it lasts. A long context tells the two
 * apart. It also frees a follower that similar steps (buffers used in turns) hold in a loop
 * shorter than the cycle. A follower that is mostly right does not go nearer for it: a
 * cache that is read several times a round, and has just grown, looks as it did earlier in
 * the same round. */
static void follower_advance(struct cycle *cycle, uint64_t near, uint64_t same_way)
{
	uint64_t to;
	bool hit = true;

	if (same_way && !is_same_step(cycle, cycle->at + 1) &&
	    (same_way <= cycle->at || !cycle_predicts(cycle))) {
		/* The follower was not lost: the steps it has gone still count. */
		cycle->at = same_way;
		cycle->misses = 0;
		hit = false;
	} else if (is_similar_step(cycle, cycle->at + 1)) {
		cycle->at++;
		cycle->misses = 0;
	} else if ((to = skipped_to(cycle))) {
		cycle->at = to;
		cycle->misses = 0;
	} else {
		hit = false;
		cycle->misses++;
		if (near && cycle->misses >= MISSES_TO_JUMP)
			follower_jump(cycle, near);
	}
	cycle->record = cycle->record << 1 | hit;
	cycle->followed++;
}

/* Changes to a nearer repeat that has held for long: the steps of a denoise loop repeat at
 * a shorter distance than whole pictures do. */
static void follower_prefer_nearer(struct cycle *cycle, uint64_t near)
{
	uint64_t distance = cycle->step - near;

	if (!near || distance != cycle->near_distance)
		cycle->near_run = 0;
	cycle->near_distance = near ? distance : 0;
	cycle->near_run += near != 0;
	if (!near || !cycle->at || distance + SKIP >= cycle->step - cycle->at)
		return;
	if (cycle->near_run < distance || cycle->near_run < NEARER_RUN)
		return;
	cycle->at = near;
	cycle->followed = cycle->near_run;
	cycle->record = UINT64_MAX;
	cycle->misses = 0;
}

static void note_round_start(struct cycle *cycle, uint64_t now_ns)
{
	uint64_t distance = cycle->step - cycle->at;
	bool learnt = cycle->at && cycle->followed >= LEAST_FOLLOWED &&
		      cycle->followed + LONG_CONTEXT >= distance &&
		      mostly_right(cycle, cycle->followed, distance < 64 ? distance : 64);

	if (!learnt) {
		cycle->length = cycle->rounds = cycle->round_ns = 0;
		return;
	}
	if (cycle->length && cycle->step - cycle->start_step < distance) {
		cycle->length = distance;
		return;
	}
	cycle->round_ns = cycle->length ? now_ns - cycle->start_ns : 0;
	cycle->length = distance;
	cycle->start_step = cycle->step;
	cycle->start_ns = now_ns;
	cycle->starts++;
	cycle->rounds++;
}

void cycle_observe(struct cycle *cycle, const uint32_t *blocks, size_t count, uint64_t op,
		   uint64_t now_ns)
{
	uint64_t near, same_way;

	write_step(cycle, blocks, count, op);
	if (cycle->at && !holds_step(cycle, cycle->at))
		follower_lose(cycle);
	near = recall_context(cycle, CONTEXT);
	same_way = recall_context(cycle, LONG_CONTEXT);
	if (cycle->at)
		follower_advance(cycle, near, same_way);
	else if (near)
		follower_jump(cycle, near);
	follower_prefer_nearer(cycle, near);
	note_round_start(cycle, now_ns);
}

/* Starts from the name that was the answer last time. The follower goes along with the
 * work, so that the answer is mostly this name or the block's next one; after a jump it is
 * farther, and one call may give up after HOPS names and the next go on from there. */
uint64_t cycle_steps_to(const struct cycle *cycle, uint32_t block)
{
	uint64_t name = cycle->upcoming[block];
	const struct cycle_name *there;

	if (!holds_name(cycle, name))
		name = cycle->last[block];
	if (!holds_name(cycle, name))
		return CYCLE_NEVER;
	there = name_of(cycle, name);
	for (int hops = 0; hops < HOPS; hops++) {
		uint64_t on = there->step <= cycle->at ? there->after : there->before;

		if (!holds_name(cycle, on))
			break;
		if (there->step > cycle->at && name_of(cycle, on)->step <= cycle->at)
			break;
		name = on;
		there = name_of(cycle, name);
	}
	cycle->upcoming[block] = name;
	return there->step > cycle->at ? there->step - cycle->at : CYCLE_NEVER;
}

uint32_t cycle_names(const struct cycle *cycle)
{
	return cycle->length ? (uint32_t)(cycle->name + 1 - cycle_next(cycle)) : 0;
}

uint64_t cycle_ops(const struct cycle *cycle)
{
	return cycle->length ? step_of(cycle, cycle->step)->op - step_of(cycle, cycle->at)->op
			     : 0;
}

uint64_t cycle_next(const struct cycle *cycle)
{
	return step_of(cycle, cycle->at + 1)->first;
}

bool cycle_ahead(const struct cycle *cycle, uint64_t name, uint32_t *block, uint64_t *steps)
{
	if (!holds_name(cycle, name) || name > cycle->name)
		return false;
	*block = name_of(cycle, name)->block;
	*steps = name_of(cycle, name)->step - cycle->at;
	return true;
}
