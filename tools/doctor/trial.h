/*
 * What the driver can do here, found out by doing it: a host frame beside a device frame in one
 * reservation, read and written by a kernel. Documented driver API only, through dlopen.
 *
 * It runs in a child process with a time limit, because a driver may hang or crash; the
 * findings lie in memory shared with it, so that what was learnt before is kept.
 */
#ifndef LOWTIDE_TRIAL_H
#define LOWTIDE_TRIAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define TRIAL_DEVICES 16

/* How far a device's trial came. In order; the first that fails is where it stops. */
enum trial_step {
	TRIAL_NOT_BEGUN,
	TRIAL_CONTEXT,
	TRIAL_FUNCTIONS, /* the driver has the functions of virtual memory management */
	TRIAL_RESERVE,
	TRIAL_DEVICE_FRAME,
	TRIAL_MODULE,	   /* the kernels were loaded */
	TRIAL_DEVICE_WORK, /* the kernel works on device memory */
	TRIAL_HOST_FRAME,
	TRIAL_HOST_WORK,  /* the kernel reads and writes a host frame */
	TRIAL_HOST_BYTES, /* and its bytes are right */
	TRIAL_HOST_LARGE, /* a host frame of 32 MiB too */
	TRIAL_DONE,
};

#define TRIAL_WHY 320

struct trial_device {
	char name[128], bus[32];
	uint64_t total_bytes, free_bytes;
	int major, minor, numa_node, compute_mode;
	bool integrated, simulated, claims_host_numa;
	bool high_addresses; /* a reservation came where it was asked for */
	bool tells_params;   /* cuFuncGetParamInfo works */
	char kernels[8];     /* how ours were loaded: cubin, ptx or none; empty: not tried */
	int kernels_arch;    /* of the machine code: 86 */
	uint64_t kernels_load_us;
	char kernels_why[TRIAL_WHY]; /* the machine code, or neither form, was not taken */
	bool jit_needed; /* nothing but the driver's compiler would do, and it is not there */
	char jit_error[256]; /* of dlopen of its library; empty: it is there, or was not looked
				for */
	enum trial_step step;
	int error; /* the CUresult that stopped it */
};

struct trial {
	char doing[64];				 /* for when it hangs or dies */
	char open_error[512];			 /* of dlopen; empty: the driver was opened */
	char path[PATH_MAX];			 /* the file it was opened from */
	int version;				 /* as cuDriverGetVersion counts: 12040 */
	int init;				 /* what cuInit answered */
	char error_names[TRIAL_DEVICES + 1][48]; /* of each device's error; the last: of init */
	int count;				 /* devices; at most TRIAL_DEVICES are tried */
	bool finished;
	struct trial_device devices[TRIAL_DEVICES];
	/* Of the child. */
	int killed_by; /* a signal that ended it */
	bool timed_out;
};

/* Runs the trial, for at most so many seconds. NULL: no process or memory could be had. Freed
 * by trial_free. */
struct trial *trial_run(int seconds);
void trial_free(struct trial *trial);

/* What was tried at a step, for a sentence: "mapping a host frame". */
const char *trial_step_name(enum trial_step step);

#endif
