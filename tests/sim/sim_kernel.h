/*
 * One source for a kernel, two homes: nvcc compiles it for a GPU, the C compiler for the simulated one.
 *
 *   KERNEL3(scale, float *, y, const float *, x, unsigned long, n)
 *   {
 *           TOUCH_READ(x, n * sizeof(*x));
 *           TOUCH_WRITE(y, n * sizeof(*y));
 *           FOR_EACH(i, n)
 *                   y[i] = 2 * x[i];
 *   }
 *   KERNEL_IMAGE(KERNEL_ROW(scale))            // once per image, simulator only
 *
 * In the simulator a kernel runs block by block: FOR_EACH gives block b of a grid of B the elements
 * b, b + B, ... in slices, so that another operation can fall between two blocks. TOUCH_* says what this
 * block is about to access; it prices the access and lets the simulator check every remap against it.
 * COMPUTE_NS adds modelled compute time to the block. Both vanish under nvcc.
 * An image for the simulator is a shared object that exports `lowtide_sim_image`.
 */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#ifdef __CUDACC__
#define TOUCH_READ(ptr, bytes) ((void)0)
#define TOUCH_WRITE(ptr, bytes) ((void)0)
#define COMPUTE_NS(ns) ((void)0)
#define FOR_EACH(i, n)                                                                         \
	for (unsigned long i = blockIdx.x * (unsigned long)blockDim.x + threadIdx.x; i < (n);  \
	     i += (unsigned long)gridDim.x * blockDim.x)
#define KERNEL0(name) extern "C" __global__ void name()
#define KERNEL1(name, t0, n0) extern "C" __global__ void name(t0 n0)
#define KERNEL2(name, t0, n0, t1, n1) extern "C" __global__ void name(t0 n0, t1 n1)
#define KERNEL3(name, t0, n0, t1, n1, t2, n2)                                                  \
	extern "C" __global__ void name(t0 n0, t1 n1, t2 n2)
#define KERNEL4(name, t0, n0, t1, n1, t2, n2, t3, n3)                                          \
	extern "C" __global__ void name(t0 n0, t1 n1, t2 n2, t3 n3)
#define KERNEL5(name, t0, n0, t1, n1, t2, n2, t3, n3, t4, n4)                                  \
	extern "C" __global__ void name(t0 n0, t1 n1, t2 n2, t3 n3, t4 n4)
#define KERNEL6(name, t0, n0, t1, n1, t2, n2, t3, n3, t4, n4, t5, n5)                          \
	extern "C" __global__ void name(t0 n0, t1 n1, t2 n2, t3 n3, t4 n4, t5 n5)
#define KERNEL_ROW(name)
#define KERNEL_IMAGE(...)
#else

#include <stddef.h>
#include <stdint.h>

/* What a running block knows of its launch, and its two ways to speak to the simulator. */
struct sim_block {
	unsigned int grid_dim[3], block_dim[3]; /* the launch's dimensions */
	unsigned int block_idx[3];              /* this block */
	unsigned long block, blocks;            /* this block's linear index, and how many there are */
	/* is_write: 0 or 1. Faults (does not return) if the range is not accessible. */
	void (*touch)(const struct sim_block *self, const void *ptr, size_t bytes, int is_write);
	void (*compute_ns)(const struct sim_block *self, double ns);
};

typedef void (*sim_kernel_fn)(const struct sim_block *sim_self, const unsigned char *params);

/* One kernel of an image: its parameter layout is what cuFuncGetParamInfo reports. */
struct sim_kernel {
	const char *name;
	unsigned int param_count;
	const size_t *param_offsets; /* bytes, param_count of them */
	const size_t *param_sizes;   /* bytes, param_count of them */
	size_t params_bytes;         /* the packed buffer's size */
	sim_kernel_fn run_block;
};

struct sim_image {
	unsigned int abi; /* SIM_KERNEL_ABI */
	unsigned int kernel_count;
	const struct sim_kernel *const *kernels;
};

#define SIM_KERNEL_ABI 1
#define SIM_IMAGE_SYMBOL "lowtide_sim_image"

#define TOUCH_READ(ptr, bytes) sim_self->touch(sim_self, (ptr), (bytes), 0)
#define TOUCH_WRITE(ptr, bytes) sim_self->touch(sim_self, (ptr), (bytes), 1)
#define COMPUTE_NS(ns) sim_self->compute_ns(sim_self, (ns))
/* Block b of B gets the b-th contiguous slice of [0, n). */
#define FOR_EACH(i, n)                                                                         \
	for (unsigned long i = (unsigned long)(n)*sim_self->block / sim_self->blocks,          \
			   i##_end =                                                           \
				   (unsigned long)(n) * (sim_self->block + 1) / sim_self->blocks;      \
	     i < i##_end; i++)

#define SIM_OFF(name, f) offsetof(struct name##_params, f)
#define SIM_SIZE(name, f) sizeof(((struct name##_params *)0)->f)

/* What a cubin says of its parameters, in the same place and form: for drivers that do not tell. The attribute for
 * kernels of more than 4 KiB of parameters has the size elsewhere. */
struct sim_param_info {
	uint8_t format, attribute;
	uint16_t bytes;
	uint32_t index;
	uint16_t ordinal, offset;
	uint32_t size;
};
#define SIM_IS_LARGE(name) (sizeof(struct name##_params) > 4096)
#define SIM_INFO(name, i, f)                                                                   \
	{                                                                                      \
		4, SIM_IS_LARGE(name) ? 0x45 : 0x17, 12, 0, i, SIM_OFF(name, f),               \
			SIM_IS_LARGE(name) ? SIM_SIZE(name, f) : SIM_SIZE(name, f) << 18       \
	}
#ifdef SIM_KERNEL_NO_INFO
#define SIM_INFOS(name, ...)
#else
#define SIM_INFOS(name, ...)                                                                   \
	__attribute__((section(".nv.info." #name), used,                                       \
		       aligned(4))) static const struct sim_param_info name##_infos[] = __VA_ARGS__;
#endif

#define SIM_DEFINE(name, count, formal, actual, offsets, sizes, infos)                         \
	SIM_INFOS(name, infos)                                                                 \
	static void name##_body formal;                                                        \
	static void name##_run(const struct sim_block *sim_self, const unsigned char *bytes)   \
	{                                                                                      \
		struct name##_params p;                                                        \
		__builtin_memcpy(&p, bytes, sizeof(p));                                        \
		name##_body actual;                                                            \
	}                                                                                      \
	static const size_t name##_offsets[] = offsets;                                        \
	static const size_t name##_sizes[] = sizes;                                            \
	static const struct sim_kernel name##_kernel = {                                       \
		#name,        count, name##_offsets, name##_sizes, sizeof(struct name##_params), \
		name##_run,                                                                    \
	};                                                                                     \
	static void name##_body formal
#define SIM_LIST(...) {__VA_ARGS__}

#define KERNEL0(name)                                                                          \
	struct name##_params {                                                                 \
		char none;                                                                     \
	};                                                                                     \
	SIM_DEFINE(name, 0, (const struct sim_block *sim_self), (sim_self), SIM_LIST(0),       \
		   SIM_LIST(0), SIM_LIST({4, 0x37, 12, 0x82, 0, 0, 0})) /* of no parameter */
#define KERNEL1(name, t0, n0)                                                                  \
	struct name##_params {                                                                 \
		t0 n0;                                                                         \
	};                                                                                     \
	SIM_DEFINE(name, 1, (const struct sim_block *sim_self, t0 n0), (sim_self, p.n0),       \
		   SIM_LIST(SIM_OFF(name, n0)), SIM_LIST(SIM_SIZE(name, n0)),                  \
		   SIM_LIST(SIM_INFO(name, 0, n0)))
#define KERNEL2(name, t0, n0, t1, n1)                                                          \
	struct name##_params {                                                                 \
		t0 n0;                                                                         \
		t1 n1;                                                                         \
	};                                                                                     \
	SIM_DEFINE(name, 2, (const struct sim_block *sim_self, t0 n0, t1 n1),                  \
		   (sim_self, p.n0, p.n1), SIM_LIST(SIM_OFF(name, n0), SIM_OFF(name, n1)),     \
		   SIM_LIST(SIM_SIZE(name, n0), SIM_SIZE(name, n1)),                           \
		   SIM_LIST(SIM_INFO(name, 0, n0), SIM_INFO(name, 1, n1)))
#define KERNEL3(name, t0, n0, t1, n1, t2, n2)                                                  \
	struct name##_params {                                                                 \
		t0 n0;                                                                         \
		t1 n1;                                                                         \
		t2 n2;                                                                         \
	};                                                                                     \
	SIM_DEFINE(name, 3, (const struct sim_block *sim_self, t0 n0, t1 n1, t2 n2),           \
		   (sim_self, p.n0, p.n1, p.n2),                                               \
		   SIM_LIST(SIM_OFF(name, n0), SIM_OFF(name, n1), SIM_OFF(name, n2)),          \
		   SIM_LIST(SIM_SIZE(name, n0), SIM_SIZE(name, n1), SIM_SIZE(name, n2)),       \
		   SIM_LIST(SIM_INFO(name, 0, n0), SIM_INFO(name, 1, n1),                      \
		            SIM_INFO(name, 2, n2)))
#define KERNEL4(name, t0, n0, t1, n1, t2, n2, t3, n3)                                          \
	struct name##_params {                                                                 \
		t0 n0;                                                                         \
		t1 n1;                                                                         \
		t2 n2;                                                                         \
		t3 n3;                                                                         \
	};                                                                                     \
	SIM_DEFINE(name, 4, (const struct sim_block *sim_self, t0 n0, t1 n1, t2 n2, t3 n3),    \
		   (sim_self, p.n0, p.n1, p.n2, p.n3),                                         \
		   SIM_LIST(SIM_OFF(name, n0), SIM_OFF(name, n1), SIM_OFF(name, n2),           \
			    SIM_OFF(name, n3)),                                                \
		   SIM_LIST(SIM_SIZE(name, n0), SIM_SIZE(name, n1), SIM_SIZE(name, n2),        \
			    SIM_SIZE(name, n3)),                                               \
		   SIM_LIST(SIM_INFO(name, 0, n0), SIM_INFO(name, 1, n1),                      \
		            SIM_INFO(name, 2, n2), SIM_INFO(name, 3, n3)))
#define KERNEL5(name, t0, n0, t1, n1, t2, n2, t3, n3, t4, n4)                                  \
	struct name##_params {                                                                 \
		t0 n0;                                                                         \
		t1 n1;                                                                         \
		t2 n2;                                                                         \
		t3 n3;                                                                         \
		t4 n4;                                                                         \
	};                                                                                     \
	SIM_DEFINE(name, 5,                                                                    \
		   (const struct sim_block *sim_self, t0 n0, t1 n1, t2 n2, t3 n3, t4 n4),      \
		   (sim_self, p.n0, p.n1, p.n2, p.n3, p.n4),                                   \
		   SIM_LIST(SIM_OFF(name, n0), SIM_OFF(name, n1), SIM_OFF(name, n2),           \
			    SIM_OFF(name, n3), SIM_OFF(name, n4)),                             \
		   SIM_LIST(SIM_SIZE(name, n0), SIM_SIZE(name, n1), SIM_SIZE(name, n2),        \
			    SIM_SIZE(name, n3), SIM_SIZE(name, n4)),                           \
		   SIM_LIST(SIM_INFO(name, 0, n0), SIM_INFO(name, 1, n1),                      \
		            SIM_INFO(name, 2, n2), SIM_INFO(name, 3, n3),                      \
		            SIM_INFO(name, 4, n4)))
#define KERNEL6(name, t0, n0, t1, n1, t2, n2, t3, n3, t4, n4, t5, n5)                          \
	struct name##_params {                                                                 \
		t0 n0;                                                                         \
		t1 n1;                                                                         \
		t2 n2;                                                                         \
		t3 n3;                                                                         \
		t4 n4;                                                                         \
		t5 n5;                                                                         \
	};                                                                                     \
	SIM_DEFINE(name, 6,                                                                    \
		   (const struct sim_block *sim_self, t0 n0, t1 n1, t2 n2, t3 n3, t4 n4, t5 n5), \
		   (sim_self, p.n0, p.n1, p.n2, p.n3, p.n4, p.n5),                             \
		   SIM_LIST(SIM_OFF(name, n0), SIM_OFF(name, n1), SIM_OFF(name, n2),           \
			    SIM_OFF(name, n3), SIM_OFF(name, n4), SIM_OFF(name, n5)),          \
		   SIM_LIST(SIM_SIZE(name, n0), SIM_SIZE(name, n1), SIM_SIZE(name, n2),        \
			    SIM_SIZE(name, n3), SIM_SIZE(name, n4), SIM_SIZE(name, n5)),       \
		   SIM_LIST(SIM_INFO(name, 0, n0), SIM_INFO(name, 1, n1),                      \
		            SIM_INFO(name, 2, n2), SIM_INFO(name, 3, n3),                      \
		            SIM_INFO(name, 4, n4), SIM_INFO(name, 5, n5)))

#define KERNEL_ROW(name) &name##_kernel
#define KERNEL_IMAGE(...)                                                                      \
	static const struct sim_kernel *const sim_image_rows[] = {__VA_ARGS__};                \
	__attribute__((visibility("default"))) const struct sim_image lowtide_sim_image = {    \
		SIM_KERNEL_ABI,                                                                \
		sizeof(sim_image_rows) / sizeof(sim_image_rows[0]),                            \
		sim_image_rows,                                                                \
	};
#endif
#endif
