/* Copies and fills in every shape, read back byte for byte. */
#include "sim_test.h"

#define N 4099

static unsigned char from[N], back[N];

static void pattern(unsigned int seed)
{
	for (unsigned int i = 0; i < N; i++)
		from[i] = (unsigned char)(i * 31 + seed + (i >> 8));
	memset(back, 0xee, sizeof(back));
}

static void same(void)
{
	for (unsigned int i = 0; i < N; i++)
		cr_assert_eq(back[i], from[i], "byte %u", i);
}

Test(sim_copy, bytes_come_back_through_two_device_buffers)
{
	sim_start();
	CUdeviceptr a = sim_alloc(N), b = sim_alloc(N);

	pattern(1);
	OK(cuMemcpyHtoD(a, from, N));
	OK(cuMemcpyDtoD(b, a, N));
	OK(cuMemcpyDtoH(back, b, N));
	same();
}

Test(sim_copy, bytes_come_back_through_async_copies)
{
	CUstream stream;

	sim_start();
	CUdeviceptr a = sim_alloc(N), b = sim_alloc(N);
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	pattern(2);
	OK(cuMemcpyHtoDAsync(a, from, N, stream));
	OK(cuMemcpyDtoDAsync(b, a, N, stream));
	OK(cuMemcpyDtoHAsync(back, b, N, stream));
	OK(cuStreamSynchronize(stream));
	same();
}

Test(sim_copy, the_generic_copy_finds_the_direction)
{
	sim_start();
	CUdeviceptr a = sim_alloc(N);

	pattern(3);
	OK(cuMemcpy(a, (CUdeviceptr)from, N));
	OK(cuMemcpy((CUdeviceptr)back, a, N));
	same();
}

Test(sim_copy, pageable_source_may_change_once_the_async_copy_returned)
{
	sim_start();
	CUdeviceptr a = sim_alloc(N);

	pattern(4);
	OK(sim_spin(1e7, NULL));
	OK(cuMemcpyHtoDAsync(a, from, N, NULL));
	memset(from, 0, sizeof(from));
	OK(cuCtxSynchronize());
	pattern(4);
	OK(cuMemcpyDtoH(back, a, N));
	same();
}

Test(sim_copy, memsets_write_their_width_and_nothing_else)
{
	unsigned char host[1024];

	sim_start();
	CUdeviceptr a = sim_alloc(1024);
	OK(cuMemsetD8(a, 1, 1024));
	OK(cuMemsetD8(a + 3, 0xab, 5));
	OK(cuMemsetD16(a + 16, 0x1234, 4));
	OK(cuMemsetD32(a + 64, 0xdeadbeef, 4));
	OK(cuMemcpyDtoH(host, a, 1024));
	for (unsigned int i = 0; i < 1024; i++) {
		unsigned int want = 1;

		if (i >= 3 && i < 8)
			want = 0xab;
		if (i >= 16 && i < 24)
			want = i % 2 ? 0x12 : 0x34;
		if (i >= 64 && i < 80)
			want = (0xdeadbeef >> 8 * (i % 4)) & 0xff;
		cr_assert_eq(host[i], want, "byte %u is %x", i, host[i]);
	}
}

Test(sim_copy, a_misaligned_wide_memset_is_invalid)
{
	sim_start();
	CUdeviceptr a = sim_alloc(1024);

	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemsetD32(a + 1, 0, 4));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemsetD16(a + 1, 0, 4));
}

Test(sim_copy, a_pitched_memset_leaves_the_gaps)
{
	unsigned char host[64 * 4];

	sim_start();
	CUdeviceptr a = sim_alloc(sizeof(host));
	OK(cuMemsetD8(a, 0, sizeof(host)));
	OK(cuMemsetD2D8(a, 64, 9, 10, 4));
	OK(cuMemcpyDtoH(host, a, sizeof(host)));
	for (unsigned int i = 0; i < sizeof(host); i++)
		cr_assert_eq(host[i], i % 64 < 10 ? 9 : 0);
}

Test(sim_copy, a_rectangle_lands_where_it_should)
{
	unsigned char host[32 * 8];

	sim_start();
	CUdeviceptr a = sim_alloc(64 * 8);
	CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST,
			      .srcHost = from,
			      .srcPitch = 32,
			      .srcXInBytes = 1,
			      .srcY = 2,
			      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			      .dstDevice = a,
			      .dstPitch = 64,
			      .dstXInBytes = 5,
			      .dstY = 1,
			      .WidthInBytes = 20,
			      .Height = 4};

	pattern(5);
	OK(cuMemsetD8(a, 0, 64 * 8));
	OK(cuMemcpy2D(&copy));
	CUDA_MEMCPY2D home = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			      .srcDevice = a,
			      .srcPitch = 64,
			      .dstMemoryType = CU_MEMORYTYPE_HOST,
			      .dstHost = host,
			      .dstPitch = 32,
			      .WidthInBytes = 32,
			      .Height = 8};
	OK(cuMemcpy2D(&home));
	for (unsigned int y = 0; y < 8; y++)
		for (unsigned int x = 0; x < 32; x++) {
			unsigned int in = x >= 5 && x < 25 && y >= 1 && y < 5;
			unsigned int want = in ? from[(y + 1) * 32 + x - 4] : 0;

			cr_assert_eq(host[y * 32 + x], want, "x %u y %u", x, y);
		}
}

Test(sim_copy, a_box_lands_where_it_should)
{
	unsigned char host[4 * 8 * 16];

	sim_start();
	CUdeviceptr a = sim_alloc(sizeof(host));
	CUDA_MEMCPY3D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST,
			      .srcHost = from,
			      .srcPitch = 16,
			      .srcHeight = 8,
			      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			      .dstDevice = a,
			      .dstPitch = 16,
			      .dstHeight = 8,
			      .dstXInBytes = 2,
			      .dstY = 1,
			      .dstZ = 1,
			      .WidthInBytes = 7,
			      .Height = 3,
			      .Depth = 2};

	pattern(6);
	OK(cuMemsetD8(a, 0, sizeof(host)));
	OK(cuMemcpy3D(&copy));
	OK(cuMemcpyDtoH(host, a, sizeof(host)));
	for (unsigned int z = 0; z < 4; z++)
		for (unsigned int y = 0; y < 8; y++)
			for (unsigned int x = 0; x < 16; x++) {
				unsigned int in =
				    x >= 2 && x < 9 && y >= 1 && y < 4 && z >= 1 && z < 3;
				unsigned int want =
				    in ? from[((z - 1) * 8 + y - 1) * 16 + x - 2] : 0;

				cr_assert_eq(host[(z * 8 + y) * 16 + x], want);
			}
}

Test(sim_copy, a_pitch_narrower_than_the_row_is_invalid)
{
	CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST,
			      .srcHost = from,
			      .srcPitch = 8,
			      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			      .dstPitch = 64,
			      .WidthInBytes = 20,
			      .Height = 4};

	sim_start();
	copy.dstDevice = sim_alloc(1024);
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D(&copy));
}

Test(sim_copy, from_ram_to_ram_even_an_asynchronous_copy_waits)
{
	CUstream stream;
	void *here, *there;

	sim_start();
	OK(cuMemHostAlloc(&here, MIB, 0));
	OK(cuMemHostAlloc(&there, MIB, 0));
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(sim_spin(1e8, stream));
	OK(cuMemcpyAsync((CUdeviceptr)(uintptr_t)there, (CUdeviceptr)(uintptr_t)here, MIB,
			 stream));
	OK(cuStreamQuery(stream));
	OK(sim_spin(1e8, stream));
	OK(cuMemcpyHtoDAsync(sim_alloc(MIB), here, MIB, stream));
	EXPECT(CUDA_ERROR_NOT_READY, cuStreamQuery(stream));
}

Test(sim_copy, a_fill_of_pinned_memory_waits_unless_it_is_asynchronous)
{
	void *pinned;

	sim_start();
	OK(cuMemHostAlloc(&pinned, MIB, 0));
	OK(sim_spin(1e8, NULL));
	OK(cuMemsetD8((CUdeviceptr)(uintptr_t)pinned, 1, MIB));
	OK(cuStreamQuery(NULL));
	OK(sim_spin(1e8, NULL));
	OK(cuMemsetD8Async((CUdeviceptr)(uintptr_t)pinned, 1, MIB, NULL));
	EXPECT(CUDA_ERROR_NOT_READY, cuStreamQuery(NULL));
	OK(cuMemsetD8(sim_alloc(MIB), 1, MIB));
	EXPECT(CUDA_ERROR_NOT_READY, cuStreamQuery(NULL));
}
