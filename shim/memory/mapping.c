#include "memory/mapping.h"

#include "driver/driver.h"
#include "base/log.h"
#include "memory/access.h"

#include <stdlib.h>

static struct frame *frame_for(const struct block *block, enum block_home home)
{
	return home == HOME_DEVICE ? block->device : block->host;
}

/* Maps without access. */
static CUresult map(const struct block *block, enum block_home home)
{
	return real(cuMemMap)(block->address, block_bytes(block), 0,
			      frame_for(block, home)->handle, 0);
}

/* Cold memory has no mapping at all. */
static bool is_bare(const struct memory *memory, enum block_home home)
{
	return memory->frames.plain_host && home == HOME_HOST;
}

static void count_cold(struct memory *memory, const struct component *component,
		       uint32_t blocks)
{
	atomic_fetch_add(&memory->cold_blocks, blocks);
	if (component->tabled)
		atomic_fetch_add(&memory->tabled_cold, blocks);
}

/* `home` is another than the block has. */
static void set_home(struct memory *memory, struct block *block, enum block_home home)
{
	enum block_home before = atomic_load(&block->home);
	struct component *component = &memory->table.components[block->component];

	if (before == HOME_DEVICE)
		atomic_fetch_add(&component->cold_count, 1);
	else if (home == HOME_DEVICE)
		atomic_fetch_sub(&component->cold_count, 1);
	if ((before == HOME_HOST) != (home == HOME_HOST))
		count_cold(memory, component, home == HOME_HOST ? 1 : -1u);
	atomic_store(&block->home, (uint8_t)home);
}

static enum block_home first_home(const struct block *block)
{
	return block->device ? HOME_DEVICE : HOME_HOST;
}

/* How many blocks from the first have a mapping, or have none, as the first. */
static size_t alike(const struct memory *memory, const uint32_t *blocks, size_t count)
{
	const struct block *all = memory->table.blocks;
	bool bare = is_bare(memory, first_home(&all[blocks[0]]));
	size_t run = 1;

	while (run < count && is_bare(memory, first_home(&all[blocks[run]])) == bare)
		run++;
	return run;
}

static CUresult map_run(struct memory *memory, const uint32_t *blocks, size_t count)
{
	uint64_t start = memory->table.blocks[blocks[0]].address, end = start;
	CUresult result = CUDA_SUCCESS;
	size_t mapped = 0;

	for (; mapped < count; mapped++) {
		const struct block *block = &memory->table.blocks[blocks[mapped]];

		result = map(block, first_home(block));
		if (result != CUDA_SUCCESS)
			break;
		end = block->address + block_bytes(block);
	}
	if (result == CUDA_SUCCESS)
		result = access_allow(start, end - start, memory->device);
	for (size_t i = 0; i < mapped && result != CUDA_SUCCESS; i++) {
		const struct block *block = &memory->table.blocks[blocks[i]];

		real(cuMemUnmap)(block->address, block_bytes(block));
	}
	return result;
}

CUresult mapping_make(struct memory *memory, const uint32_t *blocks, size_t count)
{
	CUresult result = CUDA_SUCCESS;
	size_t done = 0;

	while (done < count && result == CUDA_SUCCESS) {
		size_t run = alike(memory, blocks + done, count - done);

		if (!is_bare(memory, first_home(&memory->table.blocks[blocks[done]])))
			result = map_run(memory, blocks + done, run);
		if (result == CUDA_SUCCESS)
			done += run;
	}
	for (size_t i = 0; i < done; i++) {
		struct block *block = &memory->table.blocks[blocks[i]];

		if (result == CUDA_SUCCESS)
			set_home(memory, block, first_home(block));
		else if (!is_bare(memory, first_home(block)))
			real(cuMemUnmap)(block->address, block_bytes(block));
	}
	return result;
}

CUresult mapping_remove(struct memory *memory, uint32_t id)
{
	struct block *block = &memory->table.blocks[id];
	CUresult result = CUDA_SUCCESS;

	if (!is_bare(memory, atomic_load(&block->home)))
		result = real(cuMemUnmap)(block->address, block_bytes(block));
	if (result == CUDA_SUCCESS)
		set_home(memory, block, HOME_NONE);
	return result;
}

/* A hole where the program expects memory: nothing may run that could fall into it. */
static void lose(struct memory *memory, const struct block *block, CUresult why)
{
	log_error(
	    "device %d: the mapping at %#llx could not be put back (CUDA error %d): the memory "
	    "of this program "
	    "on this device is out of reach, and every further use is answered with that error",
	    memory->device, (unsigned long long)block->address, (int)why);
	atomic_store(&memory->lost, (int)why);
}

/* The address holds nothing; maps what it held before, with access. Tries more than once: the
 * alternative is to lose the program's memory. */
static CUresult map_again(CUdeviceptr address, size_t bytes,
			  CUmemGenericAllocationHandle handle, int device)
{
	CUresult result = CUDA_ERROR_UNKNOWN;

	for (int i = 0; i < 3; i++) {
		result = real(cuMemMap)(address, bytes, 0, handle, 0);
		if (result != CUDA_SUCCESS)
			continue;
		result = access_allow(address, bytes, device);
		if (result == CUDA_SUCCESS)
			return result;
		if (real(cuMemUnmap)(address, bytes) != CUDA_SUCCESS)
			break;
	}
	return result;
}

static void put_back(struct memory *memory, struct block *block, enum block_home home)
{
	CUresult result;

	if (is_bare(memory, home))
		return; /* it held nothing before */
	result = map_again(block->address, block_bytes(block), frame_for(block, home)->handle,
			   memory->device);
	if (result == CUDA_SUCCESS)
		return;
	set_home(memory, block, HOME_NONE);
	lose(memory, block, result);
}

static bool exchange(struct memory *memory, struct block *block, enum block_home from,
		     enum block_home to)
{
	if (!is_bare(memory, from) &&
	    real(cuMemUnmap)(block->address, block_bytes(block)) != CUDA_SUCCESS)
		return false;
	if (is_bare(memory, to)) {
		set_home(memory, block, to);
		return true;
	}
	if (map(block, to) == CUDA_SUCCESS)
		return true;
	put_back(memory, block, from);
	return false;
}

/* Access for a run of adjoining blocks at once; if that fails, for each, and what fails alone
 * goes back. */
static size_t allow_run(struct memory *memory, uint32_t *run, size_t count,
			enum block_home from, enum block_home to)
{
	struct block *first = &memory->table.blocks[run[0]],
		     *last = &memory->table.blocks[run[count - 1]];
	uint64_t bytes = last->address + block_bytes(last) - first->address;
	bool all = access_allow(first->address, bytes, memory->device) == CUDA_SUCCESS;
	size_t done = 0;

	for (size_t i = 0; i < count; i++) {
		struct block *block = &memory->table.blocks[run[i]];

		if (all || access_allow(block->address, block_bytes(block), memory->device) ==
			       CUDA_SUCCESS) {
			set_home(memory, block, to);
			done++;
		} else if (real(cuMemUnmap)(block->address, block_bytes(block)) ==
			   CUDA_SUCCESS) {
			put_back(memory, block, from);
		} else {
			set_home(memory, block, HOME_NONE);
			lose(memory, block, CUDA_ERROR_UNKNOWN);
		}
	}
	return done;
}

static int by_address(const void *a, const void *b, void *argument)
{
	const struct block *blocks = argument;
	uint64_t x = blocks[*(const uint32_t *)a].address,
		 y = blocks[*(const uint32_t *)b].address;

	return x < y ? -1 : x > y;
}

size_t mapping_switch(struct memory *memory, uint32_t *blocks, size_t count, enum block_home to)
{
	enum block_home from = to == HOME_DEVICE ? HOME_HOST : HOME_DEVICE;
	bool bare = is_bare(memory, to); /* each is done with by itself */
	size_t done = 0, run = 0;

	qsort_r(blocks, count, sizeof(*blocks), by_address, memory->table.blocks);
	for (size_t i = 0; i < count; i++) {
		struct block *block = &memory->table.blocks[blocks[i]];
		struct block *before = run ? &memory->table.blocks[blocks[i - 1]] : NULL;

		if (before && before->address + block_bytes(before) != block->address) {
			done += allow_run(memory, &blocks[i - run], run, from, to);
			run = 0;
		}
		if (exchange(memory, block, from, to)) {
			done += bare;
			run += !bare;
		} else if (run) {
			done += allow_run(memory, &blocks[i - run], run, from, to);
			run = 0;
		}
	}
	if (run)
		done += allow_run(memory, &blocks[count - run], run, from, to);
	return done;
}

void mapping_change_begin(const struct memory *memory, uint32_t id, enum block_home to,
			  struct mapping_change *change)
{
	const struct block *block = &memory->table.blocks[id];
	enum block_home from = to == HOME_DEVICE ? HOME_HOST : HOME_DEVICE;

	*change = (struct mapping_change){
	    .address = block->address,
	    .bytes = block_bytes(block),
	    .from = frame_for(block, from)->handle,
	    .to = frame_for(block, to)->handle,
	    .device = memory->device,
	    .home = to,
	};
}

void mapping_change_run(struct mapping_change *change)
{
	change->outcome = MAPPING_KEPT;
	if (real(cuMemUnmap)(change->address, change->bytes) != CUDA_SUCCESS)
		return;
	change->outcome = MAPPING_CHANGED;
	if (real(cuMemMap)(change->address, change->bytes, 0, change->to, 0) == CUDA_SUCCESS) {
		change->why = access_allow(change->address, change->bytes, change->device);
		if (change->why == CUDA_SUCCESS)
			return;
		change->outcome = MAPPING_LOST;
		if (real(cuMemUnmap)(change->address, change->bytes) != CUDA_SUCCESS)
			return;
	}
	change->outcome = MAPPING_KEPT;
	change->why = map_again(change->address, change->bytes, change->from, change->device);
	if (change->why != CUDA_SUCCESS)
		change->outcome = MAPPING_LOST;
}

bool mapping_change_end(struct memory *memory, uint32_t id, const struct mapping_change *change)
{
	struct block *block = &memory->table.blocks[id];

	if (change->outcome == MAPPING_CHANGED) {
		set_home(memory, block, change->home);
	} else if (change->outcome == MAPPING_LOST) {
		set_home(memory, block, HOME_NONE);
		lose(memory, block, change->why);
	}
	return change->outcome == MAPPING_CHANGED;
}
