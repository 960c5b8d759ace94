/* A kernel of twenty pointers, which is only ever launched into nothing. */
#include "../sim/sim_kernel.h"

static const size_t offsets[20] = {0,  8,  16, 24,  32,	 40,  48,  56,	64,  72,
				   80, 88, 96, 104, 112, 120, 128, 136, 144, 152};
static const size_t sizes[20] = {8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8};

static void run(const struct sim_block *self, const unsigned char *params)
{
	(void)self, (void)params;
}

static const struct sim_kernel twenty_kernel = {"twenty", 20, offsets, sizes, 160, run};

KERNEL_IMAGE(KERNEL_ROW(twenty))
