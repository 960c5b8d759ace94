/*
 * Two kernels for programmatic dependent launch, which compute capability 9.0 and newer have: the second may start
 * while the first still works, and waits itself for the first one's end where it must. A module of its own, since older
 * cards take none of it. dependent.ptx is written by make-ptx; tests/sim/probe_twins.c holds the C twins.
 */
typedef unsigned long long u64;

static __device__ void keep_busy(u64 ns)
{
	u64 start, now;

	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
	do
		asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
	while (now - start < ns);
}

/* Lets the next one start, keeps busy for as long, then writes. */
extern "C" __global__ void probe_primary(u64 ns, u64 *word, u64 value)
{
	asm volatile("griddepcontrol.launch_dependents;");
	keep_busy(ns);
	if (threadIdx.x == 0 && blockIdx.x == 0)
		*word = value;
}

/* Keeps busy for as long, waits for the kernel before it, then counts if that one's word is not there. */
extern "C" __global__ void probe_dependent(u64 ns, const u64 *word, u64 value, u64 *wrong)
{
	keep_busy(ns);
	asm volatile("griddepcontrol.wait;" ::: "memory");
	if (threadIdx.x == 0 && blockIdx.x == 0 && *(const volatile u64 *)word != value)
		*wrong += 1;
}
