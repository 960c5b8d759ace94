/*
 * C twins of the kernels of tests/gpu/probe/access.cu, access_sm80.cu, access_sm90.cu and
 * access_sm100.cu: each says by which way it reaches memory, so that a card whose host frames
 * cannot be reached so can be planted (LOWTIDE_SIM_HOST_FAULTS).
 */
#include "sim.h"
#include "sim_tensor.h"

#include <string.h>

/* What FOR_EACH gives this block of so many. */
static void touch_slice(const struct sim_block *sim_self, const void *at, size_t size,
			uint64_t count)
{
	uint64_t first = count * sim_self->block / sim_self->blocks;
	uint64_t end = count * (sim_self->block + 1) / sim_self->blocks;

	TOUCH_WRITE((const char *)at + first * size, (end - first) * size);
}

static void copy(const struct sim_block *sim_self, enum sim_way way, uint64_t *to,
		 const uint64_t *from, uint64_t words)
{
	uint64_t first = words * sim_self->block / sim_self->blocks;
	uint64_t count = words * (sim_self->block + 1) / sim_self->blocks - first;

	sim_reach_by(sim_self, way, from);
	sim_reach_by(sim_self, way, to);
	TOUCH_READ(from + first, count * sizeof(*from));
	TOUCH_WRITE(to + first, count * sizeof(*to));
	memcpy(to + first, from + first, count * sizeof(*to));
}

KERNEL3(probe_copy_nc, uint64_t *, to, const uint64_t *, from, uint64_t, words)
{
	copy(sim_self, SIM_WAY_READ_ONLY, to, from, words);
}

KERNEL3(probe_copy_v4, uint64_t *, to, const uint64_t *, from, uint64_t, words)
{
	copy(sim_self, SIM_WAY_VECTORS, to, from, words);
}

KERNEL3(probe_copy_v8, uint64_t *, to, const uint64_t *, from, uint64_t, words)
{
	copy(sim_self, SIM_WAY_WIDE_VECTORS, to, from, words);
}

KERNEL3(probe_copy_async, uint64_t *, to, const uint64_t *, from, uint64_t, words)
{
	copy(sim_self, SIM_WAY_ASYNC_COPY, to, from, words);
}

KERNEL3(probe_copy_bulk, uint64_t *, to, const uint64_t *, from, uint64_t, words)
{
	copy(sim_self, SIM_WAY_BULK_COPY, to, from, words);
}

KERNEL3(probe_store_bulk, uint64_t *, to, const uint64_t *, from, uint64_t, words)
{
	copy(sim_self, SIM_WAY_BULK_STORE, to, from, words);
}

struct map {
	uint64_t words[SIM_TENSOR_WORDS];
};

KERNEL3(probe_copy_tensor, struct map, map, uint64_t *, to, uint64_t, words)
{
	copy(sim_self, SIM_WAY_TMA, to,
	     (const uint64_t *)(uintptr_t)sim_tensor_address(map.words), words);
}

KERNEL3(probe_store_tensor, struct map, map, const uint64_t *, from, uint64_t, words)
{
	copy(sim_self, SIM_WAY_TMA_STORE, (uint64_t *)(uintptr_t)sim_tensor_address(map.words),
	     from, words);
}

KERNEL2(probe_atomics_system, uint32_t *, at, uint64_t, words)
{
	uint64_t *wide = (uint64_t *)(void *)(at + words);

	sim_reach_by(sim_self, SIM_WAY_SYSTEM_ATOMICS, at);
	touch_slice(sim_self, at, sizeof(*at), words);
	touch_slice(sim_self, wide, sizeof(*wide), words / 2);
	FOR_EACH (i, words)
		at[i] = at[i] + 3 == 8 ? 10 : 0;
	FOR_EACH (i, words / 2)
		wide[i] = wide[i] + 3 == 8 ? 10 : 0;
}

KERNEL2(probe_atomics_vector, float *, at, uint64_t, numbers)
{
	sim_reach_by(sim_self, SIM_WAY_VECTOR_ATOMICS, at);
	touch_slice(sim_self, at, sizeof(*at), numbers);
	FOR_EACH (i, numbers)
		at[i] += (float)(i % 4 + 1);
}

static void nothing(const struct sim_block *sim_self, const unsigned char *params)
{
	(void)sim_self, (void)params;
}
static const struct sim_kernel no_params = {"probe_no_params", 0, NULL, NULL, 0, nothing};

const struct sim_kernel *const sim_access_twins[] = {
    KERNEL_ROW(probe_copy_v8),
    KERNEL_ROW(probe_store_bulk),
    KERNEL_ROW(probe_store_tensor),
    KERNEL_ROW(probe_copy_nc),
    KERNEL_ROW(probe_copy_v4),
    KERNEL_ROW(probe_copy_async),
    KERNEL_ROW(probe_copy_bulk),
    KERNEL_ROW(probe_copy_tensor),
    KERNEL_ROW(probe_atomics_system),
    KERNEL_ROW(probe_atomics_vector),
    &no_params,
};
const size_t sim_access_twin_count = sizeof(sim_access_twins) / sizeof(sim_access_twins[0]);
