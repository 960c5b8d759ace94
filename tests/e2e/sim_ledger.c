/*
 * The ledger equals the card: random sequences of every call that allocates or frees, and
 * whenever all is quiet, what the library has on its account is what the simulated card holds,
 * to the byte; on the way there it is never less. usage: sim_ledger FIRST COUNT: so many seeds,
 * one after the other in one process. KINDS: words, which calls are in it (all without;
 * ledger_test.sh has the list); TRACE=1 tells each call. A seed repeats under the token.
 *
 * Two things are never equal, and are told apart: managed memory is charged as if all of it
 * were on the card; and what the driver packs into pages of its own (small arrays, small
 * managed memory) may be charged a page each.
 */
#include "library_symbol.h"
#include "program.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE ((size_t)2 << 20)
#define THREADS 3
#define PIECES 10 /* of each thread */
#define CONTEXTS 3
#define POOLS 2
#define ROUNDS 5
#define OPS 12 /* of each thread in a round */

enum what { NOTHING, LINEAR, PITCHED, ORDERED, OWN, TEXELS, MIPMAPS, MANAGED };

struct piece {
	enum what what;
	int context;
	CUdeviceptr at;
	size_t bytes;
	unsigned char stamp;
	bool packed; /* the driver may put it beside others */
	/* OWN: */
	CUmemGenericAllocationHandle handle; /* 0: released */
	bool mapped;
	/* TEXELS, MIPMAPS: */
	void *array;
};

struct one {
	uint64_t dice;
	int number;
	struct piece pieces[PIECES];
};

static struct {
	CUcontext context; /* NULL: none; the first is the primary one */
	CUstream streams[THREADS];
} contexts[CONTEXTS];
static CUmemoryPool pools[POOLS]; /* NULL: none */
static struct one all[THREADS];
static uint64_t seed;
static unsigned int first_seed, checks;
static bool trace, together;	/* all threads at once */
static uint64_t (*ledger)(int); /* NULL: no library */
static uint64_t (*counted)(const char *);
static int (*fails)(const char *, uint64_t, CUresult);

static bool with(const char *kind)
{
	const char *kinds = getenv("KINDS"), *at = kinds;
	size_t length = strlen(kind);

	while (at && (at = strstr(at, kind)) != NULL) {
		if ((at == kinds || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
		at += length;
	}
	return !kinds;
}

static unsigned int roll(struct one *me, unsigned int n)
{
	me->dice = me->dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(me->dice >> 33) % n;
}

static int64_t beyond(void)
{
	return ledger ? (int64_t)(ledger(0) - counted("vram_now")) : 0;
}

static void tell(const struct one *me, const char *verb, const struct piece *p)
{
	static const char *const names[] = {"nothing", "linear", "pitched",   "ordered",
					    "own",     "array",	 "mipmapped", "managed"};

	if (trace)
		fprintf(stderr, "  thread %d: %s %s of %zu bytes, context %d; %+" PRId64 "\n",
			me->number, verb, names[p->what], p->bytes, p->context, beyond());
}

static _Noreturn void unlike(const char *what)
{
	fprintf(stderr, "wrong: seed %" PRIu64 " (of those from %u on): %s\n", seed, first_seed,
		what);
	exit(1);
}

/* There may be no room: then nothing is made, and nothing may be charged. */
static bool made(CUresult result)
{
	if (result != CUDA_ERROR_OUT_OF_MEMORY)
		MUST(result);
	return result == CUDA_SUCCESS;
}

/* --- what is in a piece ---------------------------------------------------------------------
 */

static CUstream stream_of(const struct one *me, const struct piece *p)
{
	return contexts[p->context].streams[me->number];
}

/* Its first byte, its last, and one between: what of it would be lost with a block. */
static void spots(const struct piece *p, CUdeviceptr at[3])
{
	at[0] = p->at;
	at[1] = p->at + p->bytes / 2;
	at[2] = p->at + p->bytes - 1;
}

static void stamp(struct one *me, struct piece *p)
{
	CUdeviceptr at[3];

	spots(p, at);
	p->stamp = (unsigned char)(1 + roll(me, 255));
	for (int i = 0; i < 3; i++)
		MUST(cuMemsetD8Async(at[i], p->stamp, 1, stream_of(me, p)));
}

static bool readable(const struct piece *p)
{
	return p->what == LINEAR || p->what == PITCHED || p->what == ORDERED ||
	       p->what == MANAGED || (p->what == OWN && p->mapped);
}

static void verify(struct one *me, const struct piece *p)
{
	CUdeviceptr at[3];

	if (!readable(p))
		return;
	spots(p, at);
	MUST(cuStreamSynchronize(stream_of(me, p)));
	for (int i = 0; i < 3; i++) {
		unsigned char byte = 0;

		MUST(cuMemcpyDtoH(&byte, at[i], 1));
		if (byte != p->stamp)
			unlike("another byte than was written");
	}
}

/* --- making and ending them -----------------------------------------------------------------
 */

static size_t small_bytes(struct one *me)
{
	static const unsigned int most[] = {16, 512, 4096, 65536, (1 << 20) - 1};

	return 1 + roll(me, most[roll(me, 5)]);
}

static size_t large_bytes(struct one *me)
{
	return MIB + roll(me, 3) * MIB + (roll(me, 2) ? roll(me, MIB) : 0);
}

static size_t some_bytes(struct one *me)
{
	return with("small") && (!with("large") || roll(me, 2)) ? small_bytes(me)
								: large_bytes(me);
}

static bool make_linear(struct one *me, struct piece *p)
{
	p->bytes = some_bytes(me);
	return made(cuMemAlloc(&p->at, p->bytes));
}

static bool make_pitched(struct one *me, struct piece *p)
{
	size_t rows = 1 + roll(me, 64), bytes = some_bytes(me), pitch;
	size_t width = (bytes + rows - 1) / rows;

	/* Large enough without its padding, or small enough with it. */
	if (bytes < MIB && (width + 511) / 512 * 512 * rows >= MIB)
		rows = 1;
	if (!made(cuMemAllocPitch(&p->at, &pitch, width, rows, 16)))
		return false;
	p->bytes = pitch * rows;
	return true;
}

static bool make_ordered(struct one *me, struct piece *p)
{
	CUmemoryPool pool = with("pools") ? pools[roll(me, POOLS)] : NULL;

	p->bytes = roll(me, 2) ? small_bytes(me) : large_bytes(me);
	return made(pool ? cuMemAllocFromPoolAsync(&p->at, p->bytes, pool, stream_of(me, p))
			 : cuMemAllocAsync(&p->at, p->bytes, stream_of(me, p)));
}

static bool make_own(struct one *me, struct piece *p)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};

	p->bytes = (1 + roll(me, 3)) * PAGE;
	p->mapped = false;
	return made(cuMemCreate(&p->handle, p->bytes, &prop, 0));
}

static void map_own(struct one *me, struct piece *p)
{
	CUmemAccessDesc access = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE},
				  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};

	MUST(cuMemAddressReserve(&p->at, p->bytes, 0, 0, 0));
	MUST(cuMemMap(p->at, p->bytes, 0, p->handle, 0));
	MUST(cuMemSetAccess(p->at, p->bytes, &access, 1));
	p->mapped = true;
	stamp(me, p);
}

/* Which goes first, the handle or the mapping, is all one. */
static void end_own(struct one *me, struct piece *p)
{
	if (p->handle && (!p->mapped || roll(me, 2))) {
		MUST(cuMemRelease(p->handle));
		p->handle = 0;
	} else {
		MUST(cuStreamSynchronize(stream_of(me, p)));
		MUST(cuMemUnmap(p->at, p->bytes));
		MUST(cuMemAddressFree(p->at, p->bytes));
		p->mapped = false;
	}
	if (!p->handle && !p->mapped)
		p->what = NOTHING;
}

/* Either far under the size from which on memory is not packed, or texels alone are above. */
static CUDA_ARRAY3D_DESCRIPTOR shape(struct one *me, struct piece *p)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = {.Format = CU_AD_FORMAT_FLOAT, .NumChannels = 4};

	p->packed = with("packed") && roll(me, 2);
	switch (roll(me, 3)) {
	case 0: /* a line; a long one has layers, as no line is a MiB long */
		desc.Width = p->packed ? 1 + roll(me, 2000) : 16384 + roll(me, 4096);
		desc.Depth = p->packed ? 0 : 4 + roll(me, 8);
		desc.Flags = p->packed ? 0 : CUDA_ARRAY3D_LAYERED;
		break;
	case 1:
		desc.Width = p->packed ? 1 + roll(me, 60) : 256 + roll(me, 256);
		desc.Height = p->packed ? 1 + roll(me, 60) : 256 + roll(me, 256);
		break;
	default:
		desc.Width = p->packed ? 1 + roll(me, 8) : 64 + roll(me, 16);
		desc.Height = p->packed ? 1 + roll(me, 8) : 64 + roll(me, 16);
		desc.Depth = p->packed ? 1 + roll(me, 8) : 32 + roll(me, 16);
		break;
	}
	p->bytes = 0;
	return desc;
}

static bool make_array(struct one *me, struct piece *p)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = shape(me, p);
	CUarray array;

	if (desc.Depth || roll(me, 2)) {
		if (!made(cuArray3DCreate(&array, &desc)))
			return false;
	} else if (!made(cuArrayCreate(&array, &(CUDA_ARRAY_DESCRIPTOR){desc.Width, desc.Height,
									desc.Format,
									desc.NumChannels}))) {
		return false;
	}
	p->array = array;
	return true;
}

static bool make_mipmapped(struct one *me, struct piece *p)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = shape(me, p);
	CUmipmappedArray array;

	if (!made(cuMipmappedArrayCreate(&array, &desc, 1 + roll(me, 3))))
		return false;
	p->array = array;
	return true;
}

static bool make_managed(struct one *me, struct piece *p)
{
	CUmemLocation card = {.type = CU_MEM_LOCATION_TYPE_DEVICE};

	p->packed = with("packed") && roll(me, 2);
	p->bytes = p->packed ? small_bytes(me) : large_bytes(me);
	if (!made(cuMemAllocManaged(&p->at, p->bytes, CU_MEM_ATTACH_GLOBAL)))
		return false;
	if (roll(me, 2))
		MUST(cuMemPrefetchAsync(p->at, p->bytes, card, 0, stream_of(me, p)));
	return true;
}

static const struct {
	const char *kind;
	enum what what;
	bool (*make)(struct one *, struct piece *);
} makers[] = {{"linear", LINEAR, make_linear},
	      {"linear", LINEAR, make_linear},
	      {"pitched", PITCHED, make_pitched},
	      {"ordered", ORDERED, make_ordered},
	      {"own", OWN, make_own},
	      {"arrays", TEXELS, make_array},
	      {"arrays", MIPMAPS, make_mipmapped},
	      {"managed", MANAGED, make_managed}};

static int some_context(struct one *me)
{
	int i = (int)roll(me, CONTEXTS);

	return contexts[i].context ? i : 0;
}

static void make(struct one *me, struct piece *p)
{
	unsigned int maker = roll(me, sizeof(makers) / sizeof(makers[0]));

	if (!with(makers[maker].kind))
		return;
	*p = (struct piece){.context = some_context(me)};
	MUST(cuCtxSetCurrent(contexts[p->context].context));
	if (makers[maker].make(me, p)) {
		p->what = makers[maker].what;
		if (readable(p))
			stamp(me, p);
	}
	tell(me, p->what ? "make" : "make", p);
}

/* Any call may free what any call has made. */
static void end_linear(struct one *me, struct piece *p)
{
	bool ordered = p->what == ORDERED;

	if (with("crosswise") && p->what != MANAGED && roll(me, 3) == 0)
		ordered = !ordered;
	if (ordered) {
		MUST(cuMemFreeAsync(p->at, stream_of(me, p)));
	} else {
		MUST(cuStreamSynchronize(stream_of(me, p)));
		MUST(cuMemFree(p->at));
	}
	p->what = NOTHING;
}

static void end(struct one *me, struct piece *p)
{
	struct piece was = *p;

	MUST(cuCtxSetCurrent(contexts[p->context].context));
	verify(me, p);
	switch (p->what) {
	case NOTHING:
		break;
	case OWN:
		end_own(me, p);
		break;
	case TEXELS:
		MUST(cuArrayDestroy(p->array));
		p->what = NOTHING;
		break;
	case MIPMAPS:
		MUST(cuMipmappedArrayDestroy(p->array));
		p->what = NOTHING;
		break;
	default:
		end_linear(me, p);
	}
	tell(me, "end", &was);
}

static void refuse_to_destroy(CUmemoryPool pool)
{
	uint64_t before = ledger ? ledger(0) : 0;

	if (!fails("cuMemPoolDestroy", 1, CUDA_ERROR_UNKNOWN))
		wrong("the simulated driver does not fail when told to");
	MUST_FAIL(CUDA_ERROR_UNKNOWN, cuMemPoolDestroy(pool));
	if (ledger && ledger(0) != before)
		unlike("a pool that the driver would not destroy has another account");
}

/* A pool may end while memory of it lives, is being freed, and is kept by it. */
static void change_pools(struct one *me)
{
	CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
	int i = (int)roll(me, POOLS);
	cuuint64_t kept = roll(me, 2) * 4 * PAGE;

	if (!with("pools") || roll(me, 2))
		return;
	MUST(cuCtxSetCurrent(contexts[0].context));
	if (pools[i]) {
		if (roll(me, 4) == 0)
			refuse_to_destroy(pools[i]);
		MUST(cuMemPoolDestroy(pools[i]));
		pools[i] = NULL;
	} else {
		MUST(cuMemPoolCreate(&pools[i], &props));
		MUST(cuMemPoolSetAttribute(pools[i], CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &kept));
	}
	if (trace)
		fprintf(stderr, "  pool %d; %+" PRId64 "\n", i, beyond());
}

static void touch(struct one *me, struct piece *p)
{
	MUST(cuCtxSetCurrent(contexts[p->context].context));
	if (p->what == OWN && !p->mapped && p->handle)
		map_own(me, p);
	else if (readable(p))
		verify(me, p);
	if (with("pools") && pools[0] && roll(me, 8) == 0)
		MUST(cuMemPoolTrimTo(pools[0], roll(me, 2) * PAGE));
	if (with("pools") && !together && roll(me, 8) == 0)
		change_pools(me);
	tell(me, "use", p);
}

static void *work(void *argument)
{
	struct one *me = argument;

	for (int op = 0; op < OPS; op++) {
		struct piece *p = &me->pieces[roll(me, PIECES)];

		if (p->what == NOTHING)
			make(me, p);
		else if (roll(me, 3))
			end(me, p);
		else
			touch(me, p);
		if (!together && beyond() < 0)
			unlike("the card holds more than is on the account");
	}
	return NULL;
}

/* --- contexts, while nobody works --------------------------------------------------
 */

static void open_context(int i)
{
	if (i == 0)
		MUST(cuDevicePrimaryCtxRetain(&contexts[0].context, 0));
	else
		MUST(cuCtxCreate(&contexts[i].context, NULL, 0, 0));
	MUST(cuCtxSetCurrent(contexts[i].context));
	for (int t = 0; t < THREADS; t++)
		MUST(cuStreamCreate(&contexts[i].streams[t], CU_STREAM_NON_BLOCKING));
}

/* What was made in it goes with it, but for the program's own frames. */
static void forget_pieces(int ended)
{
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < PIECES; i++) {
			struct piece *p = &all[t].pieces[i];

			if (p->context == ended && p->what != OWN)
				p->what = NOTHING;
			else if (p->context == ended)
				p->context = 0;
		}
}

/* Frees that the end of the context overtakes. */
static void free_some(struct one *me, int i)
{
	for (int j = 0; j < PIECES; j++) {
		const struct piece *p = &me->pieces[j];

		if (p->context == i && roll(me, 2) &&
		    (p->what == LINEAR || p->what == PITCHED || p->what == ORDERED))
			MUST(cuMemFreeAsync(p->at, stream_of(me, p)));
	}
}

static void close_context(struct one *me, int i)
{
	MUST(cuCtxSetCurrent(contexts[i].context));
	if (with("crosswise"))
		free_some(me, i);
	if (i)
		MUST(cuCtxDestroy(contexts[i].context));
	else if (roll(me, 2))
		MUST(cuDevicePrimaryCtxReset(0));
	else
		MUST(cuDevicePrimaryCtxRelease(0));
	contexts[i].context = NULL;
	forget_pieces(i);
	if (trace)
		fprintf(stderr, "  context %d ends; %+" PRId64 "\n", i, beyond());
}

static void change_contexts(struct one *me)
{
	int i = 1 + (int)roll(me, CONTEXTS - 1);

	if (with("contexts") && roll(me, 2)) {
		if (contexts[i].context)
			close_context(me, i);
		else
			open_context(i);
	}
	if (with("resets") && roll(me, 3) == 0) {
		close_context(me, 0);
		open_context(0);
	}
}

/* --- the comparison -------------------------------------------------------------------------
 */

static void compare(const char *when)
{
	size_t packed = 0, managed = 0;
	char what[256];
	int64_t more;

	for (int i = 0; i < CONTEXTS; i++) {
		if (!contexts[i].context)
			continue;
		MUST(cuCtxSetCurrent(contexts[i].context));
		MUST(cuCtxSynchronize());
	}
	MUST(cuCtxSetCurrent(contexts[0].context));
	if (!ledger)
		return;
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < PIECES; i++) {
			const struct piece *p = &all[t].pieces[i];

			if (p->what == NOTHING)
				continue;
			if (p->packed)
				packed += PAGE;
			else if (p->what == MANAGED)
				managed += (p->bytes + PAGE - 1) / PAGE * PAGE;
		}
	more = beyond() + (int64_t)counted("managed_now") - (int64_t)managed;
	checks++;
	if (more >= 0 && more <= (int64_t)packed)
		return;
	snprintf(what, sizeof(what),
		 "%s the account has %" PRIu64 " bytes and the card %" PRIu64 ": %+" PRId64
		 " that nothing explains",
		 when, ledger(0), counted("vram_now"), more);
	unlike(what);
}

static void run_threads(void)
{
	pthread_t threads[THREADS];

	for (int t = 0; t < THREADS; t++)
		if (pthread_create(&threads[t], NULL, work, &all[t]))
			exit(2);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
}

static void end_all(void)
{
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < PIECES; i++)
			while (all[t].pieces[i].what != NOTHING)
				end(&all[t], &all[t].pieces[i]);
	compare("with everything freed");
	for (int i = 0; i < POOLS; i++)
		if (pools[i])
			MUST(cuMemPoolDestroy(pools[i]));
	memset(pools, 0, sizeof(pools));
	compare("with the pools gone");
	for (int i = 1; i < CONTEXTS; i++)
		if (contexts[i].context)
			close_context(&all[0], i);
	compare("with one context");
}

static void run_seed(void)
{
	together = with("threads") && seed % 2;
	if (trace)
		fprintf(stderr, "seed %" PRIu64 "\n", seed);
	memset(all, 0, sizeof(all));
	for (int t = 0; t < THREADS; t++) {
		all[t].number = t;
		all[t].dice = seed * 1000003 + (uint64_t)t;
	}
	open_context(0);
	for (int round = 0; round < ROUNDS; round++) {
		char when[32];

		change_contexts(&all[0]);
		change_pools(&all[0]);
		if (together)
			run_threads();
		else
			work(&all[roll(&all[0], THREADS)]);
		snprintf(when, sizeof(when), "in round %d,", round);
		compare(when);
	}
	end_all();
	close_context(&all[0], 0);
	if (ledger && beyond())
		unlike("without a context the account is not what the card holds");
}

int main(int argc, char **argv)
{
	uintptr_t found = library_symbol("liblowtide.so", "ledger_taken_bytes");
	unsigned int count = argc == 3 ? (unsigned int)atoi(argv[2]) : 0;

	if (!count)
		return 2;
	first_seed = (unsigned int)atoi(argv[1]);
	trace = getenv("TRACE") != NULL;
	counted =
	    __extension__(uint64_t(*)(const char *)) dlsym(RTLD_DEFAULT, "lowtide_sim_counted");
	fails = __extension__(int (*)(const char *, uint64_t, CUresult))
	    dlsym(RTLD_DEFAULT, "lowtide_sim_fail");
	memcpy(&ledger, &found, sizeof(ledger));
	MUST(cuInit(0));
	for (seed = first_seed; seed < first_seed + count; seed++)
		run_seed();
	if (getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "liblowtide.so") && !checks)
		wrong("the account was never looked at");
	printf("%u seeds, %u comparisons\n", count, checks);
	return 0;
}
