/*
 * C twins of the kernels of tests/gpu/probe/dependent.cu and recheck.cu, as probe_kernels.c has
 * those of kernels.cu.
 */
#include "sim.h"

KERNEL3(probe_primary, uint64_t, ns, uint64_t *, word, uint64_t, value)
{
	sim_launch_dependents(sim_self);
	COMPUTE_NS((double)ns / (double)sim_self->blocks);
	if (sim_self->block)
		return;
	TOUCH_WRITE(word, sizeof(*word));
	*word = value;
}

KERNEL4(probe_dependent, uint64_t, ns, const uint64_t *, word, uint64_t, value, uint64_t *,
	wrong)
{
	COMPUTE_NS((double)ns / (double)sim_self->blocks);
	sim_wait_for_primary(sim_self);
	if (sim_self->block)
		return;
	TOUCH_READ(word, sizeof(*word));
	TOUCH_WRITE(wrong, sizeof(*wrong));
	*wrong += *word != value;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xD6E8FEB86659FD93ull;
	x ^= x >> 29;
	x *= 0x9E3779B97F4A7C15ull;
	return x ^ x >> 32;
}

/* Once over the range is enough: what it touches stays touched until it ends. */
KERNEL6(probe_recheck, const uint64_t *, at, uint64_t, words, uint64_t, key, uint64_t, ns,
	uint32_t *, begun, uint64_t *, wrong)
{
	uint64_t from = words * sim_self->block / sim_self->blocks;
	uint64_t upto = words * (sim_self->block + 1) / sim_self->blocks, bad = 0;

	if (!sim_self->block) {
		TOUCH_WRITE(begun, sizeof(*begun));
		*(volatile uint32_t *)begun = 1;
	}
	COMPUTE_NS((double)ns / (double)sim_self->blocks);
	TOUCH_READ(at + from, (upto - from) * sizeof(*at));
	for (uint64_t i = from; i < upto; i++)
		bad += ((const volatile uint64_t *)at)[i] != mix(key + i);
	if (!bad)
		return;
	TOUCH_WRITE(wrong, sizeof(*wrong));
	*wrong += bad;
}

const struct sim_kernel *const sim_probe_twins[] = {
    KERNEL_ROW(probe_primary),
    KERNEL_ROW(probe_dependent),
    KERNEL_ROW(probe_recheck),
};
const size_t sim_probe_twin_count = sizeof(sim_probe_twins) / sizeof(sim_probe_twins[0]);
