/*
 * Virtual memory management: addresses, frames, mappings and access, with the documented rules.
 * A mapping without access is mapped PROT_NONE, so that even an undeclared touch of it faults.
 * price.h has what each call costs.
 */
#include "sim.h"

#include "manner.h"
#include "price.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct frame {
	struct sim_physical memory;
	CUmemAllocationProp prop;
	size_t references, mappings;
	uint32_t generation;
	bool live, settled;
};

static struct frame
    *frames; /* guarded by the lock; never shrinks: a stale handle must answer, not crash */
static size_t frame_count, frame_room;
static unsigned long long next_id = 1;

static CUmemGenericAllocationHandle handle_of(size_t index)
{
	return (CUmemGenericAllocationHandle)frames[index].generation << 32 | (index + 1);
}

static struct frame *frame_of(CUmemGenericAllocationHandle handle)
{
	size_t index = (size_t)(handle & UINT32_MAX) - 1;

	if (!handle || index >= frame_count || !frames[index].live ||
	    handle_of(index) != handle)
		return NULL;
	return &frames[index];
}

/* A call that waits for kernels does so before it does anything else. */
static void wait_as_planted(enum sim_priced call)
{
	if (sim_prices.waits_for_kernels[call] && sim_context())
		sim_wait_context(sim_context());
}

static void pay(enum sim_priced call, bool host, uint64_t bytes, size_t mappings)
{
	sim_host_spend(sim_price_ns(call, host, bytes, mappings));
	sim_mapping_called();
}

/* For benchmarks of what stands before the driver: from then on memory is made, mapped and
 * freed in name only, which costs nothing however much there is. */
bool sim_null_memory_on;
static _Atomic uint64_t null_handles = 1ull << 40;
SIM_EXPORT void sim_null_memory(void)
{
	sim_null_memory_on = true;
}

/* --- frames
 * ----------------------------------------------------------------------------------------- */

static CUresult check_prop(const CUmemAllocationProp *prop, bool *host)
{
	if (!prop || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	switch ((int)prop->location.type) {
	case CU_MEM_LOCATION_TYPE_DEVICE:
		*host = false;
		return prop->location.id >= 0 && prop->location.id < sim_config.devices
			   ? CUDA_SUCCESS
			   : CUDA_ERROR_INVALID_DEVICE;
	case CU_MEM_LOCATION_TYPE_HOST_NUMA:
		*host = true;
		if (!sim_config.host_numa)
			return CUDA_ERROR_NOT_SUPPORTED;
		return prop->location.id == sim_config.numa_node ? CUDA_SUCCESS
								 : CUDA_ERROR_INVALID_VALUE;
	case CU_MEM_LOCATION_TYPE_HOST:
		*host = true;
		return sim_config.host_numa && sim_config.driver_version >= 13000
			   ? CUDA_SUCCESS
			   : CUDA_ERROR_NOT_SUPPORTED;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

SIM_EXPORT CUresult cuMemGetAllocationGranularity(size_t *bytes,
						  const CUmemAllocationProp *prop,
						  CUmemAllocationGranularity_flags option)
{
	bool host;
	CUresult result;

	SIM_CALL_ANYWHERE();
	(void)option;
	if (!bytes)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	result = check_prop(prop, &host);
	if (result == CUDA_SUCCESS)
		*bytes = SIM_PAGE;
	SIM_ANSWER(result);
}

static size_t frame_slot(void)
{
	for (size_t i = 0; i < frame_count; i++)
		if (!frames[i].live)
			return i;
	if (frame_count == frame_room) {
		size_t more = frame_room ? 2 * frame_room : 256;
		struct frame *grown = realloc(frames, more * sizeof(*grown));

		if (!grown)
			return SIZE_MAX;
		memset(grown + frame_room, 0, (more - frame_room) * sizeof(*grown));
		frames = grown;
		frame_room = more;
	}
	return frame_count++;
}

SIM_EXPORT CUresult cuMemCreate(CUmemGenericAllocationHandle *out, size_t bytes,
				const CUmemAllocationProp *prop, unsigned long long flags)
{
	struct sim_physical memory;
	bool host;
	CUresult result;
	size_t slot;

	if (sim_null_memory_on) {
		*out = ++null_handles;
		return CUDA_SUCCESS;
	}
	SIM_CALL_ANYWHERE();
	wait_as_planted(SIM_CREATE);
	result = check_prop(prop, &host);
	if (result != CUDA_SUCCESS)
		SIM_ANSWER(result);
	if (!out || flags || !bytes || bytes % SIM_PAGE)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	slot = frame_slot();
	if (slot == SIZE_MAX)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	result = sim_physical_take(host, host ? 0 : prop->location.id, bytes, &memory);
	pay(SIM_CREATE, host, bytes, 1);
	if (result != CUDA_SUCCESS)
		SIM_ANSWER(result);
	frames[slot] =
	    (struct frame){memory, *prop, 1, 0, frames[slot].generation + 1, true, false};
	*out = handle_of(slot);
	SIM_ANSWER(CUDA_SUCCESS);
}

static void frame_leave(struct frame *frame)
{
	if (frame->references || frame->mappings)
		return;
	sim_physical_give(&frame->memory);
	frame->live = false;
}

SIM_EXPORT CUresult cuMemRelease(CUmemGenericAllocationHandle handle)
{
	struct frame *frame;

	if (sim_null_memory_on)
		return CUDA_SUCCESS;
	SIM_CALL_ANYWHERE();
	wait_as_planted(SIM_RELEASE);
	frame = frame_of(handle);
	if (!frame || !frame->references)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	frame->references--;
	pay(SIM_RELEASE, frame->memory.host, frame->memory.bytes, 1);
	frame_leave(frame);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out,
						void *address)
{
	const struct sim_region *region;

	SIM_CALL_ANYWHERE();
	region = sim_region_at((uintptr_t)address);
	if (!out || !region || region->kind != SIM_MAPPED)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	frame_of(region->frame)->references++;
	*out = region->frame;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *prop,
							   CUmemGenericAllocationHandle handle)
{
	SIM_CALL_ANYWHERE();
	if (!prop || !frame_of(handle))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*prop = frame_of(handle)->prop;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle,
						 CUmemAllocationHandleType type,
						 unsigned long long flags)
{
	SIM_CALL_ANYWHERE();
	(void)out, (void)handle, (void)type, (void)flags;
	SIM_ANSWER(CUDA_ERROR_NOT_SUPPORTED);
}

SIM_EXPORT CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *out,
						   void *handle, CUmemAllocationHandleType type)
{
	SIM_CALL_ANYWHERE();
	(void)out, (void)handle, (void)type;
	SIM_ANSWER(CUDA_ERROR_NOT_SUPPORTED);
}

/* --- addresses
 * --------------------------------------------------------------------------------------- */

#define TIB ((double)((size_t)1 << 40))

static uint64_t reserved_bytes; /* in all; guarded by the lock */

/* What is kept of a reservation in VRAM: on the first card, since addresses are no card's. */
static uint64_t kept_bytes(size_t bytes)
{
	return (uint64_t)(sim_manners.reserve_vram_bytes * (double)bytes / TIB);
}

static CUresult reservation_allow(size_t bytes)
{
	double bound = sim_manners.address_bytes;

	if (bound > 0 && (double)reserved_bytes + (double)bytes > bound)
		return CUDA_ERROR_OUT_OF_MEMORY;
	sim_host_spend(sim_manners.reserve_ns * (double)bytes / TIB);
	return sim_vram_charge(0, kept_bytes(bytes));
}

SIM_EXPORT CUresult cuMemAddressReserve(CUdeviceptr *out, size_t bytes, size_t alignment,
					CUdeviceptr hint, unsigned long long flags)
{
	struct sim_region region = {.kind = SIM_RESERVED, .reservation = next_id++};
	size_t align = alignment > SIM_PAGE ? alignment : SIM_PAGE;
	uintptr_t start;
	void *at;

	SIM_CALL_ANYWHERE();
	if (!out || !bytes || bytes % SIM_PAGE || flags || (align & (align - 1)))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (reservation_allow(bytes) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	if (sim_prices.hints_ignored)
		hint = 0;
	at = mmap((void *)(uintptr_t)hint, bytes + align, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		sim_vram_return(0, kept_bytes(bytes));
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	}
	start = ((uintptr_t)at + align - 1) / align * align;
	if (start > (uintptr_t)at)
		munmap(at, start - (uintptr_t)at);
	munmap((void *)(start + bytes), (uintptr_t)at + align - start);
	region.start = start;
	region.end = start + bytes;
	if (!sim_region_add(&region)) {
		munmap((void *)start, bytes);
		sim_vram_return(0, kept_bytes(bytes));
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	}
	reserved_bytes += bytes;
	*out = start;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuMemAddressFree(CUdeviceptr address, size_t bytes)
{
	const struct sim_region *region;

	SIM_CALL_ANYWHERE();
	region = sim_region_at(address);
	if (!region || region->kind != SIM_RESERVED || region->start != address ||
	    region->end != address + bytes)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	reserved_bytes -= bytes;
	sim_vram_return(0, kept_bytes(bytes));
	sim_region_remove(address);
	munmap((void *)(uintptr_t)address, bytes);
	SIM_ANSWER(CUDA_SUCCESS);
}

/* --- mappings
 * ----------------------------------------------------------------------------------------- */

/* LOWTIDE_SIM_MAP_LOG: one line for each mapping made: virtual ns, address, bytes, where the
 * memory is. */
static void log_mapping(const struct sim_region *mapping)
{
	static FILE *log;
	static bool asked;

	if (!asked) {
		const char *path = getenv("LOWTIDE_SIM_MAP_LOG");

		asked = true;
		log = path && *path ? fopen(path, "we") : NULL;
	}
	if (log)
		fprintf(log, "%.0f %#lx %lu %s\n", sim_host_ns, (unsigned long)mapping->start,
			(unsigned long)(mapping->end - mapping->start),
			mapping->host ? "ram" : "vram");
}

SIM_EXPORT CUresult cuMemMap(CUdeviceptr address, size_t bytes, size_t offset,
			     CUmemGenericAllocationHandle handle, unsigned long long flags)
{
	struct sim_region mapping = {
	    .start = address, .end = address + bytes, .kind = SIM_MAPPED};
	const struct sim_region *hole;
	struct frame *frame;

	if (sim_null_memory_on)
		return CUDA_SUCCESS;
	SIM_CALL_ANYWHERE();
	wait_as_planted(SIM_MAP);
	frame = frame_of(handle);
	if (!frame || flags || offset || bytes != frame->memory.bytes || address % SIM_PAGE ||
	    !sim_region_reserved(address, address + bytes))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	hole = sim_region_at(address);
	mapping.reservation = hole->reservation;
	mapping.host = frame->memory.host;
	mapping.device = frame->memory.device;
	mapping.frame = handle;
	mapping.id = next_id++;
	pay(SIM_MAP, mapping.host, bytes, 1);
	if (mmap((void *)(uintptr_t)address, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED,
		 sim_physical_file(mapping.host, mapping.device),
		 (off_t)frame->memory.offset) == MAP_FAILED)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	if (!sim_region_map(&mapping))
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	frame->mappings++;
	log_mapping(&mapping);
	SIM_ANSWER(CUDA_SUCCESS);
}

/* Every byte of the range lies in mappings that begin and end inside it. */
static bool whole_mappings(CUdeviceptr start, size_t bytes)
{
	const struct sim_region *region = sim_region_at(start);
	uintptr_t at = start;

	for (; at < start + bytes; region = sim_region_after(region)) {
		if (!region || region->kind != SIM_MAPPED || region->start != at ||
		    region->end > start + bytes)
			return false;
		at = region->end;
	}
	return bytes != 0;
}

SIM_EXPORT CUresult cuMemUnmap(CUdeviceptr address, size_t bytes)
{
	uintptr_t at = address;

	if (sim_null_memory_on)
		return CUDA_SUCCESS;
	SIM_CALL_ANYWHERE();
	wait_as_planted(SIM_UNMAP);
	if (!whole_mappings(address, bytes))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	sim_check_remap(address, address + bytes);
	while (at < address + bytes) {
		const struct sim_region *region = sim_region_at(at);
		struct frame *frame = frame_of(region->frame);

		at = region->end;
		frame->mappings--;
		pay(SIM_UNMAP, region->host, at - region->start, 1);
		for (int device = 0; device < SIM_DEVICES; device++)
			sim_tables_follow(region, device, false);
		sim_region_unmap(region->start);
		frame_leave(frame);
	}
	if (mmap((void *)(uintptr_t)address, bytes, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		SIM_ANSWER(CUDA_ERROR_UNKNOWN);
	SIM_ANSWER(CUDA_SUCCESS);
}

static void protect(const struct sim_region *region)
{
	struct frame *frame = frame_of(region->frame);
	int protection = PROT_NONE;

	if (region->readable)
		protection = PROT_READ;
	if (region->writable)
		protection |= PROT_WRITE;
	mprotect((void *)region->start, region->end - region->start, protection);
	if (protection != PROT_NONE && !frame->settled) {
		sim_physical_settle(&frame->memory, region->start);
		frame->settled = true;
	}
}

static CUresult set_access(struct sim_region *region, const CUmemAccessDesc *desc)
{
	unsigned int bit = 1u << desc->location.id;

	if (desc->location.type == CU_MEM_LOCATION_TYPE_HOST ||
	    desc->location.type == CU_MEM_LOCATION_TYPE_HOST_NUMA)
		return region->host ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	if (desc->location.type != CU_MEM_LOCATION_TYPE_DEVICE || desc->location.id < 0 ||
	    desc->location.id >= sim_config.devices)
		return CUDA_ERROR_INVALID_VALUE;
	if (!region->host && region->device != desc->location.id && !sim_config.peers)
		return CUDA_ERROR_INVALID_DEVICE;
	if (sim_tables_follow(region, desc->location.id,
			      desc->flags != CU_MEM_ACCESS_FLAGS_PROT_NONE) != CUDA_SUCCESS)
		return CUDA_ERROR_OUT_OF_MEMORY;
	region->readable &= ~bit;
	region->writable &= ~bit;
	if (desc->flags == CU_MEM_ACCESS_FLAGS_PROT_READ ||
	    desc->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
		region->readable |= bit;
	if (desc->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
		region->writable |= bit;
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuMemSetAccess(CUdeviceptr address, size_t bytes,
				   const CUmemAccessDesc *desc, size_t count)
{
	struct sim_region *region;
	uintptr_t at = address;
	uint64_t paid_bytes[2] = {0};
	size_t mappings[2] = {0};

	if (sim_null_memory_on)
		return CUDA_SUCCESS;
	SIM_CALL_ANYWHERE();
	wait_as_planted(SIM_SET_ACCESS);
	if (!desc || !count || !whole_mappings(address, bytes))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (sim_prices.not_ready_under_load && sim_working()) {
		sim_host_spend(SIM_NOT_YET_NS);
		SIM_ANSWER(CUDA_ERROR_NOT_READY);
	}
	for (; at < address + bytes; at = region->end) {
		unsigned int readable, writable;

		region = sim_region_at(at);
		readable = region->readable;
		writable = region->writable;
		for (size_t i = 0; i < count; i++) {
			CUresult result = set_access(region, &desc[i]);

			if (result != CUDA_SUCCESS)
				SIM_ANSWER(result);
		}
		if ((readable & ~region->readable) || (writable & ~region->writable))
			sim_check_remap(region->start, region->end);
		protect(region);
		paid_bytes[region->host] += region->end - region->start;
		mappings[region->host]++;
	}
	for (int host = 0; host < 2; host++)
		if (mappings[host])
			pay(SIM_SET_ACCESS, host, paid_bytes[host], mappings[host]);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location,
				   CUdeviceptr address)
{
	const struct sim_region *region;

	SIM_CALL_ANYWHERE();
	region = sim_region_at(address);
	if (!flags || !location || !region || region->kind != SIM_MAPPED || location->id < 0 ||
	    location->id >= sim_config.devices)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
	if (region->readable & 1u << location->id)
		*flags = CU_MEM_ACCESS_FLAGS_PROT_READ;
	if (region->writable & 1u << location->id)
		*flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	SIM_ANSWER(CUDA_SUCCESS);
}
