/*
 * Any boxes of two and three dimensions, between memory of ours of which any block may be cold,
 * memory of the host, and arrays. Held against a copy byte by byte: what arrives, that nothing
 * else changes, that the pager is told of all that is touched, that every row is looked through
 * for pointers, when the call waits, and that a late error is not lost.
 */
#include "hook/memcpy.h"
#include "order/captures.h"

#include "driver/driver.h"

#include "input.h"

#include <string.h>
#include <sys/mman.h>

#define ARENA ((uint64_t)0x500000000000)
#define BLOCK 256u
#define BLOCKS 32u
#define BYTES (BLOCK * BLOCKS)
#define HALF (BYTES / 2)

enum place { OURS, HOST, ARRAY };

/* What is copied from lies in the first half of its memory, what is copied to in the second. */
static struct {
	uint8_t *ours, host[BYTES];
	uint8_t want_ours[BYTES], want_host[BYTES];
	uint32_t cold; /* by block */
	int inside, used, waits, whole_calls, parts;
	size_t rows_looked;
	bool fails_late;
	struct pager_range named[2];
	size_t named_count;
	/* The box, as a caller would think of it. */
	enum place from, to;
	CUDA_MEMCPY3D box;
	bool fits, overflows; /* sizes are sane, and small enough; were made huge */
	bool refused;	      /* it cannot be done */
	CUstream stream;      /* that the call's flavour means by NULL */
} rig;

static CUdeviceptr base_of(enum place place)
{
	return place == OURS ? ARENA : (CUdeviceptr)(uintptr_t)rig.host;
}

static bool is_in(CUdeviceptr at, uint64_t bytes, CUdeviceptr base)
{
	return at >= base && at - base <= BYTES && bytes <= BYTES - (at - base);
}

/* --- the library around the boxes */

struct driver lt_driver;
_Atomic uint64_t pager_low, pager_span;
atomic_bool unmapped_mode;

CUresult driver_load(void)
{
	return CUDA_SUCCESS;
}

struct pager *pager_of(uint64_t address)
{
	return address - ARENA < BYTES ? (struct pager *)&rig : NULL;
}

uint64_t pager_same_home(CUdeviceptr start, uint64_t bytes, bool *cold)
{
	uint64_t block = (start - ARENA) / BLOCK, end = block;

	*cold = false;
	if (!pager_of(start))
		return bytes;
	*cold = rig.cold >> block & 1;
	while (end < BLOCKS && (rig.cold >> end & 1) == *cold)
		end++;
	end = ARENA + end * BLOCK - start;
	return bytes < end ? bytes : end;
}

/* What goes past the end is shown as nobody's. */
CUdeviceptr pager_shown_range(CUdeviceptr start, uint64_t bytes)
{
	return is_in(start, bytes, ARENA) ? start : start + BYTES;
}

void pager_use_ranges(const struct pager_range *ranges, size_t count, struct pager_use *use)
{
	use->count = 1;
	rig.named_count = count;
	memcpy(rig.named, ranges, count * sizeof(*ranges));
}

void pager_used(const struct pager_use *use, CUstream stream, bool over)
{
	(void)over;
	FUZZ_HOLD(rig.inside == 1, "the pager is told outside the gate");
	FUZZ_HOLD(stream == rig.stream, "the pager is told of another stream");
	rig.used += use->count == 1;
}

void gate_enter(void)
{
	rig.inside++;
}

void gate_leave(void)
{
	rig.inside--;
}

bool one_home_settle(const struct pager_range *ranges, size_t count)
{
	(void)ranges, (void)count;
	FUZZ_HOLD(!rig.inside, "settled inside the gate");
	return true;
}

bool one_home_settled(const struct pager_range *ranges, size_t count)
{
	(void)ranges, (void)count;
	return true;
}

CUresult unmapped_begin_ranges(const struct pager_range *ranges, size_t count, CUstream stream)
{
	(void)ranges, (void)count, (void)stream;
	abort();
}

void streams_thread_worked(void)
{
}

bool captures_include(CUstream stream)
{
	(void)stream;
	return false;
}

/* There is one card. */
bool detour_needed(CUdeviceptr address)
{
	(void)address;
	return false;
}

CUresult detour_begin(struct detour *detour, CUstream stream, CUdeviceptr one,
		      CUdeviceptr other)
{
	(void)detour, (void)stream, (void)one, (void)other;
	abort();
}

void detour_end(struct detour *detour, struct pager_use *use)
{
	(void)detour, (void)use;
	abort();
}

enum memcpy_place memcpy_place_of(CUdeviceptr address)
{
	return pager_of(address) ? MEMCPY_DEVICE : MEMCPY_PAGEABLE;
}

bool memcpy_may_hold_pointers(CUdeviceptr src, uint64_t bytes)
{
	return !pager_of(src) && bytes && bytes <= 1 << 20;
}

/* Each row, one after the other. */
void memcpy_look_for_pointers(const void *bytes, size_t count)
{
	const CUDA_MEMCPY3D *box = &rig.box;
	size_t plane, row;
	const uint8_t *wanted;

	if (rig.overflows)
		return;
	plane = rig.rows_looked / box->Height;
	row = rig.rows_looked % box->Height;
	wanted = (const uint8_t *)box->srcHost + box->srcXInBytes +
		 ((box->srcZ + plane) * box->srcHeight + box->srcY + row) * box->srcPitch;
	FUZZ_HOLD(bytes == wanted && count == box->WidthInBytes,
		  "row %zu is not looked through", rig.rows_looked);
	rig.rows_looked++;
}

CUresult memcpy_in_parts(struct memcpy_work *copy)
{
	CUdeviceptr to = base_of(rig.to), from = base_of(rig.from);

	rig.parts++;
	FUZZ_HOLD(rig.inside == 1, "copies outside the gate");
	FUZZ_HOLD(copy->work.stream == rig.stream, "copies in another stream");
	if (!is_in(copy->dst, copy->bytes, to) || !is_in(copy->src, copy->bytes, from))
		return CUDA_ERROR_INVALID_VALUE;
	memmove((void *)(uintptr_t)copy->dst, (const void *)(uintptr_t)copy->src, copy->bytes);
	return CUDA_SUCCESS;
}

/* --- the driver */

static void copy_by_bytes(uint8_t *to, const uint8_t *from)
{
	const CUDA_MEMCPY3D *box = &rig.box;

	for (size_t z = 0; z < box->Depth; z++)
		for (size_t y = 0; y < box->Height; y++)
			for (size_t x = 0; x < box->WidthInBytes; x++)
				to[((box->dstZ + z) * box->dstHeight + box->dstY + y) *
				       box->dstPitch +
				   box->dstXInBytes + x] =
				    from[((box->srcZ + z) * box->srcHeight + box->srcY + y) *
					     box->srcPitch +
					 box->srcXInBytes + x];
}

/* What lies at the box's origin. */
static uint8_t *start_of(enum place place, bool is_to, bool wanted)
{
	uint8_t *ours = wanted ? rig.want_ours : rig.ours;
	uint8_t *host = wanted ? rig.want_host : rig.host;

	return (place == OURS ? ours : host) + (is_to ? HALF : 0);
}

/* Where both sides are memory, the driver is given what is all resident. */
static void hold_resident(enum place place, bool is_to)
{
	const CUDA_MEMCPY3D *box = &rig.box;
	size_t pitch = is_to ? box->dstPitch : box->srcPitch;
	size_t rows = is_to ? box->dstHeight : box->srcHeight;
	size_t first =
	    ((is_to ? box->dstZ : box->srcZ) * rows + (is_to ? box->dstY : box->srcY)) * pitch +
	    (is_to ? box->dstXInBytes : box->srcXInBytes) + (is_to ? HALF : 0);
	size_t last =
	    first + ((box->Depth - 1) * rows + box->Height - 1) * pitch + box->WidthInBytes - 1;

	if (place != OURS || !box->WidthInBytes || !box->Height || !box->Depth)
		return;
	for (size_t block = first / BLOCK; block <= last / BLOCK; block++)
		FUZZ_HOLD(!(rig.cold >> block & 1), "cold memory is left to the driver");
}

static CUresult whole(void)
{
	rig.whole_calls++;
	if (!rig.overflows && rig.from != ARRAY && rig.to != ARRAY) {
		hold_resident(rig.from, false);
		hold_resident(rig.to, true);
	}
	if (rig.overflows || !rig.fits)
		return CUDA_ERROR_INVALID_VALUE;
	if (rig.from != ARRAY && rig.to != ARRAY)
		copy_by_bytes(start_of(rig.to, true, false), start_of(rig.from, false, false));
	return CUDA_SUCCESS;
}

static CUresult CUDAAPI whole_2d(const CUDA_MEMCPY2D *copy)
{
	(void)copy;
	return whole();
}

static CUresult CUDAAPI whole_2d_async(const CUDA_MEMCPY2D *copy, CUstream stream)
{
	(void)copy, (void)stream;
	return whole();
}

static CUresult CUDAAPI whole_3d(const CUDA_MEMCPY3D *copy)
{
	(void)copy;
	return whole();
}

static CUresult CUDAAPI whole_3d_async(const CUDA_MEMCPY3D *copy, CUstream stream)
{
	(void)copy, (void)stream;
	return whole();
}

static CUresult CUDAAPI synchronize(CUstream stream)
{
	(void)stream;
	FUZZ_HOLD(!rig.inside, "waits inside the gate");
	rig.waits++;
	return rig.fails_late ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS;
}

static void begin(void)
{
	if (!rig.ours) {
		rig.ours = mmap((void *)ARENA, BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		FUZZ_HOLD(rig.ours == (void *)ARENA, "no memory where it is wanted");
		pager_low = ARENA;
		pager_span = BYTES;
		lt_driver.cuMemcpy2D_v2 = lt_driver.cuMemcpy2DUnaligned_v2 = whole_2d;
		lt_driver.cuMemcpy2D_v2_ptds = lt_driver.cuMemcpy2DUnaligned_v2_ptds = whole_2d;
		lt_driver.cuMemcpy2DAsync_v2 = lt_driver.cuMemcpy2DAsync_v2_ptsz =
		    whole_2d_async;
		lt_driver.cuMemcpy3D_v2 = lt_driver.cuMemcpy3D_v2_ptds = whole_3d;
		lt_driver.cuMemcpy3DAsync_v2 = lt_driver.cuMemcpy3DAsync_v2_ptsz =
		    whole_3d_async;
		lt_driver.cuStreamSynchronize = synchronize;
	}
	for (uint32_t i = 0; i < BYTES; i++) {
		rig.want_ours[i] = rig.ours[i] = (uint8_t)(i * 7 + i / 256);
		rig.want_host[i] = rig.host[i] = (uint8_t)(i * 13 + i / 256 + 101);
	}
	rig.inside = rig.used = rig.waits = rig.whole_calls = rig.parts = 0;
	rig.rows_looked = rig.named_count = 0;
}

/* --- the program */

static const CUmemorytype types[] = {CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_HOST,
				     CU_MEMORYTYPE_ARRAY};

static bool ends_within(size_t z, size_t rows, size_t pitch)
{
	return (z + rig.box.Depth) * rows * pitch <= HALF;
}

static void make_box(struct input *input, bool is_3d)
{
	CUDA_MEMCPY3D *box = &rig.box;

	*box = (CUDA_MEMCPY3D){.WidthInBytes = input_below(input, 300),
			       .Height = input_below(input, 12),
			       .Depth = is_3d ? input_below(input, 6) : 1};
	rig.from = input_byte(input) % 8 == 7 ? ARRAY : input_byte(input) % 2 ? HOST : OURS;
	rig.to = input_byte(input) % 8 == 7 ? ARRAY : input_byte(input) % 2 ? HOST : OURS;
	box->srcXInBytes = input_below(input, 40);
	box->dstXInBytes = input_below(input, 40);
	box->srcY = input_below(input, 4);
	box->dstY = input_below(input, 4);
	box->srcZ = is_3d ? input_below(input, 3) : 0;
	box->dstZ = is_3d ? input_below(input, 3) : 0;
	box->srcPitch = box->srcXInBytes + box->WidthInBytes + input_below(input, 64);
	box->dstPitch = box->dstXInBytes + box->WidthInBytes + input_below(input, 64);
	box->srcHeight = box->srcY + box->Height + (is_3d ? input_below(input, 3) : 0);
	box->dstHeight = box->dstY + box->Height + (is_3d ? input_below(input, 3) : 0);
	box->srcMemoryType = types[rig.from];
	box->dstMemoryType = types[rig.to];
	/* A type says which of the two counts. */
	box->srcHost = rig.from == HOST ? rig.host : (void *)8;
	box->dstHost = rig.to == HOST ? rig.host + HALF : (void *)8;
	box->srcDevice = rig.from == OURS ? ARENA : 8;
	box->dstDevice = rig.to == OURS ? ARENA + HALF : 8;
	rig.fits = ends_within(box->srcZ, box->srcHeight, box->srcPitch) &&
		   ends_within(box->dstZ, box->dstHeight, box->dstPitch);
	rig.overflows = false;
}

/* Sizes that are an error code, or wrap when they are multiplied. */
static void spoil(struct input *input, bool is_3d)
{
	size_t huge = ~(size_t)0 >> (input_byte(input) % 40);

	rig.overflows = true;
	/* A huge pitch of a single row is none. */
	rig.refused = rig.box.WidthInBytes && rig.box.Height && rig.box.Depth;
	switch (input_byte(input) % 5) {
	case 0:
		rig.box.WidthInBytes = huge;
		break;
	case 1:
		rig.box.Height = huge;
		break;
	case 2:
		rig.box.Depth = huge;
		rig.refused &= is_3d;
		break;
	case 3:
		rig.box.srcPitch = huge;
		rig.refused = false;
		break;
	default:
		rig.box.dstHeight = huge;
		rig.refused = false;
	}
}

static CUDA_MEMCPY2D flat(void)
{
	const CUDA_MEMCPY3D *box = &rig.box;

	return (CUDA_MEMCPY2D){.srcXInBytes = box->srcXInBytes,
			       .srcY = box->srcY,
			       .srcMemoryType = box->srcMemoryType,
			       .srcHost = box->srcHost,
			       .srcDevice = box->srcDevice,
			       .srcPitch = box->srcPitch,
			       .dstXInBytes = box->dstXInBytes,
			       .dstY = box->dstY,
			       .dstMemoryType = box->dstMemoryType,
			       .dstHost = box->dstHost,
			       .dstDevice = box->dstDevice,
			       .dstPitch = box->dstPitch,
			       .WidthInBytes = box->WidthInBytes,
			       .Height = box->Height};
}

static CUresult call(unsigned int which)
{
	CUDA_MEMCPY2D box = flat();

	switch (which) {
	case 0:
		return cuMemcpy2D_v2(&box);
	case 1:
		return cuMemcpy2D_v2_ptds(&box);
	case 2:
		return cuMemcpy2DUnaligned_v2(&box);
	case 3:
		return cuMemcpy2DUnaligned_v2_ptds(&box);
	case 4:
		return cuMemcpy2DAsync_v2(&box, NULL);
	case 5:
		return cuMemcpy2DAsync_v2_ptsz(&box, NULL);
	case 6:
		return cuMemcpy3D_v2(&rig.box);
	case 7:
		return cuMemcpy3D_v2_ptds(&rig.box);
	case 8:
		return cuMemcpy3DAsync_v2(&rig.box, NULL);
	default:
		return cuMemcpy3DAsync_v2_ptsz(&rig.box, NULL);
	}
}

/* All of the box's side is in a range that was told. */
static void hold_named(enum place place, bool is_to)
{
	const CUDA_MEMCPY3D *box = &rig.box;
	size_t x = is_to ? box->dstXInBytes : box->srcXInBytes;
	size_t y = is_to ? box->dstY : box->srcY, z = is_to ? box->dstZ : box->srcZ;
	size_t pitch = is_to ? box->dstPitch : box->srcPitch;
	size_t rows = is_to ? box->dstHeight : box->srcHeight;
	uint64_t first = ARENA + (is_to ? HALF : 0) + (z * rows + y) * pitch + x;
	uint64_t last =
	    first + ((box->Depth - 1) * rows + box->Height - 1) * pitch + box->WidthInBytes - 1;
	bool named = place != OURS;

	for (size_t i = 0; i < rig.named_count; i++)
		named |= rig.named[i].start <= first &&
			 last - rig.named[i].start < rig.named[i].bytes;
	FUZZ_HOLD(named, "not all of a side is told to the pager");
}

static void hold_all(unsigned int which, CUresult result)
{
	const CUDA_MEMCPY3D *box = &rig.box;
	bool some = box->WidthInBytes && box->Height && box->Depth;
	bool ours = rig.from == OURS || rig.to == OURS;
	bool waits = which < 4 || which == 6 || which == 7;
	bool host = rig.from == HOST || rig.to == HOST;

	FUZZ_HOLD(!rig.inside, "the gate is not left");
	if (rig.overflows) {
		FUZZ_HOLD(!rig.refused || result != CUDA_SUCCESS,
			  "what cannot be done is done");
		return;
	}
	FUZZ_HOLD(!some || !ours || (rig.named_count && rig.used == 1),
		  "the pager is told of the beginning and the end");
	if (some && ours) {
		hold_named(rig.from, false);
		hold_named(rig.to, true);
	}
	if (some && rig.from == HOST)
		FUZZ_HOLD(rig.rows_looked == box->Height * box->Depth, "rows not looked at");
	FUZZ_HOLD(rig.waits == (waits && host && rig.parts), "waits %d times", rig.waits);
	FUZZ_HOLD((result == CUDA_SUCCESS) == !(rig.waits && rig.fails_late), "answers %d",
		  result);
	FUZZ_HOLD(!rig.parts || !rig.whole_calls, "copied by halves");
	if (some && rig.from != ARRAY && rig.to != ARRAY)
		copy_by_bytes(start_of(rig.to, true, true), start_of(rig.from, false, true));
	FUZZ_HOLD(!memcmp(rig.ours, rig.want_ours, BYTES), "our memory is not as it should be");
	FUZZ_HOLD(!memcmp(rig.host, rig.want_host, BYTES), "the host's is not as it should be");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct input input = {bytes, length};
	unsigned int which = input_byte(&input) % 10;
	uint8_t kind = input_byte(&input);
	CUresult result;

	begin();
	rig.cold = kind & 1 ? 0 : input_half(&input) << 16 | input_half(&input);
	rig.fails_late = kind & 2;
	make_box(&input, which >= 6);
	if (!rig.fits)
		return 0;
	if (kind >> 2 == 7)
		spoil(&input, which >= 6);
	rig.stream = which % 2 ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY;
	result = call(which);
	hold_all(which, result);
	return 0;
}
