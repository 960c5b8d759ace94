/*
 * What the pager asks the GPU to do. kernels.ptx is this file as nvcc -ptx -arch=compute_75 writes it, with the
 * version and target lowered to what older drivers take; kernels.fatbin holds machine code made from that text. After a
 * change here, `make kernels-ptx` (make-kernels) writes both anew.
 *
 * lowtide_content_hash: for each entry of a table of {address, bytes}, adds a 128-bit sum over its 64-bit words to
 * out[2 * entry] and out[2 * entry + 1]. Grid: x parts, y entries; any block size that is a power of two up to 256.
 * The sum does not depend on the order of blocks. It finds change; it does not resist an attacker.
 *
 * lowtide_copy: `height` rows of `width` bytes. Grid: x parts of a row, y rows at a time. For copies from RAM to RAM,
 * which the driver's own would make the calling thread wait for.
 */
typedef unsigned long long u64;

static __device__ u64 mix(u64 x)
{
	x ^= x >> 32;
	x *= 0xD6E8FEB86659FD93ull;
	x ^= x >> 29;
	x *= 0x9E3779B97F4A7C15ull;
	return x ^ x >> 32;
}

extern "C" __global__ void lowtide_content_hash(const u64 *table, u64 *out)
{
	const u64 *words = (const u64 *)table[2 * blockIdx.y];
	u64 count = table[2 * blockIdx.y + 1] / 8;
	u64 from = count * blockIdx.x / gridDim.x, upto = count * (blockIdx.x + 1) / gridDim.x;
	u64 low = 0, high = 0;

	for (u64 i = from + threadIdx.x; i < upto; i += blockDim.x) {
		u64 word = words[i], x = mix(word + i * 0xA0761D6478BD642Full);

		low += x;
		high += (x ^ word) * 0xE7037ED1A0B428DBull ^ x >> 17;
	}
	for (unsigned int lane = 16; lane; lane /= 2) {
		low += __shfl_down_sync(0xffffffffu, low, lane);
		high += __shfl_down_sync(0xffffffffu, high, lane);
	}
	if (threadIdx.x % 32 == 0) {
		atomicAdd(&out[2 * blockIdx.y], low);
		atomicAdd(&out[2 * blockIdx.y + 1], high);
	}
}

extern "C" __global__ void lowtide_copy(char *dst, u64 dst_pitch, const char *src, u64 src_pitch, u64 width, u64 height)
{
	u64 step = (u64)gridDim.x * blockDim.x, first = (u64)blockIdx.x * blockDim.x + threadIdx.x;
	bool aligned = !(((u64)dst | dst_pitch | (u64)src | src_pitch) & 15);
	u64 words = aligned ? width / 16 : 0;

	for (u64 row = blockIdx.y; row < height; row += gridDim.y) {
		char *to = dst + row * dst_pitch;
		const char *from = src + row * src_pitch;

		for (u64 i = first; i < words; i += step)
			((uint4 *)to)[i] = ((const uint4 *)from)[i];
		for (u64 i = words * 16 + first; i < width; i += step)
			to[i] = from[i];
	}
}
