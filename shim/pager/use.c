/* Uses: what an operation names, made known to the policy, and held still or brought in before
 * it runs. */
#include "base/lock.h"
#include "pager/pager_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "memory/prepared_frames.h"
#include "order/fence.h"
#include "order/captures.h"
#include "order/contexts.h"
#include "move/overlap.h"
#include "pager/unmapped.h"
#include "order/worker.h"
#include "order/streams.h"
#include "base/settings.h"

#include <sched.h>
#include <string.h>

/* By overlap: how many uses wait for what only a window can move, before one is made. */
#define OWED_MOST 4096
/* Arrivals that a launch waits for at once; more in the next round. */
#define AWAITED_MOST 64

/* What a pointer asks for: the extent it points into, or all of its component, which is what a
 * launch needs where cold memory has no mapping. */
static size_t name_address(struct pager *pager, uint64_t address, size_t count)
{
	struct component *component = component_at(pager, address);
	uint64_t start, end, limit;

	if (!component)
		return count;
	component->used_at = pager->named.epoch;
	limit = component->start + component->span_bytes;
	if (!pager->memory.frames.plain_host &&
	    extents_asked(&component->extents, address, limit, &start, &end))
		return block_set_add_range(&pager->named, &pager->memory.table, start, end,
					   count);
	return block_set_add_range(&pager->named, &pager->memory.table, component->start, limit,
				   count);
}

/* A fence for the operation that is about to be launched; 0: its end cannot be known. */
static uint64_t open_fence(struct pager *pager, struct pager_use *use)
{
	uint64_t fence = captures_any() ? 0 : fence_open(&pager->mover.fences);

	if (!fence)
		return FENCE_NEVER;
	use->of[use->count].pager = pager;
	use->of[use->count++].fence = fence;
	return fence;
}

/* Everything that the addresses ask for, into pager->named. */
static size_t name_all(struct pager *pager, const uint64_t *addresses, size_t count)
{
	size_t named = 0;

	block_set_begin(&pager->named);
	for (size_t i = 0; i < count; i++)
		named = name_address(pager, addresses[i], named);
	return named;
}

/* Until they are there, or are not on their way any more. The lock is let go between looks:
 * what they wait for may be something that another thread has yet to launch. False: it took
 * too long, or they cannot come. */
static bool await(struct pager *pager, const uint32_t *blocks, size_t count)
{
	uint64_t until_ns = overlap_wait_until_ns(&pager->mover, clock_now_ns());

	for (size_t i = 0; i < count && pager->mover.overlap;) {
		if (!pager->memory.table.blocks[blocks[i]].transfer) {
			i++;
			continue;
		}
		if (captures_any())
			return false;
		overlap_step(&pager->mover);
		if (!pager->memory.table.blocks[blocks[i]].transfer)
			continue;
		if (overlap_hopeless(&pager->mover, blocks[i]))
			return false;
		if (prepared_frames_wanted(&pager->memory) &&
		    overlap_bus_is_fed(&pager->mover) && worker_is_absent()) {
			prepared_frames_make(&pager->memory, false);
			continue;
		}
		if (clock_now_ns() > until_ns) {
			overlap_waited_in_vain(&pager->mover, clock_now_ns());
			return false;
		}
		lock_give(&pager->memory.lock);
		sched_yield();
		lock_take(&pager->memory.lock);
	}
	return true;
}

static bool await_counted(struct pager *pager, const uint32_t *blocks, size_t count)
{
	uint64_t began_ns = clock_now_ns();
	bool came = await(pager, blocks, count);

	pager->stats.waits++;
	pager->stats.wait_ns += clock_now_ns() - began_ns;
	return came;
}

/* A kernel may go anywhere in the components it is given, whatever part it asks for: none of
 * their blocks may be on its way when it is launched. Returns how many blocks are named. */
static size_t hold_still(struct pager *pager, const uint64_t *addresses, size_t count,
			 size_t named)
{
	uint32_t arriving[AWAITED_MOST];
	bool patient = !captures_any();

	while (overlap_busy(&pager->mover)) {
		size_t waiting;

		for (size_t i = 0; i < count; i++) {
			const struct component *component = component_at(pager, addresses[i]);

			if (component)
				overlap_hold(&pager->mover, component, &pager->named);
		}
		waiting = overlap_arriving(&pager->mover, pager->named.blocks, named, arriving,
					   AWAITED_MOST);
		if (!waiting)
			break;
		patient = patient && await_counted(pager, arriving, waiting);
		/* Names and marks may be another thread's by now. */
		named = name_all(pager, addresses, count);
		for (size_t i = 0; !patient && i < named; i++)
			overlap_stop(&pager->mover, pager->named.blocks[i]);
	}
	return named;
}

static void use_with_overlap(struct pager *pager, const uint64_t *addresses, size_t count,
			     size_t named, size_t actions, struct pager_use *use)
{
	uint64_t fence;

	if (!captures_any() && contexts_only_one(pager->memory.device)) {
		if (overlap_want(&pager->mover, pager->actions, actions) &&
		    ++pager->owed >= pager->owed_limit) {
			/* What overlap cannot move holds frames that are wanted: a window, ever
			 * more rarely. */
			carry_out(pager, actions);
			pager->owed = 0;
			pager->owed_limit =
			    pager->owed_limit < OWED_MOST ? 2 * pager->owed_limit : OWED_MOST;
		}
		if (worker_is_absent())
			overlap_step(&pager->mover);
	} else if (actions) {
		tell_if_still(pager);
	}
	named = hold_still(pager, addresses, count, named);
	fence = open_fence(pager, use);
	for (size_t i = 0; i < count; i++) {
		struct component *component = component_at(pager, addresses[i]);

		if (!component)
			continue;
		component->named++;
		component->fence = fence_of_both(component->fence, fence);
	}
	for (size_t i = 0; i < named; i++)
		pager->memory.table.blocks[pager->named.blocks[i]].named_since_in = true;
}

static bool any_cold(struct pager *pager, const uint64_t *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct component *component = component_at(pager, addresses[i]);

		if (component &&
		    atomic_load_explicit(&component->cold_count, memory_order_relaxed))
			return true;
	}
	return false;
}

static void use_slowly(struct pager *pager, const uint64_t *addresses, size_t count, bool cold,
		       struct pager_use *use)
{
	uint64_t now_ns = clock_now_ns();
	size_t named, actions;

	lock_take(&pager->memory.lock);
	/* Its context may have ended meanwhile, by another thread: what still looks like one of
	 * its addresses is none. */
	if (!pager_on(pager->memory.device)) {
		lock_give(&pager->memory.lock);
		return;
	}
	named = name_all(pager, addresses, count);
	refresh_cap(pager);
	actions = policy_use(pager->policy, pager->named.blocks, named, now_ns, pager->actions,
			     PAGER_ACTIONS);
	if (pager->mover.overlap)
		use_with_overlap(pager, addresses, count, named, actions, use);
	else
		carry_out(pager, actions);
	/* It may have been brought in just now; without a mapping, it will be. */
	if (cold && !pager->memory.frames.plain_host && any_cold(pager, addresses, count))
		pager->stats.launches_in_place++;
	tell_sometimes(pager, now_ns);
	lock_give(&pager->memory.lock);
}

void pager_used(const struct pager_use *use, CUstream stream, bool over)
{
	for (unsigned int i = 0; i < use->count; i++)
		fence_close(&use->of[i].pager->mover.fences, use->of[i].fence, stream, over);
}

static uint64_t end_of(const struct pager_range *range)
{
	return range->bytes > UINT64_MAX - range->start ? UINT64_MAX
							: range->start + range->bytes;
}

void use_ranges_of(struct pager *pager, const struct pager_range *ranges, size_t count,
		   struct pager_use *use)
{
	size_t named = 0;
	uint64_t fence;

	lock_take(&pager->memory.lock);
	block_set_begin(&pager->named);
	for (size_t i = 0; i < count; i++)
		named = block_set_add_range(&pager->named, &pager->memory.table,
					    ranges[i].start, end_of(&ranges[i]), named);
	for (size_t i = 0; i < named; i++)
		overlap_stop(&pager->mover, pager->named.blocks[i]);
	fence = open_fence(pager, use);
	for (size_t i = 0; i < named; i++) {
		struct block *block = &pager->memory.table.blocks[pager->named.blocks[i]];

		block->fence = fence_of_both(block->fence, fence);
		block->named_since_in = true;
	}
	lock_give(&pager->memory.lock);
}

/* Each pager that these name, once: the next one that is not yet in `seen`. NULL: no more. */
static struct pager *next_named(uint64_t address, uint32_t *seen)
{
	struct pager *pager = pager_of(address);

	if (!pager || *seen & 1u << pager->memory.device)
		return NULL;
	*seen |= 1u << pager->memory.device;
	return pager;
}

void pager_use_ranges(const struct pager_range *ranges, size_t count, struct pager_use *use)
{
	uint32_t seen = 0;

	use->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct pager *pager = next_named(ranges[i].start, &seen);

		if (pager && pager->mover.overlap)
			use_ranges_of(pager, ranges, count, use);
	}
}

void pager_bar(const uint64_t *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct pager *pager = pager_of(addresses[i]);
		const struct component *component;

		if (!pager || !pager->mover.overlap)
			continue;
		lock_take(&pager->memory.lock);
		component = component_at(pager, addresses[i]);
		for (uint32_t b = 0; component && b < component->block_count; b++)
			pager->memory.table.blocks[component->first_block + b].barred = true;
		if (component)
			overlap_settle(&pager->mover);
		lock_give(&pager->memory.lock);
	}
}

void pager_scan_table(const void *bytes, size_t count)
{
	uint64_t word;

	for (size_t at = 0; at + 8 <= count; at += 8) {
		memcpy(&word, (const unsigned char *)bytes + at, sizeof(word));
		if (!pager_may_hold(word))
			continue;
		pager_bar(&word, 1);
		unmapped_table(word);
	}
}

void pager_unknown_work(const char *call)
{
	for (int i = 0; i < PAGER_DEVICES; i++) {
		struct pager *pager = pager_on(i);

		if (!pager || !pager->mover.overlap)
			continue;
		lock_take(&pager->memory.lock);
		if (pager->mover.overlap) {
			overlap_settle(&pager->mover);
			overlap_destroy(&pager->mover);
			pager->memory.prepares_frames = false;
			log_warn("device %d: nobody can tell what memory %s may use; from now "
				 "on mappings change only while the device is idle, as by "
				 "LOWTIDE_SAFETY=strict",
				 i, call);
		}
		lock_give(&pager->memory.lock);
	}
}

static CUresult use_of(struct pager *pager, const uint64_t *addresses, size_t count,
		       struct pager_use *use)
{
	bool cold;

	if (atomic_load_explicit(&pager->memory.lost, memory_order_relaxed))
		return (CUresult)atomic_load(&pager->memory.lost);
	if (!atomic_load_explicit(&pager->worked, memory_order_relaxed))
		atomic_store_explicit(&pager->worked, true, memory_order_relaxed);
	cold = any_cold(pager, addresses, count);
	if (cold || atomic_load_explicit(&pager->pressed, memory_order_relaxed))
		use_slowly(pager, addresses, count, cold, use);
	return (CUresult)atomic_load_explicit(&pager->memory.lost, memory_order_relaxed);
}

/* Nearly always one pager's: of what lies in the arena of the one before, no more is asked. */
CUresult pager_use(const uint64_t *addresses, size_t count, struct pager_use *use)
{
	const struct pager *last = NULL;
	CUresult result = CUDA_SUCCESS;
	uint32_t seen = 0;

	use->count = 0;
	for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++) {
		struct pager *pager;

		if (last && arena_holds(&last->memory.table.arena, addresses[i]))
			continue;
		pager = next_named(addresses[i], &seen);
		if (!pager)
			continue;
		last = pager;
		result = use_of(pager, addresses, count, use);
	}
	if (result == CUDA_SUCCESS)
		return result;
	/* It must not run: nothing of it is to be waited for. */
	pager_used(use, NULL, true);
	use->count = 0;
	return result;
}

static void join_group(struct pager *pager, struct component *component)
{
	if (atomic_exchange(&pager->worked, false))
		pager->group++;
	if (component->group)
		return;
	component->group = pager->group;
	for (uint32_t i = 0; i < component->block_count; i++)
		policy_block_grouped(pager->policy, component->first_block + i,
				     component->group);
}

void pager_uploaded(CUdeviceptr start, uint64_t bytes, uint64_t source)
{
	struct pager *pager = pager_of(start);
	struct component *component;
	size_t named;

	if (!pager || !bytes)
		return;
	lock_take(&pager->memory.lock);
	component = component_at(pager, start);
	if (component) {
		/* Small things of every group share a slab, which moves as one. */
		if (!component->slab) {
			join_group(pager, component);
			extents_learn(&component->extents, start, start + bytes, source);
		}
		block_set_begin(&pager->named);
		named = block_set_add_range(&pager->named, &pager->memory.table, start,
					    start + bytes, 0);
		for (size_t i = 0; i < named; i++)
			policy_block_uploaded(pager->policy, pager->named.blocks[i],
					      clock_now_ns());
	}
	lock_give(&pager->memory.lock);
}
