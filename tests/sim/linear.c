/* Memory that is mapped for good when it is made: device memory, pinned and registered RAM,
 * managed memory. */
#include "sim.h"

#include "capture.h"
#include "managed.h"
#include "pool.h"
#include "price.h"

#include <stdlib.h>
#include <sys/mman.h>

#define ALIGNMENT ((size_t)512)
#define SMALL (SIM_PAGE / 2) /* below this, allocations share a page, as the driver's do */

/* A page that small allocations of one context share. */
struct slab {
	struct slab *next;
	CUcontext context;
	uintptr_t start;
	struct sim_physical memory;
	size_t live, used; /* allocations; bytes handed out from the front */
};

static struct slab *slabs; /* guarded by the lock */
static unsigned long long next_id = 1;

/* At a multiple of the page size, as a card's driver does. */
static uintptr_t map_file(const struct sim_physical *memory, size_t bytes)
{
	uintptr_t start;
	void *at = mmap(NULL, bytes + SIM_PAGE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return 0;
	start = ((uintptr_t)at + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
	if (mmap((void *)start, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 sim_physical_file(memory->host, memory->device),
		 (off_t)memory->offset) == MAP_FAILED) {
		munmap(at, bytes + SIM_PAGE);
		return 0;
	}
	if (start > (uintptr_t)at)
		munmap(at, start - (uintptr_t)at);
	munmap((void *)(start + bytes), (uintptr_t)at + SIM_PAGE - start);
	return start;
}

static struct slab *slab_with_room(CUcontext context, size_t bytes)
{
	struct slab *slab = slabs;

	while (slab && (slab->context != context || slab->used + bytes > SIM_PAGE))
		slab = slab->next;
	if (slab)
		return slab;
	slab = calloc(1, sizeof(*slab));
	if (!slab || sim_physical_take(false, context->device, SIM_PAGE, &slab->memory) !=
			 CUDA_SUCCESS) {
		free(slab);
		return NULL;
	}
	slab->start = map_file(&slab->memory, SIM_PAGE);
	if (!slab->start) {
		sim_physical_give(&slab->memory);
		free(slab);
		return NULL;
	}
	slab->context = context;
	slab->next = slabs;
	slabs = slab;
	return slab;
}

static void slab_leave(uintptr_t address)
{
	for (struct slab **link = &slabs; *link; link = &(*link)->next) {
		struct slab *slab = *link;

		if (address < slab->start || address >= slab->start + SIM_PAGE)
			continue;
		if (--slab->live)
			return;
		munmap((void *)slab->start, SIM_PAGE);
		sim_physical_give(&slab->memory);
		*link = slab->next;
		free(slab);
		return;
	}
}

CUresult sim_linear_alloc(CUcontext context, size_t bytes, CUdeviceptr *out)
{
	return sim_linear_alloc_on(context->device, context, bytes, out);
}

CUresult sim_linear_alloc_on(int device, CUcontext context, size_t bytes, CUdeviceptr *out)
{
	size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	struct sim_region region = {.kind = SIM_LINEAR,
				    .device = device,
				    .readable = 1u << device,
				    .writable = 1u << device,
				    .context = context,
				    .id = next_id++};
	struct sim_physical memory = {.device = device};

	if (!bytes || bytes > SIZE_MAX / 2)
		return bytes ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
	if (bytes < SMALL) {
		struct slab *slab = slab_with_room(context, rounded);

		if (!slab)
			return CUDA_ERROR_OUT_OF_MEMORY;
		region.start = slab->start + slab->used;
		region.frame = 1; /* in a slab */
		slab->used += rounded;
		slab->live++;
	} else {
		size_t pages = (bytes + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;

		if (sim_physical_take(false, device, pages, &memory) != CUDA_SUCCESS)
			return CUDA_ERROR_OUT_OF_MEMORY;
		region.start = map_file(&memory, pages);
		if (!region.start) {
			sim_physical_give(&memory);
			return CUDA_ERROR_OUT_OF_MEMORY;
		}
		sim_physical_settle(&memory, region.start);
		region.offset = memory.offset;
	}
	region.end = region.start + bytes;
	if (!sim_region_add(&region))
		return CUDA_ERROR_OUT_OF_MEMORY;
	*out = region.start;
	return CUDA_SUCCESS;
}

static void unmap_linear(const struct sim_region *found)
{
	struct sim_region region = *found;

	sim_check_remap(region.start, region.end);
	sim_region_remove(region.start);
	if (region.kind == SIM_MANAGED)
		sim_managed_forget(region.start);
	if (region.kind == SIM_LINEAR && region.frame) {
		slab_leave(region.start);
	} else {
		size_t pages = (region.end - region.start + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;

		munmap((void *)region.start, pages);
		sim_physical_give(
		    &(struct sim_physical){region.host, region.device, region.offset, pages});
	}
}

CUresult sim_linear_free(CUdeviceptr address)
{
	const struct sim_region *region = sim_region_at(address);

	if (!region || region->start != address ||
	    (region->kind != SIM_LINEAR && region->kind != SIM_MANAGED))
		return CUDA_ERROR_INVALID_VALUE;
	unmap_linear(region);
	return CUDA_SUCCESS;
}

void sim_forget_context_memory(CUcontext context)
{
	const struct sim_region *region;

	sim_pool_forget(context);
	for (uintptr_t at = 0; (region = sim_region_next(at)) != NULL;) {
		at = region->end;
		if (region->context == context &&
		    (region->kind == SIM_LINEAR || region->kind == SIM_MANAGED ||
		     region->kind == SIM_HOST_ALLOC))
			unmap_linear(region);
	}
}

static _Atomic CUdeviceptr null_address = (CUdeviceptr)1 << 45;

SIM_EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
	CUresult result;

	if (sim_null_memory_on) {
		*out = null_address += (bytes + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
		return CUDA_SUCCESS;
	}
	SIM_CALL();
	if (!out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	result = sim_capture_unsafe();
	if (result != CUDA_SUCCESS)
		SIM_ANSWER(result);
	sim_host_spend(20000);
	SIM_ANSWER(sim_linear_alloc(sim_context(), bytes, out));
}

SIM_EXPORT CUresult cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width,
				       size_t height, unsigned int element)
{
	size_t rounded = (width + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	CUresult result;

	SIM_CALL();
	if (!out || !pitch || !width || !height ||
	    (element != 4 && element != 8 && element != 16))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (width > SIZE_MAX / 2 || height > SIZE_MAX / 2 / rounded)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	result = sim_linear_alloc(sim_context(), rounded * height, out);
	if (result == CUDA_SUCCESS)
		*pitch = rounded;
	SIM_ANSWER(result);
}

SIM_EXPORT CUresult cuMemFree_v2(CUdeviceptr address)
{
	CUresult result;

	if (sim_null_memory_on)
		return CUDA_SUCCESS;
	SIM_CALL();
	if (!address)
		SIM_ANSWER(CUDA_SUCCESS);
	result = sim_capture_unsafe();
	if (result != CUDA_SUCCESS)
		SIM_ANSWER(result);
	sim_wait_context(sim_context());
	sim_pool_reap();
	if (sim_context()->sticky)
		SIM_ANSWER(sim_context()->sticky);
	SIM_ANSWER(sim_pool_free(address) ? CUDA_SUCCESS : sim_linear_free(address));
}

/* --- RAM
 * --------------------------------------------------------------------------------------------
 */

static CUresult take_ram(size_t bytes, enum sim_kind kind, void **out)
{
	struct sim_region region = {.kind = kind,
				    .host = true,
				    .readable = ~0u,
				    .writable = ~0u,
				    .context = sim_context(),
				    .id = next_id++};
	size_t pages = (bytes + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
	struct sim_physical memory;

	if (!out || !bytes || bytes > SIZE_MAX / 2)
		return CUDA_ERROR_INVALID_VALUE;
	if (sim_physical_take(true, 0, pages, &memory) != CUDA_SUCCESS)
		return CUDA_ERROR_OUT_OF_MEMORY;
	region.start = map_file(&memory, pages);
	region.end = region.start + bytes;
	region.offset = memory.offset;
	if (!region.start || !sim_region_add(&region)) {
		sim_physical_give(&memory);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	sim_physical_settle(&memory, region.start);
	sim_host_spend((double)bytes * sim_prices.pin_byte_ns);
	*out = (void *)region.start;
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuMemHostAlloc(void **out, size_t bytes, unsigned int flags)
{
	SIM_CALL();
	(void)flags;
	SIM_ANSWER(take_ram(bytes, SIM_HOST_ALLOC, out));
}

SIM_EXPORT CUresult cuMemAllocHost_v2(void **out, size_t bytes)
{
	SIM_CALL();
	SIM_ANSWER(take_ram(bytes, SIM_HOST_ALLOC, out));
}

SIM_EXPORT CUresult cuMemAllocManaged(CUdeviceptr *out, size_t bytes, unsigned int flags)
{
	void *at = NULL;
	CUresult result;

	SIM_CALL();
	if (!out || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	result = take_ram(bytes, SIM_MANAGED, &at);
	if (result != CUDA_SUCCESS)
		SIM_ANSWER(result);
	if (!sim_managed_add((uintptr_t)at, bytes)) {
		sim_linear_free((CUdeviceptr)(uintptr_t)at);
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	}
	*out = (CUdeviceptr)(uintptr_t)at;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuMemFreeHost(void *address)
{
	const struct sim_region *region;

	SIM_CALL();
	region = sim_region_at((uintptr_t)address);
	if (!region || region->start != (uintptr_t)address || region->kind != SIM_HOST_ALLOC)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	sim_wait_context(sim_context());
	region = sim_region_at((uintptr_t)address);
	if (region)
		unmap_linear(region);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *out, void *address,
						 unsigned int flags)
{
	const struct sim_region *region;

	SIM_CALL();
	region = sim_region_at((uintptr_t)address);
	if (!out || flags || !region || !region->host)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*out = (CUdeviceptr)(uintptr_t)address;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuMemHostGetFlags(unsigned int *flags, void *address)
{
	const struct sim_region *region;

	SIM_CALL();
	region = sim_region_at((uintptr_t)address);
	if (!flags || !region || region->kind != SIM_HOST_ALLOC)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*flags = CU_MEMHOSTALLOC_DEVICEMAP;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuMemHostRegister_v2(void *address, size_t bytes, unsigned int flags)
{
	struct sim_region region = {.start = (uintptr_t)address,
				    .end = (uintptr_t)address + bytes,
				    .kind = SIM_HOST_REGISTERED,
				    .host = true,
				    .readable = ~0u,
				    .writable = ~0u,
				    .id = next_id++};

	SIM_CALL();
	(void)flags;
	if (!address || !bytes)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	SIM_ANSWER(sim_region_add(&region) ? CUDA_SUCCESS
					   : CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
}

SIM_EXPORT CUresult cuMemHostUnregister(void *address)
{
	const struct sim_region *region;

	SIM_CALL();
	region = sim_region_at((uintptr_t)address);
	if (!region || region->start != (uintptr_t)address ||
	    region->kind != SIM_HOST_REGISTERED)
		SIM_ANSWER(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
	sim_wait_context(sim_context());
	sim_region_remove((uintptr_t)address);
	SIM_ANSWER(CUDA_SUCCESS);
}
