#include "common.h"

#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STAGE_WORDS (1ul << 20) /* of one piece of an upload, and of the digest's buffer */
#define LARGE_PAGE ((uintptr_t)2 << 20)

/* --- errors ------------------------------------------------------------------------------- */

/* Several threads may meet an error at once, and exit may run in one only: the first ends the
 * program, and nobody returns. */
static _Noreturn void leave(int status)
{
	static atomic_flag leaving = ATOMIC_FLAG_INIT;

	while (atomic_flag_test_and_set(&leaving))
		pause();
	exit(status);
}

void program_check(CUresult result, const char *call)
{
	const char *name = NULL;

	if (result == CUDA_SUCCESS)
		return;
	if (cuGetErrorName(result, &name) != CUDA_SUCCESS || !name)
		name = "an error without a name";
	fprintf(stderr, "%.*s: %s\n", (int)strcspn(call, "("), call, name);
	leave(3);
}

void program_fail(const char *what)
{
	fprintf(stderr, "%s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
	leave(3);
}

void *program_alloc(size_t bytes)
{
	void *memory = calloc(1, bytes ? bytes : 1);
	uintptr_t first = ((uintptr_t)memory + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	uintptr_t end = ((uintptr_t)memory + bytes) / LARGE_PAGE * LARGE_PAGE;

	if (!memory)
		program_fail("calloc");
	/* Where there are large pages, a fault for each instead of for each of 4 KiB. */
	if (first < end)
		madvise((void *)first, end - first, MADV_HUGEPAGE);
	return memory;
}

/* --- options ------------------------------------------------------------------------------ */

struct knob {
	const char *name, *what;
	unsigned long min, max, preset;
	size_t offset;
};

static const struct knob knobs[] = {
    {"mb", "MiB of weights in all", 1, 1ul << 20, 64, offsetof(struct options, mb)},
    {"steps", "steps", 1, 1000000, 4, offsetof(struct options, steps)},
    {"tensors", "tensors that the weights are cut into", 1, 4096, 32,
     offsetof(struct options, tensors)},
    {"stride", "kernels compute on each Nth word only (and touch all)", 1, 1ul << 20, 1,
     offsetof(struct options, stride)},
    {"compute-us", "modelled compute time of a layer, in us", 0, 1000000, 200,
     offsetof(struct options, compute_us)},
    {"seed", "seed of all that is random", 0, ~0ul, 1, offsetof(struct options, seed)},
    {"ops", "operations", 1, 100000000, 300, offsetof(struct options, ops)},
    {"threads", "threads, each with objects and a stream of its own", 1, 64, 1,
     offsetof(struct options, threads)},
};
enum { KNOBS = sizeof(knobs) / sizeof(knobs[0]) };

static void set_knob(struct options *o, const struct knob *k, unsigned long value)
{
	_Static_assert(sizeof(o->seed) == sizeof(o->mb), "a knob is 64 bits wide");
	memcpy((char *)o + k->offset, &value, sizeof(value));
}

static void help(const char *name, int count)
{
	printf("usage: %s [options]\n", name);
	for (int i = 0; i < count; i++)
		printf("  --%-12s %s (%lu)\n", knobs[i].name, knobs[i].what, knobs[i].preset);
	puts("  --help         this text\n"
	     "WORKLOAD_KERNELS names the kernels' file; else it lies beside the program.");
}

static void read_options(struct program *p, int argc, char **argv, int further_options)
{
	struct option table[KNOBS + 2] = {{0}};
	int count = KNOBS - PROGRAM_OPTIONS_THREADS + further_options, found;

	for (int i = 0; i < KNOBS; i++)
		set_knob(&p->o, &knobs[i], knobs[i].preset);
	for (int i = 0; i < count; i++)
		table[i] = (struct option){knobs[i].name, required_argument, NULL, i + 1};
	table[count] = (struct option){"help", no_argument, NULL, 'h'};
	opterr = 0;
	while ((found = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		const struct knob *k = &knobs[found - 1];
		unsigned long value;
		char *end;

		if (found == 'h') {
			help(p->name, count);
			exit(0);
		}
		if (found == ':' || found == '?') {
			fprintf(stderr, "%s: %s: %s (--help lists the options)\n", p->name,
				argv[optind - 1],
				found == ':' ? "a number is missing" : "no such option");
			exit(2);
		}
		errno = 0;
		value = strtoul(optarg, &end, 10);
		if (*optarg < '0' || *optarg > '9' || *end || errno || value < k->min ||
		    value > k->max) {
			fprintf(stderr, "%s: --%s: not a number from %lu to %lu: %s\n", p->name,
				k->name, k->min, k->max, optarg);
			exit(2);
		}
		set_knob(&p->o, k, value);
	}
	if (optind < argc) {
		fprintf(stderr, "%s: %s: not an option (--help lists them)\n", p->name,
			argv[optind]);
		exit(2);
	}
}

/* --- the program's life ------------------------------------------------------------------- */

/* The simulator's image or a GPU's, whichever this driver takes. */
static void load_kernels(struct program *p)
{
	static const char *const names[] = {"kernels.so", "kernels.fatbin", "kernels.cubin",
					    "kernels.ptx"};
	const char *named = getenv("WORKLOAD_KERNELS");
	CUresult first = CUDA_ERROR_FILE_NOT_FOUND;
	char path[4096];
	ssize_t length;
	char *folder;

	if (named && *named) {
		TRY(cuModuleLoad(&p->module, named));
		return;
	}
	length = readlink("/proc/self/exe", path, sizeof(path) - 32);
	if (length < 0)
		program_fail("/proc/self/exe");
	path[length] = '\0';
	folder = strrchr(path, '/') + 1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CUresult result;

		strcpy(folder, names[i]);
		if (access(path, R_OK) != 0)
			continue;
		result = cuModuleLoad(&p->module, path);
		if (result == CUDA_SUCCESS)
			return;
		if (first == CUDA_ERROR_FILE_NOT_FOUND)
			first = result;
	}
	program_check(first, "cuModuleLoad");
}

void program_begin(struct program *p, int argc, char **argv, int further_options)
{
	const char *slash = strrchr(argv[0], '/');
	CUdevice device;

	memset(p, 0, sizeof(*p));
	p->name = slash ? slash + 1 : argv[0];
	p->digest[0] = 0x6a09e667f3bcc908u;
	p->digest[1] = 0xbb67ae8584caa73bu;
	read_options(p, argc, argv, further_options);
	TRY(cuInit(0));
	TRY(cuDeviceGet(&device, 0));
	TRY(cuDevicePrimaryCtxRetain(&p->context, device));
	TRY(cuCtxSetCurrent(p->context));
	load_kernels(p);
}

CUfunction program_kernel(const struct program *p, const char *name)
{
	CUfunction function;

	TRY(cuModuleGetFunction(&function, p->module, name));
	return function;
}

void program_mark(struct program *p, CUstream stream)
{
	if (p->mark_count == p->mark_room) {
		p->mark_room = p->mark_room ? 2 * p->mark_room : 64;
		p->marks = realloc(p->marks, p->mark_room * sizeof(*p->marks));
		if (!p->marks)
			program_fail("realloc");
	}
	TRY(cuEventCreate(&p->marks[p->mark_count], CU_EVENT_DEFAULT));
	TRY(cuEventRecord(p->marks[p->mark_count++], stream));
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void print(struct program *p)
{
	unsigned long steps = p->mark_count ? p->mark_count - 1 : 0;
	float *ms = program_alloc((steps + 1) * sizeof(*ms)), total = 0;
	double median = 0;

	for (unsigned long i = 0; i < steps; i++)
		TRY(cuEventElapsedTime(&ms[i], p->marks[i], p->marks[i + 1]));
	if (steps) {
		TRY(cuEventElapsedTime(&total, p->marks[0], p->marks[steps]));
		qsort(ms, steps, sizeof(*ms), by_value);
		median = ((double)ms[steps / 2] + (double)ms[(steps - 1) / 2]) / 2;
	}
	printf("digest %016llx%016llx\n", (unsigned long long)p->digest[0],
	       (unsigned long long)p->digest[1]);
	printf("steps %lu median_ms %.6f total_ms %.6f\n", steps, median, (double)total);
	free(ms);
}

void program_end(struct program *p)
{
	CUdevice device;

	TRY(cuCtxSynchronize());
	print(p);
	for (unsigned long i = 0; i < p->mark_count; i++)
		TRY(cuEventDestroy(p->marks[i]));
	free(p->marks);
	TRY(cuModuleUnload(p->module));
	TRY(cuCtxGetDevice(&device));
	TRY(cuDevicePrimaryCtxRelease(device));
	if (fflush(stdout) != 0)
		program_fail("stdout");
}

/* --- random numbers ----------------------------------------------------------------------- */

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t random_below(uint64_t *state, uint64_t n)
{
	return random_next(state) % n;
}

/* --- tensors ------------------------------------------------------------------------------ */

unsigned long tensor_words(uint64_t bytes, unsigned long count, unsigned long i)
{
	uint64_t words = bytes / 4 / count;

	if ((i | 1) < count)
		words = i & 1 ? words - words / 4 : words + words / 4;
	return words < 64 ? 64 : words & ~(uint64_t)63;
}

uint32_t tensor_key(const struct program *p, unsigned long i)
{
	uint64_t state = p->o.seed ^ i << 32;

	return (uint32_t)random_next(&state);
}

struct tensor tensor_make(const struct program *p, uint64_t bytes, unsigned long count,
			  unsigned long i)
{
	struct tensor t = {0, tensor_words(bytes, count, i), tensor_key(p, i)};

	TRY(cuMemAlloc(&t.at, t.words * 4));
	return t;
}

void tensor_free(struct tensor *t)
{
	TRY(cuMemFree(t->at));
	t->at = 0;
}

CUdeviceptr zeroed_words(unsigned long words)
{
	CUdeviceptr at;

	TRY(cuMemAlloc(&at, words * 4));
	TRY(cuMemsetD32(at, 0, words));
	TRY(cuStreamSynchronize(NULL)); /* other streams need not wait for the legacy one */
	return at;
}

void uploader_init(struct uploader *u, const struct program *p, CUstream stream)
{
	*u = (struct uploader){.p = p, .stream = stream};
	u->pageable = program_alloc(STAGE_WORDS * 4);
	for (int i = 0; i < 2; i++) {
		TRY(cuMemHostAlloc((void **)&u->pinned[i], STAGE_WORDS * 4, 0));
		memset(u->pinned[i], 0, STAGE_WORDS * 4);
		TRY(cuEventCreate(&u->taken[i], CU_EVENT_DISABLE_TIMING));
	}
}

void uploader_finish(struct uploader *u)
{
	TRY(cuStreamSynchronize(u->stream));
	TRY(cuStreamSynchronize(NULL));
	for (int i = 0; i < 2; i++) {
		TRY(cuMemFreeHost(u->pinned[i]));
		TRY(cuEventDestroy(u->taken[i]));
	}
	free(u->pageable);
}

/* Words [from, from + count) of the tensor; with a stride, those that count. */
static void compose(const struct uploader *u, const struct tensor *t, unsigned long from,
		    unsigned long count, uint32_t *to)
{
	unsigned long stride = u->p->o.stride;

	if (stride == 1)
		for (unsigned long i = 0; i < count; i++)
			to[i] = weight_word(t->key, from + i);
	else
		for (unsigned long i = sample_at(from, stride) * stride; i < from + count;
		     i += stride)
			to[i - from] = weight_word(t->key, i);
}

void upload(struct uploader *u, const struct tensor *t, bool from_pinned)
{
	for (unsigned long from = 0; from < t->words; from += STAGE_WORDS) {
		unsigned long left = t->words - from,
			      count = left < STAGE_WORDS ? left : STAGE_WORDS;
		unsigned int turn = u->turn++ & 1;

		if (from_pinned) {
			TRY(cuEventSynchronize(u->taken[turn]));
			compose(u, t, from, count, u->pinned[turn]);
			TRY(cuMemcpyHtoDAsync(t->at + from * 4, u->pinned[turn], count * 4,
					      u->stream));
			TRY(cuEventRecord(u->taken[turn], u->stream));
		} else {
			compose(u, t, from, count, u->pageable);
			TRY(cuMemcpyHtoD(t->at + from * 4, u->pageable, count * 4));
		}
	}
}

/* --- the digest --------------------------------------------------------------------------- */

static void digest_word(uint64_t digest[2], uint64_t word)
{
	digest[0] = (digest[0] ^ word) * 0x9fb21c651e98df25u;
	digest[0] ^= digest[0] >> 29;
	digest[1] = (digest[1] + word) * 0xd6e8feb86659fd93u;
	digest[1] = digest[1] << 23 | digest[1] >> 41;
}

void digest_host(struct program *p, const void *data, size_t bytes)
{
	const char *at = data;
	uint64_t word;

	digest_word(p->digest, bytes);
	for (; bytes >= 8; at += 8, bytes -= 8) {
		memcpy(&word, at, 8);
		digest_word(p->digest, word);
	}
	if (bytes) {
		word = 0;
		memcpy(&word, at, bytes);
		digest_word(p->digest, word);
	}
}

void digest_device(struct program *p, CUdeviceptr at, size_t bytes)
{
	char *buffer = program_alloc(STAGE_WORDS * 4);

	TRY(cuCtxSynchronize());
	for (size_t done = 0; done < bytes;) {
		size_t part = bytes - done < STAGE_WORDS * 4 ? bytes - done : STAGE_WORDS * 4;

		TRY(cuMemcpyDtoH(buffer, at + done, part));
		digest_host(p, buffer, part);
		done += part;
	}
	free(buffer);
}
