/*
 * A texture or surface object of the simulator: its handle is the address of one of these, in
 * which the memory it reads stands as in a tensor map. NVIDIA's handles are opaque; so are
 * these, to all but the simulator and the kernels that read through one.
 */
#ifndef SIM_TEXTURE_H
#define SIM_TEXTURE_H

#include "sim_tensor.h"

struct sim_texture {
	uint64_t words[SIM_TENSOR_WORDS];
};

#endif
