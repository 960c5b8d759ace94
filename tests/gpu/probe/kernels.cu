/*
 * What the probe asks the GPU to do. kernels.ptx is this file as nvcc -ptx -arch=compute_75 writes it, with the version
 * and target lowered to what older drivers take (`make probe-ptx`). tests/sim/probe_kernels.c holds the C twins that
 * the simulated GPU runs. Words are 64 bits wide; any grid and any block size that is a multiple of 32 will do, but
 * for matmat, whose blocks are 16 x 16.
 */
typedef unsigned long long u64;
typedef unsigned int u32;

#define FOR_EACH(i, n)                                                                                                 \
	for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < (n); i += (u64)gridDim.x * blockDim.x)

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

/* One sum from each warp. */
static __device__ void add_up(u64 *to, u64 mine)
{
	for (u32 lane = 16; lane; lane /= 2)
		mine += __shfl_down_sync(0xffffffffu, mine, lane);
	if (threadIdx.x % 32 == 0)
		atomicAdd(to, mine);
}

extern "C" __global__ void probe_fill(u64 *to, u64 words, u64 key)
{
	FOR_EACH(i, words)
		to[i] = mix(key + i);
}

/* Counts the words that are not mix(key + i) + bumps, then adds `add` to each. */
extern "C" __global__ void probe_check(u64 *at, u64 words, u64 key, u64 bumps, u64 add, u64 *wrong)
{
	u64 bad = 0;

	FOR_EACH(i, words) {
		u64 word = at[i];

		bad += word != mix(key + i) + bumps;
		if (add)
			at[i] = word + add;
	}
	add_up(wrong, bad);
}

/* Coalesced reads of 16 bytes, each lane beside the next. */
extern "C" __global__ void probe_read(const u64 *from, u64 words, u64 *sum)
{
	const ulonglong2 *pairs = (const ulonglong2 *)from;
	u64 mine = 0;

	FOR_EACH(i, words / 2) {
		ulonglong2 pair = pairs[i];

		mine += pair.x ^ pair.y;
	}
	add_up(sum, mine);
}

/* `reads` words at places that a hash chooses: each brings a sector of 32 bytes. */
extern "C" __global__ void probe_random(const u64 *from, u64 words, u64 reads, u64 *sum)
{
	u64 mine = 0;

	FOR_EACH(i, reads)
		mine += from[mix(i) % words];
	add_up(sum, mine);
}

/* Adds 1 to each 32-bit word, by an atomic of the GPU's scope or of the system's. */
extern "C" __global__ void probe_atomic(u32 *at, u64 words, u64 of_system)
{
	FOR_EACH(i, words) {
		if (of_system)
			atomicAdd_system(&at[i], 1u);
		else
			atomicAdd(&at[i], 1u);
	}
}

/* Says that it has begun, then keeps busy for as long. */
extern "C" __global__ void probe_spin(u64 ns, volatile u32 *begun)
{
	u64 start = now_ns();

	if (begun && threadIdx.x == 0 && blockIdx.x == 0) {
		*begun = 1;
		__threadfence_system();
	}
	while (now_ns() - start < ns)
		;
}

/* Says that it has begun, then reads the whole range over and over for as long, past any cache of it. */
extern "C" __global__ void probe_reread(const u64 *from, u64 words, u64 ns, volatile u32 *begun, u64 *sum)
{
	u64 start = now_ns(), mine = 0;

	if (threadIdx.x == 0 && blockIdx.x == 0) {
		*begun = 1;
		__threadfence_system();
	}
	do {
		FOR_EACH(i, words)
			mine += *(const volatile u64 *)&from[i];
	} while (now_ns() - start < ns);
	add_up(sum, mine);
}

/* y = A x, a warp to a row, 16 bytes to a lane: each word of A is read once. cols: a multiple of 4. */
extern "C" __global__ void probe_matvec(const float *a, const float *x, float *y, u64 rows, u64 cols)
{
	u64 warp = (blockIdx.x * (u64)blockDim.x + threadIdx.x) / 32, warps = (u64)gridDim.x * blockDim.x / 32;

	for (u64 row = warp; row < rows; row += warps) {
		const float4 *quads = (const float4 *)(a + row * cols), *with = (const float4 *)x;
		float mine = 0;

		for (u64 i = threadIdx.x % 32; i < cols / 4; i += 32) {
			float4 q = quads[i], w = with[i];

			mine += q.x * w.x + q.y * w.y + q.z * w.z + q.w * w.w;
		}
		for (u32 lane = 16; lane; lane /= 2)
			mine += __shfl_down_sync(0xffffffffu, mine, lane);
		if (threadIdx.x % 32 == 0)
			y[row] = mine;
	}
}

/* C (m x n) = A (m x k) B (k x n), in tiles of 16: A is read n / 16 times. All three: multiples of 16. */
extern "C" __global__ void probe_matmat(const float *a, const float *b, float *c, u64 n, u64 k)
{
	__shared__ float left[16][16], right[16][16];
	u64 row = blockIdx.y * 16ull + threadIdx.y, col = blockIdx.x * 16ull + threadIdx.x;
	float sum = 0;

	for (u64 at = 0; at < k; at += 16) {
		left[threadIdx.y][threadIdx.x] = a[row * k + at + threadIdx.x];
		right[threadIdx.y][threadIdx.x] = b[(at + threadIdx.y) * n + col];
		__syncthreads();
		for (u32 i = 0; i < 16; i++)
			sum += left[threadIdx.y][i] * right[i][threadIdx.x];
		__syncthreads();
	}
	c[row * n + col] = sum;
}

/* --- for the cost of a launch, and for the layout of parameters --------------------------------------------- */

#define FIVE(x) u64 x##0, u64 x##1, u64 x##2, u64 x##3, u64 x##4
#define TWENTY(x) FIVE(x##0), FIVE(x##1), FIVE(x##2), FIVE(x##3)

extern "C" __global__ void probe_params_1(u64 a)
{
}

extern "C" __global__ void probe_params_20(TWENTY(a))
{
}

extern "C" __global__ void probe_params_60(TWENTY(a), TWENTY(b), TWENTY(c))
{
}

struct three {
	u64 x, y, z;
};

/* Bytes 0, 8, 16, 40: what cuFuncGetParamInfo must say. */
extern "C" __global__ void probe_layout(unsigned char a, u64 b, struct three c, unsigned short d)
{
}

extern "C" __global__ void probe_no_params()
{
}
