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

static CUresult load(struct pager *pager)
{
	const struct own_kernels_driver driver = {
	    real(cuDeviceGetAttribute), real(cuModuleLoadData), real(cuModuleGetFunction),
	    real(cuModuleUnload)};
	uint64_t began_ns = clock_now_ns();
	CUresult result = own_kernels_load(&driver, pager->device, &pager->kernels);
	char why[OWN_KERNELS_EXPLAINED];

	pager->kernels_load_us = (clock_now_ns() - began_ns) / 1000;
	own_kernels_explain(&pager->kernels, why, sizeof(why));
	if (pager->kernels.form == OWN_KERNELS_CUBIN)
		log_debug("device %d: our kernels' machine code for sm_%d was loaded in "
			  "%" PRIu64 " us",
			  pager->device, pager->kernels.cubin_arch, pager->kernels_load_us);
	else if (pager->kernels.form == OWN_KERNELS_PTX)
		log_debug("device %d: our kernels' PTX was loaded in %" PRIu64 " us: %s",
			  pager->device, pager->kernels_load_us, why);
	/* Where each launch waits for what it names, nothing has to be tried with a kernel. */
	if (result == CUDA_SUCCESS || !pager->frames.plain_host)
		return result;
	log_warn("device %d: our GPU kernels cannot be loaded: %s: what leaves VRAM is always "
		 "copied, as under LOWTIDE_DIRTY=always",
		 pager->device, why);
	return CUDA_SUCCESS;
}

CUresult content_hash_init(struct pager *pager)
{
	CUresult result = load(pager);

	if (!start_step(&pager->start, START_KERNELS, result))
		return result;
	result = real(cuMemHostAlloc)((void **)&pager->hash_host, HASH_SCRATCH_BYTES, 0);
	if (!start_step(&pager->start, START_PINNED, result))
		return result;
	pager->hash_scratch = frame_take(&pager->frames, false, 0);
	result = pager->hash_scratch ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	start_step(&pager->start, START_SCRATCH, result);
	return result;
}

void content_hash_undo(struct pager *pager)
{
	if (pager->hash_host)
		real(cuMemFreeHost)(pager->hash_host);
	if (pager->kernels.form != OWN_KERNELS_NONE)
		real(cuModuleUnload)(pager->kernels.module);
	pager->kernels.form = OWN_KERNELS_NONE;
	pager->kernels.content_hash = pager->kernels.copy = NULL;
	content_hash_finish(pager);
}

void content_hash_finish(struct pager *pager)
{
	frame_give(&pager->frames, pager->hash_scratch);
	pager->hash_scratch = NULL;
	pager->hash_host = NULL; /* gone with its context, as the module is */
}

CUresult content_hash_launch(struct pager *pager, void **params, uint64_t largest, size_t count,
			     CUstream stream)
{
	return real(cuLaunchKernel)(pager->kernels.content_hash,
				    (unsigned int)(largest / PART_BYTES), (unsigned int)count,
				    1, THREADS, 1, 1, 0, stream, params, NULL);
}

void content_hash_name(struct pager *pager, size_t i, const struct frame *frame)
{
	pager->hash_host[2 * i] = frame->alias;
	pager->hash_host[2 * i + 1] = frame_bytes(frame->size_class);
}

const uint64_t *content_hash(struct pager *pager, size_t count)
{
	CUdeviceptr table = pager->hash_scratch->alias, sums = table + TABLE_BYTES;
	uint64_t *hashes = pager->hash_host + TABLE_WORDS;
	void *params[] = {&table, &sums};
	uint64_t largest = 0;
	CUresult result;

	if (!count)
		return hashes;
	for (size_t i = 0; i < count; i++)
		if (pager->hash_host[2 * i + 1] > largest)
			largest = pager->hash_host[2 * i + 1];
	result =
	    real(cuMemcpyHtoDAsync_v2)(table, pager->hash_host, count * 16, pager->stream_in);
	if (result == CUDA_SUCCESS)
		result = real(cuMemsetD8Async)(sums, 0, count * 16, pager->stream_in);
	if (result == CUDA_SUCCESS)
		result = content_hash_launch(pager, params, largest, count, pager->stream_in);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoHAsync_v2)(hashes, sums, count * 16, pager->stream_in);
	/* Even after an error: what did start must have ended before anything moves. */
	if (real(cuStreamSynchronize)(pager->stream_in) != CUDA_SUCCESS)
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
