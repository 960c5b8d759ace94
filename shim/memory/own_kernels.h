/*
 * Our own kernels (kernels.cu), and how they come into a context: as the machine code in
 * kernels.fatbin where a card and its driver take it, else as PTX text, which the driver must
 * compile. That takes its time, and needs a library of the driver's that a machine may lack.
 *
 * The code for a card is looked for here and handed over by itself, not the fat binary as a
 * whole: a driver does not tell whether it took code out of that or compiled the text in it.
 *
 * Any thread, no lock; owns no more than constants. The driver's functions come as pointers,
 * because the command has a table of its own.
 */
#ifndef LOWTIDE_OWN_KERNELS_H
#define LOWTIDE_OWN_KERNELS_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

struct own_kernels_driver {
	__typeof__(&cuDeviceGetAttribute) get_attribute;
	__typeof__(&cuModuleLoadData) load;
	__typeof__(&cuModuleGetFunction) get_function;
	__typeof__(&cuModuleUnload) unload;
};

enum own_kernels_form { OWN_KERNELS_NONE, OWN_KERNELS_CUBIN, OWN_KERNELS_PTX };

struct own_kernels {
	enum own_kernels_form form;    /* NONE: not loaded, and neither function may be used */
	CUmodule module;	       /* lives in the context that was current */
	CUfunction content_hash, copy; /* NULL: not loaded */
	int major, minor;	       /* the card's compute capability */
	int cubin_arch; /* of the code that was tried: 86; 0: none suits the card */
	CUresult cubin_error, ptx_error; /* SUCCESS: it was loaded, or not tried */
};

/* Into the current context, which is the device's. */
CUresult own_kernels_load(const struct own_kernels_driver *driver, CUdevice device,
			  struct own_kernels *out);

/* It was tried, and neither way led there. */
static inline bool own_kernels_failed(const struct own_kernels *kernels)
{
	return kernels->form == OWN_KERNELS_NONE &&
	       (kernels->cubin_error || kernels->ptx_error);
}

#define OWN_KERNELS_EXPLAINED 320 /* bytes */
/* Why they were not loaded, for a sentence: "no machine code for compute capability 7.0 is in
 * here, and ...". Also why the text had to do, where it did. */
void own_kernels_explain(const struct own_kernels *kernels, char *text, size_t room);

/* "cubin", "ptx" or "none". */
const char *own_kernels_form_name(enum own_kernels_form form);

/* The code that suits a card of this compute capability best, and its architecture. NULL: none.
 */
const void *own_kernels_cubin(int major, int minor, int *arch);

/* Of the driver, beside libcuda: without it there is no compiler for text. */
#define OWN_KERNELS_JIT_LIBRARY "libnvidia-ptxjitcompiler.so.1"

#endif
