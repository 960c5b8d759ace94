/* In which order our own kernels' images are tried, what ends the tries, and what is said. */
#include "memory/own_kernels.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

extern const char lowtide_kernels_ptx[];

/* A driver that answers as a test says. */
static struct {
	int major, minor;
	CUresult attributes, code, text, function_of_code, copy_of_code, function_of_text;
	int loads, unloads;
	const void *loaded; /* last */
} fake;

static CUresult get_attribute(int *value, CUdevice_attribute which, CUdevice device)
{
	(void)device;
	if (fake.attributes != CUDA_SUCCESS)
		return fake.attributes;
	*value =
	    which == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? fake.major : fake.minor;
	return CUDA_SUCCESS;
}

static CUresult load(CUmodule *module, const void *image)
{
	bool text = image == lowtide_kernels_ptx;
	CUresult result = text ? fake.text : fake.code;

	fake.loads++;
	fake.loaded = image;
	*module = (CUmodule)(uintptr_t)(text ? 0x70 : 0xc0);
	return result;
}

static CUresult get_function(CUfunction *function, CUmodule module, const char *name)
{
	bool text = module == (CUmodule)(uintptr_t)0x70, copy = !strcmp(name, "lowtide_copy");

	cr_assert(copy || !strcmp(name, "lowtide_content_hash"));
	*function = (CUfunction)(uintptr_t)(copy ? 2 : 1);
	return text ? fake.function_of_text : copy ? fake.copy_of_code : fake.function_of_code;
}

static CUresult unload(CUmodule module)
{
	cr_assert(module);
	fake.unloads++;
	return CUDA_SUCCESS;
}

static const struct own_kernels_driver driver = {get_attribute, load, get_function, unload};

static CUresult on_card(int major, int minor, struct own_kernels *out)
{
	fake.major = major;
	fake.minor = minor;
	memset(out, 0xff, sizeof(*out));
	return own_kernels_load(&driver, 0, out);
}

static void is_loaded(const struct own_kernels *kernels, enum own_kernels_form form)
{
	cr_assert_eq(kernels->form, form, "%s", own_kernels_form_name(kernels->form));
	cr_assert(kernels->module);
	cr_assert_eq(kernels->content_hash, (CUfunction)1);
	cr_assert_eq(kernels->copy, (CUfunction)2);
	cr_assert_not(own_kernels_failed(kernels));
}

static void is_not_loaded(const struct own_kernels *kernels)
{
	cr_assert_eq(kernels->form, OWN_KERNELS_NONE);
	cr_assert(!kernels->module && !kernels->content_hash && !kernels->copy);
	cr_assert(own_kernels_failed(kernels));
}

static void explains(const struct own_kernels *kernels, const char *part)
{
	char text[OWN_KERNELS_EXPLAINED];

	own_kernels_explain(kernels, text, sizeof(text));
	cr_assert(strstr(text, part), "%s: not in: %s", part, text);
	cr_assert_lt(strlen(text), sizeof(text) - 1);
}

Test(own_kernels_load, machine_code_is_enough)
{
	struct own_kernels kernels;

	fake.text = CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
	cr_assert_eq(on_card(8, 9, &kernels), CUDA_SUCCESS);
	is_loaded(&kernels, OWN_KERNELS_CUBIN);
	cr_assert_eq(kernels.cubin_arch, 89);
	cr_assert_eq(fake.loads, 1);
}

Test(own_kernels_load, a_card_without_machine_code_gets_the_text_at_once)
{
	struct own_kernels kernels;

	fake.code = CUDA_ERROR_NO_BINARY_FOR_GPU;
	cr_assert_eq(on_card(7, 0, &kernels), CUDA_SUCCESS);
	is_loaded(&kernels, OWN_KERNELS_PTX);
	cr_assert_eq(fake.loads, 1);
	explains(&kernels, "no machine code for compute capability 7.0");
}

Test(own_kernels_load, a_refusal_of_the_machine_code_leads_to_the_text)
{
	static const CUresult refusals[] = {CUDA_ERROR_INVALID_IMAGE,
					    CUDA_ERROR_NO_BINARY_FOR_GPU,
					    CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
					    CUDA_ERROR_NOT_SUPPORTED,
					    CUDA_ERROR_UNKNOWN,
					    (CUresult)987};
	struct own_kernels kernels;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		fake.loads = 0;
		fake.code = refusals[i];
		cr_assert_eq(on_card(9, 0, &kernels), CUDA_SUCCESS);
		is_loaded(&kernels, OWN_KERNELS_PTX);
		cr_assert_eq(fake.loads, 2);
		cr_assert_eq(fake.loaded, lowtide_kernels_ptx);
		explains(&kernels, "refuses the machine code for sm_90");
	}
	cr_assert_eq(fake.unloads, 0);
}

/* Drivers load lazily: what is wrong with an image may first show there. */
Test(own_kernels_load, machine_code_without_its_functions_is_taken_back)
{
	struct own_kernels kernels;

	fake.function_of_code = CUDA_ERROR_NO_BINARY_FOR_GPU;
	cr_assert_eq(on_card(9, 0, &kernels), CUDA_SUCCESS);
	is_loaded(&kernels, OWN_KERNELS_PTX);
	cr_assert_eq(fake.unloads, 1);
	fake.function_of_code = CUDA_SUCCESS;
	fake.copy_of_code = CUDA_ERROR_NOT_FOUND;
	cr_assert_eq(on_card(9, 0, &kernels), CUDA_SUCCESS);
	is_loaded(&kernels, OWN_KERNELS_PTX);
	cr_assert_eq(fake.unloads, 2);
}

Test(own_kernels_load, without_a_compiler_and_without_machine_code_the_compiler_is_named)
{
	struct own_kernels kernels;

	fake.text = CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
	cr_assert_eq(on_card(7, 0, &kernels), CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
	is_not_loaded(&kernels);
	explains(&kernels, "no machine code for compute capability 7.0");
	explains(&kernels, "libnvidia-ptxjitcompiler.so.1, is missing (CUDA error 221)");
	fake.code = CUDA_ERROR_INVALID_IMAGE;
	cr_assert_eq(on_card(12, 1, &kernels), CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
	is_not_loaded(&kernels);
	explains(&kernels, "refuses the machine code for sm_120 (CUDA error 200)");
	explains(&kernels, "libnvidia-ptxjitcompiler.so.1, is missing");
	fake.text = CUDA_ERROR_JIT_COMPILATION_DISABLED;
	cr_assert_eq(on_card(12, 1, &kernels), CUDA_ERROR_JIT_COMPILATION_DISABLED);
	explains(&kernels, "CUDA_DISABLE_PTX_JIT");
	fake.text = CUDA_ERROR_INVALID_PTX;
	cr_assert_eq(on_card(12, 1, &kernels), CUDA_ERROR_INVALID_PTX);
	explains(&kernels, "does not compile their PTX (CUDA error 218)");
}

Test(own_kernels_load, text_without_its_functions_is_taken_back)
{
	struct own_kernels kernels;

	fake.function_of_text = CUDA_ERROR_NOT_FOUND;
	cr_assert_eq(on_card(7, 0, &kernels), CUDA_ERROR_NOT_FOUND);
	is_not_loaded(&kernels);
	cr_assert_eq(fake.unloads, 1);
}

/* It says nothing of the image, and the answer stays what it was. */
Test(own_kernels_load, a_lack_of_memory_is_the_answer)
{
	struct own_kernels kernels;

	fake.code = CUDA_ERROR_OUT_OF_MEMORY;
	fake.text = CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
	cr_assert_eq(on_card(9, 0, &kernels), CUDA_ERROR_OUT_OF_MEMORY);
	is_not_loaded(&kernels);
	cr_assert_eq(fake.loads, 1);
	explains(&kernels, "sm_90 (CUDA error 2)");
}

Test(own_kernels_load, a_card_that_does_not_tell_its_kind_gets_the_text)
{
	struct own_kernels kernels;

	fake.attributes = CUDA_ERROR_INVALID_VALUE;
	cr_assert_eq(on_card(9, 0, &kernels), CUDA_SUCCESS);
	is_loaded(&kernels, OWN_KERNELS_PTX);
	cr_assert_eq(fake.loads, 1);
}

Test(own_kernels_load, each_form_has_its_name)
{
	cr_assert_str_eq(own_kernels_form_name(OWN_KERNELS_NONE), "none");
	cr_assert_str_eq(own_kernels_form_name(OWN_KERNELS_CUBIN), "cubin");
	cr_assert_str_eq(own_kernels_form_name(OWN_KERNELS_PTX), "ptx");
}
