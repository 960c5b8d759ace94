/*
 * Copies by a kernel of our own, between memory that the GPU reaches in RAM on both sides: cold
 * blocks, pinned and registered memory. The driver's own copy from RAM to RAM makes the calling
 * thread wait even where it is asked not to, and the program, which thinks of one side as the
 * device's, may be in the middle of something that this thread must do next. Owns nothing;
 * called inside the gate, no lock.
 */
#ifndef LOWTIDE_COPY_KERNEL_H
#define LOWTIDE_COPY_KERNEL_H

#include "pager/pager.h"

/* `height` rows of `width` bytes. The pager's context must be current. */
struct copy_rows {
	CUdeviceptr dst, src; /* as the GPU reaches them */
	size_t dst_pitch, src_pitch, width, height;
};
bool copy_kernel_can(const struct pager *pager);
/* A graph may hold one. Its parameters 0 and 2 are where it writes and reads. */
bool copy_kernel_is(CUfunction function);
CUresult copy_kernel_launch(struct pager *pager, const struct copy_rows *rows, CUstream stream);

#endif
