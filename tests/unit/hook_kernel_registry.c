/*
 * What is known of kernels by handle: modules, libraries and their aliases come and go. The
 * driver is none; images are PTX text.
 */
#include "driver/driver.h"
#include "hook/kernel_registry.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct driver lt_driver; /* has not got cuFuncGetParamInfo */

#define H(n) ((const void *)(uintptr_t)(n))

static const char two[] = ".version 8.0 .entry one(.param .u64 a) { }"
			  ".entry two(.param .u32 n, .param .u64 a) { }";
static const char turned[] = ".version 8.0 .entry two(.param .u64 a) { }"
			     ".entry one(.param .u32 n, .param .u64 a) { }";

static void expect_one(const void *function, uint32_t index)
{
	const struct param_layout *layout = kernel_registry_layout(function);

	cr_assert(layout->known);
	cr_assert_eq(layout->count, 1);
	cr_assert_eq(layout->params[0].index, index);
}

Test(kernels, are_wanted_where_the_driver_does_not_tell)
{
	cr_expect(kernel_registry_wanted());
}

Test(kernels, are_known_by_the_handle_the_program_got)
{
	kernel_registry_loaded(H(1), two, NULL);
	kernel_registry_got(H(1), "one", H(101));
	kernel_registry_got(H(1), "two", H(102));
	kernel_registry_got(H(1), "three", H(103));
	expect_one(H(101), 0);
	expect_one(H(102), 1);
	cr_expect(!kernel_registry_layout(H(103))->known, "its image says nothing of it");
	cr_expect(!kernel_registry_layout(H(104))->known, "nobody got it");
}

Test(kernels, layouts_are_shared)
{
	kernel_registry_loaded(H(1), two, NULL);
	kernel_registry_loaded(H(2), turned, NULL);
	kernel_registry_got(H(1), "one", H(101));
	kernel_registry_got(H(2), "two", H(202));
	cr_expect(kernel_registry_layout(H(101)) == kernel_registry_layout(H(202)));
}

Test(kernels, go_with_their_module_and_no_other)
{
	kernel_registry_loaded(H(1), two, NULL);
	kernel_registry_loaded(H(2), two, NULL);
	kernel_registry_got(H(1), "one", H(101));
	kernel_registry_got(H(2), "one", H(201));
	kernel_registry_unload(H(1));
	cr_expect(!kernel_registry_layout(H(101))->known);
	expect_one(H(201), 0);
	kernel_registry_unload(H(1));
	kernel_registry_unload(NULL);
}

Test(kernels, go_with_the_context_of_their_module)
{
	kernel_registry_loaded(H(1), two, H(9));
	kernel_registry_loaded(H(2), two, H(8));
	kernel_registry_loaded(H(3), two, NULL);
	kernel_registry_got(H(1), "one", H(101));
	kernel_registry_got(H(2), "one", H(201));
	kernel_registry_got(H(3), "one", H(301));
	kernel_registry_context_ends(H(9));
	kernel_registry_context_ends(NULL);
	cr_expect(!kernel_registry_layout(H(101))->known);
	expect_one(H(201), 0);
	expect_one(H(301), 0);
}

Test(kernels, a_handle_that_comes_again_is_the_new_one)
{
	kernel_registry_loaded(H(1), two, NULL);
	kernel_registry_got(H(1), "one", H(101));
	/* Its end was not seen. */
	kernel_registry_loaded(H(1), turned, NULL);
	cr_expect(!kernel_registry_layout(H(101))->known);
	kernel_registry_got(H(1), "one", H(101));
	expect_one(H(101), 1);
	/* Of a module that was not seen to load, nothing is known; of the old one least of
	 * all. */
	kernel_registry_got(H(7), "one", H(101));
	cr_expect(!kernel_registry_layout(H(101))->known);
}

Test(kernels, a_library_and_its_module_have_the_same)
{
	kernel_registry_loaded(H(1), two, NULL);
	kernel_registry_alias(H(1), H(5));
	kernel_registry_alias(H(1), H(5));
	kernel_registry_alias(H(5), H(6));
	kernel_registry_got(H(5), "two", H(502));
	kernel_registry_got(H(6), "two", H(602));
	kernel_registry_got(H(1), "two", H(102));
	kernel_registry_got_from(H(102), H(112));
	kernel_registry_got_from(H(999), H(113));
	expect_one(H(502), 1);
	expect_one(H(602), 1);
	expect_one(H(112), 1);
	cr_expect(!kernel_registry_layout(H(113))->known);
	kernel_registry_unload(H(1));
	cr_expect(!kernel_registry_layout(H(502))->known);
	cr_expect(!kernel_registry_layout(H(602))->known);
	cr_expect(!kernel_registry_layout(H(112))->known);
}

Test(kernels, of_which_an_image_says_two_things_are_unknown)
{
	kernel_registry_loaded(
	    H(1), ".version 8.0 .entry k(.param .u64 a) { } .entry k(.param .u32 a) { }", NULL);
	kernel_registry_got(H(1), "k", H(101));
	cr_expect(!kernel_registry_layout(H(101))->known);
}

Test(kernels, a_file_is_read_and_one_that_is_not_there_survived)
{
	const char *folder = getenv("IMAGES");
	char path[512];

	snprintf(path, sizeof(path), "%s/lz4.fatbin", folder ? folder : "tests/golden/images");
	kernel_registry_loaded_file(H(1), path, NULL);
	kernel_registry_got(H(1), "none", H(101));
	kernel_registry_got(H(1), "scale", H(102));
	kernel_registry_got(H(1), "described", H(103));
	cr_expect(kernel_registry_layout(H(101))->known &&
		  kernel_registry_layout(H(101))->count == 0);
	cr_expect(kernel_registry_layout(H(102))->count == 2 + 1);
	/* A cubin and PTX place the map differently, but not where it matters. */
	cr_expect(kernel_registry_layout(H(103))->known &&
		  kernel_registry_layout(H(103))->count == 2);
	kernel_registry_loaded_file(H(2), "/no/such/file", NULL);
	kernel_registry_got(H(2), "none", H(201));
	cr_expect(!kernel_registry_layout(H(201))->known);
}

/* --- where in a parameter a pointer may lie */

Test(layout, a_pointer_is_one_word)
{
	struct param_layout_words p = param_layout_words(3, 16, 8);

	cr_expect(p.index == 3 && p.count == 1);
}

Test(layout, nothing_narrower_than_a_pointer_holds_one)
{
	for (size_t bytes = 0; bytes < 8; bytes++)
		cr_expect(param_layout_words(0, 0, bytes).count == 0);
}

/* Each place where packing to 1, 2, 4 or 8 can put a pointer is looked at, and none that would
 * reach past the end. */
Test(layout, steps_reach_every_pointer_of_packed_structs)
{
	for (size_t pack = 1; pack <= 8; pack *= 2)
		for (size_t words = 8 / pack; words < 40; words++) {
			size_t bytes = words * pack, offset = pack * 3;
			struct param_layout_words p = param_layout_words(0, offset, bytes);

			cr_assert(p.count > 0 && (p.count - 1) * p.step + 8 <= bytes);
			cr_assert((p.count - 1) * p.step + 8 + p.step > bytes,
				  "%zu bytes at %zu: the last place is missed", bytes, offset);
			cr_assert(pack % p.step == 0,
				  "%zu bytes at %zu, packed to %zu: step %u", bytes, offset,
				  pack, p.step);
		}
}

/* Its size and its place are those of a struct that is not packed, too. */
Test(layout, a_struct_packed_to_four_is_searched_though_nothing_tells)
{
	struct param_layout_words param = param_layout_words(0, 16, 24);

	cr_assert(param.step == 4 && param.count == 5);
}
