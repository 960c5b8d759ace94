/*
 * What every trial starts from: one device, its primary context, the probe's kernels, a stream
 * and a few words of scratch memory, and the clock.
 *
 * A trial has a process to itself. Nothing here is given back: it goes with the process, and a
 * call that must work but fails ends the trial (TRY, answer.h). gpu_open and gpu_start are
 * called once, first; what they make is immutable after, and any thread may use it that has
 * called gpu_join.
 */
#ifndef PROBE_GPU_H
#define PROBE_GPU_H

#include "answer.h"
#include "driver.h"

#include <stdint.h>

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* As kernels.cu has them, without "probe_"; HASH is the library's content hash. */
/* clang-format off */
#define PROBE_KERNELS(X) \
	X(fill) X(check) X(read) X(random) X(atomic) X(spin) X(reread) X(matvec) X(matmat) \
	X(params_1) X(params_20) X(params_60) X(layout)
/* clang-format on */
enum kernel {
#define X(name) KERNEL_##name,
	PROBE_KERNELS(X)
#undef X
	    KERNEL_hash,
	KERNELS
};

enum { WORDS_OF_SCRATCH = 512 };

/* Device attributes that are younger than the headers this may be built with. */
enum {
	ATTRIBUTE_MPS_ENABLED = 133,
	ATTRIBUTE_HOST_NUMA_ID = 134,
	ATTRIBUTE_HOST_NUMA_VMM = 141,
	ATTRIBUTE_HOST_VMM = 145
};

struct gpu {
	int ordinal;
	const char *variant; /* of a process that a trial has started; NULL: the trial itself */
	bool quick, simulated;
	int limit_s; /* the trial is cut short after so long; 0: not known */
	CUdevice device;
	CUcontext context;
	CUstream stream; /* non-blocking */
	CUfunction kernels[KERNELS];
	unsigned int blocks;	 /* of a grid that fills the card */
	CUdeviceptr scratch;	 /* WORDS_OF_SCRATCH words of 64 bits in VRAM */
	volatile uint32_t *flag; /* pinned; a kernel that has begun sets it */
	CUdeviceptr flag_there;	 /* the same, as the device knows it */
};

void gpu_open(struct gpu *g, int ordinal, bool quick); /* the device, and no context yet */
void gpu_start(struct gpu *g);
void gpu_join(const struct gpu *g);		       /* a further thread */
int gpu_attribute(const struct gpu *g, int attribute); /* 0: not known */
/* A kernel that one trial alone needs, from a text of its own. The driver's answer where it
 * does not take the text. */
CUresult gpu_kernel(const char *ptx, const char *name, CUfunction *out);

/* The host's clock, in us: the machine's own, or of the simulated driver's the time that this
 * thread's calls have taken. Only differences mean something, and only within a thread. */
double gpu_now_us(void);
void gpu_sleep_ms(double ms);

/* --- work */
/* Blocks of 256 threads; arguments are pointers to the parameters. */
#define LAUNCH(g, which, grid, in, ...)                                                        \
	TRY(gpu_launch((g), KERNEL_##which, (grid), (in), (void *[]){__VA_ARGS__}))
CUresult gpu_launch(const struct gpu *g, enum kernel which, unsigned int grid, CUstream in,
		    void **params);
/* Fills with the pattern of `key`; counts the words that are not that plus `bumps`, and adds
 * `add` to each. gpu_wrong waits for the stream and says how many. */
void gpu_fill(const struct gpu *g, CUdeviceptr at, size_t bytes, uint64_t key, CUstream in);
CUresult gpu_check(const struct gpu *g, CUdeviceptr at, size_t bytes, uint64_t key,
		   uint64_t bumps, uint64_t add, CUstream in);
void gpu_forget_wrong(const struct gpu *g, CUstream in);
uint64_t gpu_wrong(const struct gpu *g, CUstream in);
uint64_t gpu_word(uint64_t key, uint64_t i); /* word i of the pattern */
/* Keeps a stream busy for as long; its kernel sets the flag once it has begun. */
void gpu_spin(const struct gpu *g, double ms, CUstream in);
/* Until the flag is set, without a call to the driver; false: not within the time. */
bool gpu_flag_seen(const struct gpu *g, double within_ms);

/* Time on the device between two moments of a stream. What is queued before the start keeps the
 * device busy for a moment, so that the host's own time for queueing what is measured does not
 * count. Stopping waits. */
struct stopwatch {
	CUevent from, to;
};
struct stopwatch gpu_stopwatch(void);
void gpu_start_watch(const struct gpu *g, struct stopwatch *w, CUstream in);
double gpu_stop_watch_us(struct stopwatch *w, CUstream in);

/* --- how much may be taken */
uint64_t gpu_free_bytes(void);	/* of VRAM, as the driver says */
uint64_t host_free_bytes(void); /* of RAM that could be pinned; 0: not known */
/* So much, or a half, a quarter, ... of it: at most an eighth of what is free of VRAM and of
 * RAM.
 */
size_t gpu_fitting(size_t wanted);
double rate_gbps(double bytes, double us);

#endif
