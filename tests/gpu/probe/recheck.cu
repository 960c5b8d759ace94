/*
 * A kernel that reads a range without pause and looks at every word, while its pages move (managed_home.c). recheck.ptx
 * is written by make-ptx; tests/sim/probe_twins.c holds the C twin.
 */
typedef unsigned long long u64;
typedef unsigned int u32;

/* As kernels.cu has it. */
static __device__ u64 mix(u64 x)
{
	x ^= x >> 32;
	x *= 0xD6E8FEB86659FD93ull;
	x ^= x >> 29;
	x *= 0x9E3779B97F4A7C15ull;
	return x ^ x >> 32;
}

static __device__ u64 now_ns(void)
{
	u64 ns;

	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
	return ns;
}

/* Says that it has begun; for as long, over and over, counts the words that are not mix(key + i). */
extern "C" __global__ void probe_recheck(const u64 *at, u64 words, u64 key, u64 ns, volatile u32 *begun, u64 *wrong)
{
	u64 start = now_ns(), bad = 0;

	if (threadIdx.x == 0 && blockIdx.x == 0) {
		*begun = 1;
		__threadfence_system();
	}
	do {
		for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < words; i += (u64)gridDim.x * blockDim.x)
			bad += *(const volatile u64 *)&at[i] != mix(key + i);
	} while (now_ns() - start < ns);
	if (bad)
		atomicAdd(wrong, bad);
}
