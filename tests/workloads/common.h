/*
 * What every workload shares: options, the first device's primary context, the kernels,
 * uploads, a digest of the outputs, the time of steps. Nothing here knows of Lowtide.
 *
 * A program calls program_begin() first and program_end() last; between them a CUDA call goes
 * through TRY, which ends the program with status 3 at the first error. Only what is said to be
 * per thread may be used by several threads.
 */
#ifndef WORKLOADS_COMMON_H
#define WORKLOADS_COMMON_H

#include "kernels.h"

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
	unsigned long mb, steps, tensors, stride, compute_us, ops, threads;
	uint64_t seed;
};

struct program {
	struct options o;
	const char *name; /* as in argv[0], without folders */
	CUcontext context;
	CUmodule module;
	CUevent *marks; /* the beginning, then the end of each step */
	unsigned long mark_count, mark_room;
	uint64_t digest[2];
};

/* --- errors */
#define TRY(call) program_check((call), #call)
void program_check(CUresult result, const char *call); /* any thread */
_Noreturn void program_fail(const char *what);	       /* for what is not CUDA's; any thread */
void *program_alloc(size_t bytes);		       /* zeroed; never NULL; any thread */

/* --- the program's life */
/* Options beyond those that every workload has. */
enum { PROGRAM_OPTIONS, PROGRAM_OPTIONS_OPS, PROGRAM_OPTIONS_THREADS /* and --ops */ };
/* Bad options, and --help, end the program here. */
void program_begin(struct program *p, int argc, char **argv, int further_options);
CUfunction program_kernel(const struct program *p, const char *name); /* any thread */
/* Waits for everything, prints the digest and the times, releases the context. */
void program_end(struct program *p);
/* The step's work in `stream` ends here; the first call says where the first step begins. */
void program_mark(struct program *p, CUstream stream);

/* --- launches; any thread. ARGUMENTS are pointers to the parameters. */
enum { BLOCKS = 8, THREADS = 512 };
#define LAUNCH(kernel, stream, ...)                                                            \
	TRY(cuLaunchKernel((kernel), BLOCKS, 1, 1, THREADS, 1, 1, 0, (stream),                 \
			   (void *[]){__VA_ARGS__}, NULL))

/* --- random numbers; the state is the caller's */
uint64_t random_next(uint64_t *state); /* splitmix64 */
uint64_t random_below(uint64_t *state, uint64_t n);

/* --- tensors */
struct tensor {
	CUdeviceptr at;
	unsigned long words;
	uint32_t key; /* names its contents: word i is weight_word(key, i) */
};
/* How many words tensor i of `count` has, if all take `bytes`: sizes differ by up to a quarter.
 */
unsigned long tensor_words(uint64_t bytes, unsigned long count, unsigned long i);
uint32_t tensor_key(const struct program *p, unsigned long i);
struct tensor tensor_make(const struct program *p, uint64_t bytes, unsigned long count,
			  unsigned long i);
void tensor_free(struct tensor *t);
CUdeviceptr zeroed_words(unsigned long words); /* filled by cuMemsetD32 */

/* Uploads weights through buffers of its own: one per thread. */
struct uploader {
	const struct program *p;
	CUstream stream; /* of uploads from pinned memory */
	uint32_t *pinned[2], *pageable;
	CUevent taken[2]; /* the pinned buffer may be filled again */
	unsigned int turn;
};
void uploader_init(struct uploader *u, const struct program *p, CUstream stream);
void uploader_finish(struct uploader *u); /* all uploads have arrived when it returns */
void upload(struct uploader *u, const struct tensor *t, bool from_pinned);

/* --- the digest; not commutative: call it in one order, from one thread */
void digest_host(struct program *p, const void *data, size_t bytes);
void digest_device(struct program *p, CUdeviceptr at, size_t bytes); /* waits for all work */

#endif
