/* What of an image a simulated card takes, and what it answers where nothing suits it. */
#include "sim_control.h"
#include "sim_test.h"

#include <stdbool.h>

#define JIT_NS 30e6

static const char text[] = ".version 6.0\n.target sm_60\n.address_size 64\n"
			   ".visible .entry lowtide_content_hash(\n"
			   "\t.param .u64 table,\n\t.param .u64 out\n)\n{ ret; }\n";

static void *file(const char *path)
{
	FILE *in = fopen(path, "rb");
	size_t room = 1 << 20, bytes;
	char *image = calloc(1, room);

	cr_assert(in && image, "%s", path);
	bytes = fread(image, 1, room - 1, in);
	cr_assert(bytes > 0 && bytes < room - 1, "%s", path);
	fclose(in);
	return image;
}

/* The library's own, with machine code for 7.5, 8.0, 8.6, 8.9, 9.0, 10.0 and 12.0, and text. */
static unsigned char *kept(void)
{
	return file("shim/memory/kernels.fatbin");
}

static unsigned char *entry_of(unsigned char *fatbin, unsigned int kind, unsigned int arch)
{
	unsigned int header;
	unsigned long long bytes;

	for (unsigned char *at = fatbin + 16;;) {
		if (at[0] == kind && at[28] == arch)
			return at;
		memcpy(&header, at + 4, sizeof(header));
		memcpy(&bytes, at + 8, sizeof(bytes));
		at += header + bytes;
	}
}

static void *code_of(unsigned char *fatbin, unsigned int arch)
{
	unsigned char *entry = entry_of(fatbin, 2, arch);
	unsigned int header;

	memcpy(&header, entry + 4, sizeof(header));
	return entry + header;
}

static void on_card(int major, int minor)
{
	char attributes[32];

	snprintf(attributes, sizeof(attributes), "75:%d,76:%d", major, minor);
	setenv("LOWTIDE_SIM_ATTRIBUTES", attributes, 1);
	sim_start();
}

/* Loads it; how much of the host's time the compiler took. */
static double loaded(const void *image)
{
	double began = (double)lowtide_sim_counted("virtual_ns");
	size_t offset, bytes;
	CUfunction function;
	CUmodule module;
	int version;

	OK(cuModuleLoadData(&module, image));
	OK(cuModuleGetFunction(&function, module, "lowtide_content_hash"));
	OK(cuDriverGetVersion(&version));
	if (version >= 12040) {
		OK(cuFuncGetParamInfo(function, 1, &offset, &bytes));
		cr_assert(offset == 8 && bytes == 8);
	}
	return (double)lowtide_sim_counted("virtual_ns") - began;
}

static void refused(CUresult how, const void *image)
{
	CUmodule module;
	CUlibrary library;

	EXPECT(how, cuModuleLoadData(&module, image));
	EXPECT(how, cuLibraryLoadData(&library, image, NULL, NULL, 0, NULL, NULL, 0));
}

Test(sim_module, text_is_compiled_which_takes_its_time)
{
	sim_start();
	cr_assert_gt(loaded(text), JIT_NS);
	cr_assert_lt(loaded(text), 1.1 * JIT_NS);
}

Test(sim_module, how_long_is_a_setting)
{
	setenv("LOWTIDE_SIM_JIT_NS", "5000000", 1);
	sim_start();
	cr_assert_lt(loaded(text), 6e6);
}

Test(sim_module, machine_code_is_not_compiled)
{
	on_card(9, 0);
	cr_assert_lt(loaded(kept()), JIT_NS / 10);
	cr_assert_lt(loaded(code_of(kept(), 90)), JIT_NS / 10);
}

Test(sim_module, a_card_that_no_code_in_a_fat_binary_is_for_gets_its_text)
{
	on_card(7, 0);
	cr_assert_gt(loaded(kept()), JIT_NS);
}

Test(sim_module, code_of_the_same_major_version_and_no_higher_minor_one_will_do)
{
	on_card(8, 7);
	cr_assert_lt(loaded(kept()), JIT_NS / 10);
	loaded(code_of(kept(), 80));
	loaded(code_of(kept(), 86));
	refused(CUDA_ERROR_NO_BINARY_FOR_GPU, code_of(kept(), 89));
	refused(CUDA_ERROR_NO_BINARY_FOR_GPU, code_of(kept(), 75));
	refused(CUDA_ERROR_NO_BINARY_FOR_GPU, code_of(kept(), 90));
}

Test(sim_module, without_a_compiler_only_machine_code_is_taken)
{
	setenv("LOWTIDE_SIM_JIT", "0", 1);
	on_card(9, 0);
	loaded(kept());
	refused(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, text);
}

Test(sim_module, without_a_compiler_a_fat_binarys_text_is_refused_too)
{
	setenv("LOWTIDE_SIM_JIT", "0", 1);
	on_card(7, 0);
	refused(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, kept());
}

Test(sim_module, a_fat_binary_with_nothing_for_the_card_is_refused)
{
	unsigned char *fatbin = kept();

	on_card(5, 2); /* older than the text */
	refused(CUDA_ERROR_NO_BINARY_FOR_GPU, fatbin);
	entry_of(fatbin, 1, 60)[28] = 52;
	cr_assert_gt(loaded(fatbin), JIT_NS);
}

Test(sim_module, compressed_parts_are_passed_over)
{
	on_card(8, 0);
	refused(CUDA_ERROR_NO_BINARY_FOR_GPU, file("tests/golden/images/lz4.fatbin"));
}

Test(sim_module, kernels_that_have_no_twin_cannot_run)
{
	on_card(8, 0);
	refused(CUDA_ERROR_INVALID_IMAGE, file("tests/golden/images/sm_80.cubin"));
}

/* 12.8 is the first that may know the form that code for 10.0 and later cards has. */
Test(sim_module, a_driver_before_12_8_cannot_read_what_came_later)
{
	setenv("LOWTIDE_SIM_DRIVER", "12040", 1);
	on_card(10, 0);
	refused(CUDA_ERROR_INVALID_IMAGE, kept());
	refused(CUDA_ERROR_INVALID_IMAGE, code_of(kept(), 100));
	refused(CUDA_ERROR_INVALID_IMAGE, file("tests/golden/images/sm_80.cubin"));
}

Test(sim_module, a_driver_of_11_reads_what_was_made_for_it)
{
	setenv("LOWTIDE_SIM_DRIVER", "11000", 1);
	on_card(8, 0);
	cr_assert_lt(loaded(code_of(kept(), 80)), JIT_NS / 10);
}

Test(sim_module, a_later_driver_reads_what_is_for_later_cards)
{
	setenv("LOWTIDE_SIM_DRIVER", "12080", 1);
	on_card(12, 1);
	cr_assert_lt(loaded(kept()), JIT_NS / 10);
}

Test(sim_module, a_driver_of_10_is_older_than_the_toolkit)
{
	setenv("LOWTIDE_SIM_DRIVER", "10020", 1);
	on_card(7, 5);
	refused(CUDA_ERROR_INVALID_IMAGE, kept());
	cr_assert_gt(loaded(text), JIT_NS);
}

Test(sim_module, which_form_a_driver_reads_is_a_setting)
{
	setenv("LOWTIDE_SIM_CUBIN_ABI", "6", 1);
	on_card(9, 0);
	refused(CUDA_ERROR_INVALID_IMAGE, kept());
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

Test(sim_module, a_card_says_what_it_is_both_ways)
{
	int major, minor;

	on_card(8, 6);
	OK(cuDeviceComputeCapability(&major, &minor, 0));
	cr_assert(major == 8 && minor == 6);
	OK(cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0));
	cr_assert_eq(minor, 6);
}
