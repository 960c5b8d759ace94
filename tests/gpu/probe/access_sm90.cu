/*
 * What compute capability 9.0 and newer have: bulk copies by the tensor memory accelerator, with and without a tensor map, and
 * atomics on vectors. See access.cu. A block of 256 threads copies tiles of 8 KiB.
 */
typedef unsigned long long u64;

#define TILE_WORDS 1024 /* of 64 bits */
#define TILE_BYTES (TILE_WORDS * 8)

struct alignas(64) tensor_map {
	u64 opaque[16];
};

static __device__ void barrier_init(unsigned int barrier)
{
	if (threadIdx.x == 0)
		asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;\n"
			     "fence.proxy.async;" ::"r"(barrier) : "memory");
	__syncthreads();
}

static __device__ void barrier_expect(unsigned int barrier)
{
	asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(TILE_BYTES) : "memory");
}

static __device__ void barrier_wait(unsigned int barrier, unsigned int parity)
{
	unsigned int done = 0;

	while (!done)
		asm volatile("{\n"
			     ".reg .pred p;\n"
			     "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
			     "selp.u32 %0, 1, 0, p;\n"
			     "}" : "=r"(done) : "r"(barrier), "r"(parity) : "memory");
}

static __device__ void give_tile(u64 *to, const u64 *tile)
{
	for (unsigned int i = threadIdx.x; i < TILE_WORDS; i += blockDim.x)
		to[i] = tile[i];
	/* The next copy writes this tile by another path. */
	asm volatile("fence.proxy.async;" ::: "memory");
	__syncthreads();
}

/* cp.async.bulk */
extern "C" __global__ void probe_copy_bulk(u64 *to, const u64 *from, u64 words)
{
	__shared__ alignas(128) u64 tile[TILE_WORDS];
	__shared__ alignas(8) u64 word;
	unsigned int barrier = (unsigned int)__cvta_generic_to_shared(&word), parity = 0;
	unsigned int at = (unsigned int)__cvta_generic_to_shared(tile);

	barrier_init(barrier);
	for (u64 first = blockIdx.x * (u64)TILE_WORDS; first < words; first += gridDim.x * (u64)TILE_WORDS, parity ^= 1) {
		if (threadIdx.x == 0) {
			barrier_expect(barrier);
			asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(at),
				     "l"(from + first), "r"(TILE_BYTES), "r"(barrier) : "memory");
		}
		barrier_wait(barrier, parity);
		give_tile(to + first, tile);
	}
}

/* cp.async.bulk.tensor: of a matrix of 32-bit words, 64 a row, in boxes of 32 rows. */
extern "C" __global__ void probe_copy_tensor(const __grid_constant__ tensor_map map, u64 *to, u64 words)
{
	__shared__ alignas(128) u64 tile[TILE_WORDS];
	__shared__ alignas(8) u64 word;
	unsigned int barrier = (unsigned int)__cvta_generic_to_shared(&word), parity = 0;
	unsigned int at = (unsigned int)__cvta_generic_to_shared(tile);

	barrier_init(barrier);
	for (u64 first = blockIdx.x * (u64)TILE_WORDS; first < words; first += gridDim.x * (u64)TILE_WORDS, parity ^= 1) {
		if (threadIdx.x == 0) {
			barrier_expect(barrier);
			asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
				     "[%0], [%1, {%2, %3}], [%4];" ::"r"(at), "l"(&map), "r"(0), "r"((int)(first / 32)), "r"(barrier)
				     : "memory");
		}
		barrier_wait(barrier, parity);
		give_tile(to + first, tile);
	}
}

/* The tile as a bulk copy is to find it; then that copy, which thread 0 begins and waits for. */
static __device__ void take_tile(u64 *tile, const u64 *from)
{
	for (unsigned int i = threadIdx.x; i < TILE_WORDS; i += blockDim.x)
		tile[i] = from[i];
	asm volatile("fence.proxy.async;" ::: "memory");
	__syncthreads();
}

static __device__ void wait_for_store(void)
{
	asm volatile("cp.async.bulk.commit_group;\n"
		     "cp.async.bulk.wait_group 0;" ::: "memory");
}

/* cp.async.bulk, to global memory */
extern "C" __global__ void probe_store_bulk(u64 *to, const u64 *from, u64 words)
{
	__shared__ alignas(128) u64 tile[TILE_WORDS];
	unsigned int at = (unsigned int)__cvta_generic_to_shared(tile);

	for (u64 first = blockIdx.x * (u64)TILE_WORDS; first < words; first += gridDim.x * (u64)TILE_WORDS) {
		take_tile(tile, from + first);
		if (threadIdx.x == 0) {
			asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(to + first), "r"(at),
				     "r"(TILE_BYTES) : "memory");
			wait_for_store();
		}
		__syncthreads();
	}
}

/* cp.async.bulk.tensor, to global memory */
extern "C" __global__ void probe_store_tensor(const __grid_constant__ tensor_map map, const u64 *from, u64 words)
{
	__shared__ alignas(128) u64 tile[TILE_WORDS];
	unsigned int at = (unsigned int)__cvta_generic_to_shared(tile);

	for (u64 first = blockIdx.x * (u64)TILE_WORDS; first < words; first += gridDim.x * (u64)TILE_WORDS) {
		take_tile(tile, from + first);
		if (threadIdx.x == 0) {
			asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(&map),
				     "r"(0), "r"((int)(first / 32)), "r"(at) : "memory");
			wait_for_store();
		}
		__syncthreads();
	}
}

/* red.global.add.v4.f32: each number grows by 1, 2, 3 or 4. */
extern "C" __global__ void probe_atomics_vector(float *at, u64 numbers)
{
	for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < numbers / 4; i += (u64)gridDim.x * blockDim.x)
		asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(at + 4 * i), "f"(1.0f), "f"(2.0f), "f"(3.0f), "f"(4.0f)
			     : "memory");
}
