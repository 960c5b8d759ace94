/* The steps by which paging begins on a device, and which of them failed. */
#ifndef LOWTIDE_START_STEP_H
#define LOWTIDE_START_STEP_H

#include <cuda.h>

#include <stdbool.h>

enum start_step {
	START_DRIVER,	  /* it lacks functions */
	START_TABLES,	  /* memory of the process's own */
	START_ADDRESSES,  /* reserved */
	START_STREAMS,	  /* ours */
	START_KERNELS,	  /* ours */
	START_PINNED,	  /* a little RAM for what our kernels are told */
	START_SCRATCH,	  /* a frame in VRAM for what they answer */
	START_RULED_OUT,  /* the driver says that kernels reach no memory in RAM */
	START_HOST_FRAME, /* a frame in RAM */
	START_TRIAL,	  /* it was used, and the driver failed */
	START_BYTES,	  /* it was used, and other bytes came back */
};

struct start_failure {
	enum start_step step;
	CUresult error; /* of the driver; SUCCESS: it was not asked */
};

/* The outcome of a step: true if it went well. */
static inline bool start_step(struct start_failure *failure, enum start_step step,
			      CUresult error)
{
	if (error == CUDA_SUCCESS)
		return true;
	*failure = (struct start_failure){step, error};
	return false;
}

#endif
