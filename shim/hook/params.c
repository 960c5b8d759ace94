#include "hook/params.h"

#include "door/driver.h"
#include "log.h"
#include "pager/pager.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->lost = true)
#include <uthash.h>

/* A parameter wide enough for a pointer: its index, and the words of it that lie on 8-byte
 * borders of the packed buffer. */
struct param {
	uint32_t index, first_word_offset, words;
};

struct layout {
	CUfunction function;
	size_t count;
	bool lost;
	UT_hash_handle hh;
	struct param params[];
};

#define CACHE_BITS 12

static _Atomic(struct layout *)
    cache[1u << CACHE_BITS]; /* atomic; what it points to is immutable and never freed */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct layout *layouts; /* guarded by lock */

static CUresult param_info(CUfunction function, size_t index, size_t *offset, size_t *bytes)
{
	CUresult result = CUDA_ERROR_NOT_FOUND;

	if (real(cuFuncGetParamInfo))
		result = real(cuFuncGetParamInfo)(function, index, offset, bytes);
	/* The handle may be a kernel's. */
	if (result != CUDA_SUCCESS && result != CUDA_ERROR_INVALID_VALUE &&
	    real(cuKernelGetParamInfo))
		result = real(cuKernelGetParamInfo)((CUkernel)function, index, offset, bytes);
	return result;
}

static void say_layouts_are_unknown(void)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		log_warn("this driver does not tell kernels' parameters (CUDA 12.4 and newer "
			 "do): what a launch needs "
			 "is unknown, and cold memory is used in place");
}

static struct layout *layout_read(CUfunction function)
{
	struct layout *layout;
	size_t count = 0, offset, bytes;
	CUresult result;

	result = param_info(function, 0, &offset, &bytes);
	if (result != CUDA_SUCCESS && result != CUDA_ERROR_INVALID_VALUE)
		say_layouts_are_unknown();
	while (count < 4096 && param_info(function, count, &offset, &bytes) == CUDA_SUCCESS)
		count++;
	layout = calloc(1, sizeof(*layout) + count * sizeof(layout->params[0]));
	if (!layout)
		return NULL;
	layout->function = function;
	for (size_t i = 0; i < count; i++) {
		size_t skip, words;

		if (param_info(function, i, &offset, &bytes) != CUDA_SUCCESS)
			break;
		skip = (8 - offset % 8) % 8;
		words = bytes < skip ? 0 : (bytes - skip) / 8;
		if (words)
			layout->params[layout->count++] =
			    (struct param){(uint32_t)i, (uint32_t)skip, (uint32_t)words};
	}
	return layout;
}

static const struct layout *layout_of(CUfunction function)
{
	uint64_t key =
	    (uint64_t)(uintptr_t)function * 0x9E3779B97F4A7C15ull >> (64 - CACHE_BITS);
	struct layout *layout = atomic_load_explicit(&cache[key], memory_order_acquire);

	if (layout && layout->function == function)
		return layout;
	pthread_mutex_lock(&lock);
	HASH_FIND_PTR(layouts, &function, layout);
	if (!layout) {
		layout = layout_read(function);
		if (layout)
			HASH_ADD_PTR(layouts, function, layout);
	}
	atomic_store_explicit(&cache[key], layout, memory_order_release);
	pthread_mutex_unlock(&lock);
	return layout;
}

static size_t named_in_packed(void **extra, uint64_t *addresses)
{
	const unsigned char *packed = NULL;
	size_t bytes = 0, count = 0;

	for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
		if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
			packed = extra[1];
		else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
			bytes = *(const size_t *)extra[1];
		else
			break;
	}
	for (size_t at = 0; packed && at + 8 <= bytes && count < PARAMS_NAMED_MAX; at += 8) {
		uint64_t word;

		memcpy(&word, packed + at, sizeof(word));
		if (pager_may_hold(word))
			addresses[count++] = word;
	}
	return count;
}

size_t params_named(CUfunction function, void **params, void **extra, uint64_t *addresses)
{
	const struct layout *layout;
	size_t count = 0;

	if (extra)
		return named_in_packed(extra, addresses);
	if (!params)
		return 0;
	if (!real(cuFuncGetParamInfo) && !real(cuKernelGetParamInfo)) {
		say_layouts_are_unknown();
		return 0;
	}
	layout = layout_of(function);
	for (size_t i = 0; layout && i < layout->count; i++) {
		const unsigned char *value =
		    (const unsigned char *)params[layout->params[i].index] +
		    layout->params[i].first_word_offset;

		for (uint32_t w = 0; w < layout->params[i].words; w++) {
			uint64_t word;

			memcpy(&word, value + 8 * (size_t)w, sizeof(word));
			if (pager_may_hold(word) && count < PARAMS_NAMED_MAX)
				addresses[count++] = word;
		}
	}
	return count;
}

void params_forget(void)
{
	struct layout *layout, *next;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sizeof(cache) / sizeof(cache[0]); i++)
		atomic_store(&cache[i], NULL);
	/* Out of the table but not freed: another thread may be reading one. */
	for (layout = layouts; layout; layout = next) {
		next = layout->hh.next;
		HASH_DEL(layouts, layout);
	}
	pthread_mutex_unlock(&lock);
}

void params_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void params_fork_done(void)
{
	pthread_mutex_unlock(&lock);
}
