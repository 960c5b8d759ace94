#include "base/lock.h"
#include "pager/pager_internal.h"
#include "pager/registry.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "base/log.h"
#include "memory/access.h"
#include "account/admission.h"
#include "memory/content_hash.h"
#include "order/gate.h"
#include "order/contexts.h"
#include "move/overlap.h"
#include "account/ledger.h"
#include "pager/free.h"
#include "pager/unmapped.h"
#include "order/worker.h"
#include "order/streams.h"
#include "move/trial.h"
#include "base/settings.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct pager pagers[PAGER_DEVICES];
static struct lock making = LOCK(RANK_PAGERS);
/* --- making one
 * -------------------------------------------------------------------------------------------
 */

static uint64_t marked(const struct settings_cap *mark, uint64_t cap_bytes)
{
	return mark->bytes ? mark->bytes : (uint64_t)(mark->share * (double)cap_bytes);
}

static struct policy *make_policy(struct pager *pager)
{
	const struct settings *settings = settings_get();
	uint64_t cap = memory_frames_cap_bytes(&pager->memory);
	struct policy_config config = {
	    .cap_bytes = cap,
	    .low_bytes = marked(&settings->low, cap),
	    .high_bytes = marked(&settings->high, cap),
	    .h2d_bytes_per_s = 25e9,
	    .d2h_bytes_per_s = 25e9,
	    .in_place_ratio = settings->cold == COLD_UNMAPPED ? 0 : 0.6,
	    .switch_ns = 200000,
	    .overlap = settings->safety == SAFETY_OVERLAP,
	};

	pager->policy_cap_bytes = cap;
	return policy_create(settings->policy, &config);
}

static void *zeroed(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Before the program's kernels where the driver can: a hash is short, and frames wait for it.
 */
static CUresult hash_stream(CUstream *stream)
{
	int least, greatest;

	if (real(cuCtxGetStreamPriorityRange) && real(cuStreamCreateWithPriority) &&
	    real(cuCtxGetStreamPriorityRange)(&least, &greatest) == CUDA_SUCCESS)
		return real(cuStreamCreateWithPriority)(stream, CU_STREAM_NON_BLOCKING,
							greatest);
	return real(cuStreamCreate)(stream, CU_STREAM_NON_BLOCKING);
}

static CUresult make_streams(struct pager *pager)
{
	CUresult result = real(cuStreamCreate)(&pager->mover.stream_in, CU_STREAM_NON_BLOCKING);

	if (result == CUDA_SUCCESS)
		result = real(cuStreamCreate)(&pager->mover.stream_out, CU_STREAM_NON_BLOCKING);
	if (result == CUDA_SUCCESS)
		result = hash_stream(&pager->mover.stream_hash_in);
	if (result == CUDA_SUCCESS)
		result = hash_stream(&pager->mover.stream_hash_out);
	return result;
}

/* A start that failed may come again: nothing of it is left. */
static void finish_streams(struct pager *pager)
{
	CUstream *streams[] = {&pager->mover.stream_in, &pager->mover.stream_out,
			       &pager->mover.stream_hash_in, &pager->mover.stream_hash_out};

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		if (*streams[i] && real(cuStreamDestroy_v2))
			real(cuStreamDestroy_v2)(*streams[i]);
		*streams[i] = NULL;
	}
}

/* A forked child has a copy of its parent's, whose memory on the device is not its own. */
static void forget_parent(struct pager *pager)
{
	memset(&pager->stats, 0, sizeof(pager->stats));
	memset(&pager->mover.stats, 0, sizeof(pager->mover.stats));
	memset(&pager->told, 0, sizeof(pager->told));
	memset(&pager->memory.slabs, 0, sizeof(pager->memory.slabs));
	pager->parked = 0;
	atomic_store(&pager->parked_count, 0);
	atomic_store(&pager->memory.lost, 0);
	/* The thread that was at it stayed behind. */
	pager->memory.frame_making = false;
	pager->mover.apart = NULL;
	pager->mover.overlap = NULL;
}

static void tell_policy(struct mover *mover, uint32_t block, bool to_device)
{
	const struct pager *pager =
	    (const struct pager *)((const char *)mover - offsetof(struct pager, mover));

	policy_block_moved(pager->policy, block, to_device);
}

static CUresult make(struct pager *pager, int device, CUcontext context)
{
	struct start_failure *failure = &pager->start.failure;
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	start_step(failure, START_TABLES, result);
	pager->mover.stream_in = pager->mover.stream_out = NULL;
	pager->mover.stream_hash_in = pager->mover.stream_hash_out = NULL;
	if (pager->process != getpid())
		forget_parent(pager);
	pager->process = getpid();
	pager->memory.device = device;
	pager->memory.context = context;
	pager->mover.memory = &pager->memory;
	pager->mover.moved = tell_policy;
	pager->group = 1;
	pager->memory.kernels = (struct own_kernels){.form = OWN_KERNELS_NONE};
	pager->owed = 0;
	pager->memory.frames_refused = false;
	pager->audit.block = NO_BLOCK;
	pager->mover.crossing_events = 0; /* those before went with their context */
	pager->owed_limit = PAGER_OWED_FIRST;
	atomic_store(&pager->memory.cold_blocks, 0);
	atomic_store(&pager->memory.tabled_cold, 0);
	if (!pager->named.blocks) {
		lock_init(&pager->memory.lock, RANK_PAGER);
		fences_init(&pager->mover.fences);
		pager->named.blocks = zeroed(BLOCKS_MAX * sizeof(uint32_t));
		pager->named.marked_in = zeroed(BLOCKS_MAX * sizeof(uint32_t));
		pager->actions = zeroed(PAGER_ACTIONS * sizeof(*pager->actions));
		pager->moving = zeroed((size_t)2 * PAGER_ACTIONS * sizeof(uint32_t));
	}
	if (!pager->named.blocks || !pager->named.marked_in || !pager->actions ||
	    !pager->moving)
		return result;
	if (!block_table_init(&pager->memory.table, device)) {
		start_step(failure, START_ADDRESSES, pager->memory.table.arena.refused);
		return result;
	}
	if (!frame_pool_init(&pager->memory.frames, device, settings_host_bytes(settings_get()),
			     settings_get()->cold == COLD_UNMAPPED)) {
		start_step(failure, START_ADDRESSES, pager->memory.frames.aliases.refused);
		goto finish_table;
	}
	result = make_streams(pager);
	if (!start_step(failure, START_STREAMS, result))
		goto finish_frames;
	result = content_hash_init(&pager->memory, failure);
	if (result == CUDA_SUCCESS)
		result = pager->memory.frames.plain_host
			     ? trial_plain_frame(&pager->mover, failure)
			     : trial_host_frame(&pager->mover, failure);
	if (result != CUDA_SUCCESS)
		goto finish_frames;
	result = CUDA_ERROR_OUT_OF_MEMORY;
	start_step(failure, START_TABLES, result);
	if (settings_get()->safety == SAFETY_OVERLAP) {
		pager->mover.overlap = overlap_create();
		if (!pager->mover.overlap)
			goto finish_frames;
		/* Whatever was ever launched must have left its fence. */
		atomic_store(&pager->pressed, true);
	}
	pager->policy = make_policy(pager);
	pager->memory.prepares_frames = pager->mover.overlap && pager->told.at_ns;
	if (pager->policy)
		return CUDA_SUCCESS;
	overlap_destroy(&pager->mover);
finish_frames:
	content_hash_undo(&pager->memory);
	frame_pool_finish(&pager->memory.frames);
	finish_streams(pager);
finish_table:
	block_table_finish(&pager->memory.table);
	return result;
}

/* Elsewhere the arena may lie among host addresses, and all that is between it and another
 * device's is then looked up. That costs time, and may bring in what is not named. */
static void say_where(int device, const struct arena *arena)
{
	if (arena->base != arena_slot(device))
		log_info(
		    "device %d: the driver gave addresses at %#llx for paged memory, not at "
		    "%#llx where nothing else looks like them: launches may take longer",
		    device, (unsigned long long)arena->base,
		    (unsigned long long)arena_slot(device));
}

/* The pager for the current context; NULL: none, and the driver serves. */
struct pager *pager_here(void)
{
	struct pager *pager;
	CUcontext context = NULL;
	CUdevice device;
	CUresult result;

	if (settings_get()->disable || (settings_get()->required && settings_get()->misread) ||
	    !strcmp(settings_get()->policy, "none") || !real(cuCtxGetCurrent) ||
	    real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS || !context)
		return NULL;
	pager = registry_of_context(context); /* which it is mostly, and its device is known */
	if (pager)
		return pager;
	if (!real(cuCtxGetDevice) || real(cuCtxGetDevice)(&device) != CUDA_SUCCESS ||
	    device < 0 || device >= PAGER_DEVICES || !start_may(&pagers[device].start))
		return NULL;
	if (!pager_on(device)) {
		lock_take(&making);
		if (!pager_on(device) && start_may(&pagers[device].start)) {
			admission_open_account(device);
			pagers[device].memory.device = device;
			result = driver_can_page() ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
			if (start_step(&pagers[device].start.failure, START_DRIVER, result))
				result = make(&pagers[device], device, context);
			if (result == CUDA_SUCCESS) {
				start_done(&pagers[device]);
				worker_does(pager_step);
				admission_reclaims(RECLAIM_PAGED, pager_make_room);
				/* Before anything can be named. */
				if (pagers[device].memory.frames.plain_host)
					atomic_store(&unmapped_mode, true);
				say_where(device, &pagers[device].memory.table.arena);
				registry_enter(&pagers[device]);
			} else {
				start_failed(&pagers[device], clock_now_ns());
			}
		}
		lock_give(&making);
	}
	return registry_of_context(context);
}

bool pager_any_made(void)
{
	return atomic_load(&pager_span) != 0;
}

bool pager_summary_at_exit(int device, struct pager_summary *summary)
{
	struct pager *pager = &pagers[device];

	if (!pager->named.blocks || pager->process != getpid() ||
	    !lock_try(&pager->memory.lock))
		return false;
	summary->stats = pager->stats;
	summary->moved = pager->mover.stats;
	summary->report = pager->last_report;
	if (pager->policy)
		policy_report(pager->policy, &summary->report);
	summary->host_peak_bytes = pager->memory.frames.host_peak_bytes;
	summary->frames_resized = pager->memory.frames.resized;
	summary->frames_made = pager->memory.frames.made;
	summary->frames_made_ns = pager->memory.frames.made_ns;
	summary->kernels = own_kernels_form_name(pager->memory.kernels.form);
	summary->kernels_load_us = pager->memory.kernels_load_us;
	lock_give(&pager->memory.lock);
	return summary->report.name != NULL;
}

/* --- ends
 * ----------------------------------------------------------------------------------------------------------
 */

/* Its work is over and what was made in it is gone; addresses and frames are not bound to it
 * and are given back. */
static void end(struct pager *pager)
{
	lock_take(&pager->memory.lock);
	registry_leave(pager);
	overlap_destroy(&pager->mover);
	free_all(pager);
	fences_finish(&pager->mover.fences);
	content_hash_finish(&pager->memory);
	frame_pool_forget_plain(&pager->memory.frames);
	frame_pool_finish(&pager->memory.frames);
	block_table_finish(&pager->memory.table);
	policy_report(pager->policy, &pager->last_report);
	policy_destroy(pager->policy);
	pager->policy = NULL;
	pager->memory.context = NULL;
	atomic_store(&pager->pressed, false);
	atomic_store(&pager->memory.lost, 0);
	lock_give(&pager->memory.lock);
}

void pager_peer_enabled(int owner, int accessor)
{
	struct pager *pager;

	if (owner < 0 || owner >= PAGER_DEVICES || owner == accessor ||
	    !access_add_peer(owner, accessor))
		return;
	/* As with a second context: its work is not asked for when mappings would change. */
	contexts_made(owner, 1);
	log_info("device %d: device %d may reach its memory; nothing moves there any more",
		 owner, accessor);
	pager = pager_on(owner);
	if (!pager)
		return;
	lock_take(&pager->memory.lock);
	overlap_settle(&pager->mover);
	for (uint32_t i = 0; i < pager->memory.table.block_end; i++) {
		const struct block *block = &pager->memory.table.blocks[i];
		enum block_home home = atomic_load(&block->home);

		if (block->component == NO_BLOCK || home == HOME_NONE ||
		    (home == HOME_HOST && settings_get()->cold == COLD_UNMAPPED))
			continue;
		if (access_allow(block->address, block_bytes(block), owner) != CUDA_SUCCESS)
			log_error(
			    "device %d: device %d could not be given access to the memory "
			    "at %#llx",
			    owner, accessor, (unsigned long long)block->address);
	}
	lock_give(&pager->memory.lock);
}

void pager_context_ending(void)
{
	worker_pause();
}

void pager_context_may_have_ended(void)
{
	worker_resume();
}

void pager_context_ended(CUcontext context)
{
	struct pager *pager;

	lock_take(&making);
	pager = context ? registry_of_context(context) : NULL;
	if (pager)
		end(pager);
	lock_give(&making);
}

void pager_fork_prepare(void)
{
	lock_take(&making);
	for (int i = 0; i < PAGER_DEVICES; i++)
		if (pagers[i].named.blocks)
			lock_take(&pagers[i].memory.lock);
}

void pager_fork_parent(void)
{
	for (int i = PAGER_DEVICES - 1; i >= 0; i--)
		if (pagers[i].named.blocks)
			lock_give(&pagers[i].memory.lock);
	lock_give(&making);
}

/* The child has no CUDA: it is inert until it starts afresh. */
void pager_fork_child(void)
{
	registry_clear();
	gate_forget_threads();
	for (int i = PAGER_DEVICES - 1; i >= 0; i--)
		if (pagers[i].named.blocks) {
			/* Another thread may have been closing one, under their lock. */
			fences_init(&pagers[i].mover.fences);
			lock_give(&pagers[i].memory.lock);
		}
	lock_give(&making);
}
