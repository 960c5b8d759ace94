#include "pager/registry.h"

static struct pager *_Atomic living[PAGER_DEVICES]; /* by device; atomic */
_Atomic uint64_t pager_low, pager_span;

struct pager *pager_of(uint64_t address)
{
	if (!pager_may_hold(address))
		return NULL;
	for (int i = 0; i < PAGER_DEVICES; i++) {
		struct pager *pager = pager_on(i);

		if (pager && arena_holds(&pager->memory.table.arena, address))
			return pager;
	}
	return NULL;
}

struct pager *pager_on(int device)
{
	return device >= 0 && device < PAGER_DEVICES
		   ? atomic_load_explicit(&living[device], memory_order_acquire)
		   : NULL;
}

struct pager *registry_of_context(CUcontext context)
{
	for (int i = 0; i < PAGER_DEVICES; i++) {
		struct pager *pager = pager_on(i);

		if (pager && pager->memory.context == context)
			return pager;
	}
	return NULL;
}

static void widen_bounds(const struct arena *arena)
{
	uint64_t low = atomic_load(&pager_low), end = low + atomic_load(&pager_span);

	if (!atomic_load(&pager_span) || arena->base < low)
		low = arena->base;
	if (arena->base + arena->bytes > end)
		end = arena->base + arena->bytes;
	/* For a moment the range may be read as too wide, never as too narrow for what it
	 * already held. */
	atomic_store(&pager_span, end - low);
	atomic_store(&pager_low, low);
}

void registry_enter(struct pager *pager)
{
	widen_bounds(&pager->memory.table.arena);
	atomic_store_explicit(&living[pager->memory.device], pager, memory_order_release);
}

void registry_leave(const struct pager *pager)
{
	atomic_store(&living[pager->memory.device], NULL);
}

void registry_clear(void)
{
	for (int i = 0; i < PAGER_DEVICES; i++)
		atomic_store(&living[i], NULL);
}
