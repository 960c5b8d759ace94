/* Launches of every flavour, with parameter lists of every kind, of kernels from everywhere. */
#include "../sim/sim_tensor.h"
#include "names.h"

/* --- flavours of a launch */

typedef CUresult (*launch_ex_fn)(const CUlaunchConfig *, CUfunction, void **, void **);
typedef CUresult (*launch_cooperative_fn)(CUfunction, unsigned int, unsigned int, unsigned int,
					  unsigned int, unsigned int, unsigned int,
					  unsigned int, CUstream, void **);

static void plain_per_thread(void)
{
	plain_with(function("increment"), CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
}

static void extended_with(cuuint64_t flags)
{
	launch_ex_fn call = (launch_ex_fn)driver_function("cuLaunchKernelEx", 13000, flags);
	CUlaunchConfig config = {.gridDimX = 1,
				 .gridDimY = 1,
				 .gridDimZ = 1,
				 .blockDimX = 1,
				 .blockDimY = 1,
				 .blockDimZ = 1};
	struct arguments a;

	arguments_for(&a, cold_piece());
	MUST(call(&config, function("increment"), a.params, NULL));
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
	launch_cooperative_fn call =
	    (launch_cooperative_fn)driver_function("cuLaunchCooperativeKernel", 13000, flags);
	struct arguments a;

	arguments_for(&a, cold_piece());
	MUST(call(function("increment"), 1, 1, 1, 1, 1, 1, 0, NULL, a.params));
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
	CUresult (*call)(CUDA_LAUNCH_PARAMS *, unsigned int, unsigned int) =
	    (CUresult(*)(CUDA_LAUNCH_PARAMS *, unsigned int, unsigned int))driver_function(
		"cuLaunchCooperativeKernelMultiDevice", 13000, 0);
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
	MUST(call(&one, 1, 0));
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

/* Of the kernels that the simulator has built in, the one that adds the hash of what a table
 * names, which here is nothing, to `out`. */
static void from_ptx(void)
{
	static const char text[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
				   ".visible .entry lowtide_content_hash(\n"
				   "\t.param .u64 table,\n\t.param .u64 out\n)\n{ ret; }\n";
	CUdeviceptr out = cold_piece(), table;
	void *params[] = {&table, &out};
	uint64_t row[2] = {out, 0};
	struct arguments a;
	CUmodule jit;
	CUfunction f;

	MUST(cuModuleLoadData(&jit, text));
	MUST(cuModuleGetFunction(&f, jit, "lowtide_content_hash"));
	MUST(cuMemAlloc(&table, sizeof(row)));
	MUST(cuMemcpyHtoD(table, row, sizeof(row)));
	MUST(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	if (in_vram(out) != (expect != UNNOTICED))
		wrong("what a kernel from PTX was given was not noticed");
	arguments_for(&a, out);
	MUST(cuLaunchKernel(function("increment"), 1, 1, 1, 1, 1, 1, 0, NULL, a.params, NULL));
	check_noticed(out, "a kernel from PTX");
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

/* --- launches that name nothing beside launches that do: by overlap, a piece moves when all
 * the launches that named it are over, and of the others nobody knows */

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

/* Kernels that find a piece through what is not passed to them: `at` holds its address, or is a
 * handle that does. Moves beside them would be seen as races. */
static void beside(CUdeviceptr at)
{
	CUstream named, unnamed;
	unsigned int by = 0;

	MUST(cuStreamCreate(&named, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&unnamed, CU_STREAM_NON_BLOCKING));
	for (unsigned int turn = 0; turn < TURNS * PIECES; turn++) {
		struct arguments a;

		arguments_for(&a, piece[turn % PIECES]);
		MUST(cuLaunchKernel(function("increment"), 1, 1, 1, 1, 1, 1, 0, named, a.params,
				    NULL));
		if (turn % PIECES == PIECES - 1)
			MUST(cuLaunchKernel(function("by_tensor_at"), 2048, 1, 1, 1, 1, 1, 0,
					    unnamed, (void *[]){&at, &by}, NULL));
		MUST(cuStreamSynchronize(named));
	}
	MUST(cuCtxSynchronize());
}

#define HIDDEN (PIECES - 5)

/* In memory that the host wrote itself. */
static void map_beside(void)
{
	void *map;

	MUST(cuMemHostAlloc(&map, sizeof(CUtensorMap), 0));
	encode(map, piece[HIDDEN], 0);
	beside((CUdeviceptr)(uintptr_t)map);
}

static void texture_beside(void)
{
	CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_LINEAR};
	CUDA_TEXTURE_DESC how = {0};
	CUtexObject texture;

	resource.res.linear.devPtr = piece[HIDDEN];
	resource.res.linear.format = CU_AD_FORMAT_UNSIGNED_INT32;
	resource.res.linear.numChannels = 1;
	resource.res.linear.sizeInBytes = PIECE_BYTES;
	MUST(cuTexObjectCreate(&texture, &resource, &how, NULL));
	beside(texture);
	MUST(cuTexObjectDestroy(texture));
}

/* References are of a module's and passed to nobody; the simulator's kernels are passed one. */
static CUtexref reference(void)
{
	CUresult (*create)(CUtexref *) =
	    (CUresult(*)(CUtexref *))driver_function("cuTexRefCreate", 13000, 0);
	CUtexref texture;

	MUST(create(&texture));
	return texture;
}

static void reference_beside(void)
{
	CUresult (*bind)(size_t *, CUtexref, CUdeviceptr, size_t) =
	    (CUresult(*)(size_t *, CUtexref, CUdeviceptr, size_t))driver_function(
		"cuTexRefSetAddress", 13000, 0);
	CUtexref texture = reference();

	MUST(bind(NULL, texture, piece[HIDDEN], PIECE_BYTES));
	beside((CUdeviceptr)(uintptr_t)texture);
}

static void reference_2d_beside(int version)
{
	CUresult (*bind)(CUtexref, const CUDA_ARRAY_DESCRIPTOR *, CUdeviceptr, size_t) =
	    (CUresult(*)(CUtexref, const CUDA_ARRAY_DESCRIPTOR *, CUdeviceptr,
			 size_t))driver_function("cuTexRefSetAddress2D", version, 0);
	CUDA_ARRAY_DESCRIPTOR rows = {256, PIECE_BYTES / 1024, CU_AD_FORMAT_UNSIGNED_INT32, 1};
	CUtexref texture = reference();

	MUST(bind(texture, &rows, piece[HIDDEN], 1024));
	beside((CUdeviceptr)(uintptr_t)texture);
}

static void reference_2d_of_3_2_beside(void)
{
	reference_2d_beside(3020);
}

static void reference_2d_of_4_1_beside(void)
{
	reference_2d_beside(4010);
}

/* A table of pointers, uploaded in rows and planes. */
static void table_beside(int dimensions)
{
	uint64_t words[SIM_TENSOR_WORDS] = {0};
	size_t row = sizeof(words) / 4;
	CUdeviceptr at;

	sim_tensor_set(words, 9, 0, piece[HIDDEN]);
	MUST(cuMemAlloc(&at, sizeof(words)));
	if (dimensions == 2)
		MUST(cuMemcpy2D(&(CUDA_MEMCPY2D){.srcMemoryType = CU_MEMORYTYPE_HOST,
						 .srcHost = words,
						 .srcPitch = row,
						 .dstMemoryType = CU_MEMORYTYPE_DEVICE,
						 .dstDevice = at,
						 .dstPitch = row,
						 .WidthInBytes = row,
						 .Height = 4}));
	else
		MUST(cuMemcpy3D(&(CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_HOST,
						 .srcHost = words,
						 .srcPitch = row,
						 .srcHeight = 2,
						 .dstMemoryType = CU_MEMORYTYPE_DEVICE,
						 .dstDevice = at,
						 .dstPitch = row,
						 .dstHeight = 2,
						 .WidthInBytes = row,
						 .Height = 2,
						 .Depth = 2}));
	beside(at);
}

static void table_2d_beside(void)
{
	table_beside(2);
}

static void table_3d_beside(void)
{
	table_beside(3);
}

static const struct program_case cases[] = {
    CASE(plain),
    CASE(plain_per_thread),
    CASE(extended),
    CASE(extended_per_thread),
    CASE(cooperative),
    CASE(cooperative_per_thread),
    CASE(multi_device),
    CASE(packed_buffer),
    CASE(in_a_graph),
    CASE(by_struct),
    CASE(by_packed),
    CASE(by_large),
    CASE(by_many),
    CASE(nothing),
    CASE(tensor_tiled),
    CASE(tensor_im2col),
    CASE(tensor_im2col_wide),
    CASE(tensor_replaced),
    CASE(tensor_in_memory),
    CASE(from_data),
    CASE(from_data_ex),
    CASE(from_fat_binary),
    CASE(from_ptx),
    CASE(from_library),
    CASE(from_library_function),
    CASE(from_library_module),
    CASE(unknown_beside),
    CASE(map_beside),
    CASE(texture_beside),
    CASE(reference_beside),
    CASE(reference_2d_of_3_2_beside),
    CASE(reference_2d_of_4_1_beside),
    CASE(table_2d_beside),
    CASE(table_3d_beside),
};

int main(int argc, char **argv)
{
	return run_named(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
