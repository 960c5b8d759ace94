/*
 * What a driver takes out of an image for one card: of a fat binary the cubin that suits the
 * card best, else its PTX text; a cubin or a text that stands alone. Machine code is not
 * executed here, so of a cubin and of a text only the names of its kernels matter.
 *
 * The bytes are trusted, as by the driver: they come without a length. Called with the lock.
 */
#ifndef SIM_IMAGE_H
#define SIM_IMAGE_H

#include <cuda.h>
#include <stddef.h>

#define SIM_PICKED_KERNELS 64
#define SIM_PICKED_NAME 128

enum sim_picked_form {
	SIM_PICKED_OBJECT, /* a shared object of C kernels (sim_kernel.h) */
	SIM_PICKED_CUBIN,
	SIM_PICKED_TEXT, /* which must be compiled */
};

struct sim_picked {
	enum sim_picked_form form;
	const void *bytes; /* of the part that was taken, inside the image */
	char kernels[SIM_PICKED_KERNELS][SIM_PICKED_NAME]; /* not of an object */
	size_t kernel_count;
};

/* NO_BINARY_FOR_GPU: nothing in it suits the card. INVALID_IMAGE: no image, or one that this
 * driver is too old for. */
CUresult sim_image_pick(const void *image, int device, struct sim_picked *out);

#endif
