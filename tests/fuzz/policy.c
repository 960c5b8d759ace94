/*
 * Any sequence of events for any policy. Its lists keep the rules of policy.h whatever the
 * caller makes of them: never more than the cap, nothing that is pinned or named leaves, no
 * block twice. And there is always progress: pressure frees what may be freed, and a cap that
 * fell is met.
 */
#include "policy.h"

#include "input.h"

#include <stdbool.h>
#include <string.h>

#define BLOCKS 48
#define UNIT (2ull << 20)
#define NAMED_MOST 8
#define EVENTS_MOST 2000

static struct {
	struct policy *policy;
	uint64_t cap_bytes, resident_bytes, now_ns;
	size_t room; /* for actions */
	bool refuses;
	struct {
		bool known, resident, pinned;
		uint64_t bytes;
	} blocks[BLOCKS];
} rig;

static uint64_t evictable_bytes(const uint32_t *named, size_t count)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < BLOCKS; i++) {
		bool is_named = false;

		for (size_t n = 0; n < count; n++)
			is_named |= named[n] == i;
		if (rig.blocks[i].known && rig.blocks[i].resident && !rig.blocks[i].pinned &&
		    !is_named)
			bytes += rig.blocks[i].bytes;
	}
	return bytes;
}

static void hold(const struct policy_action *actions, size_t listed, const uint32_t *named,
		 size_t count)
{
	bool moved[BLOCKS] = {false};
	uint64_t bytes = rig.resident_bytes;
	enum policy_verb last = POLICY_EVICT;

	FUZZ_HOLD(listed <= rig.room, "%zu actions where %zu fit", listed, rig.room);
	for (size_t i = 0; i < listed; i++) {
		uint32_t block = actions[i].block;
		enum policy_verb verb = actions[i].verb;
		bool is_named = false;

		FUZZ_HOLD(block < BLOCKS && rig.blocks[block].known, "an action on no block");
		for (size_t n = 0; n < count; n++)
			is_named |= named[n] == block;
		FUZZ_HOLD(!moved[block], "two actions on block %u", block);
		moved[block] = true;
		FUZZ_HOLD(verb == last || (verb == POLICY_PAGE_IN && last == POLICY_EVICT),
			  "evictions come first, then what comes in");
		last = verb;
		FUZZ_HOLD(!rig.blocks[block].pinned, "pinned block %u moves", block);
		FUZZ_HOLD(rig.blocks[block].resident == (verb == POLICY_EVICT),
			  "block %u is there already", block);
		FUZZ_HOLD(!(verb == POLICY_EVICT && is_named), "evicts %u, which is named",
			  block);
		bytes +=
		    verb == POLICY_EVICT ? -rig.blocks[block].bytes : rig.blocks[block].bytes;
		FUZZ_HOLD(verb == POLICY_EVICT || bytes <= rig.cap_bytes,
			  "%u comes in past the cap", block);
	}
}

static void carry_out(const struct policy_action *actions, size_t listed)
{
	for (size_t i = 0; i < listed && !rig.refuses; i++) {
		uint32_t block = actions[i].block;
		bool in = actions[i].verb == POLICY_PAGE_IN;

		rig.blocks[block].resident = in;
		rig.resident_bytes += in ? rig.blocks[block].bytes : -rig.blocks[block].bytes;
		policy_block_moved(rig.policy, block, in);
	}
}

static void use(struct input *input)
{
	struct policy_action actions[BLOCKS];
	uint32_t named[NAMED_MOST];
	size_t wanted = 1 + input_below(input, NAMED_MOST), count = 0, listed;

	for (size_t i = 0; i < wanted; i++) {
		uint32_t block = input_below(input, BLOCKS);
		bool again = false;

		for (size_t n = 0; n < count; n++)
			again |= named[n] == block;
		if (rig.blocks[block].known && !again)
			named[count++] = block;
	}
	listed = policy_use(rig.policy, named, count, rig.now_ns, actions, rig.room);
	hold(actions, listed, named, count);
	carry_out(actions, listed);
	/* Above the cap all that may leave has left. */
	if (rig.resident_bytes > rig.cap_bytes && !rig.refuses && rig.room == BLOCKS)
		FUZZ_HOLD(!evictable_bytes(named, count), "the cap is not met");
}

static void pressure(struct input *input)
{
	struct policy_action actions[BLOCKS];
	uint64_t bytes = input_below(input, 64) * UNIT, before = rig.resident_bytes, freed;
	uint64_t may_go = evictable_bytes(NULL, 0);
	size_t listed = policy_pressure(rig.policy, bytes, rig.now_ns, actions, rig.room);

	hold(actions, listed, NULL, 0);
	carry_out(actions, listed);
	freed = before - rig.resident_bytes;
	if (!rig.refuses && rig.room == BLOCKS)
		FUZZ_HOLD(freed >= (bytes < may_go ? bytes : may_go),
			  "pressure for %llu frees %llu", (unsigned long long)bytes,
			  (unsigned long long)freed);
}

static void add(struct input *input)
{
	uint32_t block = input_below(input, BLOCKS);
	uint64_t bytes = (1ull << input_below(input, 5)) * UNIT;
	bool resident;

	if (rig.blocks[block].known)
		return;
	resident = policy_place_on_device(rig.policy, bytes) &&
		   rig.resident_bytes + bytes <= rig.cap_bytes;
	if (!policy_block_added(rig.policy, block, bytes, block / 8, input_below(input, 4),
				resident, rig.now_ns))
		abort();
	rig.blocks[block].known = true;
	rig.blocks[block].resident = resident;
	rig.blocks[block].pinned = false;
	rig.blocks[block].bytes = bytes;
	rig.resident_bytes += resident ? bytes : 0;
}

static void drop(uint32_t block)
{
	if (!rig.blocks[block].known)
		return;
	rig.resident_bytes -= rig.blocks[block].resident ? rig.blocks[block].bytes : 0;
	rig.blocks[block].known = rig.blocks[block].resident = false;
	policy_block_removed(rig.policy, block);
}

static void ask(size_t (*question)(struct policy_action *actions))
{
	struct policy_action actions[BLOCKS];
	size_t listed = question(actions);

	hold(actions, listed, NULL, 0);
	carry_out(actions, listed);
}

static size_t quiet(struct policy_action *actions)
{
	return policy_quiet(rig.policy, rig.now_ns, actions, rig.room);
}

static size_t make_place(struct policy_action *actions)
{
	return policy_make_place(rig.policy, actions, rig.room);
}

static void step(struct input *input)
{
	uint32_t block;

	rig.now_ns += input_byte(input) * 1000u;
	switch (input_byte(input) % 16) {
	case 0:
		drop(input_below(input, BLOCKS));
		break;
	case 1:
	case 2:
		add(input);
		break;
	case 3:
		block = input_below(input, BLOCKS);
		if (rig.blocks[block].known) {
			rig.blocks[block].pinned = input_byte(input) % 4 == 0;
			policy_block_pinned(rig.policy, block, rig.blocks[block].pinned);
		}
		break;
	case 4:
		ask(quiet);
		break;
	case 5:
		pressure(input);
		break;
	case 6:
		rig.cap_bytes = input_byte(input) * UNIT;
		policy_cap_changed(rig.policy, rig.cap_bytes);
		break;
	case 7:
		block = input_below(input, BLOCKS);
		policy_block_grouped(rig.policy, block, input_below(input, 5));
		policy_block_uploaded(rig.policy, block, rig.now_ns);
		break;
	case 8:
		rig.room = input_byte(input) % 2 ? BLOCKS : input_below(input, BLOCKS);
		break;
	case 9:
		rig.refuses = input_byte(input) % 4 == 0;
		break;
	case 10:
		ask(make_place);
		break;
	default:
		use(input);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct input input = {bytes, length};
	struct policy_config config = {0};
	struct policy_report report;
	const char *name = policy_name(1 + input_byte(&input) % 5); /* all but none */
	uint8_t kind = input_byte(&input);

	memset(&rig, 0, sizeof(rig));
	rig.room = BLOCKS;
	rig.cap_bytes = config.cap_bytes = (8 + input_byte(&input)) * UNIT;
	config.high_bytes = kind & 1 ? config.cap_bytes / 4 * 3 : 0;
	config.low_bytes = kind & 2 ? config.cap_bytes / 2 : 0;
	config.h2d_bytes_per_s = kind & 4 ? 25e9 : 0;
	config.d2h_bytes_per_s = kind & 4 ? 20e9 : 0;
	config.in_place_ratio = kind & 8 ? 0.6 : 0;
	config.switch_ns = kind & 16 ? 200000 : 0;
	config.overlap = kind & 32;
	rig.policy = policy_create(name, &config);
	if (!rig.policy)
		abort();
	for (int i = 0; input.left && i < EVENTS_MOST; i++)
		step(&input);
	policy_report(rig.policy, &report);
	FUZZ_HOLD(report.name && report.reason, "a report of nobody");
	policy_destroy(rig.policy);
	return 0;
}
