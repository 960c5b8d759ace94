#include "pager/unmapped.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "base/lock.h"
#include "base/log.h"
#include "move/pipeline.h"
#include "order/gate.h"
#include "order/captures.h"
#include "order/freezes.h"
#include "order/contexts.h"
#include "account/ledger.h"
#include "pager/free.h"
#include "pager/pager_internal.h"
#include "order/streams.h"
#include "move/batch.h"
#include "move/window.h"

#include <inttypes.h>
#include <stdlib.h>

#define MIB ((uint64_t)1 << 20)
/* How long work waits for a window that is refused: other threads inside calls that block, work
 * that does not end. What has not ended by then may be waiting for this very work. */
#define PATIENCE_NS 30000000000ull
/* For the end of a capture, which may be this thread's own. */
#define CAPTURE_PATIENCE_NS 5000000000ull
#define PAUSE_NS 2000000

atomic_bool unmapped_mode;

/* --- what must be there
 * --------------------------------------------------------------------------------------- */

bool unmapped_all_resident(const uint64_t *addresses, size_t count, enum unmapped_reach reach)
{
	for (size_t i = 0; i < count; i++) {
		const struct pager *pager = pager_of(addresses[i]);
		const struct component *component =
		    pager ? component_at(pager, addresses[i]) : NULL;

		if (component && atomic_load(&component->cold_count))
			return false;
	}
	for (int i = 0; reach != REACH_NAMED && i < PAGER_DEVICES; i++) {
		const struct pager *pager = pager_on(i);

		if (pager && (reach == REACH_ALL ? atomic_load(&pager->memory.cold_blocks)
						 : atomic_load(&pager->memory.tabled_cold)))
			return false;
	}
	return true;
}

static size_t name_component(struct pager *pager, const struct component *component,
			     size_t named)
{
	for (uint32_t i = 0; i < component->block_count; i++) {
		uint32_t id = component->first_block + i;

		if (block_set_add(&pager->named, id, named))
			named++;
	}
	return named;
}

/* Into pager->named; the lock is held. */
static size_t name_all(struct pager *pager, const uint64_t *addresses, size_t count,
		       enum unmapped_reach reach)
{
	size_t named = 0;

	block_set_begin(&pager->named);
	for (size_t i = 0; i < count; i++) {
		const struct component *component = component_at(pager, addresses[i]);

		if (component)
			named = name_component(pager, component, named);
	}
	for (uint32_t i = 0; reach != REACH_NAMED && i < pager->memory.table.component_end;
	     i++) {
		const struct component *component = &pager->memory.table.components[i];

		if (component->bytes && (reach == REACH_ALL || component->tabled))
			named = name_component(pager, component, named);
	}
	return named;
}

static bool is_cold(const struct pager *pager, uint32_t id)
{
	return atomic_load(&pager->memory.table.blocks[id].home) == HOME_HOST;
}

/* --- bringing it in; the lock is held
 * ------------------------------------------------------------------------- */

/* What frames could be made of now: the rest of the cap, and what is spare. */
static uint64_t room_bytes(const struct pager *pager)
{
	uint64_t taken = ledger_taken_bytes(pager->memory.device) -
			 pager->memory.frames.device_spare_bytes,
		 cap = ledger_cap_bytes(pager->memory.device);

	return taken < cap ? cap - taken : 0;
}

/* Not a second time, and not what is named. */
static bool may_leave(struct pager *pager, uint32_t id)
{
	const struct block *block = &pager->memory.table.blocks[id];

	if (block->component == NO_BLOCK || block->pins ||
	    atomic_load(&block->home) != HOME_DEVICE)
		return false;
	return block_set_mark(&pager->named, id);
}

static void tell_of_moves(struct pager *pager, const uint32_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		policy_block_moved(pager->policy, blocks[i], !is_cold(pager, blocks[i]));
}

/* Evicts for `bytes` of room: what the policy gives up, and if that is too little, anything
 * that is not named. Returns how many blocks were asked to leave. */
static size_t make_way(struct pager *pager, uint64_t bytes)
{
	uint32_t *leaving = pager->moving;
	size_t count = 0, actions;
	uint64_t gone = 0;

	actions = policy_pressure(pager->policy, bytes, clock_now_ns(), pager->actions,
				  PAGER_ACTIONS);
	for (size_t i = 0; i < actions; i++) {
		uint32_t id = pager->actions[i].block;

		if (!may_leave(pager, id))
			continue;
		gone += block_bytes(&pager->memory.table.blocks[id]);
		leaving[count++] = id;
	}
	for (uint32_t id = 0;
	     id < pager->memory.table.block_end && gone < bytes && count < PAGER_ACTIONS;
	     id++) {
		if (!may_leave(pager, id))
			continue;
		gone += block_bytes(&pager->memory.table.blocks[id]);
		leaving[count++] = id;
	}
	batch_move_out(&pager->mover, leaving, count);
	tell_of_moves(pager, leaving, count);
	return count;
}

static size_t list_cold(struct pager *pager, size_t named, uint32_t *cold, uint64_t *bytes)
{
	size_t count = 0;

	*bytes = 0;
	for (size_t i = 0; i < named && count < PAGER_ACTIONS; i++) {
		if (!is_cold(pager, pager->named.blocks[i]))
			continue;
		cold[count++] = pager->named.blocks[i];
		*bytes += block_bytes(&pager->memory.table.blocks[pager->named.blocks[i]]);
	}
	return count;
}

/* In a window. OUT_OF_MEMORY: there is nothing left that could leave; NOT_READY: a copy failed.
 * Each round but one moves something: there are not many. */
static CUresult fetch(struct pager *pager, size_t named)
{
	uint32_t *coming = pager->moving + PAGER_ACTIONS;
	uint64_t bytes, left, failed = pager->mover.stats.failed_moves;
	size_t count;
	bool stuck = false; /* the driver has no frames where the cap would allow them */

	while ((count = list_cold(pager, named, coming, &bytes))) {
		uint64_t room = stuck ? 0 : room_bytes(pager);
		size_t asked = bytes > room ? make_way(pager, bytes - room) : 0;

		pipeline_run(&pager->mover, NULL, 0, coming, count);
		tell_of_moves(pager, coming, count);
		if (list_cold(pager, named, coming, &left) < count || asked)
			continue;
		if (pager->mover.stats.failed_moves != failed)
			return CUDA_ERROR_NOT_READY;
		if (bytes > room)
			return CUDA_ERROR_OUT_OF_MEMORY;
		stuck = true;
	}
	return CUDA_SUCCESS;
}

static uint64_t bytes_of(const struct pager *pager, size_t named)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < named; i++)
		bytes += block_bytes(&pager->memory.table.blocks[pager->named.blocks[i]]);
	return bytes;
}

/* What graphs hold in VRAM cannot leave it. */
static uint64_t held_bytes(const struct pager *pager)
{
	uint64_t bytes = 0;

	for (uint32_t id = 0; id < pager->memory.table.block_end; id++) {
		const struct block *block = &pager->memory.table.blocks[id];

		if (block->component != NO_BLOCK && block->pins &&
		    !block_set_has(&pager->named, id) &&
		    atomic_load(&block->home) == HOME_DEVICE)
			bytes += block_bytes(block);
	}
	return bytes;
}

static void say_too_much(const struct pager *pager, uint64_t bytes)
{
	static atomic_flag said[PAGER_DEVICES];

	if (!atomic_flag_test_and_set(&said[pager->memory.device]))
		log_error(
		    "device %d: one operation may touch %" PRIu64
		    " MiB, which must be in VRAM together (LOWTIDE_COLD=unmapped); of the "
		    "cap %" PRIu64 " MiB are left for it, of which graphs hold %" PRIu64
		    " MiB: it is refused as out of memory (raise LOWTIDE_VRAM, or "
		    "LOWTIDE_HOST where RAM is short; said once)",
		    pager->memory.device, bytes / MIB,
		    memory_frames_cap_bytes(&pager->memory) / MIB, held_bytes(pager) / MIB);
}

/* NOT_READY: not now. */
static CUresult bring_locked(struct pager *pager, const uint64_t *addresses, size_t count,
			     enum unmapped_reach reach)
{
	size_t named = name_all(pager, addresses, count, reach);
	uint64_t bytes = bytes_of(pager, named), cold_bytes;
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	if (!list_cold(pager, named, pager->moving, &cold_bytes))
		return CUDA_SUCCESS;
	/* Some of it may have been freed already, and go in a window. */
	if (bytes > memory_frames_cap_bytes(&pager->memory) &&
	    !atomic_load(&pager->parked_count)) {
		say_too_much(pager, bytes);
		return result;
	}
	/* No rest after a window that came late: this work cannot do without. */
	pager->mover.unpaged_since_ns = 0;
	if (!window_open(&pager->mover))
		return CUDA_ERROR_NOT_READY;
	if (atomic_load(&pager->parked_count)) {
		free_ripe(pager, true);
		named = name_all(pager, addresses, count, reach);
		bytes = bytes_of(pager, named);
	}
	if (bytes <= memory_frames_cap_bytes(&pager->memory))
		result = fetch(pager, named);
	window_close(&pager->mover);
	if (result == CUDA_ERROR_OUT_OF_MEMORY)
		say_too_much(pager, bytes);
	return result;
}

static bool is_concerned(const struct pager *pager, const uint64_t *addresses, size_t count,
			 enum unmapped_reach reach)
{
	if (reach == REACH_ALL || (reach == REACH_TABLED && pager->memory.tabled_cold))
		return true;
	for (size_t i = 0; i < count; i++)
		if (arena_holds(&pager->memory.table.arena, addresses[i]))
			return true;
	return false;
}

/* Success: inside the gate, which was entered before the lock was given back. What lies with
 * another device may have gone again meanwhile. */
static CUresult bring(const uint64_t *addresses, size_t count, enum unmapped_reach reach)
{
	bool entered = false;

	for (int i = 0; i < PAGER_DEVICES; i++) {
		struct pager *pager = pager_on(i);
		CUresult result;

		if (!pager || !is_concerned(pager, addresses, count, reach))
			continue;
		/* Nobody takes a pager's lock inside the gate. */
		if (entered)
			gate_leave();
		entered = false;
		lock_take(&pager->memory.lock);
		result = (CUresult)atomic_load(&pager->memory.lost);
		if (result == CUDA_SUCCESS && pager == pager_on(i))
			result = bring_locked(pager, addresses, count, reach);
		if (result == CUDA_SUCCESS)
			result = (CUresult)atomic_load(&pager->memory.lost);
		if (result == CUDA_SUCCESS)
			gate_enter();
		entered = result == CUDA_SUCCESS;
		lock_give(&pager->memory.lock);
		if (!entered)
			return result;
	}
	if (!entered)
		gate_enter();
	return CUDA_SUCCESS;
}

/* --- waiting for a moment
 * ------------------------------------------------------------------------------------- */

/* A lost context's error is the program's to have. Not while anything is captured: the question
 * would spoil it. */
static CUresult driver_says(void)
{
	CUresult result = CUDA_SUCCESS;

	gate_enter();
	if (!captures_any())
		result = real(cuStreamQuery)(CU_STREAM_LEGACY);
	gate_leave();
	return result == CUDA_ERROR_NOT_READY ? CUDA_SUCCESS : result;
}

static const char *what_forbids(void)
{
	if (freezes_any())
		return "a graph lives that nobody can read";
	for (int i = 0; i < PAGER_DEVICES; i++)
		if (pager_on(i) && !contexts_only_one(i))
			return "the device has more than one context";
	return NULL;
}

static CUresult give_up(const char *why)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		log_error("an operation names memory that is in RAM and cannot be brought to "
			  "VRAM now (%s): it is refused (LOWTIDE_COLD=unmapped; said once)",
			  why);
	/* The one documented error that says no more than that this launch did not occur. */
	return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
}

CUresult unmapped_begin(const uint64_t *addresses, size_t count, enum unmapped_reach reach,
			CUstream stream)
{
	uint64_t began_ns = 0, waited_ns;
	CUresult result;

	gate_enter();
	while (!unmapped_all_resident(addresses, count, reach)) {
		if (captures_include(stream))
			return CUDA_SUCCESS; /* nothing runs yet */
		gate_leave();
		if (!began_ns)
			began_ns = clock_now_ns();
		result = bring(addresses, count, reach);
		waited_ns = clock_now_ns() - began_ns;
		if (result == CUDA_SUCCESS) {
			if (waited_ns < PATIENCE_NS ||
			    unmapped_all_resident(addresses, count, reach))
				continue;
			gate_leave();
			return give_up("it is wanted by others all the time");
		}
		if (result != CUDA_ERROR_NOT_READY)
			return result;
		result = driver_says();
		if (result != CUDA_SUCCESS)
			return result;
		if (what_forbids())
			return give_up(what_forbids());
		if (captures_any() && waited_ns > CAPTURE_PATIENCE_NS)
			return give_up("a capture does not end");
		if (waited_ns > PATIENCE_NS)
			return give_up("work under way does not end");
		lock_nap(PAUSE_NS);
		gate_enter();
	}
	return CUDA_SUCCESS;
}

CUresult unmapped_begin_ranges(const struct pager_range *ranges, size_t count, CUstream stream)
{
	uint64_t few[8] = {0}, *addresses = few;
	CUresult result;

	if (count > sizeof(few) / sizeof(few[0]))
		addresses = malloc(count * sizeof(*addresses));
	if (!addresses)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < count; i++)
		addresses[i] = ranges[i].start;
	result = unmapped_begin(addresses, count, REACH_NAMED, stream);
	if (addresses != few)
		free(addresses);
	return result;
}

CUresult unmapped_bring(const uint64_t *addresses, size_t count, enum unmapped_reach reach)
{
	CUresult result = unmapped_begin(addresses, count, reach, CU_STREAM_LEGACY);

	if (result == CUDA_SUCCESS)
		gate_leave();
	return result;
}

void unmapped_table(uint64_t address)
{
	struct pager *pager = pager_of(address);
	struct component *component;

	if (!pager || !pager->memory.frames.plain_host)
		return;
	lock_take(&pager->memory.lock);
	component = component_at(pager, address);
	if (component && !component->tabled) {
		component->tabled = true;
		atomic_fetch_add(&pager->memory.tabled_cold,
				 atomic_load(&component->cold_count));
	}
	lock_give(&pager->memory.lock);
}
