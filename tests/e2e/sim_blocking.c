/*
 * Which copies and fills return before their work is done? Each function of them, for each kind
 * of memory on either side, behind a kernel that takes long: one line says whether the call
 * waited for it, whether a source may be written again at once, and whether the bytes arrived.
 * The same lines are expected with and without the library.
 * usage: sim_blocking, with SIM_IMAGE naming the test kernels. On stderr: where the memory of
 * each kind lies.
 */
#include "program.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES (6 * UNIT) /* three blocks */
#define PITCH UNIT
#define ROWS (BYTES / PITCH)

static CUfunction spin;

/* --- the functions, of one flavour or the other */

static unsigned long long flavour; /* CU_GET_PROC_ADDRESS_... */

/* What is called: where to, where from, how much; or a value to fill with. */
struct call {
	CUdeviceptr dst, src;
	size_t bytes;
	CUstream stream;
};
#define HOST(address) ((void *)(uintptr_t)(address))
#define FUNCTION(name, ...) ((CUresult(*)(__VA_ARGS__))driver_function(name, 13000, flavour))

static CUresult generic(const struct call *c)
{
	return FUNCTION("cuMemcpy", CUdeviceptr, CUdeviceptr, size_t)(c->dst, c->src, c->bytes);
}
static CUresult generic_async(const struct call *c)
{
	return FUNCTION("cuMemcpyAsync", CUdeviceptr, CUdeviceptr, size_t,
			CUstream)(c->dst, c->src, c->bytes, c->stream);
}
static CUresult to_device(const struct call *c)
{
	return FUNCTION("cuMemcpyHtoD", CUdeviceptr, const void *, size_t)(c->dst, HOST(c->src),
									   c->bytes);
}
static CUresult to_device_async(const struct call *c)
{
	return FUNCTION("cuMemcpyHtoDAsync", CUdeviceptr, const void *, size_t,
			CUstream)(c->dst, HOST(c->src), c->bytes, c->stream);
}
static CUresult to_host(const struct call *c)
{
	return FUNCTION("cuMemcpyDtoH", void *, CUdeviceptr, size_t)(HOST(c->dst), c->src,
								     c->bytes);
}
static CUresult to_host_async(const struct call *c)
{
	return FUNCTION("cuMemcpyDtoHAsync", void *, CUdeviceptr, size_t,
			CUstream)(HOST(c->dst), c->src, c->bytes, c->stream);
}
static CUresult within(const struct call *c)
{
	return FUNCTION("cuMemcpyDtoD", CUdeviceptr, CUdeviceptr, size_t)(c->dst, c->src,
									  c->bytes);
}
static CUresult within_async(const struct call *c)
{
	return FUNCTION("cuMemcpyDtoDAsync", CUdeviceptr, CUdeviceptr, size_t,
			CUstream)(c->dst, c->src, c->bytes, c->stream);
}

static CUDA_MEMCPY2D rectangle(const struct call *c)
{
	return (CUDA_MEMCPY2D){.srcMemoryType = CU_MEMORYTYPE_UNIFIED,
			       .srcDevice = c->src,
			       .srcPitch = PITCH,
			       .dstMemoryType = CU_MEMORYTYPE_UNIFIED,
			       .dstDevice = c->dst,
			       .dstPitch = PITCH,
			       .WidthInBytes = PITCH,
			       .Height = ROWS};
}
static CUresult flat(const struct call *c)
{
	CUDA_MEMCPY2D copy = rectangle(c);

	return FUNCTION("cuMemcpy2D", const CUDA_MEMCPY2D *)(&copy);
}
static CUresult flat_unaligned(const struct call *c)
{
	CUDA_MEMCPY2D copy = rectangle(c);

	return FUNCTION("cuMemcpy2DUnaligned", const CUDA_MEMCPY2D *)(&copy);
}
static CUresult flat_async(const struct call *c)
{
	CUDA_MEMCPY2D copy = rectangle(c);

	return FUNCTION("cuMemcpy2DAsync", const CUDA_MEMCPY2D *, CUstream)(&copy, c->stream);
}

static CUDA_MEMCPY3D cuboid(const struct call *c)
{
	return (CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_UNIFIED,
			       .srcDevice = c->src,
			       .srcPitch = PITCH,
			       .srcHeight = ROWS / 2,
			       .dstMemoryType = CU_MEMORYTYPE_UNIFIED,
			       .dstDevice = c->dst,
			       .dstPitch = PITCH,
			       .dstHeight = ROWS / 2,
			       .WidthInBytes = PITCH,
			       .Height = ROWS / 2,
			       .Depth = 2};
}
static CUresult deep(const struct call *c)
{
	CUDA_MEMCPY3D copy = cuboid(c);

	return FUNCTION("cuMemcpy3D", const CUDA_MEMCPY3D *)(&copy);
}
static CUresult deep_async(const struct call *c)
{
	CUDA_MEMCPY3D copy = cuboid(c);

	return FUNCTION("cuMemcpy3DAsync", const CUDA_MEMCPY3D *, CUstream)(&copy, c->stream);
}

#define FILL 0xA5A5A5A5u
static CUresult fill_8(const struct call *c)
{
	return FUNCTION("cuMemsetD8", CUdeviceptr, unsigned char,
			size_t)(c->dst, (unsigned char)FILL, c->bytes);
}
static CUresult fill_8_async(const struct call *c)
{
	return FUNCTION("cuMemsetD8Async", CUdeviceptr, unsigned char, size_t,
			CUstream)(c->dst, (unsigned char)FILL, c->bytes, c->stream);
}
static CUresult fill_16(const struct call *c)
{
	return FUNCTION("cuMemsetD16", CUdeviceptr, unsigned short,
			size_t)(c->dst, (unsigned short)FILL, c->bytes / 2);
}
static CUresult fill_16_async(const struct call *c)
{
	return FUNCTION("cuMemsetD16Async", CUdeviceptr, unsigned short, size_t,
			CUstream)(c->dst, (unsigned short)FILL, c->bytes / 2, c->stream);
}
static CUresult fill_32(const struct call *c)
{
	return FUNCTION("cuMemsetD32", CUdeviceptr, unsigned int, size_t)(c->dst, FILL,
									  c->bytes / 4);
}
static CUresult fill_32_async(const struct call *c)
{
	return FUNCTION("cuMemsetD32Async", CUdeviceptr, unsigned int, size_t,
			CUstream)(c->dst, FILL, c->bytes / 4, c->stream);
}
static CUresult fill_rows(const struct call *c)
{
	return FUNCTION("cuMemsetD2D32", CUdeviceptr, size_t, unsigned int, size_t,
			size_t)(c->dst, PITCH, FILL, PITCH / 4, ROWS);
}
static CUresult fill_rows_async(const struct call *c)
{
	return FUNCTION("cuMemsetD2D32Async", CUdeviceptr, size_t, unsigned int, size_t, size_t,
			CUstream)(c->dst, PITCH, FILL, PITCH / 4, ROWS, c->stream);
}

/* --- what is tried */

enum { D = 1, H = 2, ANY = D | H };
static const struct {
	const char *name;
	CUresult (*run)(const struct call *);
	int dst, src; /* which sides it takes; src 0: a fill */
	bool has_stream;
} functions[] = {
    {"cuMemcpy", generic, ANY, ANY, false},
    {"cuMemcpyAsync", generic_async, ANY, ANY, true},
    {"cuMemcpyHtoD", to_device, D, H, false},
    {"cuMemcpyHtoDAsync", to_device_async, D, H, true},
    {"cuMemcpyDtoH", to_host, H, D, false},
    {"cuMemcpyDtoHAsync", to_host_async, H, D, true},
    {"cuMemcpyDtoD", within, D, D, false},
    {"cuMemcpyDtoDAsync", within_async, D, D, true},
    {"cuMemcpy2D", flat, ANY, ANY, false},
    {"cuMemcpy2DUnaligned", flat_unaligned, ANY, ANY, false},
    {"cuMemcpy2DAsync", flat_async, ANY, ANY, true},
    {"cuMemcpy3D", deep, ANY, ANY, false},
    {"cuMemcpy3DAsync", deep_async, ANY, ANY, true},
    {"cuMemsetD8", fill_8, D, 0, false},
    {"cuMemsetD8Async", fill_8_async, D, 0, true},
    {"cuMemsetD16", fill_16, D, 0, false},
    {"cuMemsetD16Async", fill_16_async, D, 0, true},
    {"cuMemsetD32", fill_32, D, 0, false},
    {"cuMemsetD32Async", fill_32_async, D, 0, true},
    {"cuMemsetD2D32", fill_rows, D, 0, false},
    {"cuMemsetD2D32Async", fill_rows_async, D, 0, true},
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static struct memory {
	const char *name;
	int side;
	CUdeviceptr at;
} kinds[] = {
    {"first", D, 0},	{"second", D, 0}, {"third", D, 0},  {"fourth", D, 0},
    {"pageable", H, 0}, {"pinned", H, 0}, {"mapped", D, 0},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What of [at, at + BYTES) is RAM, as the simulated GPU maps it: '.' for VRAM, 'r' for RAM, a
 * letter for each third. */
static void tell_home(const struct memory *kind)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], where[BYTES / (2 * UNIT) + 1] = "???";
	unsigned long start, end;

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || !strstr(line, "simulated-"))
			continue;
		for (size_t i = 0; i < BYTES / (2 * UNIT); i++)
			if (kind->at + i * 2 * UNIT >= start && kind->at + i * 2 * UNIT < end)
				where[i] = strstr(line, "simulated-ram") ? 'r' : '.';
	}
	if (maps)
		fclose(maps);
	fprintf(stderr, "%s %s\n", kind->name, where);
}

static unsigned char bytes_read[BYTES];

static void write_all(CUdeviceptr at, unsigned char value, bool host)
{
	if (host)
		memset(HOST(at), value, BYTES);
	else
		MUST(cuMemsetD8(at, value, BYTES));
	MUST(cuCtxSynchronize());
}

static bool holds(CUdeviceptr at, unsigned char value, bool host)
{
	if (host)
		memcpy(bytes_read, HOST(at), BYTES);
	else
		MUST(cuMemcpyDtoH(bytes_read, at, BYTES));
	return bytes_read[0] == value && !memcmp(bytes_read, bytes_read + 1, BYTES - 1);
}

static void try(size_t f, const struct memory *dst, const struct memory *src, CUstream stream,
		const char *stream_name)
{
	struct call call = {dst->at, src ? src->at : 0, BYTES, stream};
	CUstream in = functions[f].has_stream ? stream
		      : flavour & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM
			  ? CU_STREAM_PER_THREAD
			  : CU_STREAM_LEGACY;
	bool reused = src && !strcmp(src->name, "pageable"), ended;
	double ns = 1e9;
	void *params[] = {&ns};
	CUresult result;

	write_all(dst->at, 1, dst->side == H);
	if (src)
		write_all(src->at, 0xA5, src->side == H);
	MUST(cuLaunchKernel(spin, 1, 1, 1, 1, 1, 1, 0, in, params, NULL));
	result = functions[f].run(&call);
	ended = cuStreamQuery(in) != CUDA_ERROR_NOT_READY;
	/* Once the call is back a pageable source is the program's again. */
	if (reused)
		memset(HOST(src->at), 7, BYTES);
	MUST(cuCtxSynchronize());
	printf("%s%s %s <- %s, %s: result %d, %s, %s\n", functions[f].name,
	       flavour & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM ? " per thread" : "",
	       dst->name, src ? src->name : "value", stream_name, (int)result,
	       ended ? "waits" : "returns",
	       holds(dst->at, 0xA5, dst->side == H) ? "arrived" : "WRONG");
}

static void try_all(CUstream other)
{
	for (size_t f = 0; f < FUNCTIONS; f++)
		for (size_t d = 0; d < KINDS; d++)
			for (size_t s = 0; s < KINDS; s++) {
				bool fill = !functions[f].src;

				if (!(kinds[d].side & functions[f].dst) || d == s ||
				    (fill ? s != (d ? 0 : 1)
					  : !(kinds[s].side & functions[f].src)))
					continue;
				try(f, &kinds[d], fill ? NULL : &kinds[s], NULL, "NULL");
				if (functions[f].has_stream)
					try(f, &kinds[d], fill ? NULL : &kinds[s], other,
					    "own");
			}
}

int main(void)
{
	CUstream other;
	void *pinned;

	start();
	spin = function("spin");
	MUST(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
	/* Not paged, and resident: what the program's own memory management maps. */
	for (size_t k = 0; k < KINDS; k++) {
		CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
					    .location.type = CU_MEM_LOCATION_TYPE_DEVICE};
		CUmemAccessDesc access = {.location = prop.location,
					  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
		CUmemGenericAllocationHandle handle;

		if (strcmp(kinds[k].name, "mapped"))
			continue;
		MUST(cuMemCreate(&handle, BYTES, &prop, 0));
		MUST(cuMemAddressReserve(&kinds[k].at, BYTES, 0, 0, 0));
		MUST(cuMemMap(kinds[k].at, BYTES, 0, handle, 0));
		MUST(cuMemSetAccess(kinds[k].at, BYTES, &access, 1));
	}
	for (size_t k = 0; k < KINDS; k++)
		if (!strcmp(kinds[k].name, "pageable")) {
			kinds[k].at = (CUdeviceptr)(uintptr_t)malloc(BYTES);
		} else if (!strcmp(kinds[k].name, "pinned")) {
			MUST(cuMemHostAlloc(&pinned, BYTES, 0));
			kinds[k].at = (CUdeviceptr)(uintptr_t)pinned;
		} else if (!kinds[k].at) {
			MUST(cuMemAlloc(&kinds[k].at, BYTES));
		}
	try_all(other);
	flavour = CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
	try_all(other);
	for (size_t k = 0; k < KINDS; k++)
		tell_home(&kinds[k]);
	return 0;
}
