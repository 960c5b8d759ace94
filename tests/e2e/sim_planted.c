/*
 * A pager of one block, right or with one fault planted in it, to show that the simulated GPU
 * finds such faults. usage: sim_planted
 * right|no_drain|no_gate|before_copy|lost_write|early_reuse|alias|above_cap|hole
 * Exits 1 where a byte is wrong or the device reports an illegal access; what else is wrong
 * stands in the simulated GPU's report.
 */
#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES ((size_t)2 << 20)
#define WORDS (BYTES / 4)
#define ROUNDS 40

static const char *fault;
static CUcontext context;
static CUfunction fill_function, increment_function;
static CUstream work, copies;
static unsigned int *kept_word;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

struct frame {
	CUmemGenericAllocationHandle handle;
	CUdeviceptr alias;
};

static bool planted(const char *name)
{
	return !strcmp(fault, name);
}

static void must_(CUresult result, int line)
{
	if (result == CUDA_SUCCESS)
		return;
	fprintf(stderr, "line %d: error %d\n", line, (int)result);
	exit(result == CUDA_ERROR_ILLEGAL_ADDRESS ? 1 : 3);
}
#define MUST(call) must_((call), __LINE__)

static CUresult map(CUdeviceptr at, const struct frame *frame)
{
	CUmemAccessDesc desc = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE},
				.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	CUresult result = cuMemMap(at, BYTES, 0, frame->handle, 0);

	return result == CUDA_SUCCESS ? cuMemSetAccess(at, BYTES, &desc, 1) : result;
}

static struct frame make(CUmemLocationType where)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = where}};
	struct frame frame;

	MUST(cuMemCreate(&frame.handle, BYTES, &prop, 0));
	MUST(cuMemAddressReserve(&frame.alias, BYTES, 0, 0, 0));
	MUST(map(frame.alias, &frame));
	return frame;
}

static void launch(CUfunction function, CUdeviceptr at, unsigned int value, CUstream stream)
{
	unsigned long n = WORDS;
	void *params[] = {&at, &value, &n};

	MUST(cuLaunchKernel(function, 16, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

/* The block's address goes from one frame to the other, whose bytes are then the block's. */
static void move(CUdeviceptr block, const struct frame *from, const struct frame *to)
{
	if (planted("no_drain") || planted("lost_write")) {
		MUST(cuMemcpyAsync(to->alias, from->alias, BYTES, copies));
		MUST(cuStreamSynchronize(copies));
		if (planted("lost_write"))
			MUST(cuStreamSynchronize(
			    work)); /* what ran meanwhile wrote the frame that is left behind */
	} else {
		MUST(cuStreamSynchronize(work));
		MUST(cuMemcpyAsync(to->alias, from->alias, BYTES, copies));
		if (!planted("before_copy") && !planted("early_reuse"))
			MUST(cuStreamSynchronize(copies));
	}
	if (planted("early_reuse")) {
		/* The frame that is left goes to somebody else while the copy out of it still
		 * runs. */
		launch(fill_function, from->alias, 0xdead, work);
		MUST(cuStreamSynchronize(copies));
	}
	MUST(cuMemUnmap(block, BYTES));
	if (map(block, to) != CUDA_SUCCESS && !planted("hole"))
		MUST(map(block, from));
}

/* Through the alias, while a kernel reaches the frame through the block's address: what it
 * writes is there already, so that no byte comes out wrong. */
static void write_beside(CUdeviceptr block, const struct frame *frame)
{
	if (!kept_word)
		MUST(cuMemAllocHost((void **)&kept_word, sizeof(*kept_word)));
	MUST(cuStreamSynchronize(work));
	MUST(cuMemcpyDtoH(kept_word, block, sizeof(*kept_word)));
	launch(increment_function, block, 0, work);
	MUST(cuMemcpyHtoDAsync(frame->alias, kept_word, sizeof(*kept_word), copies));
	MUST(cuStreamSynchronize(copies));
}

static void *launch_through(void *block)
{
	MUST(cuCtxSetCurrent(context));
	for (int i = 0; i < 40; i++) {
		if (!planted("no_gate"))
			pthread_mutex_lock(&gate);
		launch(increment_function, *(CUdeviceptr *)block, 1, work);
		if (!planted("no_gate"))
			pthread_mutex_unlock(&gate);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct frame vram, ram, staging;
	unsigned int added = 0, *host = malloc(BYTES);
	CUdeviceptr block;
	CUmodule module;
	pthread_t thread;
	bool second_thread;

	fault = argc == 2 ? argv[1] : "right";
	second_thread = planted("no_gate") || planted("right");
	MUST(cuInit(0));
	MUST(cuDevicePrimaryCtxRetain(&context, 0));
	MUST(cuCtxSetCurrent(context));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
	MUST(cuModuleGetFunction(&fill_function, module, "fill"));
	MUST(cuModuleGetFunction(&increment_function, module, "increment"));
	MUST(cuStreamCreate(&work, CU_STREAM_NON_BLOCKING));
	MUST(cuStreamCreate(&copies, CU_STREAM_NON_BLOCKING));
	vram = make(CU_MEM_LOCATION_TYPE_DEVICE);
	ram = make(CU_MEM_LOCATION_TYPE_HOST_NUMA);
	if (planted("above_cap"))
		staging = make(CU_MEM_LOCATION_TYPE_DEVICE);
	MUST(cuMemAddressReserve(&block, BYTES, 0, 0, 0));
	MUST(map(block, &vram));
	launch(fill_function, block, 0, work);
	if (second_thread)
		pthread_create(&thread, NULL, launch_through, &block);
	for (int round = 0; round < ROUNDS; round++) {
		for (int home = 0; home < 2; home++) {
			pthread_mutex_lock(&gate);
			launch(increment_function, block, 1, work);
			added++;
			if (planted("alias"))
				write_beside(block, home ? &ram : &vram);
			move(block, home ? &ram : &vram, home ? &vram : &ram);
			pthread_mutex_unlock(&gate);
		}
	}
	if (second_thread) {
		pthread_join(thread, NULL);
		added += 40;
	}
	launch(increment_function, block, 1, work);
	added++;
	MUST(cuStreamSynchronize(work));
	MUST(cuMemcpyDtoH(host, block, BYTES));
	for (unsigned int i = 0; i < WORDS; i++)
		if (host[i] != added + i) {
			fprintf(stderr, "word %u is %u, want %u\n", i, host[i], added + i);
			return 1;
		}
	if (planted("above_cap"))
		MUST(cuMemRelease(staging.handle));
	return 0;
}
