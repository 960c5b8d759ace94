/*
 * Layouts by function handle, for the launch path. Reading takes no lock and writes nothing:
 * each slot has a version, odd while it changes, and a reader that meets a change asks again
 * elsewhere. Writers hold a lock of their caller's.
 *
 * A handle may come again for another function as soon as its module is gone, so
 * param_layout_cache_clear comes before the driver unloads.
 */
#ifndef LOWTIDE_PARAM_LAYOUT_CACHE_H
#define LOWTIDE_PARAM_LAYOUT_CACHE_H

#include "hook/param_layout.h"

#include <stdatomic.h>

#define PARAM_LAYOUT_CACHE_BITS 12

struct param_layout_slot {
	atomic_uint version;
	_Atomic(const void *) function;
	_Atomic(const struct param_layout *) layout;
};

/* Zeroed: empty. */
struct param_layout_cache {
	struct param_layout_slot slots[1u << PARAM_LAYOUT_CACHE_BITS];
};

static inline struct param_layout_slot *
param_layout_cache_slot(struct param_layout_cache *cache, const void *function)
{
	return &cache->slots[(uint64_t)(uintptr_t)function * 0x9E3779B97F4A7C15ull >>
			     (64 - PARAM_LAYOUT_CACHE_BITS)];
}

/* NULL: not here, or just changing. Each load is an acquire, so that none moves before the one
 * above it, and the version is read again last: if it is the same even number, both belonged
 * together. */
static inline const struct param_layout *
param_layout_cache_find(struct param_layout_cache *cache, const void *function)
{
	struct param_layout_slot *slot = param_layout_cache_slot(cache, function);
	unsigned int version = atomic_load_explicit(&slot->version, memory_order_acquire);
	const void *whose = atomic_load_explicit(&slot->function, memory_order_acquire);
	const struct param_layout *layout =
	    atomic_load_explicit(&slot->layout, memory_order_acquire);

	if (whose != function || version & 1 ||
	    atomic_load_explicit(&slot->version, memory_order_relaxed) != version)
		return NULL;
	return layout;
}

/* The caller's lock is held in both. Each store is a release, so that who reads a new value
 * also sees the odd version before it. */
static inline void param_layout_cache_store(struct param_layout_cache *cache,
					    const void *function,
					    const struct param_layout *layout)
{
	struct param_layout_slot *slot = param_layout_cache_slot(cache, function);
	unsigned int version = atomic_load_explicit(&slot->version, memory_order_relaxed);

	atomic_store_explicit(&slot->version, version + 1, memory_order_relaxed);
	atomic_store_explicit(&slot->function, function, memory_order_release);
	atomic_store_explicit(&slot->layout, layout, memory_order_release);
	atomic_store_explicit(&slot->version, version + 2, memory_order_release);
}

static inline void param_layout_cache_clear(struct param_layout_cache *cache)
{
	for (size_t i = 0; i < sizeof(cache->slots) / sizeof(cache->slots[0]); i++) {
		struct param_layout_slot *slot = &cache->slots[i];
		unsigned int version =
		    atomic_load_explicit(&slot->version, memory_order_relaxed);

		atomic_store_explicit(&slot->version, version + 1, memory_order_relaxed);
		atomic_store_explicit(&slot->function, NULL, memory_order_release);
		atomic_store_explicit(&slot->layout, NULL, memory_order_release);
		atomic_store_explicit(&slot->version, version + 2, memory_order_release);
	}
}

#endif
