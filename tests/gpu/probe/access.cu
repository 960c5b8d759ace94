/*
 * Ways to reach memory that ordinary loads and stores do not show: the read-only path, vectors of 128 bits, atomics of
 * system scope. Each kernel but the last copies `words` words of 64 bits. access.ptx is written by make-ptx;
 * tests/sim/probe_access_twins.c holds the C twins, of access_sm80.cu and access_sm90.cu too.
 */
typedef unsigned long long u64;

#define EACH(i, n) \
	for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < (n); i += (u64)gridDim.x * blockDim.x)

/* ld.global.nc */
extern "C" __global__ void probe_copy_nc(u64 *to, const u64 *from, u64 words)
{
	EACH(i, words)
		to[i] = __ldg(from + i);
}

/* ld and st of 128 bits */
extern "C" __global__ void probe_copy_v4(u64 *to, const u64 *from, u64 words)
{
	EACH(i, words / 2)
		((ulonglong2 *)to)[i] = ((const ulonglong2 *)from)[i];
}

/* Word i, 5 before, becomes 5 + 3 = 8 by an addition, then 9 by an exchange against 8, then 10 by an exchange that gave 9.
 * 32 bits in the lower half of the range, 64 bits in the upper. */
extern "C" __global__ void probe_atomics_system(unsigned int *at, u64 words)
{
	u64 *wide = (u64 *)(at + words);

	EACH(i, words) {
		atomicAdd_system(at + i, 3u);
		atomicCAS_system(at + i, 8u, 9u);
		if (atomicExch_system(at + i, 10u) != 9u)
			at[i] = 0;
	}
	EACH(i, words / 2) {
		atomicAdd_system(wide + i, 3ull);
		atomicCAS_system(wide + i, 8ull, 9ull);
		if (atomicExch_system(wide + i, 10ull) != 9ull)
			wide[i] = 0;
	}
}
