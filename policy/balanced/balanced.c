/*
 * The policy itself: which of its parts decides, and the marks between which residency moves.
 * That depends on what the learner knows and on whether moves run beside the work.
 *
 *                        nothing learnt       a cycle is learnt
 *   beside the work      scan_resistant       resident_set chooses what stays, streaming brings
 *                                             the rest in ahead of its use
 *   stopping the work    scan_resistant,      static_set finds the best set once, the rest is
 *                        in batches           read in place; or as beside the work, in batches,
 *                                             where mode measures that to be faster
 */
#include "balanced/limits.h"
#include "balanced/mode.h"
#include "balanced/resident_set.h"
#include "balanced/scan_resistant.h"
#include "balanced/static_set.h"
#include "balanced/streaming.h"
#include "policies.h"

/* New blocks or another mark may leave more resident than the limit. */
static void trim_to_limit(struct policy *policy, struct batch *batch)
{
	uint64_t limit = balanced_limit(policy), low = policy->config.low_bytes;

	if (batch->resident_bytes > limit)
		batch_trim(batch, low && low < limit ? low : limit);
}

/* Where blocks may not be left cold there is no other way than to stream, whatever moves
 * cost. */
static bool always_streams(const struct policy *policy)
{
	return policy->config.overlap || !balanced_in_place(policy);
}

static bool streams(const struct policy *policy)
{
	return always_streams(policy) || policy->balanced.mode.streams;
}

static void begin_round(struct policy *policy, struct batch *batch)
{
	struct balanced_state *state = &policy->balanced;

	if (!always_streams(policy))
		mode_review(policy);
	if (streams(policy)) {
		state->static_set_due = false;
		resident_set_choose(policy);
		return;
	}
	static_set_measure(policy);
	state->static_set_due = true;
	/* A program that synchronised in the last round will in this one: the moves wait
	 * until then, when they stop nothing. */
	if (!state->quiet_seen) {
		static_set_move(policy, batch);
		state->static_set_due = false;
	}
	state->quiet_seen = false;
}

static void balanced_use(struct policy *policy, const uint32_t *blocks, size_t count,
			 struct batch *batch)
{
	struct balanced_state *state = &policy->balanced;
	const struct cycle *cycle = &policy->cycle;

	trim_to_limit(policy, batch);
	if (!cycle->length) {
		resident_set_forget(policy);
		state->static_set_due = false;
	} else if (cycle->starts != state->starts) {
		state->starts = cycle->starts;
		begin_round(policy, batch);
	}
	if (streams(policy) && cycle_predicts(cycle))
		streaming_use(policy, blocks, count, batch);
	else if (streams(policy) || !cycle->length)
		scan_resistant_use(policy, blocks, count, batch);
}

static void balanced_quiet(struct policy *policy, struct batch *batch)
{
	struct balanced_state *state = &policy->balanced;

	trim_to_limit(policy, batch);
	state->quiet_seen = true;
	if (state->static_set_due)
		static_set_move(policy, batch);
	else if (!policy->cycle.length)
		scan_resistant_quiet(policy, batch);
	state->static_set_due = false;
}

static bool balanced_place_on_device(const struct policy *policy, uint64_t bytes)
{
	uint64_t limit = balanced_limit(policy);

	return bytes <= limit && policy->table.resident_bytes <= limit - bytes;
}

static void balanced_make_place(struct policy *policy, struct batch *batch)
{
	if (streams(policy) && policy->balanced.set_chosen && cycle_predicts(&policy->cycle))
		streaming_make_place(batch);
}

const struct policy_kind policy_kind_balanced = {
    .pages = true,
    .use = balanced_use,
    .quiet = balanced_quiet,
    .place_on_device = balanced_place_on_device,
    .make_place = balanced_make_place,
};
