#include "memory/own_kernels.h"

#include "image/image.h"

#include <stdio.h>

/* kernels_image.S */
extern const unsigned char lowtide_kernels_fatbin[], lowtide_kernels_fatbin_end[];
extern const char lowtide_kernels_ptx[];

/* Of a fat binary and of its entries; shim/image/fatbin.c knows more of them. Ours is not
 * compressed. */
enum {
	KIND_ELF = 2,
	AT_HEADER_BYTES = 6, /* u16 */
	ENTRY_KIND = 0,	     /* u16 */
	ENTRY_HEADER_BYTES = 4,
	ENTRY_BYTES = 8, /* u64, without the header */
	ENTRY_ARCH = 28,
	ENTRY_LEAST = 64,
};

const void *own_kernels_cubin(int major, int minor, int *arch)
{
	const unsigned char *at = lowtide_kernels_fatbin, *end = lowtide_kernels_fatbin_end;
	const unsigned char *best = NULL;

	*arch = 0;
	for (at += image_u16(at + AT_HEADER_BYTES); end - at >= ENTRY_LEAST;) {
		const unsigned char *payload = at + image_u32(at + ENTRY_HEADER_BYTES);
		int own = (int)image_u32(at + ENTRY_ARCH);

		/* Code runs on cards of its major version, from its minor version on. */
		if (image_u16(at + ENTRY_KIND) == KIND_ELF && own / 10 == major &&
		    own % 10 <= minor && own > *arch) {
			best = payload;
			*arch = own;
		}
		at = payload + image_u64(at + ENTRY_BYTES);
	}
	return best;
}

/* A driver may put off what a load would find until a function is asked for. */
static CUresult load_image(const struct own_kernels_driver *driver, const void *image,
			   struct own_kernels *out)
{
	CUresult result = driver->load(&out->module, image);

	if (result != CUDA_SUCCESS) {
		out->module = NULL;
		return result;
	}
	result = driver->get_function(&out->content_hash, out->module, "lowtide_content_hash");
	if (result == CUDA_SUCCESS)
		result = driver->get_function(&out->copy, out->module, "lowtide_copy");
	if (result == CUDA_SUCCESS)
		return result;
	driver->unload(out->module);
	out->module = NULL;
	out->content_hash = out->copy = NULL;
	return result;
}

CUresult own_kernels_load(const struct own_kernels_driver *driver, CUdevice device,
			  struct own_kernels *out)
{
	const void *cubin;

	*out = (struct own_kernels){.form = OWN_KERNELS_NONE};
	if (driver->get_attribute(&out->major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
				  device) != CUDA_SUCCESS ||
	    driver->get_attribute(&out->minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
				  device) != CUDA_SUCCESS)
		out->major = out->minor = 0;
	cubin = own_kernels_cubin(out->major, out->minor, &out->cubin_arch);
	if (cubin) {
		out->cubin_error = load_image(driver, cubin, out);
		if (out->cubin_error == CUDA_SUCCESS) {
			out->form = OWN_KERNELS_CUBIN;
			return CUDA_SUCCESS;
		}
		/* That says nothing of the code, and the text takes more. */
		if (out->cubin_error == CUDA_ERROR_OUT_OF_MEMORY)
			return out->cubin_error;
	}
	out->ptx_error = load_image(driver, lowtide_kernels_ptx, out);
	if (out->ptx_error == CUDA_SUCCESS)
		out->form = OWN_KERNELS_PTX;
	return out->ptx_error;
}

void own_kernels_explain(const struct own_kernels *kernels, char *text, size_t room)
{
	char code[96];

	if (kernels->cubin_arch)
		snprintf(code, sizeof(code),
			 "the driver refuses the machine code for sm_%d (CUDA error %d)",
			 kernels->cubin_arch, (int)kernels->cubin_error);
	else
		snprintf(code, sizeof(code),
			 "no machine code for compute capability %d.%d is in this library",
			 kernels->major, kernels->minor);
	if (kernels->ptx_error == CUDA_SUCCESS)
		snprintf(text, room, "%s", code);
	else if (kernels->ptx_error == CUDA_ERROR_JIT_COMPILER_NOT_FOUND)
		snprintf(text, room,
			 "%s, and the driver cannot compile their PTX, because its compiler "
			 "(JIT), " OWN_KERNELS_JIT_LIBRARY ", is missing (CUDA error %d)",
			 code, (int)kernels->ptx_error);
	else if (kernels->ptx_error == CUDA_ERROR_JIT_COMPILATION_DISABLED)
		snprintf(text, room,
			 "%s, and compiling their PTX is switched off (CUDA error %d; "
			 "CUDA_DISABLE_PTX_JIT does that)",
			 code, (int)kernels->ptx_error);
	else
		snprintf(text, room,
			 "%s, and the driver does not compile their PTX (CUDA error %d)", code,
			 (int)kernels->ptx_error);
}

const char *own_kernels_form_name(enum own_kernels_form form)
{
	static const char *const names[] = {[OWN_KERNELS_NONE] = "none",
					    [OWN_KERNELS_CUBIN] = "cubin",
					    [OWN_KERNELS_PTX] = "ptx"};

	return names[form];
}
