/* Can this driver do it? Decided by doing it, and the bytes are compared. */
#ifndef LOWTIDE_TRIAL_H
#define LOWTIDE_TRIAL_H

#include "memory/start_step.h"
#include "move/mover.h"

/* A kernel reads and writes a host frame. Success, or what the driver (or the comparison:
 * CUDA_ERROR_NOT_SUPPORTED) says against it. */
CUresult trial_host_frame(struct mover *mover, struct start_failure *failure);
/* A plain host frame is copied to a device frame and back, at unified addresses. No kernel uses
 * plain frames, unless the driver says that kernels may: then the pager's copy kernel does. */
CUresult trial_plain_frame(struct mover *mover, struct start_failure *failure);

#endif
