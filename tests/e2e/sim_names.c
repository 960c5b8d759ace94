/*
 * Launches of every flavour, with parameter lists of every kind. usage: sim_names CASE EXPECT,
 * with SIM_IMAGE naming the test kernels. Twelve pieces of memory are filled, of which a cap
 * leaves some in RAM; each case launches a kernel that is given one of those. What the library
 * made of it is seen in where the piece lies afterwards, which the simulator tells:
 *
 *   noticed    it was in RAM, and is in VRAM
 *   unnoticed  it was in RAM, and still is
 *   bare       nothing is in RAM: no library
 *
 * In each case the kernel must have added to the piece what it was asked to.
 */
#include <cuda.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECES 12u
#define PIECE_BYTES ((size_t)2 << 20)
#define ADDED 7u

static CUcontext context;
static CUmodule module;
static CUdeviceptr piece[PIECES];
static int (*in_vram)(CUdeviceptr);
static enum { NOTICED, UNNOTICED, BARE } expect;

static void must_(CUresult result, const char *what, int line)
{
	const char *name = "?";

	if (result == CUDA_SUCCESS)
		return;
	cuGetErrorName(result, &name);
	fprintf(stderr, "line %d: %s: %s\n", line, what, name);
	exit(3);
}

#define MUST(call) must_((call), #call, __LINE__)

static void wrong(const char *what)
{
	fprintf(stderr, "wrong: %s\n", what);
	exit(1);
}

static CUfunction function(const char *name)
{
	CUfunction f;

	MUST(cuModuleGetFunction(&f, module, name));
	return f;
}

static void *driver_function(const char *name, cuuint64_t flags)
{
	CUdriverProcAddressQueryResult why;
	void *found = NULL;

	/* As far as this driver knows it. */
	MUST(cuGetProcAddress(name, &found, 13000, flags, &why));
	return found;
}

static void fill_all(void)
{
	for (unsigned int i = 0; i < PIECES; i++) {
		unsigned int value = 100 * i;
		unsigned long n = PIECE_BYTES / 4;
		void *params[] = {&piece[i], &value, &n};

		MUST(cuLaunchKernel(function("fill"), 8, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	}
	MUST(cuCtxSynchronize());
}

static void start(void)
{
	MUST(cuInit(0));
	MUST(cuDevicePrimaryCtxRetain(&context, 0));
	MUST(cuCtxSetCurrent(context));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
	in_vram = __extension__(int (*)(CUdeviceptr)) dlsym(RTLD_DEFAULT, "sim_in_vram");
	if (!in_vram)
		wrong("this is not the simulated driver");
	for (unsigned int i = 0; i < PIECES; i++)
		MUST(cuMemAlloc(&piece[i], PIECE_BYTES));
	/* Twice: what is filled first is resident from the start. */
	fill_all();
	fill_all();
}

static CUdeviceptr cold_piece(void)
{
	if (expect == BARE)
		return piece[3];
	for (unsigned int i = 0; i < PIECES; i++)
		if (!in_vram(piece[i]))
			return piece[i];
	wrong("no piece is in RAM");
	return 0;
}

static void check_noticed(CUdeviceptr at, const char *what)
{
	bool is_in_vram = in_vram(at) == 1;
	unsigned int word = 0, filled = 0;

	for (unsigned int i = 0; i < PIECES; i++)
		if (piece[i] == at)
			filled = 100 * i;
	MUST(cuCtxSynchronize());
	MUST(cuMemcpyDtoH(&word, at, sizeof(word)));
	if (word != filled + ADDED) {
		fprintf(stderr, "%s: %u, not %u\n", what, word, filled + ADDED);
		wrong("what the kernel wrote");
	}
	if (is_in_vram != (expect != UNNOTICED))
		wrong(is_in_vram ? "the piece was noticed" : "the piece was not noticed");
}

/* --- flavours of a launch */

/* Of the kernel `increment`. */
struct arguments {
	CUdeviceptr out;
	unsigned int by;
	unsigned long n;
	void *params[3];
};

static void arguments_for(struct arguments *a, CUdeviceptr out)
{
	*a = (struct arguments){.out = out, .by = ADDED, .n = 1};
	a->params[0] = &a->out;
	a->params[1] = &a->by;
	a->params[2] = &a->n;
}

typedef CUresult (*launch_fn)(CUfunction, unsigned int, unsigned int, unsigned int,
			      unsigned int, unsigned int, unsigned int, unsigned int, CUstream,
			      void **, void **);
typedef CUresult (*launch_ex_fn)(const CUlaunchConfig *, CUfunction, void **, void **);
typedef CUresult (*launch_cooperative_fn)(CUfunction, unsigned int, unsigned int, unsigned int,
					  unsigned int, unsigned int, unsigned int,
					  unsigned int, CUstream, void **);

static void plain_with(CUfunction f, cuuint64_t flags)
{
	launch_fn launch = __extension__(launch_fn) driver_function("cuLaunchKernel", flags);
	struct arguments a;

	arguments_for(&a, cold_piece());
	MUST(launch(f, 1, 1, 1, 1, 1, 1, 0, NULL, a.params, NULL));
	check_noticed(a.out, "cuLaunchKernel");
}

static void plain(void)
{
	plain_with(function("increment"), 0);
}

static void plain_per_thread(void)
{
	plain_with(function("increment"), CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
}

static void extended_with(cuuint64_t flags)
{
	launch_ex_fn launch =
	    __extension__(launch_ex_fn) driver_function("cuLaunchKernelEx", flags);
	CUlaunchConfig config = {.gridDimX = 1,
				 .gridDimY = 1,
				 .gridDimZ = 1,
				 .blockDimX = 1,
				 .blockDimY = 1,
				 .blockDimZ = 1};
	struct arguments a;

	arguments_for(&a, cold_piece());
	MUST(launch(&config, function("increment"), a.params, NULL));
	check_noticed(a.out, "cuLaunchKernelEx");
}

static void extended(void)
{
	extended_with(0);
}

static void extended_per_thread(void)
{
	extended_with(CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
}

static void cooperative_with(cuuint64_t flags)
{
	launch_cooperative_fn launch = __extension__(launch_cooperative_fn)
	    driver_function("cuLaunchCooperativeKernel", flags);
	struct arguments a;

	arguments_for(&a, cold_piece());
	MUST(launch(function("increment"), 1, 1, 1, 1, 1, 1, 0, NULL, a.params));
	check_noticed(a.out, "cuLaunchCooperativeKernel");
}

static void cooperative(void)
{
	cooperative_with(0);
}

static void cooperative_per_thread(void)
{
	cooperative_with(CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
}

static void multi_device(void)
{
	CUresult (*launch)(CUDA_LAUNCH_PARAMS *, unsigned int, unsigned int) =
	    __extension__(CUresult(*)(CUDA_LAUNCH_PARAMS *, unsigned int, unsigned int))
		driver_function("cuLaunchCooperativeKernelMultiDevice", 0);
	struct arguments a;
	CUDA_LAUNCH_PARAMS one = {.function = function("increment"),
				  .gridDimX = 1,
				  .gridDimY = 1,
				  .gridDimZ = 1,
				  .blockDimX = 1,
				  .blockDimY = 1,
				  .blockDimZ = 1};

	MUST(cuStreamCreate(&one.hStream, CU_STREAM_DEFAULT));
	arguments_for(&a, cold_piece());
	one.kernelParams = a.params;
	MUST(launch(&one, 1, 0));
	check_noticed(a.out, "cuLaunchCooperativeKernelMultiDevice");
}

static void packed_buffer(void)
{
	struct {
		CUdeviceptr out;
		unsigned int by;
		unsigned long n;
	} packed = {cold_piece(), ADDED, 1};
	size_t bytes = sizeof(packed);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE,
			 &bytes, CU_LAUNCH_PARAM_END};

	MUST(cuLaunchKernel(function("increment"), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra));
	check_noticed(packed.out, "extra");
}

static void in_a_graph(void)
{
	CUgraphExec exec;
	CUgraph graph;
	CUstream stream;
	struct arguments a;

	MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	arguments_for(&a, cold_piece());
	MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	MUST(
	    cuLaunchKernel(function("increment"), 1, 1, 1, 1, 1, 1, 0, stream, a.params, NULL));
	MUST(cuStreamEndCapture(stream, &graph));
	MUST(cuGraphInstantiate(&exec, graph, 0));
	MUST(cuGraphLaunch(exec, stream));
	MUST(cuStreamSynchronize(stream));
	check_noticed(a.out, "a graph");
}

/* --- lists of parameters; the structs are those of the test kernels */

static void launch_list(const char *name, CUdeviceptr out, void **params)
{
	MUST(cuLaunchKernel(function(name), 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	check_noticed(out, name);
}

static void by_struct(void)
{
	char pad = 1;
	struct {
		float pad;
		CUdeviceptr out;
		unsigned int by;
	} o = {1, cold_piece(), ADDED};

	launch_list("by_struct", o.out, (void *[]){&pad, &o});
}

static void by_packed(void)
{
	unsigned int pad = 1;
#pragma pack(push, 4)
	struct {
		unsigned int by;
		CUdeviceptr out;
	} o = {ADDED, cold_piece()};
#pragma pack(pop)

	launch_list("by_packed", o.out, (void *[]){&pad, &o});
}

static void by_large(void)
{
	static struct {
		unsigned long pad[600];
		CUdeviceptr out;
	} o;
	unsigned int by = ADDED;

	o.out = cold_piece();
	launch_list("by_large", o.out, (void *[]){&o, &by});
}

/* All but the last name memory that is always resident. */
static void by_many(void)
{
	static CUdeviceptr out[400];
	unsigned int by = ADDED;
	CUdeviceptr last = cold_piece(), resident = piece[PIECES - 1];

	for (unsigned int i = 0; i < PIECES; i++)
		if (in_vram(piece[i]) == 1 && piece[i] != last)
			resident = piece[i];
	for (size_t i = 0; i < 399; i++)
		out[i] = resident;
	out[399] = last;
	launch_list("by_many", last, (void *[]){out, &by});
}

static void nothing(void)
{
	CUdeviceptr cold = cold_piece();
	void *params[1] = {NULL};
	struct arguments a;

	MUST(cuLaunchKernel(function("nothing"), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	MUST(cuLaunchKernel(function("nothing"), 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	MUST(cuCtxSynchronize());
	if (expect != BARE && in_vram(cold))
		wrong("a launch of nothing moved a piece");
	arguments_for(&a, cold);
	MUST(cuLaunchKernel(function("increment"), 1, 1, 1, 1, 1, 1, 0, NULL, a.params, NULL));
	check_noticed(cold, "a launch after one of nothing");
}

/* --- tensor maps */

static void encode(CUtensorMap *map, CUdeviceptr at, int how)
{
	cuuint64_t dims[5] = {64, 64, 64, 64, 64}, strides[4] = {256, 512, 1024, 2048};
	cuuint32_t box[5] = {16, 16, 16, 16, 16}, ones[5] = {1, 1, 1, 1, 1};
	int corners[3] = {0, 0, 0};
	void *address = (void *)(uintptr_t)at;

	if (how == 0)
		MUST(cuTensorMapEncodeTiled(
		    map, CU_TENSOR_MAP_DATA_TYPE_UINT32, 2, address, dims, strides, box, ones,
		    CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
		    CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
	else if (how == 1)
		MUST(cuTensorMapEncodeIm2col(
		    map, CU_TENSOR_MAP_DATA_TYPE_UINT32, 3, address, dims, strides, corners,
		    corners, 16, 16, ones, CU_TENSOR_MAP_INTERLEAVE_NONE,
		    CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE,
		    CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
	else
		MUST(cuTensorMapEncodeIm2colWide(
		    map, CU_TENSOR_MAP_DATA_TYPE_UINT32, 3, address, dims, strides, 0, 0, 16,
		    16, ones, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_IM2COL_WIDE_MODE_W,
		    CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_NONE,
		    CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
}

static void tensor_with(int how)
{
	CUdeviceptr out = cold_piece();
	unsigned int by = ADDED;
	CUtensorMap map;

	encode(&map, out, how);
	launch_list("by_tensor", out, (void *[]){&map, &by});
}

static void tensor_tiled(void)
{
	tensor_with(0);
}

static void tensor_im2col(void)
{
	tensor_with(1);
}

static void tensor_im2col_wide(void)
{
	tensor_with(2);
}

static void tensor_replaced(void)
{
	CUdeviceptr out = cold_piece();
	unsigned int by = ADDED;
	CUtensorMap map;

	encode(&map, piece[PIECES - 1], 0);
	MUST(cuTensorMapReplaceAddress(&map, (void *)(uintptr_t)out));
	launch_list("by_tensor", out, (void *[]){&map, &by});
}

/* In device memory a map is seen by nobody: what it names is used where it lies. */
static void tensor_in_memory(void)
{
	CUdeviceptr out = cold_piece(), at;
	unsigned int by = ADDED;
	CUtensorMap map;

	encode(&map, out, 0);
	MUST(cuMemAlloc(&at, sizeof(map)));
	MUST(cuMemcpyHtoD(at, &map, sizeof(map)));
	launch_list("by_tensor_at", out, (void *[]){&at, &by});
}

/* --- where a kernel came from */

static void *image_in_memory(size_t *bytes)
{
	int file = open(getenv("SIM_IMAGE"), O_RDONLY);
	struct stat about;
	void *image;

	if (file < 0 || fstat(file, &about))
		wrong("SIM_IMAGE");
	*bytes = (size_t)about.st_size;
	image = malloc(*bytes);
	if (read(file, image, *bytes) != (ssize_t)*bytes)
		wrong("SIM_IMAGE");
	close(file);
	return image;
}

static void from_data(void)
{
	size_t bytes;
	void *image = image_in_memory(&bytes);

	MUST(cuModuleLoadData(&module, image));
	free(image);
	plain();
}

static void from_data_ex(void)
{
	size_t bytes;
	void *image = image_in_memory(&bytes);

	MUST(cuModuleLoadDataEx(&module, image, 0, NULL, NULL));
	free(image);
	plain();
}

struct fat {
	struct {
		unsigned int magic;
		unsigned short version, header_bytes;
		unsigned long long bytes;
	} header;
	struct {
		unsigned short kind, version;
		unsigned int header_bytes;
		unsigned long long bytes, rest[6];
	} entry;
	unsigned char image[];
};

static struct fat *fat_binary(void)
{
	size_t bytes;
	void *image = image_in_memory(&bytes);
	struct fat *fat = calloc(1, sizeof(*fat) + bytes);

	memcpy(fat->image, image, bytes);
	free(image);
	fat->header.magic = 0xBA55ED50;
	fat->header.version = 1;
	fat->header.header_bytes = sizeof(fat->header);
	fat->header.bytes = sizeof(fat->entry) + bytes;
	fat->entry.kind = 2;
	fat->entry.version = 0x101;
	fat->entry.header_bytes = sizeof(fat->entry);
	fat->entry.bytes = bytes;
	return fat;
}

struct wrapper {
	unsigned int magic, version;
	const void *data, *more;
};

static void from_fat_binary(void)
{
	struct fat *fat = fat_binary();

	MUST(cuModuleLoadFatBinary(&module, fat));
	free(fat);
	plain();
}

static CUlibrary library_of(const void *code)
{
	CUlibrary library;

	MUST(cuLibraryLoadData(&library, code, NULL, NULL, 0, NULL, NULL, 0));
	return library;
}

/* As NVIDIA's runtime does: a wrapped fat binary, and the kernel's own handle launched. */
static void from_library(void)
{
	struct fat *fat = fat_binary();
	struct wrapper wrapper = {0x466243B1, 1, fat, NULL};
	CUlibrary library = library_of(&wrapper);
	CUkernel kernel;

	free(fat);
	MUST(cuLibraryGetKernel(&kernel, library, "increment"));
	plain_with((CUfunction)kernel, 0);
}

static void from_library_function(void)
{
	struct fat *fat = fat_binary();
	CUlibrary library = library_of(fat);
	CUfunction f;
	CUkernel kernel;

	MUST(cuLibraryGetKernel(&kernel, library, "increment"));
	MUST(cuKernelGetFunction(&f, kernel));
	plain_with(f, 0);
}

static void from_library_module(void)
{
	CUlibrary library;

	MUST(
	    cuLibraryLoadFromFile(&library, getenv("SIM_IMAGE"), NULL, NULL, 0, NULL, NULL, 0));
	MUST(cuLibraryGetModule(&module, library));
	plain();
}

/* --- handles that come again: an image whose kernels lie the other way round takes the handles
 * of one that is gone. Whoever still goes by the old layout reads parameters that are not
 * there. */

static void reversed(CUmodule *out)
{
	char path[4096];

	snprintf(path, sizeof(path), "%.*s/sim_image_reversed.so",
		 (int)(strrchr(getenv("SIM_IMAGE"), '/') - getenv("SIM_IMAGE")),
		 getenv("SIM_IMAGE"));
	MUST(cuModuleLoad(out, path));
}

static const char *const kernels[] = {
    "fill",	 "increment",	 "peek",      "peek_undeclared", "spin",
    "mixed",	 "by_struct",	 "by_packed", "by_large",	 "by_many",
    "by_tensor", "by_tensor_at", "nothing",
};
#define KERNELS (sizeof(kernels) / sizeof(kernels[0]))

/* Zeroes of this size that end where memory does. */
static void *guarded(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
	char *at =
	    mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || mprotect(at + room, page, PROT_NONE))
		wrong("mmap");
	return at + room - bytes;
}

/* Launches each kernel with parameters that name nothing, each of which ends where memory does:
 * who reads more of them, or more of one, faults. The driver refuses the launches (a grid of no
 * blocks), so no kernel runs. Returns how many of `old` handles are another kernel's now. */
static unsigned int launch_each(CUfunction *handles, const CUfunction *old)
{
	static const struct {
		size_t bytes[4];
	} lists[KERNELS] = {{{8, 4, 8}},    {{8, 4, 8}}, {{8, 8}},  {{8, 8}},	 {{8}},
			    {{1, 8, 2, 8}}, {{1, 24}},	 {{4, 12}}, {{4808, 4}}, {{3200, 4}},
			    {{128, 4}},	    {{8, 4}},	 {{0}}};
	unsigned int again = 0;

	for (size_t k = 0; k < KERNELS; k++) {
		void *params[5] = {(void *)8, (void *)8, (void *)8, (void *)8, (void *)8};

		for (size_t i = 0; i < 4 && lists[k].bytes[i]; i++)
			params[i] = guarded(lists[k].bytes[i]);
		handles[k] = function(kernels[k]);
		for (size_t i = 0; old && i < KERNELS; i++)
			again += old[i] == handles[k] && i != k;
		if (cuLaunchKernel(handles[k], 0, 1, 1, 1, 1, 1, 0, NULL, params, NULL) !=
		    CUDA_ERROR_INVALID_VALUE)
			wrong("a launch of no blocks");
	}
	return again;
}

static void check_again(unsigned int again)
{
	if (again < 4)
		wrong("handles did not come again: this case shows nothing");
	plain();
}

static void reloaded(void)
{
	CUfunction old[KERNELS], new[KERNELS];

	launch_each(old, NULL);
	MUST(cuModuleUnload(module));
	reversed(&module);
	check_again(launch_each(new, old));
}

/* The first of two goes; the second's functions stay known. */
static void one_of_two(void)
{
	CUfunction old[KERNELS], kept[KERNELS], new[KERNELS];
	CUmodule first = module, second;
	unsigned int again;

	launch_each(old, NULL);
	reversed(&second);
	module = second;
	launch_each(kept, NULL);
	MUST(cuModuleUnload(first));
	launch_each(kept, NULL);
	reversed(&module);
	again = launch_each(new, old);
	module = second;
	check_again(again);
}

static void library_reloaded(void)
{
	struct fat *fat = fat_binary();
	CUlibrary library = library_of(fat);
	CUfunction old[KERNELS], new[KERNELS];
	CUmodule first = module;

	MUST(cuLibraryGetModule(&module, library));
	launch_each(old, NULL);
	module = first;
	MUST(cuLibraryUnload(library));
	reversed(&module);
	check_again(launch_each(new, old));
}

/* A module goes with its context. The library's memory is the first context's. */
static void context_ended(void)
{
	CUfunction old[KERNELS], new[KERNELS];
	CUmodule first = module;
	CUcontext second;
	unsigned int again;

	MUST(cuCtxCreate(&second, NULL, 0, 0));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
	launch_each(old, NULL);
	MUST(cuCtxDestroy(second));
	MUST(cuCtxSetCurrent(context));
	reversed(&module);
	again = launch_each(new, old);
	module = first;
	check_again(again);
}

/* --- launches that name nothing beside launches that do: by grace, a piece moves when all the
 * launches that named it are over, and of the others nobody knows */

#define TURNS 20u

static void unknown_beside(void)
{
	CUstream named, unnamed;

	MUST(cuStreamCreate(&named, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&unnamed, CU_STREAM_NON_BLOCKING));
	for (unsigned int turn = 0; turn < TURNS * PIECES; turn++) {
		struct {
			CUdeviceptr out;
			unsigned int by;
			unsigned long n;
		} packed = {piece[turn % PIECES], ADDED, 1};
		size_t bytes = sizeof(packed);
		void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed,
				 CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};

		MUST(cuLaunchKernel(function("increment"), 1, 1, 1, 1, 1, 1, 0, named, NULL,
				    extra));
		/* Of those in VRAM, one that goes soon; it takes as long as many others. */
		if (turn % PIECES == PIECES - 1) {
			struct arguments a;

			arguments_for(&a, piece[PIECES - 5]);
			a.by = 0;
			a.n = PIECE_BYTES / 4;
			MUST(cuLaunchKernel(function("increment"), 2048, 1, 1, 1, 1, 1, 0,
					    unnamed, a.params, NULL));
		}
		MUST(cuStreamSynchronize(named));
	}
	MUST(cuCtxSynchronize());
	for (unsigned int i = 0; i < PIECES; i++) {
		unsigned int word;

		MUST(cuMemcpyDtoH(&word, piece[i], sizeof(word)));
		if (word != 100 * i + TURNS * ADDED)
			wrong("a piece");
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
    {"plain", plain},
    {"plain_per_thread", plain_per_thread},
    {"extended", extended},
    {"extended_per_thread", extended_per_thread},
    {"cooperative", cooperative},
    {"cooperative_per_thread", cooperative_per_thread},
    {"multi_device", multi_device},
    {"packed_buffer", packed_buffer},
    {"in_a_graph", in_a_graph},
    {"by_struct", by_struct},
    {"by_packed", by_packed},
    {"by_large", by_large},
    {"by_many", by_many},
    {"nothing", nothing},
    {"tensor_tiled", tensor_tiled},
    {"tensor_im2col", tensor_im2col},
    {"tensor_im2col_wide", tensor_im2col_wide},
    {"tensor_replaced", tensor_replaced},
    {"tensor_in_memory", tensor_in_memory},
    {"from_data", from_data},
    {"from_data_ex", from_data_ex},
    {"from_fat_binary", from_fat_binary},
    {"from_library", from_library},
    {"from_library_function", from_library_function},
    {"from_library_module", from_library_module},
    {"reloaded", reloaded},
    {"one_of_two", one_of_two},
    {"library_reloaded", library_reloaded},
    {"context_ended", context_ended},
    {"unknown_beside", unknown_beside},
};

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	expect = !strcmp(argv[2], "noticed")	 ? NOTICED
		 : !strcmp(argv[2], "unnoticed") ? UNNOTICED
						 : BARE;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, argv[1])) {
			start();
			cases[i].run();
			return 0;
		}
	fprintf(stderr, "usage: sim_names CASE noticed|unnoticed|bare\n");
	return 2;
}
