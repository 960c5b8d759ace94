#include "memory/content_hash.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "base/log.h"

#include <inttypes.h>
#include <string.h>

#define TABLE_WORDS ((size_t)2 * HASH_BATCH)
#define TABLE_BYTES (TABLE_WORDS * sizeof(uint64_t))
#define PART_BYTES ((uint64_t)256 << 10)
#define THREADS 256

static CUresult load(struct memory *memory)
{
	const struct own_kernels_driver driver = {
	    real(cuDeviceGetAttribute), real(cuModuleLoadData), real(cuModuleGetFunction),
	    real(cuModuleUnload)};
	uint64_t began_ns = clock_now_ns();
	CUresult result = own_kernels_load(&driver, memory->device, &memory->kernels);
	char why[OWN_KERNELS_EXPLAINED];

	memory->kernels_load_us = (clock_now_ns() - began_ns) / 1000;
	own_kernels_explain(&memory->kernels, why, sizeof(why));
	if (memory->kernels.form == OWN_KERNELS_CUBIN)
		log_debug("device %d: our kernels' machine code for sm_%d was loaded in "
			  "%" PRIu64 " us",
			  memory->device, memory->kernels.cubin_arch, memory->kernels_load_us);
	else if (memory->kernels.form == OWN_KERNELS_PTX)
		log_debug("device %d: our kernels' PTX was loaded in %" PRIu64 " us: %s",
			  memory->device, memory->kernels_load_us, why);
	/* Where each launch waits for what it names, nothing has to be tried with a kernel. */
	if (result == CUDA_SUCCESS || !memory->frames.plain_host)
		return result;
	log_warn("device %d: our GPU kernels cannot be loaded: %s: what leaves VRAM is always "
		 "copied, as under LOWTIDE_DIRTY=always",
		 memory->device, why);
	return CUDA_SUCCESS;
}

CUresult content_hash_init(struct memory *memory, struct start_failure *failure)
{
	CUresult result = load(memory);

	if (!start_step(failure, START_KERNELS, result))
		return result;
	result = real(cuMemHostAlloc)((void **)&memory->hash_host, HASH_SCRATCH_BYTES, 0);
	if (!start_step(failure, START_PINNED, result))
		return result;
	memory->hash_scratch = frame_take(&memory->frames, false, 0);
	result = memory->hash_scratch ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	start_step(failure, START_SCRATCH, result);
	return result;
}

void content_hash_undo(struct memory *memory)
{
	if (memory->hash_host)
		real(cuMemFreeHost)(memory->hash_host);
	if (memory->kernels.form != OWN_KERNELS_NONE)
		real(cuModuleUnload)(memory->kernels.module);
	memory->kernels.form = OWN_KERNELS_NONE;
	memory->kernels.content_hash = memory->kernels.copy = NULL;
	content_hash_finish(memory);
}

void content_hash_finish(struct memory *memory)
{
	frame_give(&memory->frames, memory->hash_scratch);
	memory->hash_scratch = NULL;
	memory->hash_host = NULL; /* gone with its context, as the module is */
}

CUresult content_hash_launch(struct memory *memory, void **params, uint64_t largest,
			     size_t count, CUstream stream)
{
	return real(cuLaunchKernel)(memory->kernels.content_hash,
				    (unsigned int)(largest / PART_BYTES), (unsigned int)count,
				    1, THREADS, 1, 1, 0, stream, params, NULL);
}

void content_hash_name(struct memory *memory, size_t i, const struct frame *frame)
{
	memory->hash_host[2 * i] = frame->alias;
	memory->hash_host[2 * i + 1] = frame_bytes(frame->size_class);
}

const uint64_t *content_hash(struct memory *memory, size_t count, CUstream stream)
{
	CUdeviceptr table = memory->hash_scratch->alias, sums = table + TABLE_BYTES;
	uint64_t *hashes = memory->hash_host + TABLE_WORDS;
	void *params[] = {&table, &sums};
	uint64_t largest = 0;
	CUresult result;

	if (!count)
		return hashes;
	for (size_t i = 0; i < count; i++)
		if (memory->hash_host[2 * i + 1] > largest)
			largest = memory->hash_host[2 * i + 1];
	result = real(cuMemcpyHtoDAsync_v2)(table, memory->hash_host, count * 16, stream);
	if (result == CUDA_SUCCESS)
		result = real(cuMemsetD8Async)(sums, 0, count * 16, stream);
	if (result == CUDA_SUCCESS)
		result = content_hash_launch(memory, params, largest, count, stream);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoHAsync_v2)(hashes, sums, count * 16, stream);
	/* Even after an error: what did start must have ended before anything moves. */
	if (real(cuStreamSynchronize)(stream) != CUDA_SUCCESS)
		return NULL;
	return result == CUDA_SUCCESS ? hashes : NULL;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xD6E8FEB86659FD93ull;
	x ^= x >> 29;
	x *= 0x9E3779B97F4A7C15ull;
	return x ^ x >> 32;
}

void content_hash_of_bytes(const void *bytes, size_t count, uint64_t hash[2])
{
	hash[0] = hash[1] = 0;
	for (uint64_t i = 0; i < count / 8; i++) {
		uint64_t word, x;

		memcpy(&word, (const unsigned char *)bytes + i * 8, 8);
		x = mix(word + i * 0xA0761D6478BD642Full);
		hash[0] += x;
		hash[1] += (x ^ word) * 0xE7037ED1A0B428DBull ^ x >> 17;
	}
}
