#include "pager/driver_slabs.h"

#include "driver/driver.h"
#include "base/lock.h"
#include "base/table.h"
#include "account/admission.h"
#include "pager/free.h"
#include "memory/slab.h"
#include "order/streams.h"
#include "order/captures.h"
#include "base/settings.h"

#include <stdatomic.h>
#include <stdlib.h>

struct owner {
	CUcontext context; /* NULL: it has ended */
	int device;
	struct slabs slabs;
	struct owner *next;
};

struct chunk {
	uint64_t granule; /* where it starts: the driver need not align it */
	struct slab *slab;
	struct owner *owner;
	bool lost;
	UT_hash_handle hh;
};

static struct owner *owners; /* never freed; guarded by lock */
static struct chunk *chunks; /* guarded by lock */
static atomic_bool any;	     /* atomic */
static uint64_t next_id = 1; /* guarded by lock */
static struct lock lock = LOCK(RANK_DRIVER_SLABS);

static bool give_back_empty(int device, uint64_t bytes);

/* The lock is held in all that follow until a comment says otherwise. */
static struct owner *owner_of(CUcontext context, int device)
{
	struct owner *owner, *unused = NULL;

	for (owner = owners; owner && owner->context != context; owner = owner->next)
		if (!owner->context)
			unused = owner;
	if (owner)
		return owner;
	owner = unused;
	if (!owner) {
		owner = calloc(1, sizeof(*owner));
		if (!owner)
			return NULL;
		owner->next = owners;
		owners = owner;
	}
	owner->context = context;
	owner->device = device;
	return owner;
}

static struct chunk *chunk_starting_in(uint64_t granule)
{
	struct chunk *chunk;

	HASH_FIND(hh, chunks, &granule, sizeof(granule), chunk);
	return chunk;
}

/* No two start in the same granule, and each ends in the next one. */
static struct chunk *chunk_at(uint64_t address)
{
	for (uint64_t back = 0; back < 2; back++) {
		struct chunk *chunk = chunk_starting_in((address >> GRANULE_BITS) - back);

		if (chunk && address - chunk->slab->start < SLAB_BYTES)
			return chunk;
	}
	return NULL;
}

/* The allocation that holds the address. *chunk: where the address lies; NULL: in none. */
static struct slab_piece *piece_there(uint64_t address, struct chunk **chunk)
{
	*chunk = chunk_at(address);
	return *chunk ? slab_piece_at((*chunk)->slab, address) : NULL;
}

/* The same of what the program may free there; NULL: nothing of its own begins there. */
static struct slab_piece *piece_to_free(uint64_t address, struct chunk **chunk)
{
	struct slab_piece *piece = piece_there(address, chunk);

	return piece && slab_piece_start(piece) == address ? piece : NULL;
}

/* Where the memory lies that is to go back to the driver once the lock is let go. */
static uint64_t chunk_forget(struct chunk *chunk)
{
	uint64_t start = chunk->slab->start;

	slabs_remove(&chunk->owner->slabs, chunk->slab);
	HASH_DEL(chunks, chunk);
	free(chunk);
	return start;
}

static struct slab *chunk_add(struct owner *owner, uint64_t start, uint64_t bytes)
{
	struct chunk *chunk = calloc(1, sizeof(*chunk));

	if (!chunk)
		return NULL;
	chunk->granule = start >> GRANULE_BITS;
	chunk->owner = owner;
	chunk->slab = slabs_add(&owner->slabs, start, bytes);
	if (chunk->slab) {
		HASH_ADD(hh, chunks, granule, sizeof(chunk->granule), chunk);
		if (!chunk->lost) {
			admission_reclaims(RECLAIM_SPARE, give_back_empty);
			atomic_store(&any, true);
			return chunk->slab;
		}
		slabs_remove(&owner->slabs, chunk->slab);
	}
	free(chunk);
	return NULL;
}

static CUresult set_sync_memops(struct slab_piece *piece, bool on)
{
	const unsigned int value = on;
	CUresult result = CUDA_SUCCESS;

	if (slab_sync_memops_must_change(piece, on))
		result = real(cuPointerSetAttribute)(&value, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS,
						     slab_of(piece)->start);
	if (result == CUDA_SUCCESS)
		slab_piece_set_sync_memops(piece, on);
	return result;
}

static uint64_t piece_give(struct slab_piece *piece)
{
	struct chunk *chunk = chunk_at(slab_piece_start(piece));

	if (piece->sync_memops)
		set_sync_memops(piece, false);
	return slab_give(&chunk->owner->slabs, piece) ? chunk_forget(chunk) : 0;
}

/* Of those that were freed and are not in use any more, one whose slab is to go; 0: none is. */
static uint64_t next_to_go(struct owner *owner)
{
	struct slab_piece *piece;
	uint64_t start = 0;

	while (!start && (piece = slabs_unpark(&owner->slabs, false))) {
		CUevent event = piece->free_after;

		start = piece_give(piece);
		if (event)
			real(cuEventDestroy_v2)(event);
	}
	return start;
}

/* --- no lock is held from here on
 * ------------------------------------------------------------- */

/* The driver is asked in the memory's own context. */
static CUresult give_to_driver(CUcontext context, uint64_t start)
{
	bool entered = real(cuCtxPushCurrent_v2)(context) == CUDA_SUCCESS;
	CUresult result = admission_free(start, real(cuMemFree_v2));

	if (entered)
		real(cuCtxPopCurrent_v2)(NULL);
	return result;
}

static void give_ripe(struct owner *owner, CUcontext context)
{
	uint64_t start;

	do {
		lock_take(&lock);
		start = 0;
		if (owner->context == context) {
			free_mark_ripe(&owner->slabs, context);
			start = next_to_go(owner);
		}
		lock_give(&lock);
		if (start)
			give_to_driver(context, start);
	} while (start);
}

static bool driver_can(void)
{
	return real(cuMemAlloc_v2) && real(cuMemFree_v2) && real(cuCtxGetCurrent) &&
	       real(cuCtxPushCurrent_v2) && real(cuCtxPopCurrent_v2) &&
	       real(cuCtxSynchronize) && real(cuEventCreate) && real(cuEventRecord) &&
	       real(cuEventQuery) && real(cuEventDestroy_v2);
}

static bool serves(uint64_t bytes)
{
	const struct settings *settings = settings_get();

	return slab_serves(bytes) && bytes < settings->min_bytes &&
	       bytes >= settings->driver_below_bytes && !captures_forbid() && driver_can();
}

/* 0: no slab has room. */
static uint64_t take(struct owner *owner, CUcontext context, uint64_t bytes)
{
	struct slab *slab;
	uint64_t address = 0;

	lock_take(&lock);
	slab = owner->context == context ? slabs_with_room(&owner->slabs, bytes) : NULL;
	if (slab)
		address = slab_take(&owner->slabs, slab, bytes, next_id++);
	lock_give(&lock);
	return address;
}

static CUresult take_of_new_one(struct owner *owner, CUcontext context, uint64_t bytes,
				CUdeviceptr *out)
{
	CUdeviceptr start = 0;
	CUresult result = admission_alloc(SLAB_BYTES, real(cuMemAlloc_v2), &start);
	struct slab *slab;

	if (result != CUDA_SUCCESS)
		return result;
	lock_take(&lock);
	slab = owner->context == context ? chunk_add(owner, start, bytes) : NULL;
	if (slab)
		*out = slab_take(&owner->slabs, slab, bytes, next_id++);
	lock_give(&lock);
	if (slab)
		return CUDA_SUCCESS;
	give_to_driver(context, start);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

enum pager_answer driver_slabs_alloc(uint64_t bytes, CUdeviceptr *out, CUresult *result)
{
	CUcontext context = NULL;
	struct owner *owner;
	uint64_t address;
	int device;

	*result = CUDA_ERROR_OUT_OF_MEMORY;
	if (!serves(bytes) || admission_current_device(bytes, &device) != CUDA_SUCCESS ||
	    device < 0 || real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS || !context)
		return PAGER_DECLINED;
	lock_take(&lock);
	owner = owner_of(context, device);
	lock_give(&lock);
	if (!owner)
		return PAGER_REFUSED;
	give_ripe(owner, context);
	address = take(owner, context, bytes);
	*result = CUDA_SUCCESS;
	if (address)
		*out = address;
	else
		*result = take_of_new_one(owner, context, bytes, out);
	return *result == CUDA_SUCCESS ? PAGER_DONE : PAGER_REFUSED;
}

bool driver_slabs_hold(CUdeviceptr address)
{
	bool held;

	if (!atomic_load_explicit(&any, memory_order_relaxed))
		return false;
	lock_take(&lock);
	held = chunk_at(address) != NULL;
	lock_give(&lock);
	return held;
}

/* False: the address is in none. NULL in *owner: nothing of the program's begins there. */
static bool owner_to_free(CUdeviceptr address, struct owner **owner, CUcontext *context)
{
	struct chunk *chunk;

	*owner = NULL;
	if (!atomic_load_explicit(&any, memory_order_relaxed))
		return false;
	lock_take(&lock);
	if (piece_to_free(address, &chunk)) {
		*owner = chunk->owner;
		*context = chunk->owner->context;
	}
	lock_give(&lock);
	return chunk != NULL;
}

/* It is freed: at once, or once `event` is over; `later`: or the context has been idle. Another
 * thread may have been quicker. */
static CUresult release(CUdeviceptr address, CUcontext context, bool later, CUevent event)
{
	struct slab_piece *piece;
	struct chunk *chunk;
	uint64_t start = 0;

	lock_take(&lock);
	piece = piece_to_free(address, &chunk);
	if (piece && chunk->owner->context != context)
		piece = NULL;
	if (piece && later)
		slab_park(&chunk->owner->slabs, piece, event);
	else if (piece)
		start = piece_give(piece);
	lock_give(&lock);
	if (start)
		give_to_driver(context, start);
	return piece ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

enum pager_answer driver_slabs_free(CUdeviceptr address, CUresult *result)
{
	struct owner *owner;
	CUcontext context;
	bool captured;

	if (!owner_to_free(address, &owner, &context))
		return PAGER_DECLINED;
	*result = CUDA_ERROR_INVALID_VALUE;
	if (!owner)
		return PAGER_DONE;
	*result = free_await_idle(context, &captured);
	if (*result == CUDA_SUCCESS)
		*result = release(address, context, captured, NULL);
	give_ripe(owner, context);
	return PAGER_DONE;
}

enum pager_answer driver_slabs_free_after(CUdeviceptr address, CUstream stream,
					  CUresult *result)
{
	CUcontext context, current = NULL;
	struct owner *owner;
	CUevent event;

	if (!owner_to_free(address, &owner, &context))
		return PAGER_DECLINED;
	*result = CUDA_ERROR_INVALID_VALUE;
	if (!owner)
		return PAGER_DONE;
	if (real(cuCtxGetCurrent)(&current) != CUDA_SUCCESS || current != context) {
		*result = real(cuStreamSynchronize)(stream);
		if (*result == CUDA_SUCCESS)
			*result = release(address, context, false, NULL);
		return PAGER_DONE;
	}
	event = streams_event_behind(stream, result);
	if (!event)
		return PAGER_DONE;
	*result = release(address, context, true, event);
	if (*result != CUDA_SUCCESS)
		real(cuEventDestroy_v2)(event);
	return PAGER_DONE;
}

bool driver_slabs_at(CUdeviceptr address, struct pager_component *out)
{
	struct slab_piece *piece;
	struct chunk *chunk;

	if (!atomic_load_explicit(&any, memory_order_relaxed))
		return false;
	lock_take(&lock);
	piece = piece_there(address, &chunk);
	if (piece)
		*out = (struct pager_component){.start = slab_piece_start(piece),
						.bytes = piece->bytes,
						.id = piece->id | 1ull << 61,
						.context = chunk->owner->context,
						.device = chunk->owner->device,
						.sync_memops = piece->sync_memops,
						.in_driver = true};
	lock_give(&lock);
	return piece != NULL;
}

bool driver_slabs_set_sync_memops(CUdeviceptr address, bool on, CUresult *result)
{
	struct slab_piece *piece;
	struct chunk *chunk;

	if (!atomic_load_explicit(&any, memory_order_relaxed) || !real(cuPointerSetAttribute))
		return false;
	lock_take(&lock);
	piece = piece_there(address, &chunk);
	if (piece)
		*result = set_sync_memops(piece, on);
	lock_give(&lock);
	return piece != NULL;
}

/* The lowest addresses are nobody's. */
#define NOWHERE SLAB_UNIT_BYTES

CUdeviceptr driver_slabs_shown(CUdeviceptr address)
{
	struct chunk *chunk;
	bool freed;

	if (!atomic_load_explicit(&any, memory_order_relaxed))
		return address;
	lock_take(&lock);
	chunk = chunk_at(address);
	freed = chunk && !slab_left_bytes(chunk->slab, address);
	lock_give(&lock);
	return freed ? NOWHERE : address;
}

/* One that nothing is taken from, forgotten; 0: there is none on the device. */
static uint64_t forget_empty(int device, CUcontext *context)
{
	uint64_t start = 0;

	lock_take(&lock);
	for (struct owner *owner = owners; owner && !start; owner = owner->next) {
		struct slab *slab = owner->context && owner->device == device
					? slabs_empty(&owner->slabs)
					: NULL;

		if (!slab)
			continue;
		*context = owner->context;
		start = chunk_forget(chunk_at(slab->start));
	}
	lock_give(&lock);
	return start;
}

uint64_t driver_slabs_empty_bytes(int device)
{
	uint64_t bytes = 0;

	if (!atomic_load_explicit(&any, memory_order_relaxed))
		return 0;
	lock_take(&lock);
	for (const struct owner *owner = owners; owner; owner = owner->next)
		if (owner->context && owner->device == device)
			bytes += owner->slabs.empty_count * SLAB_BYTES;
	lock_give(&lock);
	return bytes;
}

/* All that are empty, however much is asked for. */
static bool give_back_empty(int device, uint64_t bytes)
{
	CUcontext context;
	uint64_t start;
	bool gone = false;

	(void)bytes;
	if (!atomic_load_explicit(&any, memory_order_relaxed) || captures_any())
		return false;
	while ((start = forget_empty(device, &context)))
		gone = give_to_driver(context, start) == CUDA_SUCCESS || gone;
	return gone;
}

void driver_slabs_context_ended(CUcontext context)
{
	struct chunk *chunk, *next;

	if (!context || !atomic_load_explicit(&any, memory_order_relaxed))
		return;
	lock_take(&lock);
	for (chunk = chunks; chunk; chunk = next) {
		next = chunk->hh.next;
		if (chunk->owner->context == context)
			chunk_forget(chunk);
	}
	for (struct owner *owner = owners; owner; owner = owner->next)
		if (owner->context == context)
			owner->context = NULL;
	lock_give(&lock);
}

void driver_slabs_fork_prepare(void)
{
	lock_take(&lock);
}

void driver_slabs_fork_parent(void)
{
	lock_give(&lock);
}

/* It has no CUDA, and a context of its own may get the name of one that it lacks. */
void driver_slabs_fork_child(void)
{
	for (struct owner *owner = owners; owner; owner = owner->next) {
		owner->context = NULL;
		owner->slabs = (struct slabs){0};
	}
	chunks = NULL;
	atomic_store(&any, false);
	lock_give(&lock);
}
