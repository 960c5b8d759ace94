/* The declarations that PTX allows, and those that are not understood. */
#include "image/image.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

struct seen {
	char name[64];
	size_t count, kernels;
	struct image_param params[8];
};

static void note(void *context, const struct image_kernel *kernel)
{
	struct seen *seen = context;

	seen->kernels++;
	seen->count = kernel->param_count;
	snprintf(seen->name, sizeof(seen->name), "%.*s", (int)kernel->name_length,
		 kernel->name);
	for (size_t i = 0; i < kernel->param_count && i < 8; i++)
		seen->params[i] = kernel->params[i];
}

static struct seen read_text(const char *text, size_t *unread)
{
	struct seen seen = {.kernels = 0};
	struct image_sink sink = {note, &seen, 0};

	image_read(text, strlen(text), &sink);
	*unread = sink.unread;
	return seen;
}

#define EXPECT_PARAM(seen, i, at, size)                                                        \
	cr_expect((seen).params[i].offset == (at) && (seen).params[i].bytes == (size),         \
		  "parameter %d lies at %u, %u bytes", i, (seen).params[i].offset,             \
		  (seen).params[i].bytes)

Test(ptx, pointers_may_say_what_they_point_to)
{
	size_t unread;
	struct seen seen =
	    read_text(".visible .entry k(.param .u8 a, .param .u64 .ptr .global .align 256 b,\n"
		      "  .param .u64 .ptr .align 16 c, .param .u16 d)\n{ ret; }",
		      &unread);

	cr_expect(unread == 0 && seen.kernels == 1 && seen.count == 4);
	EXPECT_PARAM(seen, 1, 8, 8);
	EXPECT_PARAM(seen, 2, 16, 8);
	EXPECT_PARAM(seen, 3, 24, 2);
}

Test(ptx, arrays_have_extents_and_alignments)
{
	size_t unread;
	struct seen seen = read_text(".entry k(.param .b8 a[3], .param .align 16 .b8 b[0x20],"
				     ".param .f32 c[2][3], .param .b128 d)",
				     &unread);

	cr_expect(unread == 0 && seen.count == 4);
	EXPECT_PARAM(seen, 0, 0, 3);
	EXPECT_PARAM(seen, 1, 16, 32);
	EXPECT_PARAM(seen, 2, 48, 24);
	EXPECT_PARAM(seen, 3, 80, 16);
}

Test(ptx, comments_and_strings_hide_what_is_in_them)
{
	size_t unread;
	struct seen seen = read_text("// .entry a(\n/* .entry b( */ .file 1 \".entry c(\"\n"
				     ".entry /* x */ d // (\n(\n.param /**/ .u64 p)",
				     &unread);

	cr_expect(unread == 0 && seen.kernels == 1 && seen.count == 1);
	cr_expect(!strcmp(seen.name, "d"), "%s", seen.name);
}

Test(ptx, a_kernel_without_a_list_has_no_parameters)
{
	size_t unread;
	struct seen seen = read_text(".entry k\n.maxntid 32\n{ ret; }", &unread);

	cr_expect(unread == 0 && seen.kernels == 1 && seen.count == 0);
	seen = read_text(".entry k()", &unread);
	cr_expect(unread == 0 && seen.kernels == 1 && seen.count == 0);
}

Test(ptx, what_is_not_understood_is_not_told)
{
	static const char *const odd[] = {
	    ".entry k(.param .texref t)",
	    ".entry k(.param .v4 .f32 t)",
	    ".entry k(.param .align 3 .b8 t[4])",
	    ".entry k(.param .align 0 .b8 t[4])",
	    ".entry k(.param .b8 t[])",
	    ".entry k(.param .b8 t[0])",
	    ".entry k(.param .b8 t[99999999999999999999])",
	    ".entry k(.param .u64 t[65535][65535])",
	    ".entry k(.param .u64)",
	    ".entry k(.param .u64 a .param .u64 b)",
	    ".entry k(.param .u64 a",
	    ".entry k(.reg .u64 a)",
	    ".entry k(.param .u64 .ptr .reg a)",
	    ".entry",
	    ".entry (",
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		size_t unread;
		struct seen seen = read_text(odd[i], &unread);

		cr_expect(seen.kernels == 0 && unread > 0, "%s", odd[i]);
	}
}

Test(ptx, the_next_kernel_is_read_after_one_that_is_not_understood)
{
	size_t unread;
	struct seen seen =
	    read_text(".entry odd(.param .texref t) { } .entry k(.param .u32 a) { }", &unread);

	cr_expect(unread == 1 && seen.kernels == 1 && seen.count == 1);
	cr_expect(!strcmp(seen.name, "k"));
}

Test(ptx, numbers_are_octal_with_a_zero_before_them)
{
	size_t unread;
	struct seen seen =
	    read_text(".entry k(.param .u8 a, .param .align 010 .b8 b[020])", &unread);

	cr_expect(unread == 0 && seen.kernels == 1);
	EXPECT_PARAM(seen, 1, 8, 16);
}
