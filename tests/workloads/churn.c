/*
 * Stands for everything at once: random allocations, frees, copies, fills and launches on
 * several streams, each checked against an oracle in host memory that holds every allocation's
 * bytes.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* -O2 leaves the oracle's loops scalar */
#endif

#include "common.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest allocation: a quarter of all, but enough for blocks of several small classes. */
#define LARGEST ((size_t)6 << 20)
#define PINNED ((size_t)1 << 20) /* of one buffer that asynchronous copies use */

enum { ROOM = 96, STREAMS = 4, BUFFERS = 6 };

struct allocation {
	unsigned long number; /* how many came before it */
	CUdeviceptr at;
	size_t bytes;
	unsigned char *want; /* what it must hold once everything issued so far is done */
	CUevent last;	     /* the end of the newest operation on it */
	CUstream stream;     /* where that was */
};

/* A pinned buffer; free again when its event has come. */
struct buffer {
	unsigned char *bytes, *want; /* want: what a copy from the device must bring */
	size_t check;		     /* how many of them; 0: nothing to check */
	unsigned long number;	     /* the allocation they come from */
	size_t offset;
	CUevent done;
};

struct churn {
	struct program p;
	uint64_t random, victims; /* victims: who must go for want of memory */
	unsigned long op, made, out_of_memory;
	size_t live_bytes, most_bytes, largest;
	struct allocation live[ROOM];
	unsigned int count;
	CUstream streams[STREAMS]; /* legacy, two non-blocking ones, a blocking one */
	struct buffer buffers[BUFFERS];
	unsigned int turn;
	unsigned char *pageable;
	CUfunction scale, mix;
};

/* A part of an allocation: rows of `width` bytes, `pitch` apart. */
struct span {
	struct allocation *a;
	size_t offset, pitch, width, rows;
};

/* Never two random numbers among one call's arguments: compilers differ in their order. */
static size_t below(struct churn *c, size_t n)
{
	return (size_t)random_below(&c->random, n);
}

static bool chance(struct churn *c, unsigned int percent)
{
	return below(c, 100) < percent;
}

/* Up to `most`; small ones as likely as large ones, and all of it often enough. */
static size_t some(struct churn *c, size_t most)
{
	size_t bits = 0, n;

	if (chance(c, 15))
		return most;
	if (chance(c, 40))
		return 1 + below(c, most);
	while (most >> bits)
		bits++;
	n = 1 + below(c, (size_t)1 << below(c, bits + 1));
	return n < most ? n : most;
}

/* --- checking ----------------------------------------------------------------------------- */

static void compare(const struct churn *c, unsigned long number, size_t offset,
		    const unsigned char *is, const unsigned char *want, size_t bytes)
{
	size_t i = 0;

	if (!memcmp(is, want, bytes))
		return;
	while (is[i] == want[i])
		i++;
	fprintf(stderr, "churn: seed %llu op %lu allocation %lu byte %zu is %d, want %d\n",
		(unsigned long long)c->p.o.seed, c->op, number, offset + i, is[i], want[i]);
	exit(1);
}

static struct buffer *take_buffer(struct churn *c)
{
	struct buffer *b = &c->buffers[c->turn++ % BUFFERS];

	TRY(cuEventSynchronize(b->done));
	compare(c, b->number, b->offset, b->bytes, b->want, b->check);
	b->check = 0;
	return b;
}

static void verify(struct churn *c, struct allocation *a)
{
	TRY(cuEventSynchronize(a->last));
	TRY(cuMemcpyDtoH(c->pageable, a->at, a->bytes));
	compare(c, a->number, 0, c->pageable, a->want, a->bytes);
}

/* --- order -------------------------------------------------------------------------------- */

/* The stream for an operation; the synchronous functions work in the legacy one. */
static CUstream pick_stream(struct churn *c, bool synchronous)
{
	return synchronous ? NULL : c->streams[below(c, STREAMS)];
}

static void begin(struct churn *c, struct allocation *a, CUstream stream)
{
	if (a->stream == stream)
		return;
	if (chance(c, 20))
		TRY(cuEventSynchronize(a->last));
	else
		TRY(cuStreamWaitEvent(stream, a->last, 0));
}

static void end(struct allocation *a, CUstream stream)
{
	TRY(cuEventRecord(a->last, stream));
	a->stream = stream;
}

/* --- allocations -------------------------------------------------------------------------- */

static void drop(struct churn *c, unsigned int i)
{
	struct allocation *a = &c->live[i];

	/* The driver waits for work that still uses it. */
	TRY(cuMemFree(a->at));
	TRY(cuEventDestroy(a->last));
	free(a->want);
	c->live_bytes -= a->bytes;
	*a = c->live[--c->count];
}

/* Most are looked at before they go; the others go while work on them may still be under way.
 */
static void retire(struct churn *c, unsigned int i)
{
	if (chance(c, 70))
		verify(c, &c->live[i]);
	drop(c, i);
}

static void fill_all(struct churn *c, struct allocation *a)
{
	unsigned char value = (unsigned char)below(c, 256);

	if (chance(c, 50)) {
		memset(a->want, value, a->bytes);
		TRY(cuMemsetD8(a->at, value, a->bytes));
	} else {
		uint32_t key = (uint32_t)random_next(&c->random);

		for (size_t i = 0; i < a->bytes; i++)
			a->want[i] = (unsigned char)(((uint32_t)i * 0x9e3779b1u + key) >> 24);
		TRY(cuMemcpyHtoD(a->at, a->want, a->bytes));
	}
	end(a, NULL);
}

/* A driver without memory costs a random allocation, and the program goes on. */
static CUdeviceptr take_memory(struct churn *c, size_t bytes)
{
	CUdeviceptr at;

	for (;;) {
		CUresult result = cuMemAlloc(&at, bytes);

		if (result == CUDA_SUCCESS)
			return at;
		if (result != CUDA_ERROR_OUT_OF_MEMORY || !c->count)
			program_check(result, "cuMemAlloc");
		c->out_of_memory++;
		drop(c, (unsigned int)random_below(&c->victims, c->count));
	}
}

static void make(struct churn *c)
{
	size_t bytes = some(c, c->most_bytes < c->largest ? c->most_bytes : c->largest);
	struct allocation *a;
	CUdeviceptr at;

	while (c->count == ROOM || c->live_bytes + bytes > c->most_bytes)
		retire(c, (unsigned int)below(c, c->count));
	at = take_memory(c, bytes);
	a = &c->live[c->count++];
	*a = (struct allocation){.number = c->made++, .at = at, .bytes = bytes};
	a->want = program_alloc(bytes);
	TRY(cuEventCreate(&a->last, CU_EVENT_DISABLE_TIMING));
	c->live_bytes += bytes;
	fill_all(c, a);
}

/* --- spans -------------------------------------------------------------------------------- */

/* One row, or several if two dimensions are asked for; `most` bytes between first and last. */
static struct span pick_span(struct churn *c, struct allocation *a, bool rows, size_t most)
{
	struct span s = {.a = a, .rows = 1};
	size_t left;

	s.offset = chance(c, 25) ? 0 : below(c, a->bytes);
	left = a->bytes - s.offset;
	if (left > most)
		left = most;
	s.width = s.pitch = some(c, left);
	if (!rows)
		return s;
	s.pitch = 1 + below(c, left < 5000 ? left : 5000);
	s.width = 1 + below(c, s.pitch);
	s.rows = 1 + below(c, (left - s.width) / s.pitch + 1);
	if (s.rows > 300)
		s.rows = 300;
	return s;
}

static unsigned char *wanted_row(const struct span *s, size_t row)
{
	return s->a->want + s->offset + row * s->pitch;
}

static void describe_device(struct churn *c, const struct span *s, CUDA_MEMCPY2D *copy, bool to)
{
	/* Where it begins: in the address, or in rows and columns. */
	bool split = s->offset % s->pitch + s->width <= s->pitch && chance(c, 50);
	CUdeviceptr at = s->a->at + (split ? 0 : s->offset);
	size_t x = split ? s->offset % s->pitch : 0, y = split ? s->offset / s->pitch : 0;

	if (to) {
		copy->dstMemoryType = CU_MEMORYTYPE_DEVICE;
		copy->dstDevice = at;
		copy->dstPitch = s->pitch;
		copy->dstXInBytes = x;
		copy->dstY = y;
	} else {
		copy->srcMemoryType = CU_MEMORYTYPE_DEVICE;
		copy->srcDevice = at;
		copy->srcPitch = s->pitch;
		copy->srcXInBytes = x;
		copy->srcY = y;
	}
}

static void copy_2d(struct churn *c, const CUDA_MEMCPY2D *copy, bool synchronous, CUstream s)
{
	if (!synchronous)
		TRY(cuMemcpy2DAsync(copy, s));
	else if (chance(c, 50))
		TRY(cuMemcpy2DUnaligned(copy));
	else
		TRY(cuMemcpy2D(copy));
}

/* --- operations --------------------------------------------------------------------------- */

static struct allocation *any(struct churn *c)
{
	return &c->live[below(c, c->count)];
}

static void upload_some(struct churn *c)
{
	bool pinned = chance(c, 50), synchronous = chance(c, 40), rows = chance(c, 30);
	struct span s = pick_span(c, any(c), rows, pinned ? PINNED : c->largest);
	CUstream stream = pick_stream(c, synchronous);
	struct buffer *b = pinned ? take_buffer(c) : NULL;
	unsigned char *from = pinned ? b->bytes : c->pageable;
	uint32_t key = (uint32_t)random_next(&c->random);
	size_t bytes = s.width * s.rows;

	for (size_t i = 0; i < bytes; i++)
		from[i] = (unsigned char)(((uint32_t)i * 0x85ebca6bu + key) >> 24);
	for (size_t row = 0; row < s.rows; row++)
		memcpy(wanted_row(&s, row), from + row * s.width, s.width);
	begin(c, s.a, stream);
	if (s.rows > 1) {
		CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST,
				      .srcHost = from,
				      .srcPitch = s.width,
				      .WidthInBytes = s.width,
				      .Height = s.rows};

		describe_device(c, &s, &copy, true);
		copy_2d(c, &copy, synchronous, stream);
	} else if (synchronous) {
		TRY(cuMemcpyHtoD(s.a->at + s.offset, from, bytes));
	} else {
		TRY(cuMemcpyHtoDAsync(s.a->at + s.offset, from, bytes, stream));
	}
	/* Memory that is not pinned has been read when the function returns. */
	if (!pinned)
		memset(from, 0xee, bytes < 4096 ? bytes : 4096);
	else
		TRY(cuEventRecord(b->done, stream));
	end(s.a, stream);
}

static void download_some(struct churn *c)
{
	bool pinned = chance(c, 50), synchronous = chance(c, 40), rows = chance(c, 30);
	struct span s = pick_span(c, any(c), rows, pinned ? PINNED : c->largest);
	CUstream stream = pick_stream(c, synchronous);
	struct buffer *b = pinned ? take_buffer(c) : NULL;
	unsigned char *to = pinned ? b->bytes : c->pageable;

	begin(c, s.a, stream);
	if (s.rows > 1) {
		CUDA_MEMCPY2D copy = {.dstMemoryType = CU_MEMORYTYPE_HOST,
				      .dstHost = to,
				      .dstPitch = s.width,
				      .WidthInBytes = s.width,
				      .Height = s.rows};

		describe_device(c, &s, &copy, false);
		copy_2d(c, &copy, synchronous, stream);
	} else if (synchronous) {
		TRY(cuMemcpyDtoH(to, s.a->at + s.offset, s.width));
	} else {
		TRY(cuMemcpyDtoHAsync(to, s.a->at + s.offset, s.width, stream));
	}
	end(s.a, stream);
	if (!pinned || synchronous) {
		for (size_t row = 0; row < s.rows; row++)
			compare(c, s.a->number, s.offset + row * s.pitch, to + row * s.width,
				wanted_row(&s, row), s.width);
		return;
	}
	/* Of rows the message tells where they begin, and bytes as they lie packed. */
	for (size_t row = 0; row < s.rows; row++)
		memcpy(b->want + row * s.width, wanted_row(&s, row), s.width);
	b->check = s.width * s.rows;
	b->number = s.a->number;
	b->offset = s.offset;
	TRY(cuEventRecord(b->done, stream));
}

static void copy_some(struct churn *c)
{
	struct allocation *a = any(c), *b = any(c);
	bool synchronous = chance(c, 40);
	CUstream stream = pick_stream(c, synchronous);
	struct span to = pick_span(c, a, a != b && chance(c, 40), c->largest), from;

	/* Within one allocation: from the first half to the second, which do not meet. */
	if (a == b) {
		if (a->bytes < 2)
			return;
		from = (struct span){.a = a, .rows = 1};
		from.offset = below(c, a->bytes / 2);
		from.width = from.pitch = some(c, a->bytes / 2 - from.offset);
		to = from;
		to.offset += a->bytes / 2;
	} else {
		from = pick_span(c, b, to.rows > 1, c->largest);
		if (from.width < to.width)
			to.width = from.width;
		if (from.rows < to.rows)
			to.rows = from.rows;
	}
	begin(c, a, stream);
	if (b != a)
		begin(c, b, stream);
	if (to.rows > 1) {
		CUDA_MEMCPY2D copy = {.WidthInBytes = to.width, .Height = to.rows};

		describe_device(c, &from, &copy, false);
		describe_device(c, &to, &copy, true);
		copy_2d(c, &copy, synchronous, stream);
	} else if (!synchronous) {
		TRY(cuMemcpyDtoDAsync(a->at + to.offset, b->at + from.offset, to.width,
				      stream));
	} else if (chance(c, 50)) {
		TRY(cuMemcpyDtoD(a->at + to.offset, b->at + from.offset, to.width));
	} else {
		TRY(cuMemcpy(a->at + to.offset, b->at + from.offset, to.width));
	}
	for (size_t row = 0; row < to.rows; row++)
		memcpy(wanted_row(&to, row), wanted_row(&from, row), to.width);
	end(a, stream);
	if (b != a)
		end(b, stream);
}

static void fill_rows(struct span *s, unsigned int unit, uint32_t value)
{
	for (size_t row = 0; row < s->rows; row++)
		for (size_t i = 0; i < s->width; i++)
			wanted_row(s, row)[i] = (unsigned char)(value >> 8 * (i % unit));
}

static void fill_some(struct churn *c)
{
	bool synchronous = chance(c, 40), rows = chance(c, 40);
	CUstream stream = pick_stream(c, synchronous);
	struct span s = pick_span(c, any(c), rows, c->largest);
	unsigned int unit = 1u << below(c, 3);
	uint32_t value = (uint32_t)random_next(&c->random);
	CUdeviceptr at;
	size_t n;

	s.offset -= s.offset % unit;
	s.pitch -= s.pitch % unit;
	s.width -= s.width % unit;
	n = s.width / unit;
	at = s.a->at + s.offset;
	if (!n)
		return;
	begin(c, s.a, stream);
	if (s.rows == 1 && synchronous)
		TRY(unit == 1	? cuMemsetD8(at, (unsigned char)value, n)
		    : unit == 2 ? cuMemsetD16(at, (unsigned short)value, n)
				: cuMemsetD32(at, value, n));
	else if (s.rows == 1)
		TRY(unit == 1	? cuMemsetD8Async(at, (unsigned char)value, n, stream)
		    : unit == 2 ? cuMemsetD16Async(at, (unsigned short)value, n, stream)
				: cuMemsetD32Async(at, value, n, stream));
	else if (synchronous)
		TRY(unit == 1	? cuMemsetD2D8(at, s.pitch, (unsigned char)value, n, s.rows)
		    : unit == 2 ? cuMemsetD2D16(at, s.pitch, (unsigned short)value, n, s.rows)
				: cuMemsetD2D32(at, s.pitch, value, n, s.rows));
	else
		TRY(unit == 1 ? cuMemsetD2D8Async(at, s.pitch, (unsigned char)value, n, s.rows,
						  stream)
		    : unit == 2 ? cuMemsetD2D16Async(at, s.pitch, (unsigned short)value, n,
						     s.rows, stream)
				: cuMemsetD2D32Async(at, s.pitch, value, n, s.rows, stream));
	fill_rows(&s, unit, value);
	end(s.a, stream);
}

static void launch_scale(struct churn *c)
{
	CUstream stream = pick_stream(c, false);
	struct span s = pick_span(c, any(c), false, c->largest);
	uint32_t factor = (uint32_t)below(c, 128) * 2 + 1, plus = (uint32_t)below(c, 256);
	CUdeviceptr at = s.a->at + s.offset;
	unsigned char *want = wanted_row(&s, 0);

	begin(c, s.a, stream);
	LAUNCH(c->scale, stream, &at, &s.width, &factor, &plus);
	for (size_t i = 0; i < s.width; i++)
		want[i] = (unsigned char)(want[i] * factor + plus);
	end(s.a, stream);
}

static void launch_xor(struct churn *c)
{
	CUstream stream = pick_stream(c, false);
	struct span to = pick_span(c, any(c), false, c->largest),
		    from = pick_span(c, any(c), false, c->largest);
	uint32_t key = (uint32_t)below(c, 256);
	CUdeviceptr to_at = to.a->at + to.offset, from_at = from.a->at + from.offset;
	size_t n = to.width < from.width ? to.width : from.width;
	unsigned char *restrict want = wanted_row(&to, 0);
	const unsigned char *restrict have = wanted_row(&from, 0);

	if (to.a == from.a)
		return;
	begin(c, to.a, stream);
	begin(c, from.a, stream);
	LAUNCH(c->mix, stream, &to_at, &from_at, &n, &key);
	for (size_t i = 0; i < n; i++)
		want[i] = (unsigned char)(want[i] ^ (have[i] + key));
	end(to.a, stream);
	end(from.a, stream);
}

static void operate(struct churn *c)
{
	static void (*const operations[])(struct churn *) = {
	    upload_some, download_some, copy_some,    fill_some,
	    launch_xor,	 download_some, launch_scale,
	};

	if (chance(c, 10))
		retire(c, (unsigned int)below(c, c->count));
	if (!c->count || chance(c, 14))
		make(c);
	operations[below(c, sizeof(operations) / sizeof(operations[0]))](c);
}

int main(int argc, char **argv)
{
	struct churn c;

	memset(&c, 0, sizeof(c));
	program_begin(&c.p, argc, argv, PROGRAM_OPTIONS_OPS);
	c.random = c.p.o.seed;
	c.victims = ~c.p.o.seed;
	c.most_bytes = (size_t)c.p.o.mb << 20;
	c.largest = c.most_bytes / 4 > LARGEST ? c.most_bytes / 4 : LARGEST;
	c.scale = program_kernel(&c.p, "scale_bytes");
	c.mix = program_kernel(&c.p, "xor_bytes");
	/* The oracle's memory comes and goes: keep it rather than fault it in anew. */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	c.pageable = program_alloc(c.largest);
	for (int i = 1; i < STREAMS; i++)
		TRY(cuStreamCreate(&c.streams[i],
				   i < 3 ? CU_STREAM_NON_BLOCKING : CU_STREAM_DEFAULT));
	for (int i = 0; i < BUFFERS; i++) {
		TRY(cuMemHostAlloc((void **)&c.buffers[i].bytes, PINNED, 0));
		c.buffers[i].want = program_alloc(PINNED);
		TRY(cuEventCreate(&c.buffers[i].done, CU_EVENT_DISABLE_TIMING));
	}

	while (c.made < ROOM && c.live_bytes + c.largest / 2 < c.most_bytes && !c.out_of_memory)
		make(&c);
	program_mark(&c.p, NULL);
	for (unsigned long step = 0; step < c.p.o.steps; step++) {
		for (; c.op < c.p.o.ops * (step + 1) / c.p.o.steps; c.op++)
			operate(&c);
		program_mark(&c.p, NULL);
	}

	for (int i = 0; i < BUFFERS; i++) {
		struct buffer *b = take_buffer(&c);

		TRY(cuEventDestroy(b->done));
		TRY(cuMemFreeHost(b->bytes));
		free(b->want);
	}
	for (unsigned int i = 0; i < c.count; i++) {
		verify(&c, &c.live[i]);
		digest_host(&c.p, c.live[i].want, c.live[i].bytes);
	}
	while (c.count)
		drop(&c, 0);
	for (int i = 1; i < STREAMS; i++)
		TRY(cuStreamDestroy(c.streams[i]));
	free(c.pageable);
	if (c.out_of_memory)
		fprintf(stderr, "churn: out of memory %lu times\n", c.out_of_memory);
	program_end(&c.p);
	return 0;
}
