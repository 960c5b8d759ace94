/*
 * Launches: parameters are copied at the call; blocks run one by one, so that under the seeded
 * scheduler anything may happen between two of them. A kernel takes the longest of its compute
 * time, what it touches in VRAM over VRAM's rate, and what it touches in RAM over the bus at
 * the zero-copy rate (a roofline).
 */
#include "sim.h"

#include "capture.h"
#include "fault.h"
#include "managed.h"
#include "manner.h"
#include "price.h"
#include "sim_control.h"

#include <stdlib.h>
#include <string.h>

struct launch {
	struct sim_block block; /* first: a kernel's view of itself leads back here */
	struct sim_op *op;
	const struct sim_kernel *kernel;
	double compute_ns, vram_ns, zero_copy_ns;
	double stall_ns; /* of faults, which nothing hides */
	/* Of programmatic dependent launch, over all blocks: what each block did before it let
	 * the next kernel start, and before it waited for the one before. */
	double block_began_ns, before_trigger_ns, before_wait_ns;
	bool triggered, waited; /* by this block */
	bool any_triggered;
	unsigned char params[];
};

static enum sim_kind region_kind(const void *address)
{
	const struct sim_region *region = sim_region_at((uintptr_t)address);

	return region ? region->kind : SIM_NOTHING;
}

static void touch(const struct sim_block *self, const void *address, size_t bytes, int is_write)
{
	struct launch *launch = (struct launch *)(uintptr_t)self;
	struct sim_managed_touch managed = {0};
	uint64_t in_vram = 0, in_ram = 0;
	bool allowed;

	sim_lock();
	allowed = sim_accessible(launch->op->stream->context->device, (uintptr_t)address, bytes,
				 is_write, &in_vram, &in_ram);
	if (in_ram && sim_prices.host_frames_by_copy_only)
		allowed = region_kind(address) != SIM_MAPPED;
	if (allowed)
		allowed = sim_managed_touch(launch->op, (uintptr_t)address, bytes, is_write,
					    &managed);
	if (allowed) {
		double rate = is_write ? sim_config.d2h_rate : sim_config.h2d_rate;
		double share =
		    is_write ? sim_config.zero_copy_write_share : sim_config.zero_copy_share;

		in_vram += managed.vram_bytes;
		in_ram -= managed.vram_bytes;
		launch->stall_ns += managed.stall_ns;
		launch->op->bus_in_ns += (double)managed.moved_bytes / sim_config.h2d_rate;
		sim_touch(launch->op, (uintptr_t)address, bytes, is_write);
		launch->vram_ns += (double)in_vram / sim_config.vram_rate;
		launch->zero_copy_ns += (double)in_ram / (rate * share);
		*(is_write ? &launch->op->bus_out_ns : &launch->op->bus_in_ns) +=
		    (double)in_ram / rate;
		sim_count(SIM_BYTES_ZERO_COPY, in_ram);
	}
	sim_unlock();
	if (!allowed)
		sim_fault_raise();
}

static void compute(const struct sim_block *self, double ns)
{
	((struct launch *)(uintptr_t)self)->compute_ns += ns;
}

static void trigger(struct launch *launch)
{
	if (!launch->triggered)
		launch->before_trigger_ns += launch->compute_ns - launch->block_began_ns;
	launch->triggered = true;
}

void sim_reach_by(const struct sim_block *self, enum sim_way way, const void *address)
{
	const struct sim_region *region;
	bool faults;

	(void)self;
	sim_lock();
	region = sim_region_at((uintptr_t)address);
	faults = sim_manners.host_faults >> way & 1 && region && region->kind == SIM_MAPPED &&
		 region->host;
	sim_unlock();
	if (faults)
		sim_fault_raise();
}

void sim_launch_dependents(const struct sim_block *self)
{
	struct launch *launch = (struct launch *)(uintptr_t)self;

	trigger(launch);
	launch->any_triggered = true;
}

void sim_wait_for_primary(const struct sim_block *self)
{
	struct launch *launch = (struct launch *)(uintptr_t)self;

	if (!launch->waited)
		launch->before_wait_ns += launch->compute_ns - launch->block_began_ns;
	launch->waited = true;
}

/* A block that says nothing lets the next kernel start as it ends. */
static void run_block(struct launch *launch)
{
	launch->block_began_ns = launch->compute_ns;
	launch->triggered = launch->waited = false;
	launch->kernel->run_block(&launch->block, launch->params);
	trigger(launch);
}

static bool run(struct sim_op *op)
{
	struct launch *launch = op->data;
	struct sim_block *block = &launch->block;

	block->block_idx[0] = (unsigned int)(block->block % block->grid_dim[0]);
	block->block_idx[1] =
	    (unsigned int)(block->block / block->grid_dim[0] % block->grid_dim[1]);
	block->block_idx[2] =
	    (unsigned int)(block->block / block->grid_dim[0] / block->grid_dim[1]);
	run_block(launch);
	if (++block->block < block->blocks)
		return false;
	op->duration_ns += launch->compute_ns;
	if (launch->vram_ns > op->duration_ns)
		op->duration_ns = launch->vram_ns;
	if (launch->zero_copy_ns > op->duration_ns)
		op->duration_ns = launch->zero_copy_ns;
	op->duration_ns += launch->stall_ns;
	op->lets_dependents = launch->any_triggered;
	op->dependents_after_ns = launch->before_trigger_ns;
	if (op->primary)
		op->before_wait_ns = launch->before_wait_ns;
	return true;
}

/* Parameters come one by one, or packed as the device wants them. */
static CUresult gather(unsigned char *to, const struct sim_kernel *kernel, void **params,
		       void **extra)
{
	const unsigned char *packed = NULL;
	size_t bytes = 0;

	if (params && extra)
		return CUDA_ERROR_INVALID_VALUE;
	for (; extra && *extra != CU_LAUNCH_PARAM_END; extra += 2) {
		if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
			packed = extra[1];
		else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
			bytes = *(const size_t *)extra[1];
		else
			return CUDA_ERROR_INVALID_VALUE;
	}
	if (packed) {
		size_t last = kernel->param_count - 1;

		if (kernel->param_count &&
		    bytes < kernel->param_offsets[last] + kernel->param_sizes[last])
			return CUDA_ERROR_INVALID_VALUE;
		memcpy(to, packed, bytes < kernel->params_bytes ? bytes : kernel->params_bytes);
		return CUDA_SUCCESS;
	}
	if (kernel->param_count && !params)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < kernel->param_count; i++)
		memcpy(to + kernel->param_offsets[i], params[i], kernel->param_sizes[i]);
	return CUDA_SUCCESS;
}

static CUresult launch(CUfunction function, const unsigned int grid[3],
		       const unsigned int block[3], unsigned int shared, CUstream handle,
		       bool dependent, void **params, void **extra)
{
	const struct sim_kernel *kernel = sim_kernel_of(function);
	CUstream stream = sim_stream(handle), named = sim_stream_named(handle);
	struct launch *l;
	CUresult result;

	if (!kernel || !stream)
		return CUDA_ERROR_INVALID_HANDLE;
	for (int i = 0; i < 3; i++)
		if (!grid[i] || !block[i])
			return CUDA_ERROR_INVALID_VALUE;
	if ((uint64_t)block[0] * block[1] * block[2] > SIM_BLOCK_THREADS)
		return CUDA_ERROR_INVALID_VALUE;
	/* A library's kernel runs wherever its stream is, a module's function at home only. */
	if (sim_function_context(function) && sim_function_context(function) != stream->context)
		return CUDA_ERROR_INVALID_HANDLE;
	if (sim_capturing(named)) {
		CUDA_KERNEL_NODE_PARAMS_v2 node = {
		    .func = function,
		    .gridDimX = grid[0],
		    .gridDimY = grid[1],
		    .gridDimZ = grid[2],
		    .blockDimX = block[0],
		    .blockDimY = block[1],
		    .blockDimZ = block[2],
		    .sharedMemBytes = shared,
		    .kernelParams = params,
		    .extra = extra,
		};

		return sim_capture_kernel(named, &node);
	}
	l = calloc(1, sizeof(*l) + kernel->params_bytes + 16);
	if (!l)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = gather(l->params, kernel, params, extra);
	if (result != CUDA_SUCCESS) {
		free(l);
		return result;
	}
	memcpy(l->block.grid_dim, grid, sizeof(l->block.grid_dim));
	memcpy(l->block.block_dim, block, sizeof(l->block.block_dim));
	l->block.blocks = (unsigned long)grid[0] * grid[1] * grid[2];
	l->block.touch = touch;
	l->block.compute_ns = compute;
	l->kernel = kernel;
	/* A single block leaves the rest of the card free. */
	l->op = sim_op_new(l->block.blocks > 1 ? SIM_COMPUTE : SIM_NO_ENGINE, run, l);
	if (!l->op) {
		free(l);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	l->op->is_kernel = true;
	if (dependent)
		l->op->primary = sim_mark_hold(stream->primary);
	sim_host_spend(sim_prices.launch_ns - sim_prices.call_ns + sim_launch_stall_ns() +
		       sim_poll_stall_ns());
	sim_enqueue(stream, l->op);
	return CUDA_SUCCESS;
}

/* For benchmarks of what stands before the driver: from then on a launch does nothing. */
static bool null_launches;
SIM_EXPORT void sim_null_launches(void)
{
	null_launches = true;
}

SIM_EXPORT CUresult cuLaunchKernel(CUfunction function, unsigned int gx, unsigned int gy,
				   unsigned int gz, unsigned int bx, unsigned int by,
				   unsigned int bz, unsigned int shared, CUstream stream,
				   void **params, void **extra)
{
	if (null_launches)
		return CUDA_SUCCESS;
	SIM_CALL();
	SIM_ANSWER(launch(function, (unsigned int[]){gx, gy, gz}, (unsigned int[]){bx, by, bz},
			  shared, stream, false, params, extra));
}

/* All blocks of a cooperative launch must be there at once, since they may wait for each
 * other. */
static bool too_large(const unsigned int grid[3], const unsigned int block[3])
{
	uint64_t threads = (uint64_t)block[0] * block[1] * block[2];

	return threads && threads <= SIM_BLOCK_THREADS &&
	       (uint64_t)grid[0] * grid[1] * grid[2] > sim_blocks_at_once(threads);
}

SIM_EXPORT CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned int gx,
					      unsigned int gy, unsigned int gz, unsigned int bx,
					      unsigned int by, unsigned int bz,
					      unsigned int shared, CUstream stream,
					      void **params)
{
	const unsigned int grid[] = {gx, gy, gz}, block[] = {bx, by, bz};

	SIM_CALL();
	if (too_large(grid, block))
		SIM_ANSWER(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
	SIM_ANSWER(launch(function, grid, block, shared, stream, false, params, NULL));
}

static bool cooperative(const CUlaunchConfig *config)
{
	for (unsigned int i = 0; i < config->numAttrs; i++)
		if (config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE &&
		    config->attrs[i].value.cooperative)
			return true;
	return false;
}

static bool programmatic(const CUlaunchConfig *config)
{
	for (unsigned int i = 0; i < config->numAttrs; i++)
		if (config->attrs[i].id ==
			CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION &&
		    config->attrs[i].value.programmaticStreamSerializationAllowed)
			return true;
	return false;
}

SIM_EXPORT CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction function,
				     void **params, void **extra)
{
	SIM_CALL();
	if (!c || (c->numAttrs && !c->attrs))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	const unsigned int grid[] = {c->gridDimX, c->gridDimY, c->gridDimZ};
	const unsigned int block[] = {c->blockDimX, c->blockDimY, c->blockDimZ};

	if (cooperative(c) && too_large(grid, block))
		SIM_ANSWER(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
	SIM_ANSWER(launch(function, grid, block, c->sharedMemBytes, c->hStream, programmatic(c),
			  params, extra));
}

/* Each in the context of its own stream. */
SIM_EXPORT CUresult cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *list,
							 unsigned int count, unsigned int flags)
{
	CUresult result = list && count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;

	SIM_CALL();
	(void)flags;
	for (unsigned int i = 0; i < count && result == CUDA_SUCCESS; i++) {
		CUDA_LAUNCH_PARAMS *l = &list[i];

		/* The documentation forbids the default streams here. */
		if (!l->hStream || l->hStream == CU_STREAM_LEGACY ||
		    l->hStream == CU_STREAM_PER_THREAD)
			SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
		result = cuCtxPushCurrent_v2(l->hStream->context);
		if (result != CUDA_SUCCESS)
			break;
		result =
		    launch(l->function, (unsigned int[]){l->gridDimX, l->gridDimY, l->gridDimZ},
			   (unsigned int[]){l->blockDimX, l->blockDimY, l->blockDimZ},
			   l->sharedMemBytes, l->hStream, false, l->kernelParams, NULL);
		cuCtxPopCurrent_v2(NULL);
	}
	SIM_ANSWER(result);
}
