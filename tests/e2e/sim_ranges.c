/*
 * Copies and fills of ranges that are not there: past the end by a byte, begun behind it, of
 * sizes that wrap around. Prints what each call answers, and what is said when it is over; the
 * lines must be the same with and without the library. A child of its own for each: most end
 * their context. usage: sim_ranges cold|resident
 */
#include "program.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECES 4
#define BYTES (3 * UNIT + 4100) /* the last block is not full, nor the last row */

static char *host;
static CUdeviceptr other;

static CUresult h2d(CUdeviceptr at, size_t n)
{
	return cuMemcpyHtoD(at, host, n);
}

static CUresult h2d_async(CUdeviceptr at, size_t n)
{
	return cuMemcpyHtoDAsync(at, host, n, NULL);
}

static CUresult d2h(CUdeviceptr at, size_t n)
{
	return cuMemcpyDtoH(host, at, n);
}

static CUresult d2d_from(CUdeviceptr at, size_t n)
{
	return cuMemcpyDtoDAsync(other, at, n, NULL);
}

static CUresult any_to(CUdeviceptr at, size_t n)
{
	return cuMemcpy(at, other, n);
}

/* As programs call it that are built with a default stream for each thread. */
CUresult CUDAAPI cuMemcpyPeerAsync_ptsz(CUdeviceptr dst, CUcontext to, CUdeviceptr src,
					CUcontext from, size_t bytes, CUstream stream);

static CUresult peer_to(CUdeviceptr at, size_t n)
{
	return cuMemcpyPeerAsync_ptsz(at, context, other, context, n, NULL);
}

static CUresult set8(CUdeviceptr at, size_t n)
{
	return cuMemsetD8(at, 1, n);
}

static CUresult set32(CUdeviceptr at, size_t n)
{
	return cuMemsetD32Async(at, 1, n / 4 + (n % 4 != 0), NULL);
}

/* Columns of 16 bytes, as many rows as make so many bytes. */
static CUresult set_rows(CUdeviceptr at, size_t n)
{
	return cuMemsetD2D16(at, 64, 1, 8, n / 64 + 1);
}

static CUresult set_row(CUdeviceptr at, size_t n)
{
	return cuMemsetD2D8(at, n, 1, n, 1);
}

static CUDA_MEMCPY2D box(CUdeviceptr device, size_t width, size_t pitch, size_t height, int up)
{
	CUDA_MEMCPY2D c = {.WidthInBytes = width,
			   .Height = height,
			   .srcHost = host,
			   .dstHost = host,
			   .srcDevice = device,
			   .dstDevice = device,
			   .srcPitch = pitch,
			   .dstPitch = pitch};

	c.srcMemoryType = up ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
	c.dstMemoryType = up ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
	return c;
}

static CUresult up_row(CUdeviceptr at, size_t n)
{
	CUDA_MEMCPY2D c = box(at, n, n, 1, 1);

	return cuMemcpy2D(&c);
}

static CUresult down_rows(CUdeviceptr at, size_t n)
{
	CUDA_MEMCPY2D c = box(at, 16, 64, n / 64 + 1, 0);

	return cuMemcpy2DAsync(&c, NULL);
}

/* The pitch is the driver's to refuse. */
static CUresult overlapping_rows(CUdeviceptr at, size_t n)
{
	CUDA_MEMCPY2D c = box(at - 4096, 64, 16, 2, 1);

	(void)n;
	return cuMemcpy2D(&c);
}

static CUresult rows_begin_late(CUdeviceptr at, size_t n)
{
	CUDA_MEMCPY2D c = box(at - 4096, 32, 64, 2, 1);

	(void)n;
	c.srcXInBytes = 40;
	return cuMemcpy2D(&c);
}

/* Planes of two rows: two, or as many as make so many bytes. */
static CUresult planes(CUdeviceptr at, size_t n)
{
	CUDA_MEMCPY3D c = {.WidthInBytes = 16,
			   .Height = 2,
			   .Depth = n / 256 + 1,
			   .srcMemoryType = CU_MEMORYTYPE_DEVICE,
			   .srcDevice = at,
			   .srcPitch = 64,
			   .srcHeight = 4,
			   .dstMemoryType = CU_MEMORYTYPE_HOST,
			   .dstHost = host,
			   .dstPitch = 64,
			   .dstHeight = 4};

	return cuMemcpy3D(&c);
}

static CUresult planes_overlap(CUdeviceptr at, size_t n)
{
	CUDA_MEMCPY3D c = {.WidthInBytes = 16,
			   .Height = 4,
			   .Depth = 2,
			   .srcMemoryType = CU_MEMORYTYPE_DEVICE,
			   .srcDevice = at - 4096,
			   .srcPitch = 64,
			   .srcHeight = 2,
			   .dstMemoryType = CU_MEMORYTYPE_HOST,
			   .dstHost = host,
			   .dstPitch = 64,
			   .dstHeight = 4};

	(void)n;
	return cuMemcpy3D(&c);
}

/* Of one byte in all, if it is not looked at closely. */
static CUresult rows_wrap(CUdeviceptr at, size_t n)
{
	CUDA_MEMCPY2D c = box(at - 4096, 1, (size_t)1 << 63, 3, 1);

	(void)n;
	return cuMemcpy2D(&c);
}

static const struct {
	const char *name;
	CUresult (*call)(CUdeviceptr at, size_t n);
	bool of_its_own; /* whatever the range is */
} calls[] = {
    {"h2d", h2d, false},
    {"h2d async", h2d_async, false},
    {"d2h", d2h, false},
    {"d2d from", d2d_from, false},
    {"any to", any_to, false},
    {"peer to", peer_to, false},
    {"set8", set8, false},
    {"set32", set32, false},
    {"set rows", set_rows, false},
    {"set row", set_row, false},
    {"up row", up_row, false},
    {"down rows", down_rows, false},
    {"overlapping rows", overlapping_rows, true},
    {"rows begin late", rows_begin_late, true},
    {"rows wrap", rows_wrap, true},
    {"planes", planes, false},
    {"planes overlap", planes_overlap, true},
};

/* Bytes before the end at which it begins, bytes. */
static const struct {
	const char *name;
	size_t before, bytes;
} ranges[] = {
    {"to the end", 64, 64},
    {"a byte too far", 64, 65},
    {"a row too far", 4096, 4097},
    {"all and a byte", BYTES, BYTES + 1},
    {"a page behind", 0, 4096},
    {"wraps", BYTES, (size_t)-1},
    {"nearly wraps", BYTES, (size_t)-4096},
    {"endless", BYTES, (size_t)1 << 50},
};

static void check_calm(CUdeviceptr *pieces)
{
	for (unsigned int i = 0; i < PIECES; i++) {
		/* What the call itself may write is of one piece. */
		check(pieces[i] + UNIT, 100 * i + (unsigned int)(UNIT / 4), UNIT);
	}
}

/* The first piece of which all that matters here lies there. */
static CUdeviceptr of_home(const CUdeviceptr *pieces, int cold)
{
	for (unsigned int i = 0; i < PIECES; i++)
		if (in_vram(pieces[i]) == !cold && in_vram(pieces[i] + BYTES - 1) == !cold)
			return pieces[i];
	wrong("no piece lies there");
}

static void one(size_t c, size_t r, int cold)
{
	CUdeviceptr pieces[PIECES], at;
	CUresult answer, after;

	start();
	host = calloc(1, BYTES + 2);
	for (unsigned int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&pieces[i], BYTES));
		fill(pieces[i], 100 * i, BYTES / 4 * 4, NULL);
	}
	MUST(cuCtxSynchronize());
	at = of_home(pieces, cold);
	other = at == pieces[1] ? pieces[2] : pieces[1];
	answer = calls[c].call(at + BYTES - ranges[r].before, ranges[r].bytes);
	after = cuCtxSynchronize();
	/* When the end of what is asynchronous is heard of, is a matter of time. */
	if (after == CUDA_ERROR_ILLEGAL_ADDRESS)
		answer = after;
	printf("%s, %s: %d %d\n", calls[c].name, ranges[r].name, (int)answer, (int)after);
	if (answer == CUDA_ERROR_INVALID_VALUE && after == CUDA_SUCCESS)
		check_calm(pieces);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int cold = argc == 2 && !strcmp(argv[1], "cold"), status;

	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
		for (size_t r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++) {
			pid_t child;

			/* What the driver has never heard of may be the host's. */
			if (calls[c].call == any_to && !ranges[r].before)
				continue;
			if (calls[c].of_its_own && r)
				continue;
			child = fork();
			if (!child) {
				alarm(20);
				one(c, r, cold);
				exit(0);
			}
			if (child < 0 || waitpid(child, &status, 0) < 0 || status)
				printf("%s, %s: ended with %#x\n", calls[c].name,
				       ranges[r].name, child < 0 ? 0 : (unsigned int)status);
		}
	return 0;
}
