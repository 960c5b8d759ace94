/* Can this driver do it? Decided by doing it: a kernel reads and writes a host frame, and the
 * bytes are compared. */
#ifndef LOWTIDE_TRIAL_H
#define LOWTIDE_TRIAL_H

#include "pager/pager.h"

/* Success, or what the driver (or the comparison: CUDA_ERROR_NOT_SUPPORTED) says against it. */
CUresult trial_host_frame(struct pager *pager);

#endif
