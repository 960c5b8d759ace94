#include "pager/one_home.h"

#include "base/clock.h"
#include "base/lock.h"
#include "account/ledger.h"
#include "pager/pager_internal.h"
#include "pager/unmapped.h"
#include "move/switching.h"

#include <pthread.h>

/* How often it is tried again when another thread's window came in between. */
#define TRIES 8

struct homes {
	uint64_t vram_bytes, ram_bytes;
	bool pinned_in_vram, pinned_in_ram;
};

static uint64_t end_of(const struct pager_range *range)
{
	return range->bytes > UINT64_MAX - range->start ? UINT64_MAX
							: range->start + range->bytes;
}

static struct homes homes_of(const struct pager *pager, const struct pager_range *range)
{
	struct homes homes = {0};
	uint64_t at = range->start;

	for (uint32_t id;
	     at < end_of(range) && (id = block_find(&pager->memory.table, at)) != NO_BLOCK;) {
		const struct block *block = &pager->memory.table.blocks[id];
		bool cold = atomic_load(&block->home) == HOME_HOST;

		*(cold ? &homes.ram_bytes : &homes.vram_bytes) += block_bytes(block);
		*(cold ? &homes.pinned_in_ram : &homes.pinned_in_vram) |= block->pins != 0;
		at = block->address + block_bytes(block);
	}
	return homes;
}

static bool one_home(const struct pager *pager, const struct pager_range *range)
{
	struct homes homes = homes_of(pager, range);

	return !homes.vram_bytes || !homes.ram_bytes;
}

static void move(struct pager *pager, const struct pager_range *range, int verb)
{
	enum block_home from = verb == POLICY_PAGE_IN ? HOME_HOST : HOME_DEVICE;
	uint64_t at = range->start;
	size_t actions = 0;

	for (uint32_t id; at < end_of(range) && actions < PAGER_ACTIONS &&
			  (id = block_find(&pager->memory.table, at)) != NO_BLOCK;) {
		const struct block *block = &pager->memory.table.blocks[id];

		if (atomic_load(&block->home) == from)
			pager->actions[actions++] =
			    (struct policy_action){.verb = verb, .block = id};
		at = block->address + block_bytes(block);
	}
	carry_out(pager, actions);
}

static uint64_t room_bytes(const struct pager *pager)
{
	uint64_t taken = ledger_taken_bytes(pager->memory.device) -
			 pager->memory.frames.device_spare_bytes,
		 cap = ledger_cap_bytes(pager->memory.device);

	return taken < cap ? cap - taken : 0;
}

void one_home_bring_in(struct pager *pager, const struct pager_range *range)
{
	uint64_t ram_bytes = homes_of(pager, range).ram_bytes, room = room_bytes(pager);

	if (!ram_bytes)
		return;
	if (ram_bytes > room)
		carry_out(pager,
			  policy_pressure(pager->policy, ram_bytes - room, clock_now_ns(),
					  pager->actions, PAGER_ACTIONS));
	move(pager, range, POLICY_PAGE_IN);
}

bool one_home_settle_one(struct pager *pager, const struct pager_range *range)
{
	struct homes homes;

	/* Or a block would change its home after it was asked for it. */
	switch_finish(&pager->mover);
	homes = homes_of(pager, range);
	if (!homes.vram_bytes || !homes.ram_bytes)
		return true;
	/* What another range of the same block has pinned stays: the rest goes there. */
	if (!homes.pinned_in_vram &&
	    (homes.pinned_in_ram || homes.ram_bytes > room_bytes(pager)))
		move(pager, range, POLICY_EVICT);
	else
		one_home_bring_in(pager, range);
	return one_home(pager, range);
}

bool one_home_settle(const struct pager_range *ranges, size_t count)
{
	struct pager *counted = NULL;
	bool settled = true;

	for (size_t i = 0; i < count; i++) {
		struct pager *pager = pager_of(ranges[i].start);

		if (!pager || !ranges[i].bytes)
			continue;
		lock_take(&pager->memory.lock);
		if (pager != counted)
			pager->stats.fallbacks++;
		counted = pager;
		settled &= one_home_settle_one(pager, &ranges[i]);
		lock_give(&pager->memory.lock);
	}
	return settled;
}

bool one_home_settled(const struct pager_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct pager *pager = pager_of(ranges[i].start);

		if (pager && !one_home(pager, &ranges[i]))
			return false;
	}
	return true;
}

void one_home_pin(const struct pager_range *range)
{
	if (atomic_load(&unmapped_mode)) {
		/* Pinned first, so that it stays once it is there. Where it cannot come, its
		 * use will be refused. */
		pager_pin(range->start, range->bytes, true);
		unmapped_bring(&range->start, 1, REACH_NAMED);
		return;
	}
	for (int i = 1; i < TRIES; i++) {
		bool settled = one_home_settle(range, 1);

		pager_pin(range->start, range->bytes, true);
		if (!settled || one_home_settled(range, 1))
			return;
		pager_pin(range->start, range->bytes, false);
	}
	pager_pin(range->start, range->bytes, true);
}
