#include "hook/launch_params.h"

#include "driver/driver.h"
#include "hook/kernel_registry.h"
#include "hook/param_layout_cache.h"
#include "hook/tensor_map.h"
#include "base/lock.h"
#include "base/log.h"
#include "pager/pager.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Members of a packed buffer may be packed to 4. */
#define PACKED_STEP 4
/* Tensor maps are aligned to 64 from the constant bank's start, which is a multiple of 16. */
#define PACKED_MAP_STEP 16
#define MAP_STEP 64

/* The layout that was found for a function; the cache has the newest of these. */
struct entry {
	CUfunction function;
	const struct param_layout *layout;
	bool lost;
	UT_hash_handle hh;
};

static struct lock lock = LOCK(RANK_LAUNCH_PARAMS);
static struct param_layout_cache cache;				/* written with lock held */
static struct entry *entries;					/* guarded by lock */
static atomic_uint_least64_t unknown_kernels, unknown_launches; /* atomic */

static void say_layouts_are_unknown(void)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		log_warn("this driver does not tell kernels' parameters (CUDA 12.4 and newer "
			 "do), and a kernel's image could not be read for them: what such a "
			 "launch needs is unknown, and cold memory is used in place");
}

/* The handle is a function's or a kernel's; each question answers for one of them. */
static CUresult ask_function(CUfunction function, size_t index, size_t *offset, size_t *bytes)
{
	return real(cuFuncGetParamInfo)
		   ? real(cuFuncGetParamInfo)(function, index, offset, bytes)
		   : CUDA_ERROR_NOT_FOUND;
}

static CUresult ask_kernel(CUfunction function, size_t index, size_t *offset, size_t *bytes)
{
	return real(cuKernelGetParamInfo)
		   ? real(cuKernelGetParamInfo)((CUkernel)function, index, offset, bytes)
		   : CUDA_ERROR_NOT_FOUND;
}

/* The lock is held: it guards `params`, which is too large for a small stack. */
static const struct param_layout *layout_told(CUfunction function)
{
	CUresult (*ask)(CUfunction, size_t, size_t *, size_t *) = ask_function;
	static struct param_layout_words params[PARAM_LAYOUT_MOST]; /* guarded by lock */
	size_t count = 0, offset, bytes;
	CUresult result = ask(function, 0, &offset, &bytes);

	if (result != CUDA_SUCCESS) {
		CUresult of_kernel = ask_kernel(function, 0, &offset, &bytes);

		/* INVALID_VALUE: it is a handle of that kind, and has no first parameter. */
		if (of_kernel == CUDA_SUCCESS ||
		    (of_kernel == CUDA_ERROR_INVALID_VALUE && result != of_kernel)) {
			ask = ask_kernel;
			result = of_kernel;
		}
	}
	for (size_t i = 0; result == CUDA_SUCCESS && i < PARAM_LAYOUT_MOST; i++) {
		params[count] = param_layout_words((uint32_t)i, offset, bytes);
		count += params[count].count != 0;
		result = ask(function, i + 1, &offset, &bytes);
	}
	return result == CUDA_ERROR_INVALID_VALUE ? param_layout_intern(params, count)
						  : &param_layout_unknown;
}

/* The lock is held. */
static const struct param_layout *layout_look_up(CUfunction function)
{
	struct entry *entry;

	HASH_FIND_PTR(entries, &function, entry);
	if (!entry) {
		const struct param_layout *layout = kernel_registry_wanted()
							? kernel_registry_layout(function)
							: layout_told(function);

		if (!layout->known)
			atomic_fetch_add(&unknown_kernels, 1);
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return layout;
		entry->function = function;
		entry->layout = layout;
		HASH_ADD_PTR(entries, function, entry);
		if (entry->lost) {
			free(entry);
			return layout;
		}
	}
	param_layout_cache_store(&cache, function, entry->layout);
	return entry->layout;
}

static const struct param_layout *layout_of(CUfunction function)
{
	const struct param_layout *layout = param_layout_cache_find(&cache, function);

	if (layout)
		return layout;
	lock_take(&lock);
	layout = layout_look_up(function);
	lock_give(&lock);
	return layout;
}

/* Bounds of managed memory, which a launch reads once. */
struct span {
	uint64_t low, bytes;
};

static struct span managed_span(void)
{
	return (struct span){atomic_load_explicit(&pager_low, memory_order_relaxed),
			     atomic_load_explicit(&pager_span, memory_order_relaxed)};
}

static bool in_span(struct span span, uint64_t word)
{
	return word - span.low < span.bytes;
}

/* Words at `value`, `value + step`, ... that may be addresses. */
static size_t named_in(struct span span, const unsigned char *value, size_t step, size_t words,
		       uint64_t *addresses, size_t room)
{
	size_t count = 0;

	for (; words && count < room; words--, value += step) {
		uint64_t word;

		memcpy(&word, value, sizeof(word));
		if (in_span(span, word))
			addresses[count++] = word;
	}
	return count;
}

static size_t named_one_by_one(const struct param_layout *layout, void **params,
			       uint64_t *addresses, size_t room)
{
	struct span span = managed_span();
	size_t count = 0;

	for (size_t i = 0; i < layout->count; i++) {
		const struct param_layout_words *param = &layout->params[i];
		uint64_t word;

		/* Most parameters are one word. */
		if (param->count == 1) {
			memcpy(&word, params[param->index], sizeof(word));
			if (in_span(span, word) && count < room)
				addresses[count++] = word;
		} else {
			count += named_in(span, params[param->index], param->step, param->count,
					  addresses + count, room - count);
		}
	}
	return count;
}

/* Tensor maps among the parameters whose address does not show. */
static size_t named_by_maps(const struct param_layout *layout, void **params,
			    uint64_t *addresses, size_t room)
{
	size_t count = 0;

	for (size_t i = 0; i < layout->count; i++) {
		const struct param_layout_words *param = &layout->params[i];
		size_t bytes = (param->count - 1) * (size_t)param->step + 8;

		if (bytes >= TENSOR_MAP_BYTES)
			count += tensor_maps_named(params[param->index], bytes, MAP_STEP,
						   addresses + count, room - count);
	}
	return count;
}

/* Every word of a packed buffer: no layout is needed. */
static size_t named_in_packed(void **extra, uint64_t *addresses, size_t room)
{
	const unsigned char *packed = NULL;
	size_t bytes = 0, count;

	for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
		if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
			packed = extra[1];
		else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
			bytes = *(const size_t *)extra[1];
		else
			break;
	}
	if (!packed || bytes < 8)
		return 0;
	count = named_in(managed_span(), packed, PACKED_STEP, (bytes - 8) / PACKED_STEP + 1,
			 addresses, room);
	if (atomic_load_explicit(&tensor_maps_remembered, memory_order_relaxed))
		count += tensor_maps_named(packed, bytes, PACKED_MAP_STEP, addresses + count,
					   room - count);
	return count;
}

size_t launch_params_named(CUfunction function, void **params, void **extra,
			   uint64_t *addresses, size_t room, bool *unknown)
{
	const struct param_layout *layout;
	size_t count = 0;

	*unknown = false;
	if (extra) {
		count = named_in_packed(extra, addresses, room);
	} else if (params && function) { /* none: the driver will refuse */
		layout = layout_of(function);
		*unknown = !layout->known;
		count = named_one_by_one(layout, params, addresses, room);
		if (atomic_load_explicit(&tensor_maps_remembered, memory_order_relaxed))
			count += named_by_maps(layout, params, addresses + count, room - count);
	}
	if (*unknown) {
		atomic_fetch_add_explicit(&unknown_launches, 1, memory_order_relaxed);
		say_layouts_are_unknown();
	}
	if (count == room)
		*unknown = true;
	return count;
}

struct launch_params_unknown launch_params_unknown(void)
{
	return (struct launch_params_unknown){atomic_load(&unknown_kernels),
					      atomic_load(&unknown_launches)};
}

void launch_params_forget(void)
{
	struct entry *entry, *next;

	lock_take(&lock);
	param_layout_cache_clear(&cache);
	HASH_ITER (hh, entries, entry, next) {
		HASH_DEL(entries, entry);
		free(entry);
	}
	lock_give(&lock);
}

void launch_params_fork_prepare(void)
{
	lock_take(&lock);
	kernel_registry_fork_prepare();
	param_layout_fork_prepare();
	tensor_maps_fork_prepare();
}

void launch_params_fork_done(void)
{
	tensor_maps_fork_done();
	param_layout_fork_done();
	kernel_registry_fork_done();
	lock_give(&lock);
}
