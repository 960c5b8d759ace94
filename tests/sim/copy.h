/* Copies and fills: the one operation behind all of them. */
#ifndef SIM_COPY_H
#define SIM_COPY_H

#include "sim.h"

struct sim_side {
	uintptr_t start;
	size_t pitch, slice_pitch; /* bytes from row to row, and from plane to plane */
	bool must_be_device;	   /* the program said so */
	bool pageable;		   /* the driver does not know it */
	int device; /* whose access counts: of linear memory its own card's, else the stream's
		       or the one that the program named */
	bool device_named;
};

struct sim_box {
	struct sim_side dst, src;
	size_t width, height, depth; /* bytes, rows, planes */
	unsigned int fill_bytes;     /* 0: a copy; else the width of `fill` */
	uint32_t fill;
};

enum sim_blocking { SIM_SYNC, SIM_ASYNC };

CUresult sim_copy(struct sim_box box, CUstream stream, enum sim_blocking blocking);

#endif
