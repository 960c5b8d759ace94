/* Asynchronous copies to shared memory, which compute capability 8.0 and newer have: cp.async of 16 bytes. See access.cu. */
typedef unsigned long long u64;

extern "C" __global__ void probe_copy_async(u64 *to, const u64 *from, u64 words)
{
	__shared__ alignas(16) ulonglong2 tile[256];
	unsigned int mine = (unsigned int)__cvta_generic_to_shared(tile + threadIdx.x);

	for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < words / 2; i += (u64)gridDim.x * blockDim.x) {
		asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n"
			     "cp.async.commit_group;\n"
			     "cp.async.wait_group 0;" ::"r"(mine), "l"((const ulonglong2 *)from + i) : "memory");
		((ulonglong2 *)to)[i] = tile[threadIdx.x];
	}
}
