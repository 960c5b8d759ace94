/*
 * Stands for programs whose tensors are of every size: objects from 1 MiB and a byte to 200
 * MiB, cut into blocks of every class, are filled, copied, compared and freed in parts that
 * begin and end inside blocks, at their borders and across several. Each page of 4 KiB bears a
 * stamp of its object, its place and the time it was written, so that a page from the wrong
 * frame, block or time is told apart; only the stamps are written and looked at by this
 * program, so that large objects are cheap. With --threads each thread has objects and streams
 * of its own.
 */
#include "common.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 24, STREAMS = 3, LOOKS = 6, STAGES = 2 };

#define MIB ((size_t)1 << 20)
/* Of a pinned buffer: three blocks of the default size meet in it. */
#define STAGE_BYTES (72 * MIB)

/* One is as likely as the other. What is larger than a quarter of --mb is left out. */
static const size_t sizes[] = {
    MIB + 1,  2 * MIB - 1,   2 * MIB,	      2 * MIB + 1,   3 * MIB + 512, 5 * MIB + 9,
    7 * MIB,  12 * MIB + 3,  14 * MIB + 4096, 31 * MIB,	     32 * MIB,	    32 * MIB + 7,
    46 * MIB, 63 * MIB + 77, 100 * MIB,	      128 * MIB + 2, 200 * MIB,
};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

struct object {
	unsigned long number;
	CUdeviceptr at;
	size_t bytes, pages;
	uint64_t *want; /* by page: its stamp once everything issued so far is done */
	CUevent last;	/* the end of the newest operation on it */
	CUstream stream;
};

/* Pages of an object that something else reads; what they must bear is kept until it has. */
struct look {
	const char *what;
	unsigned long object;
	size_t first, pages, bytes; /* bytes: of the object */
	uint64_t *want;		    /* pinned, as `wrong` */
	unsigned char *wrong;	    /* by page: what a kernel found; NULL in `stage`: unused */
	unsigned char *stage; /* the pages themselves, copied out; NULL: a kernel looked */
	CUevent done;
};

/* What a host function is to put into a pinned buffer, before what follows it reads that. */
struct put {
	struct worker *w;
	unsigned char *to;
	uint64_t *want;
	size_t first, pages, bytes; /* bytes: of the object */
};

struct worker {
	struct program *p;
	unsigned int number;
	pthread_t thread;
	uint64_t random;
	unsigned long op, made;
	size_t live_bytes, most_bytes;
	struct object live[ROOM];
	unsigned int count, turn, stage_turn;
	CUstream streams[STREAMS]; /* the first is the legacy one, or its thread's own blocking
				      one */
	struct look looks[LOOKS];
	unsigned char *stages[STAGES]; /* pinned */
	CUevent taken[STAGES];
	struct put puts[STAGES];
	unsigned char *pageable;
	size_t stage_pages;
	_Atomic unsigned long calls; /* of host functions */
	unsigned long expected_calls;
	CUfunction stamp, check;
};

static size_t below(struct worker *w, size_t n)
{
	return (size_t)random_below(&w->random, n);
}

static bool chance(struct worker *w, unsigned int percent)
{
	return below(w, 100) < percent;
}

/* --- checking ----------------------------------------------------------------------------- */

static _Noreturn void tell_wrong(const struct worker *w, const char *what, unsigned long object,
				 size_t page, uint64_t want)
{
	fprintf(stderr,
		"stamps: seed %llu thread %u op %lu: %s: object %lu page %zu (byte %zu) does "
		"not bear the stamp %016llx\n",
		(unsigned long long)w->p->o.seed, w->number, w->op, what, object, page,
		page * PAGE_BYTES, (unsigned long long)want);
	exit(1);
}

static void judge(const struct worker *w, struct look *look)
{
	for (size_t i = 0; i < look->pages; i++) {
		size_t page = look->first + i;
		unsigned char wrong =
		    look->stage ? stamp_differs(look->stage + i * PAGE_BYTES,
						page_length(look->bytes, page), look->want[i])
				: look->wrong[i];

		if (wrong)
			tell_wrong(w, look->what, look->object, page, look->want[i]);
	}
	look->pages = 0;
}

/* The next place for a look; what was to be seen there before has been. */
static struct look *take_look(struct worker *w, const struct object *o, const char *what,
			      size_t first, size_t pages)
{
	struct look *look = &w->looks[w->turn++ % LOOKS];

	TRY(cuEventSynchronize(look->done));
	judge(w, look);
	look->what = what;
	look->object = o->number;
	look->first = first;
	look->pages = pages;
	look->bytes = o->bytes;
	look->stage = NULL;
	memcpy(look->want, o->want + first, pages * sizeof(*look->want));
	return look;
}

/* A pinned buffer that nothing uses any more, nor any look. */
static unsigned int take_stage(struct worker *w)
{
	unsigned int turn = w->stage_turn++ % STAGES;

	TRY(cuEventSynchronize(w->taken[turn]));
	for (int i = 0; i < LOOKS; i++)
		if (w->looks[i].stage == w->stages[turn]) {
			TRY(cuEventSynchronize(w->looks[i].done));
			judge(w, &w->looks[i]);
			w->looks[i].stage = NULL;
		}
	return turn;
}

/* --- order -------------------------------------------------------------------------------- */

static CUstream pick_stream(struct worker *w, bool synchronous)
{
	return synchronous ? NULL : w->streams[below(w, STREAMS)];
}

static void begin(struct worker *w, struct object *o, CUstream stream)
{
	if (o->stream == stream)
		return;
	if (chance(w, 20))
		TRY(cuEventSynchronize(o->last));
	else
		TRY(cuStreamWaitEvent(stream, o->last, 0));
}

static void end(struct object *o, CUstream stream)
{
	TRY(cuEventRecord(o->last, stream));
	o->stream = stream;
}

/* --- parts -------------------------------------------------------------------------------- */

/* Pages of an object: from the borders of blocks as often as from anywhere. */
static void pick_pages(struct worker *w, const struct object *o, size_t most, size_t *first,
		       size_t *pages)
{
	static const size_t borders[] = {2 * MIB, 4 * MIB, 8 * MIB, 32 * MIB};
	size_t border = borders[below(w, 4)] / PAGE_BYTES, left;

	*first = below(w, o->pages);
	if (chance(w, 40))
		*first -= *first % border;
	if (chance(w, 15))
		*first = 0;
	left = o->pages - *first;
	*pages = 1 + below(w, left);
	if (chance(w, 30))
		*pages = left;
	else if (chance(w, 30) && *pages > border)
		*pages -= *pages % border;
	if (*pages > most)
		*pages = most;
}

static size_t part_bytes(const struct object *o, size_t first, size_t pages)
{
	size_t from = first * PAGE_BYTES, upto = (first + pages) * PAGE_BYTES;

	return (upto < o->bytes ? upto : o->bytes) - from;
}

static struct object *any(struct worker *w)
{
	return &w->live[below(w, w->count)];
}

static void restamp(struct worker *w, struct object *o, size_t first, size_t pages,
		    uint64_t *key)
{
	*key = random_next(&w->random);
	for (size_t i = first; i < first + pages; i++)
		o->want[i] = page_stamp(*key, i);
}

/* --- operations --------------------------------------------------------------------------- */

static void stamp_on_device(struct worker *w, struct object *o, size_t first, size_t pages)
{
	CUstream stream = pick_stream(w, false);
	uint64_t key;

	restamp(w, o, first, pages, &key);
	begin(w, o, stream);
	LAUNCH(w->stamp, stream, &o->at, &o->bytes, &first, &pages, &key);
	end(o, stream);
}

static void stamp_some(struct worker *w)
{
	struct object *o = any(w);
	size_t first, pages;

	pick_pages(w, o, o->pages, &first, &pages);
	stamp_on_device(w, o, first, pages);
}

static void check_some(struct worker *w)
{
	struct object *o = any(w);
	CUstream stream = pick_stream(w, false);
	struct look *look;
	size_t first, pages;

	pick_pages(w, o, w->stage_pages, &first, &pages);
	look = take_look(w, o, "seen by a kernel", first, pages);
	begin(w, o, stream);
	LAUNCH(w->check, stream, &o->at, &o->bytes, &first, &pages, &look->want, &look->wrong);
	TRY(cuEventRecord(look->done, stream));
	end(o, stream);
}

static void put_stamps(const struct put *put)
{
	for (size_t i = 0; i < put->pages; i++)
		stamp_put(put->to + i * PAGE_BYTES, page_length(put->bytes, put->first + i),
			  put->want[i]);
}

static void count_call(void *worker)
{
	atomic_fetch_add(&((struct worker *)worker)->calls, 1);
}

static void put_in_order(void *put)
{
	put_stamps(put);
	count_call(((struct put *)put)->w);
}

/* By a host function: not before all that is in the stream has been. */
static void put_later(struct worker *w, unsigned int turn, const struct put *put,
		      CUstream stream)
{
	uint64_t *want = w->puts[turn].want;

	memcpy(want, put->want, put->pages * sizeof(*want));
	w->puts[turn] = *put;
	w->puts[turn].want = want;
	TRY(cuLaunchHostFunc(stream, put_in_order, &w->puts[turn]));
	w->expected_calls++;
}

static void upload_part(struct worker *w, struct object *o, size_t first, size_t pages)
{
	bool pinned = chance(w, 50), synchronous = chance(w, 40);
	unsigned int turn = pinned ? take_stage(w) : 0;
	unsigned char *from = pinned ? w->stages[turn] : w->pageable;
	CUstream stream = pick_stream(w, synchronous);
	CUdeviceptr at = o->at + first * PAGE_BYTES;
	size_t bytes = part_bytes(o, first, pages);
	struct put put = {w, from, o->want + first, first, pages, o->bytes};
	uint64_t key;

	restamp(w, o, first, pages, &key);
	begin(w, o, stream);
	if (pinned && !synchronous && chance(w, 40))
		put_later(w, turn, &put, stream);
	else
		put_stamps(&put);
	if (synchronous)
		TRY(cuMemcpyHtoD(at, from, bytes));
	else
		TRY(cuMemcpyHtoDAsync(at, from, bytes, stream));
	if (pinned)
		TRY(cuEventRecord(w->taken[turn], stream));
	else /* it has been read */
		memset(from, 0, STAMP_BYTES);
	end(o, stream);
}

static void upload_some(struct worker *w)
{
	struct object *o = any(w);
	size_t first, pages;

	pick_pages(w, o, w->stage_pages, &first, &pages);
	upload_part(w, o, first, pages);
}

static void download_some(struct worker *w)
{
	struct object *o = any(w);
	bool synchronous = chance(w, 40);
	CUstream stream = pick_stream(w, synchronous);
	unsigned int turn = take_stage(w);
	struct look *look;
	size_t first, pages, bytes;
	CUdeviceptr at;

	pick_pages(w, o, w->stage_pages, &first, &pages);
	bytes = part_bytes(o, first, pages);
	at = o->at + first * PAGE_BYTES;
	look = take_look(w, o, "copied out", first, pages);
	look->stage = w->stages[turn];
	begin(w, o, stream);
	if (synchronous) {
		TRY(cuMemcpyDtoH(look->stage, at, bytes));
		judge(w, look);
		look->stage = NULL;
	} else {
		TRY(cuMemcpyDtoHAsync(look->stage, at, bytes, stream));
		if (chance(w, 30)) {
			TRY(cuLaunchHostFunc(stream, count_call, w));
			w->expected_calls++;
		}
		TRY(cuEventRecord(look->done, stream));
	}
	end(o, stream);
}

/* Whole pages only: the stamp of a part of a page is no other page's. */
static void copy_some(struct worker *w)
{
	struct object *to = any(w), *from = any(w);
	bool synchronous = chance(w, 40);
	CUstream stream = pick_stream(w, synchronous);
	size_t whole = to->bytes / PAGE_BYTES, first, pages, source;
	CUdeviceptr dst, src;

	if (to == from)
		return;
	pick_pages(w, from, from->pages, &source, &pages);
	if (source + pages > from->bytes / PAGE_BYTES)
		pages = from->bytes / PAGE_BYTES - source;
	first = below(w, whole);
	if (pages > whole - first)
		pages = whole - first;
	if (!pages)
		return;
	dst = to->at + first * PAGE_BYTES;
	src = from->at + source * PAGE_BYTES;
	begin(w, to, stream);
	begin(w, from, stream);
	if (synchronous)
		TRY(cuMemcpyDtoD(dst, src, pages * PAGE_BYTES));
	else
		TRY(cuMemcpyDtoDAsync(dst, src, pages * PAGE_BYTES, stream));
	memcpy(to->want + first, from->want + source, pages * sizeof(*to->want));
	end(to, stream);
	end(from, stream);
}

/* Rows of whole pages, with a page at least between them. */
struct rows {
	size_t first, width, pitch, count; /* in pages */
};

static bool pick_rows(struct worker *w, const struct object *o, struct rows *r)
{
	size_t whole = o->bytes / PAGE_BYTES;

	if (whole < 8)
		return false;
	r->pitch = 2 + below(w, whole / 4 < 3000 ? whole / 4 : 3000);
	r->width = 1 + below(w, r->pitch - 1);
	r->first = below(w, whole - r->width);
	r->count = 1 + (whole - r->first - r->width) / r->pitch;
	if (r->count > 1)
		r->count = 1 + below(w, r->count);
	return true;
}

static void fill_some(struct worker *w)
{
	struct object *o = any(w);
	bool synchronous = chance(w, 40);
	CUstream stream = pick_stream(w, synchronous);
	uint32_t value = (uint32_t)random_next(&w->random);
	size_t words = PAGE_BYTES / 4;
	struct rows r;
	CUdeviceptr at;

	if (!pick_rows(w, o, &r))
		return;
	if (chance(w, 50)) {
		r.width = r.width * r.count < o->bytes / PAGE_BYTES - r.first
			      ? r.width * r.count
			      : o->bytes / PAGE_BYTES - r.first;
		r.count = 1;
	}
	at = o->at + r.first * PAGE_BYTES;
	begin(w, o, stream);
	if (r.count == 1 && synchronous)
		TRY(cuMemsetD32(at, value, r.width * words));
	else if (r.count == 1)
		TRY(cuMemsetD32Async(at, value, r.width * words, stream));
	else if (synchronous)
		TRY(cuMemsetD2D32(at, r.pitch * PAGE_BYTES, value, r.width * words, r.count));
	else
		TRY(cuMemsetD2D32Async(at, r.pitch * PAGE_BYTES, value, r.width * words,
				       r.count, stream));
	for (size_t row = 0; row < r.count; row++)
		for (size_t i = 0; i < r.width; i++)
			o->want[r.first + row * r.pitch + i] = value | (uint64_t)value << 32;
	end(o, stream);
}

/* Planes of rows, from one object to another: both in boxes of one shape. */
static void copy_box(struct worker *w)
{
	struct object *to = any(w), *from = any(w);
	bool synchronous = chance(w, 40);
	CUstream stream = pick_stream(w, synchronous);
	size_t height, depth, rows;
	CUDA_MEMCPY3D copy = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			      .dstMemoryType = CU_MEMORYTYPE_DEVICE};
	struct rows r, s;

	if (to == from || !pick_rows(w, to, &r) || !pick_rows(w, from, &s))
		return;
	rows = r.count < s.count ? r.count : s.count;
	height = 1 + below(w, rows);
	depth = rows / height;
	r.width = r.width < s.width ? r.width : s.width;
	copy.srcDevice = from->at + s.first * PAGE_BYTES;
	copy.srcPitch = s.pitch * PAGE_BYTES;
	copy.dstDevice = to->at + r.first * PAGE_BYTES;
	copy.dstPitch = r.pitch * PAGE_BYTES;
	copy.srcHeight = copy.dstHeight = copy.Height = height;
	copy.WidthInBytes = r.width * PAGE_BYTES;
	copy.Depth = depth;
	begin(w, to, stream);
	begin(w, from, stream);
	if (synchronous)
		TRY(cuMemcpy3D(&copy));
	else
		TRY(cuMemcpy3DAsync(&copy, stream));
	for (size_t row = 0; row < height * depth; row++)
		memcpy(to->want + r.first + row * r.pitch, from->want + s.first + row * s.pitch,
		       r.width * sizeof(*to->want));
	end(to, stream);
	end(from, stream);
}

/* --- objects ------------------------------------------------------------------------------ */

static void drop(struct worker *w, unsigned int i)
{
	struct object *o = &w->live[i];

	/* The driver waits for work that still uses it. */
	TRY(cuMemFree(o->at));
	TRY(cuEventDestroy(o->last));
	free(o->want);
	w->live_bytes -= o->bytes;
	*o = w->live[--w->count];
}

/* Every page of it, by kernels. */
static void check_all(struct worker *w, struct object *o)
{
	for (size_t first = 0; first < o->pages; first += w->stage_pages) {
		size_t left = o->pages - first,
		       pages = left < w->stage_pages ? left : w->stage_pages;
		struct look *look = take_look(w, o, "seen at the end", first, pages);

		begin(w, o, w->streams[1]);
		LAUNCH(w->check, w->streams[1], &o->at, &o->bytes, &first, &pages, &look->want,
		       &look->wrong);
		TRY(cuEventRecord(look->done, w->streams[1]));
		end(o, w->streams[1]);
	}
}

static void make(struct worker *w)
{
	struct object *o;
	size_t bytes;

	do
		bytes = sizes[below(w, SIZES)];
	while (bytes > w->most_bytes / 4 && bytes != sizes[0]);
	while (w->count && (w->count == ROOM || w->live_bytes + bytes > w->most_bytes)) {
		unsigned int i = (unsigned int)below(w, w->count);

		if (chance(w, 60))
			check_all(w, &w->live[i]);
		drop(w, i);
	}
	o = &w->live[w->count++];
	*o = (struct object){.number = w->made++,
			     .bytes = bytes,
			     .pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES};
	o->want = program_alloc(o->pages * sizeof(*o->want));
	TRY(cuMemAlloc(&o->at, bytes));
	TRY(cuEventCreate(&o->last, CU_EVENT_DISABLE_TIMING));
	w->live_bytes += bytes;
	if (chance(w, 50)) {
		stamp_on_device(w, o, 0, o->pages);
		return;
	}
	for (size_t first = 0; first < o->pages; first += w->stage_pages)
		upload_part(w, o, first,
			    o->pages - first < w->stage_pages ? o->pages - first
							      : w->stage_pages);
}

static void operate(struct worker *w)
{
	static void (*const operations[])(struct worker *) = {
	    stamp_some, check_some, upload_some, download_some,
	    copy_some,	fill_some,  check_some,	 copy_box,
	};

	if (!w->count || chance(w, 12))
		make(w);
	operations[below(w, sizeof(operations) / sizeof(operations[0]))](w);
}

/* --- threads ------------------------------------------------------------------------------ */

static void worker_init(struct worker *w)
{
	size_t stage = w->most_bytes / 3 < STAGE_BYTES ? w->most_bytes / 3 : STAGE_BYTES;

	w->stage_pages = stage / PAGE_BYTES;
	w->pageable = program_alloc(w->stage_pages * PAGE_BYTES);
	w->stamp = program_kernel(w->p, "stamp_pages");
	w->check = program_kernel(w->p, "check_pages");
	for (int i = 1; i < STREAMS; i++)
		TRY(cuStreamCreate(&w->streams[i],
				   i == 1 ? CU_STREAM_NON_BLOCKING : CU_STREAM_DEFAULT));
	for (int i = 0; i < STAGES; i++) {
		TRY(cuMemHostAlloc((void **)&w->stages[i], w->stage_pages * PAGE_BYTES, 0));
		TRY(cuEventCreate(&w->taken[i], CU_EVENT_DISABLE_TIMING));
		w->puts[i].want = program_alloc(w->stage_pages * sizeof(uint64_t));
	}
	for (int i = 0; i < LOOKS; i++) {
		struct look *look = &w->looks[i];

		TRY(cuMemHostAlloc((void **)&look->want, w->stage_pages * sizeof(uint64_t), 0));
		TRY(cuMemHostAlloc((void **)&look->wrong, w->stage_pages, 0));
		TRY(cuEventCreate(&look->done, CU_EVENT_DISABLE_TIMING));
	}
}

static void worker_finish(struct worker *w)
{
	for (int i = 0; i < LOOKS; i++) {
		TRY(cuEventSynchronize(w->looks[i].done));
		judge(w, &w->looks[i]);
	}
	for (int i = 0; i < LOOKS; i++) {
		TRY(cuEventDestroy(w->looks[i].done));
		TRY(cuMemFreeHost(w->looks[i].want));
		TRY(cuMemFreeHost(w->looks[i].wrong));
	}
	for (int i = 0; i < STAGES; i++) {
		TRY(cuEventDestroy(w->taken[i]));
		TRY(cuMemFreeHost(w->stages[i]));
		free(w->puts[i].want);
	}
	free(w->pageable);
}

static void *work(void *argument)
{
	struct worker *w = argument;

	TRY(cuCtxSetCurrent(w->p->context));
	worker_init(w);
	while (w->count < ROOM / 2 && w->live_bytes < w->most_bytes * 3 / 4)
		make(w);
	for (; w->op < w->p->o.ops; w->op++)
		operate(w);
	for (unsigned int i = 0; i < w->count; i++)
		check_all(w, &w->live[i]);
	TRY(cuCtxSynchronize());
	worker_finish(w);
	if (atomic_load(&w->calls) != w->expected_calls)
		program_fail("a host function did not run");
	return NULL;
}

int main(int argc, char **argv)
{
	struct program p;
	struct worker *workers;

	program_begin(&p, argc, argv, PROGRAM_OPTIONS_THREADS);
	workers = program_alloc(p.o.threads * sizeof(*workers));
	program_mark(&p, NULL);
	for (unsigned int i = 0; i < p.o.threads; i++) {
		workers[i].p = &p;
		workers[i].number = i;
		workers[i].random = p.o.seed * 64 + i;
		workers[i].most_bytes = p.o.mb * MIB / p.o.threads;
	}
	for (unsigned int i = 1; i < p.o.threads; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			program_fail("pthread_create");
	work(&workers[0]);
	for (unsigned int i = 1; i < p.o.threads; i++)
		pthread_join(workers[i].thread, NULL);
	program_mark(&p, NULL);
	for (unsigned int i = 0; i < p.o.threads; i++) {
		struct worker *w = &workers[i];

		for (unsigned int o = 0; o < w->count; o++)
			digest_host(&p, w->live[o].want, w->live[o].pages * sizeof(uint64_t));
		while (w->count)
			drop(w, 0);
		for (int s = 1; s < STREAMS; s++)
			TRY(cuStreamDestroy(w->streams[s]));
	}
	free(workers);
	program_end(&p);
	return 0;
}
