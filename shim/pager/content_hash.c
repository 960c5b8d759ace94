#include "pager/content_hash.h"

#include "door/driver.h"

#include <string.h>

extern const char lowtide_kernels_ptx[];

#define TABLE_WORDS ((size_t)2 * HASH_BATCH)
#define TABLE_BYTES (TABLE_WORDS * sizeof(uint64_t))
#define PART_BYTES ((uint64_t)256 << 10)
#define THREADS 256

CUresult content_hash_init(struct pager *pager)
{
	CUresult result = real(cuModuleLoadData)(&pager->module, lowtide_kernels_ptx);

	if (result == CUDA_SUCCESS)
		result = real(cuModuleGetFunction)(&pager->hash_function, pager->module,
						   "lowtide_content_hash");
	if (result == CUDA_SUCCESS)
		result = real(cuModuleGetFunction)(&pager->copy_function, pager->module,
						   "lowtide_copy");
	if (result == CUDA_SUCCESS)
		result =
		    real(cuMemHostAlloc)((void **)&pager->hash_host, HASH_SCRATCH_BYTES, 0);
	if (result != CUDA_SUCCESS)
		return result;
	pager->hash_scratch = frame_take(&pager->frames, false, 0);
	return pager->hash_scratch ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
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
	return real(cuLaunchKernel)(pager->hash_function, (unsigned int)(largest / PART_BYTES),
				    (unsigned int)count, 1, THREADS, 1, 1, 0, stream, params,
				    NULL);
}

CUresult content_hash(struct pager *pager, struct frame *const *frames, size_t count,
		      uint64_t *hashes)
{
	CUdeviceptr table = pager->hash_scratch->alias, sums = table + TABLE_BYTES;
	void *params[] = {&table, &sums};
	uint64_t largest = 0;
	CUresult result;

	if (!count)
		return CUDA_SUCCESS;
	for (size_t i = 0; i < count; i++) {
		uint64_t bytes = frame_bytes(frames[i]->size_class);

		pager->hash_host[2 * i] = frames[i]->alias;
		pager->hash_host[2 * i + 1] = bytes;
		largest = bytes > largest ? bytes : largest;
	}
	result =
	    real(cuMemcpyHtoDAsync_v2)(table, pager->hash_host, count * 16, pager->stream_in);
	if (result == CUDA_SUCCESS)
		result = real(cuMemsetD8Async)(sums, 0, count * 16, pager->stream_in);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchKernel)(
		    pager->hash_function, (unsigned int)(largest / PART_BYTES),
		    (unsigned int)count, 1, THREADS, 1, 1, 0, pager->stream_in, params, NULL);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoHAsync_v2)(pager->hash_host + TABLE_WORDS, sums,
						    count * 16, pager->stream_in);
	/* Even after an error: what did start must have ended before anything moves. */
	if (real(cuStreamSynchronize)(pager->stream_in) != CUDA_SUCCESS &&
	    result == CUDA_SUCCESS)
		result = CUDA_ERROR_UNKNOWN;
	if (result == CUDA_SUCCESS)
		memcpy(hashes, pager->hash_host + TABLE_WORDS, count * 16);
	return result;
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
