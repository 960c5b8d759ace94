/*
 * Where each batch of moves stops the work: keep the best set and have the rest read over the
 * bus (settle), or stream the rest through the ring, in stops (stream)? Copies are faster than
 * reads in place, but hide nothing: which is the better depends on how long the work computes,
 * and nobody tells. So it is measured. A settled set's round is timed; where a streamed one
 * should be shorter it is tried for a few rounds, and what was measured to be the shorter
 * stays. The verdict holds until the cycle, the limit or the memory is another, and each trial
 * has the next one wait for longer: nothing swings.
 */
#include "balanced/balanced.h"

/* Rounds without a move, of which the shorter of the last two is a settled round's time; twice
 * as many after each trial. */
#define CALM_ROUNDS 2u
#define MOST_DOUBLINGS 6
/* So many on end that take longer than the settled one did: both are measured anew. */
#define SLOW_ROUNDS 8
/* What is predicted is coarse, and what is measured jitters. */
#define LEAST_GAIN 1.05

static double copy_ns(const struct policy *policy, uint64_t bytes)
{
	double ns = (double)bytes * 1e9 / policy->config.h2d_bytes_per_s;

	return ns > 2 * policy->config.switch_ns ? ns : 2 * policy->config.switch_ns;
}

struct missed {
	uint64_t names, bytes, largest_bytes, round_bytes;
	double copies_ns; /* in a stop, while other blocks change their homes */
};

/* What the next round names that is cold as things are. */
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

/* What a settled round takes beyond its reads in place is computing, and those reads are taken
 * to hide as much of it for each byte. Streamed, nothing is hidden: all of it is computed, and
 * stops copy what is cold, and a ring more. In a stop only the first to leave and the last to
 * come keep the bus waiting. */
static double predict_streamed_ns(const struct policy *policy)
{
	const struct missed missed = count_missed(policy);
	double settled_ns = (double)policy->balanced.manner.settled_ns;
	double read_ns = (double)missed.bytes * 1e9 /
			 (policy->config.in_place_ratio * policy->config.h2d_bytes_per_s);
	double found = (double)(missed.round_bytes - missed.bytes);
	double moved = (double)missed.names + BALANCED_BATCH_RING;
	double computed_ns = 0;

	if (!missed.names || found <= 0)
		return settled_ns;
	if (settled_ns > read_ns)
		computed_ns = (settled_ns - read_ns) * (double)missed.round_bytes / found;
	return computed_ns + missed.copies_ns +
	       BALANCED_BATCH_RING * copy_ns(policy, missed.largest_bytes) +
	       moved / BALANCED_BATCH_RING * 4 * policy->config.switch_ns;
}

static bool near(uint64_t value, uint64_t before)
{
	return value <= before + before / 4 && value >= before - before / 4;
}

static bool is_another(const struct policy *policy)
{
	const struct manner *manner = &policy->balanced.manner;

	return !near(cycle_names(&policy->cycle), manner->names) ||
	       !near(balanced_limit(policy), manner->limit_bytes) ||
	       !near(policy->table.known_bytes, manner->known_bytes);
}

/* A settled round is timed anew, and counted from the next one on. */
static void settle_again(struct policy *policy, bool verdict)
{
	struct manner *manner = &policy->balanced.manner;

	spread_forget(policy);
	manner->streams = manner->trying = false;
	manner->verdict = verdict;
	manner->rounds = 0;
}

static void try_streaming(struct policy *policy)
{
	struct manner *manner = &policy->balanced.manner;

	manner->streams = manner->trying = true;
	manner->rounds = 0;
	manner->trials += manner->trials < MOST_DOUBLINGS;
	manner->names = cycle_names(&policy->cycle);
	manner->limit_bytes = balanced_limit(policy);
	manner->known_bytes = policy->table.known_bytes;
}

static void after_settled(struct policy *policy, uint64_t round_ns, bool moved)
{
	struct manner *manner = &policy->balanced.manner;
	bool first = !manner->rounds;

	if (moved || !round_ns)
		return;
	manner->settled_ns = first || round_ns < manner->last_ns ? round_ns : manner->last_ns;
	manner->last_ns = round_ns;
	if (++manner->rounds < CALM_ROUNDS << manner->trials || manner->verdict ||
	    policy->config.h2d_bytes_per_s <= 0)
		return;
	if (predict_streamed_ns(policy) * LEAST_GAIN <= (double)manner->settled_ns)
		try_streaming(policy);
}

/* One pause of the program, or one round that happened to stop less, decides nothing. */
static uint64_t middle(const uint64_t ns[MANNER_TRIAL_ROUNDS])
{
	uint64_t low = ns[0] < ns[1] ? ns[0] : ns[1], high = ns[0] < ns[1] ? ns[1] : ns[0];

	return ns[2] < low ? low : ns[2] > high ? high : ns[2];
}

static void after_tried(struct policy *policy, uint64_t round_ns)
{
	struct manner *manner = &policy->balanced.manner;

	if (manner->rounds)
		manner->tried_ns[manner->rounds - 1] = round_ns;
	if (manner->rounds++ < MANNER_TRIAL_ROUNDS)
		return;
	if ((double)middle(manner->tried_ns) * LEAST_GAIN > (double)manner->settled_ns) {
		settle_again(policy, true);
		return;
	}
	manner->trying = false;
	manner->verdict = true;
	manner->rounds = 0;
}

static void after_streamed(struct policy *policy, uint64_t round_ns)
{
	struct manner *manner = &policy->balanced.manner;

	if (!round_ns)
		return;
	if (manner->trying)
		after_tried(policy, round_ns);
	else if (round_ns <= manner->settled_ns)
		manner->rounds = 0;
	else if (++manner->rounds == SLOW_ROUNDS)
		settle_again(policy, false);
}

void manner_review(struct policy *policy)
{
	struct manner *manner = &policy->balanced.manner;
	uint64_t moves = policy->page_ins + policy->evictions;
	bool moved = moves != manner->moves;

	manner->moves = moves;
	if ((manner->verdict || manner->trying) && is_another(policy))
		settle_again(policy, false);
	else if (manner->streams)
		after_streamed(policy, policy->cycle.round_ns);
	else
		after_settled(policy, policy->cycle.round_ns, moved);
}
