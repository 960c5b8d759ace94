/*
 * Each batch of moves stops the work. Is it faster to keep a static set and read the rest over
 * the bus, or to stream the rest in batches? Copies are faster than reads in place, but the
 * work computes during reads and not during stops, so the answer depends on how long it
 * computes, and only measuring tells. Rounds with a static set are timed. If a prediction says
 * that streamed rounds should be shorter, a trial streams for a few rounds, and the shorter of
 * the two stays. This verdict holds until the cycle, the limit or the blocks change. After
 * each trial more rounds must pass before the next, so that the mode does not swing.
 */
#include "balanced/mode.h"
#include "balanced/limits.h"
#include "balanced/resident_set.h"

/* Rounds without a move before a trial; twice as many after each trial. The shorter of the
 * last two is taken for what a round with a static set takes. */
#define STEADY_ROUNDS 2u
#define MOST_DOUBLINGS 6
/* After so many streamed rounds in a row that took longer than one with a static set, both
 * are measured anew. */
#define SLOW_ROUNDS 8
/* Streaming must be faster by this factor: predictions are coarse, and measurements jitter. */
#define LEAST_GAIN 1.05

static double copy_ns(const struct policy *policy, uint64_t bytes)
{
	double ns = (double)bytes * 1e9 / policy->config.h2d_bytes_per_s;

	return ns > 2 * policy->config.switch_ns ? ns : 2 * policy->config.switch_ns;
}

struct missed {
	uint64_t names, bytes, largest_bytes, round_bytes;
	double copies_ns; /* in stops, each copy while another block changes its home */
};

/* The blocks that the next round names and that are cold now. */
static struct missed count_missed(const struct policy *policy)
{
	struct missed missed = {0};
	uint64_t steps;
	uint32_t block;

	for (uint64_t name = cycle_next(&policy->cycle);
	     cycle_ahead(&policy->cycle, name, &block, &steps); name++) {
		const struct entry *entry = &policy->table.entries[block];

		if (!table_knows(&policy->table, block))
			continue;
		missed.round_bytes += entry->bytes;
		if (entry->bytes > missed.largest_bytes)
			missed.largest_bytes = entry->bytes;
		if (entry->resident)
			continue;
		missed.names++;
		missed.bytes += entry->bytes;
		missed.copies_ns += copy_ns(policy, entry->bytes);
	}
	return missed;
}

/* The prediction: in a round with a static set, what goes beyond its reads in place is
 * computing on the blocks that are resident, and the reads hide the computing on the
 * others, as much for each byte. In a streamed round nothing is hidden: it computes on all
 * blocks, and its stops copy the cold blocks and one ring more. In each stop the bus waits
 * only for the first block to leave and for the last to come in. */
static double predict_streamed_ns(const struct policy *policy)
{
	const struct missed missed = count_missed(policy);
	double static_ns = (double)policy->balanced.mode.static_ns;
	double read_ns = (double)missed.bytes * 1e9 /
			 (policy->config.in_place_ratio * policy->config.h2d_bytes_per_s);
	double found = (double)(missed.round_bytes - missed.bytes);
	double moved = (double)missed.names + RESIDENT_SET_BATCH_RING;
	double computed_ns = 0;

	if (!missed.names || found <= 0)
		return static_ns;
	if (static_ns > read_ns)
		computed_ns = (static_ns - read_ns) * (double)missed.round_bytes / found;
	return computed_ns + missed.copies_ns +
	       RESIDENT_SET_BATCH_RING * copy_ns(policy, missed.largest_bytes) +
	       moved / RESIDENT_SET_BATCH_RING * 4 * policy->config.switch_ns;
}

static bool is_near(uint64_t value, uint64_t before)
{
	return value <= before + before / 4 && value >= before - before / 4;
}

static bool conditions_changed(const struct policy *policy)
{
	const struct balanced_mode *mode = &policy->balanced.mode;

	return !is_near(cycle_names(&policy->cycle), mode->names) ||
	       !is_near(balanced_limit(policy), mode->limit_bytes) ||
	       !is_near(policy->table.known_bytes, mode->known_bytes);
}

/* Back to a static set. Its rounds are timed anew, from the next one on. */
static void use_static_set(struct policy *policy, bool verdict)
{
	struct balanced_mode *mode = &policy->balanced.mode;

	resident_set_forget(policy);
	mode->streams = mode->trying = false;
	mode->verdict = verdict;
	mode->rounds = 0;
}

static void begin_trial(struct policy *policy)
{
	struct balanced_mode *mode = &policy->balanced.mode;

	mode->streams = mode->trying = true;
	mode->rounds = 0;
	mode->trials += mode->trials < MOST_DOUBLINGS;
	mode->names = cycle_names(&policy->cycle);
	mode->limit_bytes = balanced_limit(policy);
	mode->known_bytes = policy->table.known_bytes;
}

static void static_round_ended(struct policy *policy, uint64_t round_ns, bool moved)
{
	struct balanced_mode *mode = &policy->balanced.mode;
	bool first = !mode->rounds;

	if (moved || !round_ns)
		return;
	mode->static_ns = first || round_ns < mode->last_ns ? round_ns : mode->last_ns;
	mode->last_ns = round_ns;
	if (++mode->rounds < STEADY_ROUNDS << mode->trials || mode->verdict ||
	    policy->config.h2d_bytes_per_s <= 0)
		return;
	if (predict_streamed_ns(policy) * LEAST_GAIN <= (double)mode->static_ns)
		begin_trial(policy);
}

/* The median, so that one pause of the program, or one round with fewer stops, decides
 * nothing. */
static uint64_t median_of_three(const uint64_t ns[MODE_TRIAL_ROUNDS])
{
	uint64_t low = ns[0] < ns[1] ? ns[0] : ns[1], high = ns[0] < ns[1] ? ns[1] : ns[0];

	return ns[2] < low ? low : ns[2] > high ? high : ns[2];
}

static void trial_round_ended(struct policy *policy, uint64_t round_ns)
{
	struct balanced_mode *mode = &policy->balanced.mode;

	if (mode->rounds)
		mode->trial_ns[mode->rounds - 1] = round_ns;
	if (mode->rounds++ < MODE_TRIAL_ROUNDS)
		return;
	if ((double)median_of_three(mode->trial_ns) * LEAST_GAIN > (double)mode->static_ns) {
		use_static_set(policy, true);
		return;
	}
	mode->trying = false;
	mode->verdict = true;
	mode->rounds = 0;
}

static void streamed_round_ended(struct policy *policy, uint64_t round_ns)
{
	struct balanced_mode *mode = &policy->balanced.mode;

	if (!round_ns)
		return;
	if (mode->trying)
		trial_round_ended(policy, round_ns);
	else if (round_ns <= mode->static_ns)
		mode->rounds = 0;
	else if (++mode->rounds == SLOW_ROUNDS)
		use_static_set(policy, false);
}

void mode_review(struct policy *policy)
{
	struct balanced_mode *mode = &policy->balanced.mode;
	uint64_t moves = policy->page_ins + policy->evictions;
	bool moved = moves != mode->moves;

	mode->moves = moves;
	if ((mode->verdict || mode->trying) && conditions_changed(policy))
		use_static_set(policy, false);
	else if (mode->streams)
		streamed_round_ended(policy, policy->cycle.round_ns);
	else
		static_round_ended(policy, policy->cycle.round_ns, moved);
}
