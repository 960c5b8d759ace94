/* What compute capability 10.0 and newer have: loads and stores of 256 bits. See access.cu. */
typedef unsigned long long u64;

extern "C" __global__ void probe_copy_v8(u64 *to, const u64 *from, u64 words)
{
	for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < words / 4; i += (u64)gridDim.x * blockDim.x) {
		u64 a, b, c, d;

		asm volatile("ld.global.v4.b64 {%0, %1, %2, %3}, [%4];" : "=l"(a), "=l"(b), "=l"(c), "=l"(d) : "l"(from + 4 * i) : "memory");
		asm volatile("st.global.v4.b64 [%0], {%1, %2, %3, %4};" ::"l"(to + 4 * i), "l"(a), "l"(b), "l"(c), "l"(d) : "memory");
	}
}
