/*
 * Physical memory: one file for each device and one for pinned RAM, sparse. What is given back
 * is kept, to be taken again whole (large.h), or punched out, and its offsets are never used
 * again; so a piece is always contiguous. Capacity is counted.
 */
#include "sim.h"

#include "large.h"
#include "managed.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static struct store {
	int file; /* 0: not made yet */
	uint64_t next, used, peak;
	struct sim_large large;
} vram[SIM_DEVICES], ram; /* guarded by the lock */

static struct store *store_of(bool host, int device)
{
	struct store *store = host ? &ram : &vram[device];

	if (!store->file) {
		char name[32];

		snprintf(name, sizeof(name), host ? "simulated-ram" : "simulated-vram-%d",
			 device);
		store->file = memfd_create(name, MFD_CLOEXEC);
		if (store->file >= 0 && ftruncate(store->file, (off_t)1 << 46))
			store->file = -1;
		if (store->file == 0) /* the program has closed its standard input */
			store->file = fcntl(0, F_DUPFD_CLOEXEC, 3);
	}
	return store;
}

int sim_physical_file(bool host, int device)
{
	return store_of(host, device)->file;
}

/* Managed pages give way to everything else. */
static CUresult count_in(struct store *store, bool host, int device, uint64_t bytes)
{
	uint64_t capacity = host ? sim_config.host_bytes
				 : sim_config.vram_bytes[device] - sim_config.context_bytes;

	if (bytes > capacity)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (store->used > capacity - bytes &&
	    (host || !sim_managed_make_room(device, store->used - (capacity - bytes))))
		return CUDA_ERROR_OUT_OF_MEMORY;
	store->used += bytes;
	if (store->used > store->peak)
		store->peak = store->used;
	return CUDA_SUCCESS;
}

CUresult sim_physical_take(bool host, int device, uint64_t bytes, struct sim_physical *out)
{
	struct store *store = store_of(host, device);

	if (store->file < 0 || count_in(store, host, device, bytes) != CUDA_SUCCESS)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*out = (struct sim_physical){host, device, store->next, bytes};
	if (sim_large_take(&store->large, store->file, bytes, &out->offset))
		return CUDA_SUCCESS;
	store->next += (bytes + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
	return CUDA_SUCCESS;
}

/* Most of what a run of the simulator costs is the system's work for pages of 4 KiB: to charge
 * each, and a fault for each in every mapping. With large ones it is less than half.
 * MADV_COLLAPSE (Linux 6.1) makes them whatever the system's presets are, but not where there
 * is no page at all; so each gets one first, of those it then takes the place of. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
/* Of a file: a test may ask for much that it never touches. */
#define LARGE_MOST ((uint64_t)1 << 30)

void sim_physical_settle(const struct sim_physical *memory, uintptr_t at)
{
	static atomic_bool refused; /* the system has none, or none is left */
	struct store *store = store_of(memory->host, memory->device);

	if (refused || at % SIM_PAGE || memory->bytes % SIM_PAGE || store->used > LARGE_MOST ||
	    sim_large_has(&store->large, memory->offset))
		return;
	for (size_t i = 0; i < memory->bytes; i += SIM_PAGE)
		(void)*(const volatile unsigned char *)(at + i);
	if (madvise((void *)at, memory->bytes, MADV_COLLAPSE))
		refused = true;
	else
		sim_large_note(&store->large, memory->offset, memory->bytes);
}

CUresult sim_vram_charge(int device, uint64_t bytes)
{
	return count_in(&vram[device], false, device, bytes);
}

void sim_vram_return(int device, uint64_t bytes)
{
	vram[device].used -= bytes;
}

void sim_physical_give(const struct sim_physical *memory)
{
	struct store *store = store_of(memory->host, memory->device);

	store->used -= memory->bytes;
	if (!sim_large_keep(&store->large, memory->offset))
		fallocate(store->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)memory->offset, (off_t)memory->bytes);
}

uint64_t sim_vram_used(int device)
{
	return vram[device].used;
}

uint64_t sim_host_used(void)
{
	return ram.used;
}

uint64_t sim_vram_peak(void)
{
	uint64_t peak = 0;

	for (int i = 0; i < SIM_DEVICES; i++)
		if (vram[i].peak > peak)
			peak = vram[i].peak;
	return peak;
}

uint64_t sim_host_peak(void)
{
	return ram.peak;
}
