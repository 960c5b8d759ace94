#include "pager/pager.h"

#include "clock.h"
#include "door/driver.h"
#include "log.h"
#include "pager/access.h"
#include "pager/admission.h"
#include "pager/content_hash.h"
#include "pager/gate.h"
#include "pager/graced.h"
#include "pager/home.h"
#include "pager/ledger.h"
#include "pager/release.h"
#include "pager/resident.h"
#include "pager/stepper.h"
#include "pager/streams.h"
#include "pager/transit.h"
#include "pager/trial.h"
#include "pager/window.h"
#include "settings.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define MIB ((uint64_t)1 << 20)
/* By grace: how many uses wait for what only a window can move, before one is made. */
#define OWED_FIRST 16
#define OWED_MOST 4096
/* Arrivals that a launch waits for at once; more in the next round. */
#define AWAITED_MOST 64

static struct pager pagers[PAGER_DEVICES];
static atomic_bool alive[PAGER_DEVICES];    /* atomic; set last when one is made */
static atomic_bool declined[PAGER_DEVICES]; /* cannot be made here; said once */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
_Atomic uint64_t pager_low, pager_span;

static bool is_alive(int device)
{
	return device >= 0 && device < PAGER_DEVICES &&
	       atomic_load_explicit(&alive[device], memory_order_acquire);
}

struct pager *pager_of(uint64_t address)
{
	if (!pager_may_hold(address))
		return NULL;
	for (int i = 0; i < PAGER_DEVICES; i++)
		if (is_alive(i) && arena_holds(&pagers[i].table.arena, address))
			return &pagers[i];
	return NULL;
}

struct pager *pager_on(int device)
{
	return is_alive(device) ? &pagers[device] : NULL;
}

/* --- making one
 * -------------------------------------------------------------------------------------------
 */

static uint64_t marked(const struct settings_cap *mark, uint64_t cap_bytes)
{
	return mark->bytes ? mark->bytes : (uint64_t)(mark->share * (double)cap_bytes);
}

uint64_t pager_frames_cap_bytes(const struct pager *pager)
{
	uint64_t cap = ledger_cap_bytes(pager->device);
	uint64_t other = ledger_taken_bytes(pager->device) - pager->frames.device_bytes;

	other += pager->hash_scratch ? frame_bytes(pager->hash_scratch->size_class) : 0;
	return cap > other ? cap - other : 0;
}

static struct policy *make_policy(struct pager *pager)
{
	const struct settings *settings = settings_get();
	uint64_t cap = pager_frames_cap_bytes(pager);
	struct policy_config config = {
	    .cap_bytes = cap,
	    .low_bytes = marked(&settings->low, cap),
	    .high_bytes = marked(&settings->high, cap),
	    .h2d_bytes_per_s = 25e9,
	    .d2h_bytes_per_s = 25e9,
	    .in_place_ratio = settings->cold == COLD_UNMAPPED ? 0 : 0.6,
	    .switch_ns = 200000,
	    .overlap = settings->safety == SAFETY_GRACED,
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

static CUresult make(struct pager *pager, int device, CUcontext context)
{
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	pager->device = device;
	pager->context = context;
	pager->group = 1;
	pager->owed = 0;
	pager->owed_limit = OWED_FIRST;
	atomic_store(&pager->cold_blocks, 0);
	atomic_store(&pager->tabled_cold, 0);
	if (!pager->named) {
		pthread_mutex_init(&pager->lock, NULL);
		fences_init(&pager->fences);
		pager->named = zeroed(BLOCKS_MAX * sizeof(uint32_t));
		pager->named_mark = zeroed(BLOCKS_MAX * sizeof(uint32_t));
		pager->actions = zeroed(PAGER_ACTIONS * sizeof(*pager->actions));
		pager->moving = zeroed((size_t)2 * PAGER_ACTIONS * sizeof(uint32_t));
	}
	if (!pager->named || !pager->named_mark || !pager->actions || !pager->moving)
		return result;
	if (!block_table_init(&pager->table, device))
		return result;
	if (!frame_pool_init(&pager->frames, device, settings_host_bytes(settings_get()),
			     settings_get()->cold == COLD_UNMAPPED))
		goto finish_table;
	result = real(cuStreamCreate)(&pager->stream_in, CU_STREAM_NON_BLOCKING);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamCreate)(&pager->stream_out, CU_STREAM_NON_BLOCKING);
	if (result == CUDA_SUCCESS)
		result = hash_stream(&pager->stream_hash_in);
	if (result == CUDA_SUCCESS)
		result = hash_stream(&pager->stream_hash_out);
	if (result == CUDA_SUCCESS)
		result = content_hash_init(pager);
	if (result == CUDA_SUCCESS)
		result = pager->frames.plain_host ? trial_plain_frame(pager)
						  : trial_host_frame(pager);
	if (result != CUDA_SUCCESS)
		goto finish_frames;
	result = CUDA_ERROR_OUT_OF_MEMORY;
	if (settings_get()->safety == SAFETY_GRACED) {
		pager->graced = graced_create(pager);
		if (!pager->graced)
			goto finish_frames;
		/* Whatever was ever launched must have left its fence. */
		atomic_store(&pager->pressed, true);
	}
	pager->policy = make_policy(pager);
	if (pager->policy)
		return CUDA_SUCCESS;
	graced_destroy(pager->graced);
	pager->graced = NULL;
finish_frames:
	content_hash_finish(pager);
	frame_pool_finish(&pager->frames);
finish_table:
	block_table_finish(&pager->table);
	return result;
}

static void widen_bounds(const struct arena *arena)
{
	uint64_t low = atomic_load(&pager_low), end = low + atomic_load(&pager_span);

	if (!atomic_load(&pager_span) || arena->base < low)
		low = arena->base;
	if (arena->base + arena->bytes > end)
		end = arena->base + arena->bytes;
	/* For a moment the range may be read as too wide, never as too narrow for what it
	 * already held. */
	atomic_store(&pager_span, end - low);
	atomic_store(&pager_low, low);
}

static bool driver_can(void)
{
	return real(cuMemAddressReserve) && real(cuMemAddressFree) && real(cuMemCreate) &&
	       real(cuMemRelease) && real(cuMemMap) && real(cuMemUnmap) &&
	       real(cuMemSetAccess) && real(cuModuleLoadData) && real(cuModuleGetFunction) &&
	       real(cuLaunchKernel) && real(cuMemcpyAsync) && real(cuMemcpyHtoDAsync_v2) &&
	       real(cuMemcpyDtoHAsync_v2) && real(cuMemsetD8Async) && real(cuStreamCreate) &&
	       real(cuStreamQuery) && real(cuStreamSynchronize) && real(cuEventCreate) &&
	       real(cuEventRecord) && real(cuEventQuery) && real(cuEventDestroy_v2) &&
	       real(cuMemHostAlloc) && real(cuMemFreeHost) && real(cuCtxGetCurrent) &&
	       real(cuCtxPushCurrent_v2) && real(cuCtxPopCurrent_v2) && real(cuCtxSynchronize);
}

static void say_declined(int device, CUresult result)
{
	bool unmapped = settings_get()->cold == COLD_UNMAPPED;

	log_warn("device %d: memory in RAM cannot be %s here (CUDA error %d): the cap is "
		 "enforced but nothing is paged, as under LOWTIDE_POLICY=none%s",
		 device, unmapped ? "copied to the GPU" : "mapped for the GPU", (int)result,
		 unmapped ? "" : " (LOWTIDE_COLD=unmapped may page, at a price: see README)");
}

/* The pager for the current context; NULL: none, and the driver serves. */
static struct pager *pager_here(void)
{
	CUcontext context = NULL;
	CUdevice device;
	CUresult result;

	if (settings_get()->disable || (settings_get()->required && settings_get()->misread) ||
	    !strcmp(settings_get()->policy, "none") || !real(cuCtxGetCurrent) ||
	    real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS || !context ||
	    !real(cuCtxGetDevice) || real(cuCtxGetDevice)(&device) != CUDA_SUCCESS ||
	    device < 0 || device >= PAGER_DEVICES || atomic_load(&declined[device]))
		return NULL;
	if (!is_alive(device)) {
		pthread_mutex_lock(&making);
		if (!is_alive(device) && !atomic_load(&declined[device])) {
			admission_open_account(device);
			result = driver_can() ? make(&pagers[device], device, context)
					      : CUDA_ERROR_NOT_SUPPORTED;
			if (result == CUDA_SUCCESS) {
				/* Before anything can be named. */
				if (pagers[device].frames.plain_host)
					atomic_store(&resident_needed, true);
				widen_bounds(&pagers[device].table.arena);
				atomic_store_explicit(&alive[device], true,
						      memory_order_release);
			} else {
				atomic_store(&declined[device], true);
				say_declined(device, result);
			}
		}
		pthread_mutex_unlock(&making);
	}
	return is_alive(device) && pagers[device].context == context ? &pagers[device] : NULL;
}

/* --- allocating and freeing
 * ---------------------------------------------------------------------------------- */

static bool give_frame(struct pager *pager, struct block *block)
{
	bool wanted = policy_place_on_device(pager->policy, block_bytes(block));

	if (wanted)
		block->device = frame_take(&pager->frames, false, block->size_class);
	if (!block->device)
		block->host = transit_host_frame(pager, block->size_class);
	if (!block->device && !block->host && !wanted)
		block->device = frame_take(&pager->frames, false, block->size_class);
	return block->device || block->host;
}

static bool fill_component(struct pager *pager, const struct component *component)
{
	uint32_t *ids = pager->named;
	uint32_t done = 0;

	for (; done < component->block_count; done++) {
		ids[done] = component->first_block + done;
		if (!give_frame(pager, &pager->table.blocks[ids[done]]))
			goto take_back;
	}
	if (home_map(pager, ids, done) == CUDA_SUCCESS)
		return true;
take_back:
	while (done--)
		release_frames(pager, &pager->table.blocks[component->first_block + done]);
	return false;
}

static void begin_paging(struct pager *pager)
{
	atomic_store(&pager->pressed, true);
	if (pager->told_ns)
		return;
	log_warn("device %d: the cap of %" PRIu64 " MiB is reached: paging begins (policy %s)",
		 pager->device, ledger_cap_bytes(pager->device) / MIB, settings_get()->policy);
	pager->told_ns = clock_now_ns();
}

static uint64_t cold_bytes_of(const struct pager *pager, uint64_t *managed_bytes)
{
	uint64_t cold_bytes = 0;

	*managed_bytes = 0;
	for (uint32_t i = 0; i < pager->table.block_end; i++) {
		const struct block *block = &pager->table.blocks[i];

		if (block->component == NO_BLOCK)
			continue;
		*managed_bytes += block_bytes(block);
		if (atomic_load(&block->home) != HOME_DEVICE)
			cold_bytes += block_bytes(block);
	}
	return cold_bytes;
}

#define TELL_EVERY_NS 60000000000ull

/* Never silently slow: at most once a minute, what paging costs and what to try. */
static void tell_sometimes(struct pager *pager, uint64_t now_ns)
{
	uint64_t managed_bytes, cold_bytes, cap_bytes = ledger_cap_bytes(pager->device);
	struct policy_report report;
	double seconds;

	if (!pager->told_ns || now_ns - pager->told_ns < TELL_EVERY_NS)
		return;
	cold_bytes = cold_bytes_of(pager, &managed_bytes);
	policy_report(pager->policy, &report);
	seconds = (double)(now_ns - pager->told_ns) / 1e9;
	log_warn("device %d: %" PRIu64 " of %" PRIu64
		 " MiB are in RAM; in the last %.0f s %" PRIu64 " MiB came in, %" PRIu64
		 " MiB went out and %" PRIu64
		 " launches read cold memory in place (policy %s). "
		 "With LOWTIDE_VRAM=%" PRIu64 "M nothing would have to move",
		 pager->device, cold_bytes / MIB, managed_bytes / MIB, seconds,
		 (pager->stats.bytes_in - pager->told.bytes_in) / MIB,
		 (pager->stats.bytes_out - pager->told.bytes_out) / MIB,
		 pager->stats.launches_in_place - pager->told.launches_in_place, report.name,
		 (cap_bytes + cold_bytes) / MIB + 1);
	pager->told = pager->stats;
	pager->told_ns = now_ns;
}

static void introduce(struct pager *pager, const struct component *component, uint64_t now_ns)
{
	for (uint32_t i = 0; i < component->block_count; i++) {
		uint32_t id = component->first_block + i;
		const struct block *block = &pager->table.blocks[id];

		policy_block_added(pager->policy, id, block_bytes(block),
				   component_index(&pager->table, component), 0,
				   atomic_load(&block->home) == HOME_DEVICE, now_ns);
	}
	if (atomic_load(&component->cold_count))
		begin_paging(pager);
}

static unsigned int largest_class(void)
{
	unsigned int c = 0;

	while (c + 1 < FRAME_CLASSES && frame_bytes(c + 1) <= settings_get()->block_bytes)
		c++;
	return c;
}

/* How long an allocation waits for what was freed but may still be in use. */
#define FREED_PATIENCE_NS 2000000000ull

enum pager_answer pager_alloc(uint64_t bytes, CUdeviceptr *out)
{
	struct pager *pager;
	struct component *component;
	enum pager_answer answer = PAGER_REFUSED;
	uint64_t until_ns;

	if (!out || bytes < settings_get()->min_bytes || streams_capture_forbids())
		return PAGER_DECLINED;
	pager = pager_here();
	if (!pager)
		return PAGER_DECLINED;
	pthread_mutex_lock(&pager->lock);
	release_ripe(pager, false);
	until_ns = clock_now_ns() + FREED_PATIENCE_NS;
	do {
		component =
		    component_make(&pager->table, bytes, largest_class(), pager->context);
		if (component && fill_component(pager, component)) {
			introduce(pager, component, clock_now_ns());
			*out = component->start;
			answer = PAGER_DONE;
		} else if (component) {
			component_unmake(&pager->table, component);
		}
	} while (answer != PAGER_DONE && release_wait(pager, until_ns));
	pthread_mutex_unlock(&pager->lock);
	return answer;
}

static struct component *component_at(struct pager *pager, uint64_t address)
{
	uint32_t id = block_find(&pager->table, address);

	return id == NO_BLOCK ? NULL
			      : &pager->table.components[pager->table.blocks[id].component];
}

/* What the program may free; NULL: nothing of its own begins there. */
static struct component *component_to_free(struct pager *pager, uint64_t address)
{
	struct component *component = component_at(pager, address);

	return component && component->start == address && !component->parked ? component
									      : NULL;
}

enum pager_answer pager_free(CUdeviceptr address, CUresult *result)
{
	struct pager *pager = pager_of(address);
	struct component *component;
	bool captured;

	if (!pager)
		return PAGER_DECLINED;
	*result = release_await(pager, &captured);
	if (*result != CUDA_SUCCESS)
		return PAGER_DONE;
	pthread_mutex_lock(&pager->lock);
	component = component_to_free(pager, address);
	if (!component)
		*result = CUDA_ERROR_INVALID_VALUE;
	else if (captured)
		release_later(pager, component, NULL);
	else if (!release_component(pager, component))
		*result = CUDA_ERROR_UNKNOWN;
	release_ripe(pager, false);
	pthread_mutex_unlock(&pager->lock);
	return PAGER_DONE;
}

/* NULL: it cannot be made there; *result says why if the stream is at fault. */
static CUevent event_behind(CUstream stream, CUresult *result)
{
	CUevent event = NULL;

	*result = real(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING);
	if (*result != CUDA_SUCCESS)
		return NULL;
	*result = real(cuEventRecord)(event, stream);
	if (*result == CUDA_SUCCESS)
		return event;
	real(cuEventDestroy_v2)(event);
	return NULL;
}

/* The event belongs to the calling thread's context, and may have to be asked when that has
 * gone: only our own context's end is known here. */
static bool in_own_context(const struct pager *pager)
{
	CUcontext context = NULL;

	return real(cuCtxGetCurrent)(&context) == CUDA_SUCCESS && context == pager->context;
}

void pager_free_after(CUdeviceptr address, CUstream stream, CUresult *result)
{
	struct pager *pager = pager_of(address);
	struct component *component;
	CUevent event;

	if (!in_own_context(pager)) {
		*result = real(cuStreamSynchronize)(stream);
		if (*result == CUDA_SUCCESS)
			pager_free(address, result);
		return;
	}
	event = event_behind(stream, result);
	if (!event)
		return;
	pthread_mutex_lock(&pager->lock);
	component = component_to_free(pager, address);
	if (component)
		release_later(pager, component, event);
	else
		*result = CUDA_ERROR_INVALID_VALUE;
	release_ripe(pager, false);
	pthread_mutex_unlock(&pager->lock);
	if (!component)
		real(cuEventDestroy_v2)(event);
}

/* --- moving
 * ---------------------------------------------------------------------------------------------------
 */

static void tell_of_moves(struct pager *pager, const uint32_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		policy_block_moved(pager->policy, blocks[i],
				   atomic_load(&pager->table.blocks[blocks[i]].home) ==
				       HOME_DEVICE);
}

/* Everything launched before has ended. */
static void forget_unknown_fences(struct pager *pager)
{
	for (uint32_t i = 0; pager->graced && i < pager->table.block_end; i++)
		if (pager->table.blocks[i].fence == FENCE_NEVER)
			pager->table.blocks[i].fence = 0;
	for (uint32_t i = 0; pager->graced && i < pager->table.component_end; i++)
		if (pager->table.components[i].fence == FENCE_NEVER)
			pager->table.components[i].fence = 0;
}

/* Carries the policy's actions out, if this is a moment for it. */
static void carry_out(struct pager *pager, size_t actions)
{
	uint32_t *leaving = pager->moving, *coming = pager->moving + PAGER_ACTIONS;
	size_t leaving_count = 0, coming_count = 0;

	for (size_t i = 0; i < actions; i++) {
		uint32_t id = pager->actions[i].block;
		const struct block *block = &pager->table.blocks[id];
		enum block_home home = atomic_load(&block->home);

		if (block->component == NO_BLOCK || block->pins)
			continue;
		if (pager->actions[i].verb == POLICY_EVICT && home == HOME_DEVICE)
			leaving[leaving_count++] = id;
		else if (pager->actions[i].verb == POLICY_PAGE_IN && home == HOME_HOST)
			coming[coming_count++] = id;
	}
	if (!leaving_count && !coming_count)
		return;
	graced_settle(pager);
	if (!window_open(pager))
		return;
	forget_unknown_fences(pager);
	release_ripe(pager, true);
	transit_evict(pager, leaving, leaving_count);
	transit_page_in(pager, coming, coming_count);
	window_close(pager);
	tell_of_moves(pager, leaving, leaving_count);
	tell_of_moves(pager, coming, coming_count);
}

void pager_carry_out(struct pager *pager, size_t count)
{
	carry_out(pager, count);
}

static void refresh_cap(struct pager *pager)
{
	uint64_t cap = pager_frames_cap_bytes(pager);

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

	release_ripe(pager, false);
	gone = frame_release_spare(&pager->frames, false, bytes);
	if (gone >= bytes)
		return gone;
	actions = policy_pressure(pager->policy, bytes - gone, clock_now_ns(), pager->actions,
				  PAGER_ACTIONS);
	if (!actions)
		return gone;
	begin_paging(pager);
	carry_out(pager, actions);
	return gone + frame_release_spare(&pager->frames, false, bytes - gone);
}

/* How often, and with which pause, a window is tried that was refused because another thread
 * was inside a call. */
#define ROOM_TRIES 500
#define ROOM_PAUSE_NS 2000000

bool pager_make_room(int device, uint64_t bytes)
{
	const struct timespec pause = {0, ROOM_PAUSE_NS};
	struct pager *pager;
	uint64_t gone = 0, refused, until_ns = clock_now_ns() + FREED_PATIENCE_NS;
	bool freed;

	if (!is_alive(device))
		return false;
	pager = &pagers[device];
	for (int i = 0; i < ROOM_TRIES; i++) {
		pthread_mutex_lock(&pager->lock);
		refused = pager->stats.windows_refused;
		gone += make_room(pager, bytes - gone);
		refused = pager->stats.windows_refused - refused;
		freed = gone < bytes && release_wait(pager, until_ns);
		pthread_mutex_unlock(&pager->lock);
		if (freed)
			continue;
		if (gone >= bytes || !refused || streams_capturing() ||
		    !streams_one_context(device))
			break;
		nanosleep(&pause, NULL);
	}
	return gone >= bytes;
}

/* --- uses
 * -------------------------------------------------------------------------------------------------------
 */

static size_t name_range(struct pager *pager, uint64_t start, uint64_t end, size_t count)
{
	for (uint32_t id = block_find(&pager->table, start);
	     id != NO_BLOCK && count < BLOCKS_MAX;) {
		const struct block *block = &pager->table.blocks[id];

		if (pager->named_mark[id] != pager->epoch) {
			pager->named_mark[id] = pager->epoch;
			pager->named[count++] = id;
		}
		if (block->address + block_bytes(block) >= end)
			break;
		id = block_find(&pager->table, block->address + block_bytes(block));
	}
	return count;
}

/* What a pointer asks for: the extent it points into, or all of its component, which is what a
 * launch needs where cold memory has no mapping. */
static size_t name_address(struct pager *pager, uint64_t address, size_t count)
{
	struct component *component = component_at(pager, address);
	uint64_t start, end;

	if (!component)
		return count;
	if (!pager->frames.plain_host &&
	    extents_asked(&component->extents, address, &start, &end))
		return name_range(pager, start, end, count);
	return name_range(pager, component->start, component->start + component->span_bytes,
			  count);
}

/* A fence for the operation that is about to be launched; 0: its end cannot be known. */
static uint64_t open_fence(struct pager *pager, struct pager_use *use)
{
	uint64_t fence = streams_capturing() ? 0 : fence_open(&pager->fences);

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

	pager->epoch++;
	for (size_t i = 0; i < count; i++)
		named = name_address(pager, addresses[i], named);
	return named;
}

/* Until they are there, or are not on their way any more. The lock is let go between looks:
 * what they wait for may be something that another thread has yet to launch. False: it took
 * too long, or they cannot come. */
static bool await(struct pager *pager, const uint32_t *blocks, size_t count)
{
	uint64_t until_ns = graced_wait_until_ns(pager, clock_now_ns());

	for (size_t i = 0; i < count && pager->graced;) {
		if (!pager->table.blocks[blocks[i]].way) {
			i++;
			continue;
		}
		if (streams_capturing())
			return false;
		graced_step(pager);
		if (!pager->table.blocks[blocks[i]].way)
			continue;
		if (graced_hopeless(pager, blocks[i]))
			return false;
		if (clock_now_ns() > until_ns) {
			graced_waited_in_vain(pager, clock_now_ns());
			return false;
		}
		pthread_mutex_unlock(&pager->lock);
		sched_yield();
		pthread_mutex_lock(&pager->lock);
	}
	return true;
}

/* A kernel may go anywhere in the components it is given, whatever part it asks for: none of
 * their blocks may be on its way when it is launched. Returns how many blocks are named. */
static size_t hold_still(struct pager *pager, const uint64_t *addresses, size_t count,
			 size_t named)
{
	uint32_t arriving[AWAITED_MOST];
	bool patient = !streams_capturing();

	while (graced_busy(pager)) {
		size_t waiting;

		for (size_t i = 0; i < count; i++) {
			const struct component *component = component_at(pager, addresses[i]);

			if (component)
				graced_hold(pager, component);
		}
		waiting = graced_arriving(pager, pager->named, named, arriving, AWAITED_MOST);
		if (!waiting)
			break;
		patient = patient && await(pager, arriving, waiting);
		/* Names and marks may be another thread's by now. */
		named = name_all(pager, addresses, count);
		for (size_t i = 0; !patient && i < named; i++)
			graced_stop(pager, pager->named[i]);
	}
	return named;
}

static void use_by_grace(struct pager *pager, const uint64_t *addresses, size_t count,
			 size_t named, size_t actions, struct pager_use *use)
{
	uint64_t fence;

	if (!streams_capturing() && streams_one_context(pager->device)) {
		if (graced_want(pager, pager->actions, actions) &&
		    ++pager->owed >= pager->owed_limit) {
			/* What grace cannot move holds frames that are wanted: a window, ever
			 * more rarely. */
			carry_out(pager, actions);
			pager->owed = 0;
			pager->owed_limit =
			    pager->owed_limit < OWED_MOST ? 2 * pager->owed_limit : OWED_MOST;
		}
		graced_step(pager);
	}
	named = hold_still(pager, addresses, count, named);
	fence = open_fence(pager, use);
	for (size_t i = 0; i < count; i++) {
		struct component *component = component_at(pager, addresses[i]);

		if (!component)
			continue;
		component->named++;
		component->fence = fence;
	}
	for (size_t i = 0; i < named; i++)
		pager->table.blocks[pager->named[i]].named_since_in = true;
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

	pthread_mutex_lock(&pager->lock);
	named = name_all(pager, addresses, count);
	refresh_cap(pager);
	actions = policy_use(pager->policy, pager->named, named, now_ns, pager->actions,
			     PAGER_ACTIONS);
	if (pager->graced)
		use_by_grace(pager, addresses, count, named, actions, use);
	else
		carry_out(pager, actions);
	/* It may have been brought in just now; without a mapping, it will be. */
	if (cold && !pager->frames.plain_host && any_cold(pager, addresses, count))
		pager->stats.launches_in_place++;
	tell_sometimes(pager, now_ns);
	pthread_mutex_unlock(&pager->lock);
}

void pager_used(const struct pager_use *use, CUstream stream, bool over)
{
	for (unsigned int i = 0; i < use->count; i++)
		fence_close(&use->of[i].pager->fences, use->of[i].fence, stream, over);
}

static void use_ranges_of(struct pager *pager, const struct pager_range *ranges, size_t count,
			  struct pager_use *use)
{
	size_t named = 0;
	uint64_t fence;

	pthread_mutex_lock(&pager->lock);
	pager->epoch++;
	for (size_t i = 0; i < count; i++)
		named = name_range(pager, ranges[i].start, ranges[i].start + ranges[i].bytes,
				   named);
	for (size_t i = 0; i < named; i++)
		graced_stop(pager, pager->named[i]);
	fence = open_fence(pager, use);
	for (size_t i = 0; i < named; i++) {
		pager->table.blocks[pager->named[i]].fence = fence;
		pager->table.blocks[pager->named[i]].named_since_in = true;
	}
	pthread_mutex_unlock(&pager->lock);
}

/* Each pager that these name, once: the next one that is not yet in `seen`. NULL: no more. */
static struct pager *next_named(uint64_t address, uint32_t *seen)
{
	struct pager *pager = pager_of(address);

	if (!pager || *seen & 1u << pager->device)
		return NULL;
	*seen |= 1u << pager->device;
	return pager;
}

void pager_use_ranges(const struct pager_range *ranges, size_t count, struct pager_use *use)
{
	uint32_t seen = 0;

	use->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct pager *pager = next_named(ranges[i].start, &seen);

		if (pager && pager->graced)
			use_ranges_of(pager, ranges, count, use);
	}
}

void pager_bar(const uint64_t *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct pager *pager = pager_of(addresses[i]);
		const struct component *component;

		if (!pager || !pager->graced)
			continue;
		pthread_mutex_lock(&pager->lock);
		component = component_at(pager, addresses[i]);
		for (uint32_t b = 0; component && b < component->block_count; b++)
			pager->table.blocks[component->first_block + b].barred = true;
		if (component)
			graced_settle(pager);
		pthread_mutex_unlock(&pager->lock);
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
		resident_table(word);
	}
}

void pager_unknown_work(void)
{
	for (int i = 0; i < PAGER_DEVICES; i++) {
		struct pager *pager = &pagers[i];

		if (!is_alive(i) || !pager->graced)
			continue;
		pthread_mutex_lock(&pager->lock);
		if (pager->graced) {
			graced_settle(pager);
			graced_destroy(pager->graced);
			pager->graced = NULL;
			log_info("device %d: work whose memory is not known was launched; "
				 "mappings now change only "
				 "while the device is idle (LOWTIDE_SAFETY=strict)",
				 i);
		}
		pthread_mutex_unlock(&pager->lock);
	}
}

static CUresult use_of(struct pager *pager, const uint64_t *addresses, size_t count,
		       struct pager_use *use)
{
	bool cold;

	if (atomic_load_explicit(&pager->lost, memory_order_relaxed))
		return (CUresult)atomic_load(&pager->lost);
	if (!atomic_load_explicit(&pager->worked, memory_order_relaxed))
		atomic_store_explicit(&pager->worked, true, memory_order_relaxed);
	cold = any_cold(pager, addresses, count);
	if (cold || atomic_load_explicit(&pager->pressed, memory_order_relaxed))
		use_slowly(pager, addresses, count, cold, use);
	return (CUresult)atomic_load_explicit(&pager->lost, memory_order_relaxed);
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

		if (last && arena_holds(&last->table.arena, addresses[i]))
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
	pthread_mutex_lock(&pager->lock);
	component = component_at(pager, start);
	if (component) {
		join_group(pager, component);
		extents_learn(&component->extents, start, start + bytes, source);
		pager->epoch++;
		named = name_range(pager, start, start + bytes, 0);
		for (size_t i = 0; i < named; i++)
			policy_block_uploaded(pager->policy, pager->named[i], clock_now_ns());
	}
	pthread_mutex_unlock(&pager->lock);
}

/* The lock is held. The context need not be the current one of the calling thread. */
static void step_in_context(struct pager *pager)
{
	CUcontext current = NULL;
	bool pushed = false;

	if (streams_capturing() || !streams_one_context(pager->device) ||
	    real(cuCtxGetCurrent)(&current) != CUDA_SUCCESS)
		return;
	if (current != pager->context) {
		pushed = real(cuCtxPushCurrent_v2)(pager->context) == CUDA_SUCCESS;
		if (!pushed)
			return;
	}
	graced_step(pager);
	if (pushed)
		real(cuCtxPopCurrent_v2)(NULL);
}

bool pager_step(void)
{
	bool busy = false;

	for (int i = 0; i < PAGER_DEVICES; i++) {
		struct pager *pager = &pagers[i];

		if (!is_alive(i))
			continue;
		/* Whoever holds the lock steps, or will have made more to do. */
		if (pthread_mutex_trylock(&pager->lock)) {
			busy = true;
			continue;
		}
		if (is_alive(i) && graced_busy(pager)) {
			step_in_context(pager);
			busy = busy || graced_busy(pager);
		}
		pthread_mutex_unlock(&pager->lock);
	}
	return busy;
}

bool pager_wants_steps(void)
{
	bool busy = false;

	if (streams_capturing() || !stepper_is_absent())
		return false;
	for (int i = 0; i < PAGER_DEVICES && !busy; i++)
		if (is_alive(i) && !pthread_mutex_trylock(&pagers[i].lock)) {
			busy = graced_busy(&pagers[i]);
			pthread_mutex_unlock(&pagers[i].lock);
		}
	return busy;
}

void pager_quiet(void)
{
	CUcontext context = NULL;

	for (int i = 0; i < PAGER_DEVICES; i++) {
		struct pager *pager = &pagers[i];

		if (!is_alive(i) ||
		    (!atomic_load_explicit(&pager->pressed, memory_order_relaxed) &&
		     !atomic_load_explicit(&pager->parked_count, memory_order_relaxed)))
			continue;
		if (!context && real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS)
			return;
		if (pager->context != context)
			continue;
		pthread_mutex_lock(&pager->lock);
		release_ripe(pager, false);
		refresh_cap(pager);
		carry_out(pager, policy_quiet(pager->policy, clock_now_ns(), pager->actions,
					      PAGER_ACTIONS));
		pthread_mutex_unlock(&pager->lock);
	}
}

/* --- questions
 * ---------------------------------------------------------------------------------------------------
 */

bool pager_component_at(CUdeviceptr address, struct pager_component *out)
{
	struct pager *pager = pager_of(address);
	const struct component *component;

	if (!pager)
		return false;
	pthread_mutex_lock(&pager->lock);
	component = component_at(pager, address);
	/* The last block may reach past what the program asked for. */
	if (component && !component->parked && address - component->start < component->bytes)
		*out = (struct pager_component){component->start, component->bytes,
						component->id,	  component->context,
						pager->device,	  component->sync_memops};
	else
		component = NULL;
	pthread_mutex_unlock(&pager->lock);
	return component != NULL;
}

CUdeviceptr pager_shown(CUdeviceptr address)
{
	struct pager *pager = pager_of(address);
	const struct component *component;

	if (!pager)
		return address;
	pthread_mutex_lock(&pager->lock);
	component = component_at(pager, address);
	if (component && component->parked)
		address = component->start + component->span_bytes;
	pthread_mutex_unlock(&pager->lock);
	return address;
}

uint64_t pager_same_home(CUdeviceptr start, uint64_t bytes, bool *cold)
{
	struct pager *pager = pager_of(start);
	uint32_t id = pager ? block_find(&pager->table, start) : NO_BLOCK;
	uint64_t end = start;
	enum block_home home;

	*cold = false;
	if (id == NO_BLOCK)
		return bytes;
	home = atomic_load(&pager->table.blocks[id].home);
	*cold = home == HOME_HOST;
	for (; id != NO_BLOCK && end < start + bytes; id = block_find(&pager->table, end)) {
		const struct block *block = &pager->table.blocks[id];

		if (atomic_load(&block->home) != home)
			return end - start;
		end = block->address + block_bytes(block);
		/* The next one lies elsewhere in RAM. */
		if (*cold && pager->frames.plain_host)
			break;
	}
	return end - start < bytes ? end - start : bytes;
}

CUdeviceptr pager_reach(CUdeviceptr address)
{
	struct pager *pager = pager_of(address);
	uint32_t id =
	    pager && pager->frames.plain_host ? block_find(&pager->table, address) : NO_BLOCK;
	const struct block *block;

	if (id == NO_BLOCK)
		return address;
	block = &pager->table.blocks[id];
	return atomic_load(&block->home) == HOME_HOST
		   ? block->host->alias + (address - block->address)
		   : address;
}

void pager_pin(CUdeviceptr start, uint64_t bytes, bool pin)
{
	struct pager *pager = pager_of(start);
	size_t named;

	if (!pager || !bytes)
		return;
	pthread_mutex_lock(&pager->lock);
	pager->epoch++;
	named = name_range(pager, start, start + bytes, 0);
	for (size_t i = 0; i < named; i++) {
		struct block *block = &pager->table.blocks[pager->named[i]];

		if (!pin && !block->pins)
			continue;
		block->pins += pin ? 1 : -1u;
		if (block->pins <= 1 && pin == (block->pins == 1))
			policy_block_pinned(pager->policy, pager->named[i], pin);
	}
	pthread_mutex_unlock(&pager->lock);
}

void pager_residency(int device, uint64_t *managed_bytes, uint64_t *cold_bytes)
{
	*managed_bytes = *cold_bytes = 0;
	if (!is_alive(device))
		return;
	pthread_mutex_lock(&pagers[device].lock);
	*cold_bytes = cold_bytes_of(&pagers[device], managed_bytes);
	pthread_mutex_unlock(&pagers[device].lock);
}

uint64_t pager_frame_bytes(int device)
{
	uint64_t bytes;

	if (!is_alive(device))
		return 0;
	pthread_mutex_lock(&pagers[device].lock);
	bytes = pagers[device].frames.device_bytes;
	pthread_mutex_unlock(&pagers[device].lock);
	return bytes;
}

bool pager_any_made(void)
{
	return atomic_load(&pager_span) != 0;
}

bool pager_summary_at_exit(int device, struct pager_summary *summary)
{
	struct pager *pager = &pagers[device];

	if (!pager->named || pthread_mutex_trylock(&pager->lock))
		return false;
	summary->stats = pager->stats;
	summary->report = pager->last_report;
	if (pager->policy)
		policy_report(pager->policy, &summary->report);
	summary->host_peak_bytes = pager->frames.host_peak_bytes;
	pthread_mutex_unlock(&pager->lock);
	return summary->report.name != NULL;
}

/* --- ends
 * ----------------------------------------------------------------------------------------------------------
 */

/* Its work is over and what was made in it is gone; addresses and frames are not bound to it
 * and are given back. */
static void end(struct pager *pager)
{
	pthread_mutex_lock(&pager->lock);
	atomic_store(&alive[pager->device], false);
	release_all(pager);
	graced_destroy(pager->graced);
	pager->graced = NULL;
	fences_finish(&pager->fences);
	content_hash_finish(pager);
	frame_pool_forget_plain(&pager->frames);
	frame_pool_finish(&pager->frames);
	block_table_finish(&pager->table);
	policy_report(pager->policy, &pager->last_report);
	policy_destroy(pager->policy);
	pager->policy = NULL;
	pager->context = NULL;
	atomic_store(&pager->pressed, false);
	atomic_store(&pager->lost, 0);
	pthread_mutex_unlock(&pager->lock);
}

void pager_peer_enabled(int owner, int accessor)
{
	struct pager *pager;

	if (owner < 0 || owner >= PAGER_DEVICES || owner == accessor ||
	    !access_add_peer(owner, accessor))
		return;
	/* As with a second context: its work is not asked for when mappings would change. */
	streams_context_made(owner, 1);
	log_info("device %d: device %d may reach its memory; nothing moves there any more",
		 owner, accessor);
	if (!is_alive(owner))
		return;
	pager = &pagers[owner];
	pthread_mutex_lock(&pager->lock);
	graced_settle(pager);
	for (uint32_t i = 0; i < pager->table.block_end; i++) {
		const struct block *block = &pager->table.blocks[i];
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
	pthread_mutex_unlock(&pager->lock);
}

void pager_context_ending(void)
{
	stepper_pause();
}

void pager_context_may_have_ended(void)
{
	stepper_resume();
}

void pager_context_ended(CUcontext context)
{
	pthread_mutex_lock(&making);
	for (int i = 0; i < PAGER_DEVICES; i++)
		if (context && is_alive(i) && pagers[i].context == context)
			end(&pagers[i]);
	pthread_mutex_unlock(&making);
}

void pager_fork_prepare(void)
{
	pthread_mutex_lock(&making);
	for (int i = 0; i < PAGER_DEVICES; i++)
		if (pagers[i].named)
			pthread_mutex_lock(&pagers[i].lock);
	streams_fork_prepare();
	stepper_fork_prepare();
}

void pager_fork_parent(void)
{
	stepper_fork_parent();
	streams_fork_parent();
	for (int i = PAGER_DEVICES - 1; i >= 0; i--)
		if (pagers[i].named)
			pthread_mutex_unlock(&pagers[i].lock);
	pthread_mutex_unlock(&making);
}

/* The child has no CUDA: it is inert until it starts afresh. */
void pager_fork_child(void)
{
	for (int i = 0; i < PAGER_DEVICES; i++)
		atomic_store(&alive[i], false);
	gate_forget_threads();
	stepper_fork_child();
	streams_fork_child();
	for (int i = PAGER_DEVICES - 1; i >= 0; i--)
		if (pagers[i].named)
			pthread_mutex_unlock(&pagers[i].lock);
	pthread_mutex_unlock(&making);
}
