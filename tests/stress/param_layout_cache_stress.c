/*
 * Readers ask a cache for functions that share its slots while a writer stores and clears them.
 * A reader gets nothing, or the layout of the very function it asked for. With NO_VERSION
 * defined readers do not look at a slot's version, and now and then get another's: this must
 * be seen, or the test could not fail.
 */
#include "hook/param_layout_cache.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define READERS 3
#define SHARING 3 /* functions in one slot */
#define ROUNDS 300000

static struct param_layout_cache cache;
static const void *functions[SHARING];
static struct param_layout *layouts[SHARING];
static atomic_bool over;
static atomic_ulong wrong, found;

static const struct param_layout *find(const void *function)
{
#ifdef NO_VERSION
	struct param_layout_slot *slot = param_layout_cache_slot(&cache, function);

	return atomic_load(&slot->function) == function ? atomic_load(&slot->layout) : NULL;
#else
	return param_layout_cache_find(&cache, function);
#endif
}

static void *read_all(void *seed)
{
	size_t i = (uintptr_t)seed;

	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		const struct param_layout *layout = find(functions[i % SHARING]);

		if (layout) {
			atomic_fetch_add_explicit(&found, 1, memory_order_relaxed);
			if (layout->count != i % SHARING)
				atomic_fetch_add(&wrong, 1);
		}
		i++;
	}
	return NULL;
}

/* Handles that fall into one slot. */
static void choose_functions(void)
{
	uintptr_t at = 0x10000;

	for (size_t i = 0; i < SHARING; at += 16) {
		const void *function = (const void *)at;

		if (i && param_layout_cache_slot(&cache, function) !=
			     param_layout_cache_slot(&cache, functions[0]))
			continue;
		functions[i] = function;
		layouts[i] = calloc(1, sizeof(*layouts[i]));
		layouts[i]->count = i;
		i++;
	}
}

int main(void)
{
	pthread_t thread[READERS];

	choose_functions();
	for (uintptr_t i = 0; i < READERS; i++)
		pthread_create(&thread[i], NULL, read_all, (void *)i);
	for (size_t i = 0; i < ROUNDS; i++) {
		param_layout_cache_store(&cache, functions[i % SHARING], layouts[i % SHARING]);
		if (i % 4096 == 0)
			param_layout_cache_clear(&cache);
	}
	atomic_store(&over, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	if (atomic_load(&wrong) || !atomic_load(&found)) {
		fprintf(stderr, "%lu of %lu were another function's\n", atomic_load(&wrong),
			atomic_load(&found));
		return atomic_load(&wrong) ? 66 : 1;
	}
	return 0;
}
