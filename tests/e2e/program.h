/*
 * What the programs of these tests share: a context of the first device, the test kernels that
 * SIM_IMAGE names, what most of them launch and look at, and a table of cases. start() comes
 * first; it may come again after the context has ended.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <cuda.h>
#include <stddef.h>

#define MIB ((size_t)1 << 20)
/* Half of the block size that a program is built for: what is to lie in so many blocks is told
 * in these, so that one source is run with blocks of 2 MiB and of more. */
#ifndef BLOCK_MIB
#define BLOCK_MIB 2
#endif
#define UNIT ((size_t)BLOCK_MIB << 19)

extern CUcontext context;
extern CUmodule module;

/* Exits 3 and says what, unless the driver answers so. */
#define MUST(call) must_((call), CUDA_SUCCESS, #call, __FILE__, __LINE__)
#define MUST_FAIL(error, call) must_((call), (error), #call, __FILE__, __LINE__)
void must_(CUresult result, CUresult want, const char *what, const char *file, int line);

/* Exits 1: what the program sees is not what it should. */
_Noreturn void wrong(const char *what);

void start(void);
CUfunction function(const char *kernel);

/* The driver's own function of a name, as of a version of CUDA and in the flavour that the
 * flags (CU_GET_PROC_ADDRESS_...) ask for; there must be one. */
typedef void (*any_function)(void);
any_function driver_function(const char *name, int version, cuuint64_t flags);

/* The word i of `at` becomes value + i, or what it was and value more; check() wants value + i.
 */
CUresult launch(const char *kernel, CUdeviceptr at, unsigned int value, size_t bytes,
		CUstream stream);
void fill(CUdeviceptr at, unsigned int value, size_t bytes, CUstream stream);
void increment(CUdeviceptr at, unsigned int by, size_t bytes, CUstream stream);
void check(CUdeviceptr at, unsigned int value, size_t bytes);

/* What only the simulated driver tells: is the page mapped to VRAM? */
int in_vram(CUdeviceptr at);

struct program_case {
	const char *name;
	void (*run)(void);
};
#define CASE(name)                                                                             \
	{                                                                                      \
#name, name                                                                    \
	}

/* main(): runs the case that is named; prints all names where none is. */
int run_case(const struct program_case *cases, size_t count, int argc, char **argv);

#endif
