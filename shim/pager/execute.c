/* Carrying moves out: the policy's actions in a window, room for what cannot page, and the
 * steps of what is on its way by overlap. */
#include "base/lock.h"
#include "pager/pager_internal.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "memory/prepared_frames.h"
#include "pager/audit.h"
#include "move/pipeline.h"
#include "move/overlap.h"
#include "pager/free.h"
#include "order/worker.h"
#include "order/captures.h"
#include "order/contexts.h"
#include "order/streams.h"
#include "move/window.h"

static void tell_of_moves(struct pager *pager, const uint32_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		policy_block_moved(pager->policy, blocks[i],
				   atomic_load(&pager->memory.table.blocks[blocks[i]].home) ==
				       HOME_DEVICE);
}

/* Everything launched before has ended. */
static void forget_unknown_fences(struct pager *pager)
{
	for (uint32_t i = 0; pager->mover.overlap && i < pager->memory.table.block_end; i++)
		if (pager->memory.table.blocks[i].fence == FENCE_NEVER)
			pager->memory.table.blocks[i].fence = 0;
	for (uint32_t i = 0; pager->mover.overlap && i < pager->memory.table.component_end; i++)
		if (pager->memory.table.components[i].fence == FENCE_NEVER)
			pager->memory.table.components[i].fence = 0;
}

struct moves {
	uint32_t *leaving, *coming;
	size_t leaving_count, coming_count;
};

/* What of the first so many actions there is to do; what was freed has no home. */
static struct moves gather(const struct pager *pager, size_t actions)
{
	struct moves moves = {.leaving = pager->moving,
			      .coming = pager->moving + PAGER_ACTIONS};

	for (size_t i = 0; i < actions; i++) {
		uint32_t id = pager->actions[i].block;
		const struct block *block = &pager->memory.table.blocks[id];
		enum block_home home = atomic_load(&block->home);

		if (block->pins)
			continue;
		if (pager->actions[i].verb == POLICY_EVICT && home == HOME_DEVICE)
			moves.leaving[moves.leaving_count++] = id;
		else if (pager->actions[i].verb == POLICY_PAGE_IN && home == HOME_HOST)
			moves.coming[moves.coming_count++] = id;
	}
	return moves;
}

/* Carries the policy's actions out, if this is a moment for it. */
void carry_out(struct pager *pager, size_t actions)
{
	struct moves moves = gather(pager, actions);

	if (!moves.leaving_count && !moves.coming_count)
		return;
	overlap_settle(&pager->mover);
	if (!window_open(&pager->mover)) {
		tell_if_still(pager);
		return;
	}
	forget_unknown_fences(pager);
	free_ripe(pager, true);
	moves = gather(pager, actions); /* some may have been freed just now */
	pipeline_run(&pager->mover, moves.leaving, moves.leaving_count, moves.coming,
		     moves.coming_count);
	window_close(&pager->mover);
	tell_of_moves(pager, moves.leaving, moves.leaving_count);
	tell_of_moves(pager, moves.coming, moves.coming_count);
}

void refresh_cap(struct pager *pager)
{
	uint64_t cap = memory_frames_cap_bytes(&pager->memory);

	if (cap != pager->policy_cap_bytes) {
		pager->policy_cap_bytes = cap;
		policy_cap_changed(pager->policy, cap);
	}
}

/* The lock is held. What is spare first; then what the policy gives up. */
static uint64_t make_room(struct pager *pager, uint64_t bytes)
{
	uint64_t gone;
	size_t actions;

	free_ripe(pager, false);
	gone = frame_release_spare(&pager->memory.frames, false, bytes);
	while (gone < bytes && slab_free_empty(pager))
		gone += frame_release_spare(&pager->memory.frames, false, bytes - gone);
	if (gone >= bytes)
		return gone;
	actions = policy_pressure(pager->policy, bytes - gone, clock_now_ns(), pager->actions,
				  PAGER_ACTIONS);
	if (!actions)
		return gone;
	begin_paging(pager);
	carry_out(pager, actions);
	return gone + frame_release_spare(&pager->memory.frames, false, bytes - gone);
}

/* How often, and with which pause, a window is tried that was refused because another thread
 * was inside a call. */
#define ROOM_TRIES 500
#define ROOM_PAUSE_NS 2000000

bool pager_make_room(int device, uint64_t bytes)
{
	struct pager *pager = pager_on(device);
	uint64_t gone = 0, refused, until_ns = clock_now_ns() + PAGER_FREED_PATIENCE_NS;
	bool freed;

	if (!pager)
		return false;
	for (int i = 0; i < ROOM_TRIES; i++) {
		lock_take(&pager->memory.lock);
		/* Its context may have ended meanwhile, by another thread. */
		if (!pager_on(device)) {
			lock_give(&pager->memory.lock);
			break;
		}
		refused = pager->mover.stats.windows_refused;
		gone += make_room(pager, bytes - gone);
		refused = pager->mover.stats.windows_refused - refused;
		freed = gone < bytes &&
			(free_wait(pager, until_ns) || prepared_frames_wait(&pager->memory));
		lock_give(&pager->memory.lock);
		if (freed)
			continue;
		if (gone >= bytes || !refused || captures_any() || !contexts_only_one(device))
			break;
		lock_nap(ROOM_PAUSE_NS);
	}
	return gone >= bytes;
}

/* The lock is held, but given back while a mapping is switched. The context need not be the
 * current one of the calling thread. */
static bool step_in_context(struct pager *pager)
{
	CUcontext current = NULL;
	bool pushed = false, switched = false;

	if (captures_any() || !contexts_only_one(pager->memory.device) ||
	    real(cuCtxGetCurrent)(&current) != CUDA_SUCCESS)
		return false;
	if (current != pager->memory.context) {
		pushed = real(cuCtxPushCurrent_v2)(pager->memory.context) == CUDA_SUCCESS;
		if (!pushed)
			return false;
	}
	if (worker_is_absent())
		overlap_step(&pager->mover);
	else
		switched = overlap_step_apart(&pager->mover);
	if (pushed)
		real(cuCtxPopCurrent_v2)(NULL);
	return switched;
}

bool pager_step(void)
{
	bool busy = false;

	for (int i = 0; i < PAGER_DEVICES; i++) {
		struct pager *pager = pager_on(i);

		if (!pager)
			continue;
		/* Whoever holds the lock will have made more to do, and may be waiting for
		 * this thread to pause. */
		if (!lock_try(&pager->memory.lock)) {
			busy = true;
			continue;
		}
		while (pager_on(i) && overlap_busy(&pager->mover) && step_in_context(pager))
			;
		if (pager_on(i) && !captures_any() && prepared_frames_wanted(&pager->memory))
			prepared_frames_make(&pager->memory, !worker_is_absent());
		busy = busy || (pager_on(i) && (overlap_busy(&pager->mover) ||
						prepared_frames_wanted(&pager->memory)));
		lock_give(&pager->memory.lock);
	}
	return busy;
}

bool pager_wants_steps(void)
{
	bool busy = false;

	if (captures_any() || !worker_is_absent())
		return false;
	for (int i = 0; i < PAGER_DEVICES && !busy; i++) {
		struct pager *pager = pager_on(i);

		if (!pager || !lock_try(&pager->memory.lock))
			continue;
		busy = overlap_busy(&pager->mover) || prepared_frames_wanted(&pager->memory);
		lock_give(&pager->memory.lock);
	}
	return busy;
}

/* So many times does the program wait for its work before spare frames are looked at again. */
#define TRIM_QUIETS 16

void trim_frames(struct pager *pager, bool all)
{
	if (captures_any() || (!all && ++pager->quiets < TRIM_QUIETS))
		return;
	pager->quiets = 0;
	if (all) {
		frame_release_spare(&pager->memory.frames, false, UINT64_MAX);
		frame_release_spare(&pager->memory.frames, true, UINT64_MAX);
		return;
	}
	frame_trim(&pager->memory.frames, false, 0);
	frame_trim(&pager->memory.frames, true, prepared_frames_kept_bytes(&pager->memory));
}

static bool any_to_do(const struct pager *pager)
{
	return atomic_load_explicit(&pager->pressed, memory_order_relaxed) ||
	       atomic_load_explicit(&pager->parked_count, memory_order_relaxed) ||
	       atomic_load_explicit(&pager->memory.frames.device_spare_bytes,
				    memory_order_relaxed) ||
	       atomic_load_explicit(&pager->memory.frames.host_spare_bytes,
				    memory_order_relaxed);
}

static void see_to_what_was_put_off(struct pager *pager)
{
	free_ripe(pager, false);
	if (!pager->quiets)
		audit_step(pager);
	trim_frames(pager, pager_holds_nothing(pager));
	refresh_cap(pager);
	carry_out(pager,
		  policy_quiet(pager->policy, clock_now_ns(), pager->actions, PAGER_ACTIONS));
}

void pager_quiet(void)
{
	CUcontext context = NULL;

	for (int i = 0; i < PAGER_DEVICES; i++) {
		struct pager *pager = pager_on(i);

		if (!pager || !any_to_do(pager))
			continue;
		if (!context && real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS)
			return;
		if (pager->memory.context != context)
			continue;
		lock_take(&pager->memory.lock);
		/* It may have ended meanwhile, by another thread. */
		if (pager_on(i))
			see_to_what_was_put_off(pager);
		lock_give(&pager->memory.lock);
	}
}
