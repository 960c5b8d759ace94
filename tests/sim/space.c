/*
 * The address space as the driver knows it: which addresses hold what. A sorted array; a
 * reserved region is broken into pieces by what is mapped in it, so that regions never overlap
 * and neighbours say all.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static struct sim_region *regions; /* sorted by start; guarded by the lock, as is all below */
static size_t count, room;

/* The first region that ends after the address. */
static size_t place(uintptr_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (regions[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct sim_region *sim_region_at(uintptr_t address)
{
	size_t i = place(address);

	return i < count && regions[i].start <= address ? &regions[i] : NULL;
}

struct sim_region *sim_region_after(const struct sim_region *region)
{
	size_t next = (size_t)(region - regions) + 1;

	return next < count ? &regions[next] : NULL;
}

struct sim_region *sim_region_next(uintptr_t address)
{
	size_t i = place(address);

	return i < count ? &regions[i] : NULL;
}

static bool insert(size_t at, const struct sim_region *region)
{
	if (count == room) {
		size_t more = room ? 2 * room : 256;
		struct sim_region *grown = realloc(regions, more * sizeof(*grown));

		if (!grown)
			return false;
		regions = grown;
		room = more;
	}
	memmove(&regions[at + 1], &regions[at], (count - at) * sizeof(*regions));
	regions[at] = *region;
	count++;
	return true;
}

bool sim_region_add(const struct sim_region *region)
{
	size_t at = place(region->start);

	if (at < count && regions[at].start < region->end)
		return false;
	return insert(at, region);
}

void sim_region_remove(uintptr_t start)
{
	size_t at = place(start);

	if (at == count || regions[at].start != start)
		return;
	memmove(&regions[at], &regions[at + 1], (count - at - 1) * sizeof(*regions));
	count--;
}

/* --- frames at reserved addresses
 * ------------------------------------------------------------------ */

bool sim_region_reserved(uintptr_t start, uintptr_t end)
{
	const struct sim_region *region = sim_region_at(start);

	return region && region->kind == SIM_RESERVED && region->end >= end;
}

/* Puts a mapping where only reserved addresses are. */
bool sim_region_map(const struct sim_region *mapping)
{
	struct sim_region *hole = sim_region_at(mapping->start), before, after;

	if (!hole || hole->kind != SIM_RESERVED || hole->end < mapping->end)
		return false;
	before = after = *hole;
	before.end = mapping->start;
	after.start = mapping->end;
	sim_region_remove(hole->start);
	if (before.start < before.end && !sim_region_add(&before))
		return false;
	if (after.start < after.end && !sim_region_add(&after))
		return false;
	return sim_region_add(mapping);
}

static bool joins(const struct sim_region *low, const struct sim_region *high)
{
	return low->kind == SIM_RESERVED && high->kind == SIM_RESERVED &&
	       low->end == high->start && low->reservation == high->reservation;
}

/* The mapping's addresses are only reserved again; joins them with their neighbours of the same
 * reservation. */
void sim_region_unmap(uintptr_t start)
{
	size_t at = place(start);
	struct sim_region *region = &regions[at];

	*region = (struct sim_region){.start = region->start,
				      .end = region->end,
				      .kind = SIM_RESERVED,
				      .reservation = region->reservation};
	if (at + 1 < count && joins(region, &regions[at + 1])) {
		uintptr_t end = regions[at + 1].end;

		sim_region_remove(regions[at + 1].start);
		regions[at].end = end;
	}
	if (at && joins(&regions[at - 1], &regions[at])) {
		uintptr_t end = regions[at].end;

		sim_region_remove(regions[at].start);
		regions[at - 1].end = end;
	}
}

static bool reached_by(const struct sim_region *region, int device, bool write)
{
	return (write ? region->writable : region->readable) & 1u << device ||
	       (region->kind == SIM_LINEAR && sim_peer_reaches(device, region->context));
}

bool sim_accessible(int device, uintptr_t start, size_t bytes, bool write, uint64_t *vram_bytes,
		    uint64_t *ram_bytes)
{
	uintptr_t end = start + bytes;
	const struct sim_region *region = sim_region_at(start);

	for (; start < end; region = sim_region_after(region)) {
		uintptr_t upto;

		if (!region || region->start > start || !reached_by(region, device, write))
			return false;
		upto = region->end < end ? region->end : end;
		*(region->host ? ram_bytes : vram_bytes) += upto - start;
		start = upto;
	}
	return true;
}

/* A frame may go and come back. What is mapped for good is another each time that it is made.
 */
static uint64_t made_as(const struct sim_region *region)
{
	return region->kind == SIM_MAPPED || region->kind == SIM_HOST_REGISTERED ? 0
										 : region->id;
}

void sim_places_of(uintptr_t start, size_t bytes, struct sim_places *places)
{
	uintptr_t end = start + bytes;

	for (const struct sim_region *region = sim_region_at(start);
	     region && region->start < end; region = sim_region_after(region))
		if (region->kind != SIM_RESERVED)
			places->sum = (places->sum ^ region->start ^ made_as(region) << 1 ^
				       (uint64_t)region->host << 63) *
				      0x9E3779B97F4A7C15ull;
}
