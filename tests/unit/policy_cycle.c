/* The learner alone: what it takes for a cycle, what it foresees, what it refuses to see. */
#include "core/cycle.h"
#include "policy_test.h"

#define BLOCKS 2048

struct feed {
	struct cycle cycle;
	uint64_t op;
	uint64_t guesses, right; /* of the block that comes next, made while it predicts */
	uint64_t shortest;	 /* cycle that was ever learnt, in steps; 0: none */
};

static void begin(struct feed *feed)
{
	*feed = (struct feed){.op = 0};
	cr_assert(cycle_init(&feed->cycle));
	cr_assert(cycle_reserve(&feed->cycle, BLOCKS));
}

static void end(struct feed *feed)
{
	cycle_finish(&feed->cycle);
}

static void see_many(struct feed *feed, const uint32_t *blocks, size_t count)
{
	uint32_t expected;
	uint64_t steps;

	if (cycle_predicts(&feed->cycle) &&
	    cycle_ahead(&feed->cycle, cycle_next(&feed->cycle), &expected, &steps)) {
		feed->guesses++;
		feed->right += rig_names(blocks, count, expected);
	}
	feed->op++;
	cycle_observe(&feed->cycle, blocks, count, feed->op, feed->op * 1000);
	if (feed->cycle.length && (!feed->shortest || feed->cycle.length < feed->shortest))
		feed->shortest = feed->cycle.length;
}

static void see(struct feed *feed, uint32_t block)
{
	see_many(feed, &block, 1);
}

static void scan(struct feed *feed, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		see(feed, first + i);
}

Test(cycle, is_learnt_by_the_end_of_its_second_round)
{
	const uint32_t lengths[] = {16, 20, 100, 1000};

	for (int i = 0; i < 4; i++) {
		struct feed feed;

		begin(&feed);
		scan(&feed, 0, lengths[i]);
		cr_assert(eq(u32, cycle_names(&feed.cycle), 0), "after one round");
		scan(&feed, 0, lengths[i]);
		cr_assert(eq(u32, cycle_names(&feed.cycle), lengths[i]), "after two");
		cr_assert(eq(u64, cycle_ops(&feed.cycle), lengths[i]));
		scan(&feed, 0, lengths[i]);
		cr_assert(eq(u64, feed.cycle.round_ns, lengths[i] * 1000));
		cr_assert(eq(u64, feed.right, feed.guesses), "no guess was wrong");
		cr_assert(ge(u64, feed.guesses, lengths[i] - 1));
		end(&feed);
	}
}

Test(cycle, is_learnt_even_when_short)
{
	for (uint32_t length = 2; length < 16; length++) {
		struct feed feed;

		begin(&feed);
		for (int i = 0; i < 20; i++)
			scan(&feed, 0, length);
		cr_assert(eq(u32, cycle_names(&feed.cycle), length), "length %u", length);
		end(&feed);
	}
}

Test(cycle, foresees_what_comes_next_in_order)
{
	struct feed feed;
	uint64_t name, steps;
	uint32_t block, i = 0;

	begin(&feed);
	for (int round = 0; round < 3; round++)
		scan(&feed, 0, 50);
	scan(&feed, 0, 10);
	name = cycle_next(&feed.cycle);
	for (; cycle_ahead(&feed.cycle, name + i, &block, &steps); i++) {
		cr_assert(eq(u32, block, (10 + i) % 50));
		cr_assert(eq(u64, steps, i + 1));
	}
	cr_assert(eq(u32, i, 50), "one round, no more");
	end(&feed);
}

Test(cycle, knows_how_far_ahead_a_block_is_named_again)
{
	struct feed feed;

	begin(&feed);
	see(&feed, 1000);
	for (int round = 0; round < 3; round++)
		scan(&feed, 0, 50);
	scan(&feed, 0, 10);
	cr_assert(cycle_predicts(&feed.cycle));
	cr_assert(eq(u64, cycle_steps_to(&feed.cycle, 10), 1));
	cr_assert(eq(u64, cycle_steps_to(&feed.cycle, 49), 40));
	cr_assert(eq(u64, cycle_steps_to(&feed.cycle, 0), 41));
	cr_assert(eq(u64, cycle_steps_to(&feed.cycle, 9), 50), "just named");
	cr_assert(eq(u64, cycle_steps_to(&feed.cycle, 1000), CYCLE_NEVER));
	cr_assert(eq(u64, cycle_steps_to(&feed.cycle, 1001), CYCLE_NEVER));
	end(&feed);
}

Test(cycle, foresees_a_block_that_is_named_often_in_a_round)
{
	struct feed feed;

	begin(&feed);
	for (int round = 0; round < 4; round++)
		for (uint32_t i = 0; i < 200; i++)
			see(&feed, i % 4 == 3 ? 999 : i);
	cr_assert(eq(u64, cycle_steps_to(&feed.cycle, 999), 4));
	see(&feed, 0);
	see(&feed, 1);
	cr_assert(eq(u64, cycle_steps_to(&feed.cycle, 999), 2));
	end(&feed);
}

static void image(struct feed *feed, int steps)
{
	scan(feed, 500, 40); /* text encoder */
	for (int i = 0; i < steps; i++)
		scan(feed, 0, 120); /* UNet */
	scan(feed, 700, 60);	    /* VAE */
}

Test(cycle, is_the_denoise_step_not_the_picture)
{
	struct feed feed;

	begin(&feed);
	scan(&feed, 500, 40);
	cr_assert(eq(u32, cycle_names(&feed.cycle), 0));
	for (int i = 0; i < 20; i++)
		scan(&feed, 0, 120);
	cr_assert(eq(u32, cycle_names(&feed.cycle), 120));
	scan(&feed, 700, 60);
	cr_assert(eq(u32, cycle_names(&feed.cycle), 0), "the VAE has not been seen before");
	cr_assert_not(cycle_predicts(&feed.cycle));
	end(&feed);
}

Test(cycle, knows_the_second_picture_from_the_first_whatever_its_length)
{
	struct feed feed;

	begin(&feed);
	image(&feed, 20);
	image(&feed, 20);
	feed.guesses = feed.right = 0;
	image(&feed, 20);
	cr_assert(ge(u64, feed.guesses, 2400), "%lu of 2500", (unsigned long)feed.guesses);
	cr_assert(ge(u64, feed.right + 8, feed.guesses));
	feed.guesses = feed.right = 0;
	image(&feed, 7);
	image(&feed, 31);
	cr_assert(ge(u64, feed.right, 4500), "%lu of 4760", (unsigned long)feed.right);
	cr_assert(ge(u64, feed.right + 24, feed.guesses));
	end(&feed);
}

Test(cycle, is_relearnt_when_the_phase_changes)
{
	struct feed feed;

	begin(&feed);
	for (int i = 0; i < 5; i++)
		scan(&feed, 0, 100);
	cr_assert(eq(u32, cycle_names(&feed.cycle), 100));
	scan(&feed, 1000, 30);
	cr_assert(eq(u32, cycle_names(&feed.cycle), 0));
	for (int i = 0; i < 3; i++)
		scan(&feed, 1000, 30);
	cr_assert(eq(u32, cycle_names(&feed.cycle), 30));
	end(&feed);
}

Test(cycle, survives_an_operation_or_two_that_differ)
{
	struct feed feed;
	uint64_t seed = 7;

	begin(&feed);
	for (int i = 0; i < 3; i++)
		scan(&feed, 0, 100);
	for (int round = 0; round < 30; round++) {
		uint64_t odd = rig_random(&seed) % 90, kind = round % 3;

		for (uint32_t i = 0; i < 100; i++) {
			if (i == odd && kind == 0)
				see(&feed, 1500 + (uint32_t)round); /* one put in */
			if (i == odd && kind == 1)
				i += 2; /* two left out */
			see(&feed, i == odd && kind == 2 ? 1800 + (uint32_t)round : i);
			cr_assert(ge(u32, cycle_names(&feed.cycle), 90), "round %d, %u", round,
				  i);
		}
	}
	cr_assert(ge(u64, feed.right * 20, feed.guesses * 19));
	end(&feed);
}

Test(cycle, of_a_decode_step_survives_a_growing_tail)
{
	struct feed feed;

	begin(&feed);
	for (uint32_t token = 0; token < 40; token++)
		for (uint32_t layer = 0; layer < 32; layer++) {
			/* A layer's weights, and a cache that takes a new block each token. */
			uint32_t named[] = {layer, 100 + token / 4 * 32 + layer};

			see_many(&feed, named, 2);
			if (token >= 2)
				cr_assert(ge(u32, cycle_names(&feed.cycle), 60),
					  "token %u, layer %u", token, layer);
		}
	end(&feed);
}

Test(cycle, is_not_seen_in_experts_drawn_at_random)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct feed feed;
		uint64_t state = seed * 77;

		begin(&feed);
		for (int token = 0; token < 400; token++)
			for (uint32_t layer = 0; layer < 8; layer++) {
				uint32_t expert = (uint32_t)(rig_random(&state) % 8);

				see(&feed, layer);
				see(&feed, 100 + layer * 8 + expert);
				see(&feed, 100 + layer * 8 + (expert + 1 + state % 7) % 8);
				cr_assert(eq(u32, cycle_names(&feed.cycle), 0));
			}
		end(&feed);
	}
}

Test(cycle, outlives_its_history)
{
	struct feed feed;

	begin(&feed);
	for (int i = 0; i < 300; i++)
		scan(&feed, 0, 1000);
	cr_assert(eq(u32, cycle_names(&feed.cycle), 1000));
	cr_assert(eq(u64, feed.right, feed.guesses));
	end(&feed);
}

Test(cycle, too_long_for_the_history_is_not_one)
{
	static uint32_t named[1024];
	struct feed feed;

	begin(&feed);
	for (uint32_t round = 0; round < 3; round++)
		for (uint32_t op = 0; op < 200; op++) {
			for (uint32_t i = 0; i < 1024; i++)
				named[i] = (op * 7 + i) % BLOCKS;
			see_many(&feed, named, 1024);
		}
	cr_assert(eq(u32, cycle_names(&feed.cycle), 0));
	end(&feed);
}

Test(cycle, is_not_mistaken_for_the_turns_that_scratch_takes)
{
	struct feed feed;

	begin(&feed);
	for (int token = 0; token < 4; token++)
		for (uint32_t layer = 0; layer < 40; layer++)
			for (uint32_t i = 0; i < 9; i++) {
				uint32_t named[] = {1000 + i % 3, layer};

				see_many(&feed, named, i ? 1 : 2);
			}
	cr_assert(eq(u32, cycle_names(&feed.cycle), 400));
	end(&feed);
}

/* Layers in quarters, before each of which all of a cache is read, as a decoder does. */
static void token(struct feed *feed, uint32_t chunks)
{
	for (uint32_t quarter = 0; quarter < 4; quarter++) {
		scan(feed, 1000, chunks);
		scan(feed, quarter * 16, 16);
	}
}

Test(cycle, is_not_taken_for_a_part_of_itself_when_a_cache_grows)
{
	struct feed feed;

	begin(&feed);
	for (int i = 0; i < 4; i++)
		token(&feed, 10);
	for (uint32_t chunks = 11; chunks < 16; chunks++)
		for (int i = 0; i < 2; i++) {
			token(&feed, chunks);
			cr_assert(eq(u64, feed.shortest, 4 * (16 + 10)), "%u chunks: %lu",
				  chunks, (unsigned long)feed.shortest);
		}
	cr_assert(ge(u64, feed.right * 100, feed.guesses * 95), "%lu of %lu",
		  (unsigned long)feed.right, (unsigned long)feed.guesses);
	end(&feed);
}

/* --- what the history and its table may not be taken for */

static uint64_t mixed(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* Where the learner remembers that these three were named in this order. */
static uint64_t place_of(const uint32_t *blocks)
{
	uint64_t key = 3;

	for (int i = 2; i >= 0; i--)
		key = mixed(key ^ mixed(blocks[i]));
	return key % (1u << 18);
}

Test(cycle, is_not_seen_where_two_pasts_share_a_place_in_the_table)
{
	static uint32_t first_at[1u << 18]; /* of three blocks in a row + 1 */
	struct feed feed;
	uint32_t at = 0, three[3], other = 0;

	begin(&feed);
	for (; !other; at += 3) {
		cr_assert(lt(u32, at + 3, BLOCKS * 600));
		for (uint32_t i = 0; i < 3; i++)
			three[i] = (at + i * (1 + at / BLOCKS)) % BLOCKS;
		other = first_at[place_of(three)];
		first_at[place_of(three)] = at + 1;
	}
	for (uint32_t i = 0; i < 3; i++)
		see(&feed, (other - 1 + i * (1 + (other - 1) / BLOCKS)) % BLOCKS);
	see(&feed, 7);
	see(&feed, 8);
	for (uint32_t i = 0; i < 3; i++)
		see(&feed, three[i]);
	cr_assert(eq(u64, feed.cycle.at, 0));
	end(&feed);
}

/* Each round of 30,000 steps names twice as much as the one before: in the fifth, what the
 * follower stands on has been overwritten. */
Test(cycle, is_not_followed_along_a_past_that_was_overwritten)
{
	const uint32_t steps = 30000;
	struct feed feed;

	begin(&feed);
	cr_assert(cycle_reserve(&feed.cycle, 8 * steps));
	for (uint32_t width = 1, round = 0; round < 5; round++) {
		for (uint32_t step = 0; step < steps; step++) {
			uint32_t blocks[8];

			for (uint32_t i = 0; i < width; i++)
				blocks[i] = step + i * steps;
			see_many(&feed, blocks, width);
			cr_assert(feed.cycle.at == 0 ||
				  feed.cycle.steps[feed.cycle.at % (1u << 16)].first +
					  (1u << 17) >
				      feed.cycle.name);
		}
		width *= round && width < 8 ? 2 : 1;
	}
	end(&feed);
}
