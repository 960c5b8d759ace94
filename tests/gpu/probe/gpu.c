#include "gpu.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

extern const char probe_kernels_ptx[], probe_hash_ptx[];

#define HEADSTART_NS 50000 /* of several launches */

enum { WRONG_WORD, SUM_WORD }; /* of the scratch memory */

void gpu_open(struct gpu *g, int ordinal, bool quick)
{
	*g = (struct gpu){
	    .ordinal = ordinal, .quick = quick, .simulated = probe_driver.simulated_ns != NULL};
	answer_step("starting the driver");
	TRY(cu(cuInit)(0));
	TRY(cu(cuDeviceGet)(&g->device, ordinal));
}

void gpu_start(struct gpu *g)
{
	static const char *const names[] = {
#define X(name) "probe_" #name,
	    PROBE_KERNELS(X)
#undef X
	};
	CUmodule module, hash;

	answer_step("making a context");
	TRY(cu(cuDevicePrimaryCtxRetain)(&g->context, g->device));
	TRY(cu(cuCtxSetCurrent)(g->context));
	answer_step("loading the kernels");
	TRY(cu(cuModuleLoadData)(&module, probe_kernels_ptx));
	TRY(cu(cuModuleLoadData)(&hash, probe_hash_ptx));
	for (int i = 0; i < KERNEL_hash; i++)
		TRY(cu(cuModuleGetFunction)(&g->kernels[i], module, names[i]));
	TRY(cu(cuModuleGetFunction)(&g->kernels[KERNEL_hash], hash, "lowtide_content_hash"));
	TRY(cu(cuStreamCreate)(&g->stream, CU_STREAM_NON_BLOCKING));
	TRY(cu(cuMemAlloc_v2)(&g->scratch, WORDS_OF_SCRATCH * 8));
	TRY(cu(cuMemsetD32Async)(g->scratch, 0, WORDS_OF_SCRATCH * 2, g->stream));
	TRY(cu(cuMemHostAlloc)((void **)(uintptr_t)&g->flag, 64, CU_MEMHOSTALLOC_DEVICEMAP));
	TRY(cu(cuMemHostGetDevicePointer_v2)(&g->flag_there, (void *)(uintptr_t)g->flag, 0));
	*g->flag = 0;
	TRY(cu(cuStreamSynchronize)(g->stream));
	g->blocks =
	    (unsigned int)gpu_attribute(g, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT) * 8;
	if (!g->blocks)
		g->blocks = 128;
}

void gpu_join(const struct gpu *g)
{
	TRY(cu(cuCtxSetCurrent)(g->context));
}

int gpu_attribute(const struct gpu *g, int attribute)
{
	int value = 0;

	if (cu(cuDeviceGetAttribute)(&value, (CUdevice_attribute)attribute, g->device) !=
	    CUDA_SUCCESS)
		return 0;
	return value;
}

CUresult gpu_kernel(const char *ptx, const char *name, CUfunction *out)
{
	CUmodule module;
	CUresult result = cu(cuModuleLoadData)(&module, ptx);

	return result == CUDA_SUCCESS ? cu(cuModuleGetFunction)(out, module, name) : result;
}

double gpu_now_us(void)
{
	struct timespec now;

	if (probe_driver.simulated_ns)
		return probe_driver.simulated_ns() / 1e3;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void gpu_sleep_ms(double ms)
{
	const struct timespec length = {(time_t)(ms / 1e3),
					(long)((ms - 1e3 * (double)(time_t)(ms / 1e3)) * 1e6)};

	nanosleep(&length, NULL);
}

/* --- work --------------------------------------------------------------------------------- */

CUresult gpu_launch(const struct gpu *g, enum kernel which, unsigned int grid, CUstream in,
		    void **params)
{
	return cu(cuLaunchKernel)(g->kernels[which], grid, 1, 1, 256, 1, 1, 0, in, params,
				  NULL);
}

uint64_t gpu_word(uint64_t key, uint64_t i)
{
	uint64_t x = key + i;

	x ^= x >> 32;
	x *= 0xD6E8FEB86659FD93ull;
	x ^= x >> 29;
	x *= 0x9E3779B97F4A7C15ull;
	return x ^ x >> 32;
}

void gpu_fill(const struct gpu *g, CUdeviceptr at, size_t bytes, uint64_t key, CUstream in)
{
	uint64_t words = bytes / 8;

	LAUNCH(g, fill, g->blocks, in, &at, &words, &key);
}

CUresult gpu_check(const struct gpu *g, CUdeviceptr at, size_t bytes, uint64_t key,
		   uint64_t bumps, uint64_t add, CUstream in)
{
	uint64_t words = bytes / 8;
	CUdeviceptr wrong = g->scratch + 8 * WRONG_WORD;

	return gpu_launch(g, KERNEL_check, g->blocks, in,
			  (void *[]){&at, &words, &key, &bumps, &add, &wrong});
}

void gpu_forget_wrong(const struct gpu *g, CUstream in)
{
	TRY(cu(cuMemsetD32Async)(g->scratch + 8 * WRONG_WORD, 0, 2, in));
}

uint64_t gpu_wrong(const struct gpu *g, CUstream in)
{
	uint64_t wrong;

	TRY(cu(cuStreamSynchronize)(in));
	TRY(cu(cuMemcpyDtoH_v2)(&wrong, g->scratch + 8 * WRONG_WORD, 8));
	return wrong;
}

void gpu_spin(const struct gpu *g, double ms, CUstream in)
{
	uint64_t ns = (uint64_t)(ms * 1e6);
	CUdeviceptr flag = g->flag_there;

	*g->flag = 0;
	/* One block: the rest of the card stays free, so that what waits, waits for the kernel
	 * and not for a place to run. */
	LAUNCH(g, spin, 1, in, &ns, &flag);
}

bool gpu_flag_seen(const struct gpu *g, double within_ms)
{
	/* The simulated GPU runs nothing before the host waits: there is nothing to wait for.
	 */
	double until = rounds_now_ms() + (g->simulated ? 0 : within_ms);

	while (!*g->flag)
		if (rounds_now_ms() > until)
			return false;
	return true;
}

struct stopwatch gpu_stopwatch(void)
{
	struct stopwatch w;

	TRY(cu(cuEventCreate)(&w.from, CU_EVENT_DEFAULT));
	TRY(cu(cuEventCreate)(&w.to, CU_EVENT_DEFAULT));
	return w;
}

void gpu_start_watch(const struct gpu *g, struct stopwatch *w, CUstream in)
{
	uint64_t ns = HEADSTART_NS;
	CUdeviceptr no_flag = 0;

	LAUNCH(g, spin, 1, in, &ns, &no_flag);
	TRY(cu(cuEventRecord)(w->from, in));
}

double gpu_stop_watch_us(struct stopwatch *w, CUstream in)
{
	float ms = 0;

	TRY(cu(cuEventRecord)(w->to, in));
	TRY(cu(cuEventSynchronize)(w->to));
	TRY(cu(cuEventElapsedTime)(&ms, w->from, w->to));
	return (double)ms * 1e3;
}

/* --- how much may be taken ---------------------------------------------------------------- */

uint64_t gpu_free_bytes(void)
{
	size_t available = 0, total;

	TRY(cu(cuMemGetInfo_v2)(&available, &total));
	return available;
}

uint64_t host_free_bytes(void)
{
	unsigned long long kib = 0;
	char line[256];
	FILE *file = fopen("/proc/meminfo", "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	fclose(file);
	return kib * 1024;
}

size_t gpu_fitting(size_t wanted)
{
	uint64_t vram = gpu_free_bytes() / 8, ram = host_free_bytes() / 8;

	while (wanted > 2 * MIB && (wanted > vram || (ram && wanted > ram)))
		wanted /= 2;
	return wanted;
}

double rate_gbps(double bytes, double us)
{
	return us > 0 ? bytes / us / 1e3 : 0;
}
