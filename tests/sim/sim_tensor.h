/*
 * How the simulator's CUtensorMap holds its address: in one word as it is, or scrambled over
 * two. NVIDIA's is opaque; so is this, to all but the simulator and the kernels that read one.
 */
#ifndef SIM_TENSOR_H
#define SIM_TENSOR_H

#include <stdint.h>

#define SIM_TENSOR_WORDS 16
#define SIM_TENSOR_PLAIN 0x7E4504D1A9000001ull
#define SIM_TENSOR_SCRAMBLED 0x7E4504D1A9000002ull
#define SIM_TENSOR_KEY 0xA5C39E1700F1B2D3ull

/* The word after the address says how it stands there. */
static inline void sim_tensor_set(uint64_t *words, unsigned int at, int scrambled,
				  uint64_t address)
{
	words[at] = scrambled ? (address << 23 | address >> 41) ^ SIM_TENSOR_KEY : address;
	words[(at + 1) % SIM_TENSOR_WORDS] =
	    scrambled ? SIM_TENSOR_SCRAMBLED : SIM_TENSOR_PLAIN;
}

/* 0: it is no tensor map. */
static inline uint64_t sim_tensor_address(const uint64_t *words)
{
	for (unsigned int at = 0; at < SIM_TENSOR_WORDS; at++) {
		uint64_t how = words[(at + 1) % SIM_TENSOR_WORDS];

		if (how == SIM_TENSOR_PLAIN)
			return words[at];
		if (how == SIM_TENSOR_SCRAMBLED) {
			uint64_t turned = words[at] ^ SIM_TENSOR_KEY;

			return turned >> 23 | turned << 41;
		}
	}
	return 0;
}

#endif
