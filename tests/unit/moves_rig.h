/*
 * A GPU of a few frames behind the table of driver functions, for unit tests of what moves
 * blocks. A frame's content is one number. What is put into a stream stays pending until
 * somebody waits for it (or the test lets it run): so a move that does not wait is seen, as are
 * a frame given away or an address mapped while work that touches it is pending, accesses
 * without a mapping, and calls that a driver must refuse. `rig.wrong` then says what.
 */
#ifndef MOVES_RIG_H
#define MOVES_RIG_H

#include "driver/driver.h"
#include "memory/block.h"
#include "memory/mapping.h"
#include "account/ledger.h"
#include "pager/pager.h"
#include "move/batch.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define RIG_FRAMES 512
#define RIG_MAPPINGS 1024
#define RIG_OPERATIONS 8192
#define RIG_EVENTS 512
#define RIG_BLOCKS 16

enum rig_call {
	CALL_COPY,
	CALL_HASH,
	CALL_MAP,
	CALL_UNMAP,
	CALL_ACCESS,
	CALL_SET,
	CALL_READ_SUMS,
	CALL_WAIT,
	CALL_RECORD,
	CALL_EVENT,
	CALL_CURRENT,
	CALL_PUSH,
	RIG_CALLS
};

struct rig_frame {
	bool made, host;
	uint64_t bytes, content;
};
struct rig_mapping {
	CUdeviceptr at;
	uint64_t bytes;
	size_t frame; /* 0: none */
	bool accessible;
};
enum rig_kind { RIG_COPY, RIG_HASH, RIG_RECORD, RIG_WAIT, RIG_READ_SUMS };
struct rig_operation {
	enum rig_kind kind;
	CUstream stream;
	bool over;
	CUdeviceptr to, from; /* of a copy: aliases; of a hash: its row, its sums */
	uint64_t count;	      /* bytes, rows, of RECORD the event, of WAIT the record + 1 */
	void *host;
};

static struct {
	struct rig_frame frames[RIG_FRAMES];
	struct rig_mapping mappings[RIG_MAPPINGS];
	struct rig_operation operations[RIG_OPERATIONS];
	size_t frame_count, operation_count, event_count, destroyed_events;
	size_t record_of[RIG_EVENTS]; /* operation + 1 */
	CUdeviceptr reserved_upto;
	uint64_t sums[4096]; /* what device memory at the scratch frame holds */
	/* By call: the nth from now fails, and failing_for calls in a row in all. */
	int failing_in[RIG_CALLS], failing_for[RIG_CALLS];
	size_t calls[RIG_CALLS], refused;
	CUcontext current, pushed[8];
	size_t pushed_count;
	const char *wrong;
	void (*beside)(void); /* what goes on during the next unmap or create; once */
	struct pager pager;
	uint32_t ids[RIG_BLOCKS];
} rig;

static void rig_wrong(const char *what)
{
	if (!rig.wrong)
		rig.wrong = what;
}

static void rig_go_on_beside(void)
{
	void (*beside)(void) = rig.beside;

	rig.beside = NULL;
	if (beside)
		beside();
}

static CUresult rig_fails(enum rig_call call)
{
	rig.calls[call]++;
	if (!rig.failing_for[call] || --rig.failing_in[call] > 0)
		return CUDA_SUCCESS;
	rig.failing_for[call]--;
	return CUDA_ERROR_UNKNOWN;
}

static inline void rig_fail(enum rig_call call, int nth, int times)
{
	rig.failing_in[call] = nth;
	rig.failing_for[call] = times;
}

static inline void rig_fail_no_more(void)
{
	memset(rig.failing_for, 0, sizeof(rig.failing_for));
}

/* --- addresses */

static struct rig_mapping *rig_mapping_at(CUdeviceptr at)
{
	for (size_t i = 0; i < RIG_MAPPINGS; i++)
		if (rig.mappings[i].frame && at - rig.mappings[i].at < rig.mappings[i].bytes)
			return &rig.mappings[i];
	return NULL;
}

static struct rig_frame *rig_reach(CUdeviceptr at)
{
	struct rig_mapping *mapping = rig_mapping_at(at);

	if (!mapping || !mapping->accessible) {
		rig_wrong("memory is reached that has no mapping, or no access");
		return NULL;
	}
	return &rig.frames[mapping->frame];
}

static CUresult rig_reserve(CUdeviceptr *at, size_t bytes, size_t alignment, CUdeviceptr hint,
			    unsigned long long flags)
{
	(void)alignment, (void)flags, (void)bytes;
	*at = hint ? hint : 0x600000000000ull;
	return CUDA_SUCCESS;
}

static CUresult rig_free_addresses(CUdeviceptr at, size_t bytes)
{
	(void)at, (void)bytes;
	return CUDA_SUCCESS;
}

static CUresult rig_create(CUmemGenericAllocationHandle *handle, size_t bytes,
			   const CUmemAllocationProp *prop, unsigned long long flags)
{
	(void)flags;
	if (rig.frame_count + 1 == RIG_FRAMES)
		return CUDA_ERROR_OUT_OF_MEMORY;
	rig_go_on_beside();
	*handle = ++rig.frame_count;
	rig.frames[*handle] = (struct rig_frame){
	    true, prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE, bytes, 0};
	return CUDA_SUCCESS;
}

static bool rig_pending_on(size_t frame)
{
	for (size_t i = 0; i < rig.operation_count; i++) {
		const struct rig_operation *op = &rig.operations[i];
		const struct rig_mapping *to = rig_mapping_at(op->to),
					 *from = rig_mapping_at(op->from);

		if (!op->over && op->kind == RIG_COPY &&
		    ((to && to->frame == frame) || (from && from->frame == frame)))
			return true;
	}
	return false;
}

static CUresult rig_release(CUmemGenericAllocationHandle handle)
{
	rig.frames[handle].made = false;
	return CUDA_SUCCESS;
}

static CUresult rig_map_frame(CUdeviceptr at, size_t bytes, size_t frame, bool accessible)
{
	for (size_t i = 0; i < RIG_MAPPINGS; i++)
		if (!rig.mappings[i].frame) {
			rig.mappings[i] = (struct rig_mapping){at, bytes, frame, accessible};
			return CUDA_SUCCESS;
		}
	return CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult rig_map(CUdeviceptr at, size_t bytes, size_t offset,
			CUmemGenericAllocationHandle handle, unsigned long long flags)
{
	CUresult result = rig_fails(CALL_MAP);

	(void)flags;
	if (result != CUDA_SUCCESS)
		return result;
	if (rig_mapping_at(at) || offset || bytes != rig.frames[handle].bytes) {
		rig_wrong("mapped where something is mapped, or not the whole frame");
		return CUDA_ERROR_INVALID_VALUE;
	}
	if (rig_pending_on(handle))
		rig_wrong("mapped while a copy of the frame was pending");
	return rig_map_frame(at, bytes, handle, false);
}

/* Plain pinned memory: there from the start, and where nobody else maps anything. */
static CUresult rig_host_alloc(void **at, size_t bytes, unsigned int flags)
{
	static uintptr_t next = 0x100000000000ull;

	if (rig.frame_count + 1 == RIG_FRAMES)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!(flags & CU_MEMHOSTALLOC_PORTABLE))
		rig_wrong("memory in RAM that other contexts cannot reach");
	*at = (void *)next;
	rig.frames[++rig.frame_count] = (struct rig_frame){true, true, bytes, 0};
	next += bytes;
	return rig_map_frame((CUdeviceptr)(uintptr_t)*at, bytes, rig.frame_count, true);
}

static CUresult rig_free_host(void *at)
{
	struct rig_mapping *mapping = rig_mapping_at((CUdeviceptr)(uintptr_t)at);

	rig.frames[mapping->frame].made = false;
	mapping->frame = 0;
	return CUDA_SUCCESS;
}

static CUresult rig_unmap(CUdeviceptr at, size_t bytes)
{
	struct rig_mapping *mapping = rig_mapping_at(at);
	CUresult result = rig_fails(CALL_UNMAP);

	if (result != CUDA_SUCCESS)
		return result;
	if (!mapping || mapping->at != at || mapping->bytes != bytes) {
		rig_wrong("unmapped what is not mapped");
		return CUDA_ERROR_INVALID_VALUE;
	}
	mapping->frame = 0;
	rig_go_on_beside();
	return CUDA_SUCCESS;
}

static CUresult rig_allow(CUdeviceptr at, size_t bytes, const CUmemAccessDesc *desc,
			  size_t count)
{
	CUresult result = rig_fails(CALL_ACCESS);

	(void)desc, (void)count;
	if (result != CUDA_SUCCESS)
		return result;
	for (CUdeviceptr reached = at; reached < at + bytes;) {
		struct rig_mapping *mapping = rig_mapping_at(reached);

		if (!mapping) {
			rig.refused++;
			return CUDA_ERROR_INVALID_VALUE;
		}
		reached = mapping->at + mapping->bytes;
	}
	for (CUdeviceptr reached = at; reached < at + bytes;) {
		struct rig_mapping *mapping = rig_mapping_at(reached);

		mapping->accessible = true;
		reached = mapping->at + mapping->bytes;
	}
	return CUDA_SUCCESS;
}

/* --- streams and events */

static struct rig_operation *rig_put(enum rig_kind kind, CUstream stream)
{
	struct rig_operation *op = &rig.operations[rig.operation_count++];

	cr_assert(rig.operation_count < RIG_OPERATIONS);
	*op = (struct rig_operation){.kind = kind, .stream = stream};
	return op;
}

static bool rig_is_spare(const struct rig_frame *frame)
{
	size_t handle = (size_t)(frame - rig.frames);

	for (int host = 0; host < 2; host++)
		for (unsigned int c = 0; c < FRAME_CLASSES; c++)
			for (const struct frame *spare = rig.pager.memory.frames.spare[host][c];
			     spare; spare = spare->next)
				if (rig_mapping_at(spare->alias)->frame == handle)
					return true;
	return false;
}

static void rig_copy_now(const struct rig_operation *op)
{
	struct rig_frame *to = rig_reach(op->to), *from = rig_reach(op->from);

	if (!to || !from)
		return;
	if (op->count != to->bytes || op->count != from->bytes)
		rig_wrong("a copy of less or more than the frame");
	if (rig_is_spare(to) || rig_is_spare(from))
		rig_wrong("a copy ran that touches a spare frame");
	to->content = from->content;
}

static size_t rig_sums_at(CUdeviceptr at)
{
	return (size_t)(at - rig.pager.memory.hash_scratch->alias) / 8 % 4096;
}

static void rig_hash_now(const struct rig_operation *op)
{
	const uint64_t *row = op->host;

	for (uint64_t i = 0; i < op->count; i++) {
		struct rig_frame *frame = rig_reach(row[2 * i]);

		if (!frame)
			return;
		if (row[2 * i + 1] != frame->bytes)
			rig_wrong("a hash of less or more than the frame");
		rig.sums[rig_sums_at(op->to) + 2 * i] = frame->content;
		rig.sums[rig_sums_at(op->to) + 2 * i + 1] = ~frame->content;
	}
}

static void rig_run_upto(CUstream stream, size_t end);

static void rig_run_one(struct rig_operation *op)
{
	if (op->over)
		return;
	op->over = true;
	if (op->kind == RIG_COPY)
		rig_copy_now(op);
	else if (op->kind == RIG_HASH)
		rig_hash_now(op);
	else if (op->kind == RIG_READ_SUMS)
		memcpy(op->host, &rig.sums[rig_sums_at(op->from)], op->count);
	else if (op->kind == RIG_WAIT && op->count)
		rig_run_upto(rig.operations[op->count - 1].stream, op->count);
}

static void rig_run_upto(CUstream stream, size_t end)
{
	for (size_t i = 0; i < end; i++)
		if (rig.operations[i].stream == stream)
			rig_run_one(&rig.operations[i]);
}

/* The GPU has time: all that is pending ends. */
static void rig_run(void)
{
	for (size_t i = 0; i < rig.operation_count; i++)
		rig_run_upto(rig.operations[i].stream, i + 1);
}

static bool rig_is_pending(CUstream stream)
{
	for (size_t i = 0; i < rig.operation_count; i++)
		if (rig.operations[i].stream == stream && !rig.operations[i].over)
			return true;
	return false;
}

static CUresult rig_synchronize(CUstream stream)
{
	rig_run_upto(stream, rig.operation_count);
	return CUDA_SUCCESS;
}

static CUresult rig_query(CUstream stream)
{
	return rig_is_pending(stream) ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

static CUresult rig_event_create(CUevent *event, unsigned int flags)
{
	CUresult result = rig_fails(CALL_EVENT);

	(void)flags;
	if (result != CUDA_SUCCESS)
		return result;
	*event = (CUevent)(uintptr_t)++rig.event_count;
	cr_assert(rig.event_count < RIG_EVENTS);
	return CUDA_SUCCESS;
}

static CUresult rig_record(CUevent event, CUstream stream)
{
	CUresult result = rig_fails(CALL_RECORD);

	if (result != CUDA_SUCCESS)
		return result;
	rig_put(RIG_RECORD, stream)->count = (uintptr_t)event;
	rig.record_of[(uintptr_t)event] = rig.operation_count;
	return CUDA_SUCCESS;
}

static CUresult rig_event_destroy(CUevent event)
{
	rig.destroyed_events++;
	(void)event;
	return CUDA_SUCCESS;
}

static CUresult rig_event_query(CUevent event)
{
	size_t record = rig.record_of[(uintptr_t)event];

	return !record || rig.operations[record - 1].over ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

static CUresult rig_event_synchronize(CUevent event)
{
	size_t record = rig.record_of[(uintptr_t)event];

	if (record)
		rig_run_upto(rig.operations[record - 1].stream, record);
	return CUDA_SUCCESS;
}

static CUresult rig_wait_event(CUstream stream, CUevent event, unsigned int flags)
{
	CUresult result = rig_fails(CALL_WAIT);

	(void)flags;
	if (result == CUDA_SUCCESS)
		rig_put(RIG_WAIT, stream)->count = rig.record_of[(uintptr_t)event];
	return result;
}

/* --- work */

static CUresult rig_copy(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)
{
	CUresult result = rig_fails(CALL_COPY);
	struct rig_operation *op;

	if (result != CUDA_SUCCESS)
		return result;
	op = rig_put(RIG_COPY, stream);
	op->to = to;
	op->from = from;
	op->count = bytes;
	return CUDA_SUCCESS;
}

static uint64_t *rig_table; /* what was uploaded for the next hash */
static size_t rig_table_rows;

static CUresult rig_upload(CUdeviceptr to, const void *from, size_t bytes, CUstream stream)
{
	(void)to, (void)stream;
	rig_table = realloc(rig_table, bytes);
	memcpy(rig_table, from, bytes);
	rig_table_rows = bytes / 16;
	return CUDA_SUCCESS;
}

static CUresult rig_download(void *to, CUdeviceptr from, size_t bytes, CUstream stream)
{
	CUresult result = rig_fails(CALL_READ_SUMS);
	struct rig_operation *op;

	if (result != CUDA_SUCCESS)
		return result;
	op = rig_put(RIG_READ_SUMS, stream);
	op->host = to;
	op->from = from;
	op->count = bytes;
	return CUDA_SUCCESS;
}

static CUresult rig_set(CUdeviceptr at, unsigned char value, size_t bytes, CUstream stream)
{
	(void)at, (void)value, (void)bytes, (void)stream;
	return rig_fails(CALL_SET);
}

static CUresult rig_launch(CUfunction function, unsigned int x, unsigned int y, unsigned int z,
			   unsigned int bx, unsigned int by, unsigned int bz,
			   unsigned int shared, CUstream stream, void **params, void **extra)
{
	CUresult result = rig_fails(CALL_HASH);
	CUdeviceptr row = *(CUdeviceptr *)params[0];
	struct rig_operation *op;

	(void)function, (void)x, (void)z, (void)bx, (void)by, (void)bz, (void)shared,
	    (void)extra;
	if (result != CUDA_SUCCESS)
		return result;
	op = rig_put(RIG_HASH, stream);
	/* A row in the scratch frame is what was uploaded there; another lies in RAM. */
	op->host =
	    row == rig.pager.memory.hash_scratch->alias ? rig_table : (void *)(uintptr_t)row;
	op->count = y;
	op->to = *(CUdeviceptr *)params[1];
	return CUDA_SUCCESS;
}

static CUresult rig_current(CUcontext *context)
{
	*context = rig.current;
	return rig_fails(CALL_CURRENT);
}

static CUresult rig_push_context(CUcontext context)
{
	CUresult result = rig_fails(CALL_PUSH);

	if (result != CUDA_SUCCESS)
		return result;
	rig.pushed[rig.pushed_count++] = rig.current;
	rig.current = context;
	return CUDA_SUCCESS;
}

static CUresult rig_pop_context(CUcontext *context)
{
	if (context || !rig.pushed_count) {
		rig_wrong("a context is popped that was not pushed");
		return CUDA_ERROR_INVALID_CONTEXT;
	}
	rig.current = rig.pushed[--rig.pushed_count];
	return CUDA_SUCCESS;
}

static CUresult rig_context_synchronize(void)
{
	rig_run();
	return CUDA_SUCCESS;
}

/* --- the pager */

static void rig_moved(struct mover *mover, uint32_t block, bool to_device)
{
	(void)mover;
	policy_block_moved(rig.pager.policy, block, to_device);
}

static void rig_start_with(bool plain_host)
{
	static const struct policy_config config = {
	    .cap_bytes = 256 * MIB, .h2d_bytes_per_s = 25e9, .d2h_bytes_per_s = 25e9};
	struct pager *pager = &rig.pager;

	setenv("LOWTIDE_TEST_THREAD", "0", 1);
	setenv("LOWTIDE_LOG", "off", 1);
	lt_driver.cuMemAddressReserve = rig_reserve;
	lt_driver.cuMemAddressFree = rig_free_addresses;
	lt_driver.cuMemCreate = rig_create;
	lt_driver.cuMemRelease = rig_release;
	lt_driver.cuMemMap = rig_map;
	lt_driver.cuMemUnmap = rig_unmap;
	lt_driver.cuMemSetAccess = rig_allow;
	lt_driver.cuMemHostAlloc = rig_host_alloc;
	lt_driver.cuMemFreeHost = rig_free_host;
	lt_driver.cuMemcpyAsync = rig_copy;
	lt_driver.cuMemcpyHtoDAsync_v2 = rig_upload;
	lt_driver.cuMemcpyDtoHAsync_v2 = rig_download;
	lt_driver.cuMemsetD8Async = rig_set;
	lt_driver.cuLaunchKernel = rig_launch;
	lt_driver.cuStreamSynchronize = rig_synchronize;
	lt_driver.cuStreamQuery = rig_query;
	lt_driver.cuStreamWaitEvent = rig_wait_event;
	lt_driver.cuEventCreate = rig_event_create;
	lt_driver.cuEventRecord = rig_record;
	lt_driver.cuEventQuery = rig_event_query;
	lt_driver.cuEventSynchronize = rig_event_synchronize;
	lt_driver.cuEventDestroy_v2 = rig_event_destroy;
	lt_driver.cuCtxGetCurrent = rig_current;
	lt_driver.cuCtxPushCurrent_v2 = rig_push_context;
	lt_driver.cuCtxPopCurrent_v2 = rig_pop_context;
	lt_driver.cuCtxSynchronize = rig_context_synchronize;
	ledger_open(0, 256 * MIB);
	rig.current = pager->memory.context = (CUcontext)&rig;
	pager->mover.memory = &pager->memory;
	pager->mover.moved = rig_moved;
	cr_assert(block_table_init(&pager->memory.table, 0));
	cr_assert(frame_pool_init(&pager->memory.frames, 0, 256 * MIB, plain_host));
	pager->mover.stream_in = (CUstream)(uintptr_t)0x10;
	pager->mover.stream_out = (CUstream)(uintptr_t)0x20;
	pager->mover.stream_hash_in = (CUstream)(uintptr_t)0x30;
	pager->mover.stream_hash_out = (CUstream)(uintptr_t)0x40;
	pager->memory.kernels.content_hash = (CUfunction)&rig;
	pager->memory.hash_scratch = frame_take(&pager->memory.frames, false, 0);
	pager->memory.hash_host = calloc(1, (size_t)128 << 10);
	lock_init(&pager->memory.lock, RANK_PAGER);
	pager->named.marked_in = calloc(RIG_BLOCKS * 4, sizeof(uint32_t));
	pager->named.blocks = calloc(RIG_BLOCKS * 4, sizeof(uint32_t));
	pager->actions = calloc(PAGER_ACTIONS, sizeof(*pager->actions));
	pager->moving = calloc((size_t)2 * PAGER_ACTIONS, sizeof(uint32_t));
	pager->policy = policy_create("lru", &config);
	cr_assert(pager->memory.hash_scratch != NULL && pager->policy != NULL);
}

static inline void rig_start(void)
{
	rig_start_with(false);
}

/* Cold memory has no mapping. */
static inline void rig_start_unmapped(void)
{
	rig_start_with(true);
}

/* A component of so many blocks of a class, all with that home; the content of block i is
 * `content` + i. Returns the id of its first. */
static inline uint32_t rig_component(size_t count, unsigned int size_class,
				     enum block_home home, uint64_t content)
{
	struct pager *pager = &rig.pager;
	struct component *component =
	    component_make(&pager->memory.table, count * frame_bytes(size_class), size_class,
			   pager->memory.context);
	uint32_t ids[RIG_BLOCKS];

	cr_assert(component != NULL && component->block_count == count && count <= RIG_BLOCKS);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t id = component->first_block + i;
		struct block *block = &pager->memory.table.blocks[id];
		struct frame *frame =
		    frame_take(&pager->memory.frames, home == HOME_HOST, size_class);

		cr_assert(frame != NULL);
		*(home == HOME_HOST ? &block->host : &block->device) = frame;
		rig_reach(frame->alias)->content = content + i;
		ids[i] = id;
		policy_block_added(pager->policy, id, block_bytes(block), block->component, 0,
				   home == HOME_DEVICE, 0);
	}
	cr_assert(eq(int, (int)mapping_make(&pager->memory, ids, count), CUDA_SUCCESS));
	return component->first_block;
}

static struct block *rig_block(uint32_t id)
{
	return &rig.pager.memory.table.blocks[id];
}

static inline void rig_ids(uint32_t first, size_t count, uint32_t *ids)
{
	for (uint32_t i = 0; i < count; i++)
		ids[i] = first + i;
}

/* Freed: its frames are spare again. */
static inline void rig_component_gone(uint32_t first)
{
	struct pager *pager = &rig.pager;
	struct component *component =
	    &pager->memory.table.components[rig_block(first)->component];

	for (uint32_t id = first; id < first + component->block_count; id++) {
		cr_assert(eq(int, (int)mapping_remove(&pager->memory, id), CUDA_SUCCESS));
		frame_give(&pager->memory.frames, rig_block(id)->device);
		frame_give(&pager->memory.frames, rig_block(id)->host);
		policy_block_removed(pager->policy, id);
	}
	component_unmake(&pager->memory.table, component);
}

/* So many, from that on. */
static inline void rig_evict(uint32_t first, size_t count)
{
	uint32_t ids[RIG_BLOCKS];

	rig_ids(first, count, ids);
	batch_move_out(&rig.pager.mover, ids, count);
}

static inline void rig_page_in(uint32_t first, size_t count)
{
	uint32_t ids[RIG_BLOCKS];

	rig_ids(first, count, ids);
	batch_move_in(&rig.pager.mover, ids, count);
}

/* What of a block has no mapping is reached where its frame lies. */
static inline CUdeviceptr rig_where(uint32_t id)
{
	const struct block *block = rig_block(id);

	return rig.pager.memory.frames.plain_host && atomic_load(&block->home) == HOME_HOST
		   ? block->host->alias
		   : block->address;
}

/* What the program reads at the block's address, and writes there. */
static inline uint64_t rig_read(uint32_t id)
{
	const struct rig_frame *frame = rig_reach(rig_where(id));

	return frame ? frame->content : UINT64_MAX;
}

static inline void rig_write(uint32_t id, uint64_t content)
{
	struct rig_frame *frame = rig_reach(rig_where(id));

	if (frame)
		frame->content = content;
}

/* Nothing wrong was seen, also if all that is pending runs now. */
static inline void rig_check(void)
{
	rig_run();
	cr_assert(rig.wrong == NULL, "%s", rig.wrong);
}

#define CHECK_HOME(id, wanted) cr_assert(eq(int, atomic_load(&rig_block(id)->home), wanted))
#define CHECK_CONTENT(id, wanted) cr_assert(eq(u64, rig_read(id), wanted))

#endif
