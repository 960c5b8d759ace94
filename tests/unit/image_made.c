/* Cubins made here, of one kernel whose list of attributes says what no compiler would. */
#include "image/image.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <elf.h>
#include <string.h>

#define ATTRIBUTES_AT 512

struct made {
	unsigned char bytes[2048];
	size_t length; /* the attributes stand last */
};

struct told {
	size_t kernels, params;
};

static void note(void *context, const struct image_kernel *kernel)
{
	struct told *told = context;

	told->kernels++;
	told->params = kernel->param_count;
}

static void made_begin(struct made *made)
{
	static const char names[] = "\0.names\0.nv.info.k";
	Elf64_Ehdr head = {.e_shoff = 64, .e_shentsize = 64, .e_shnum = 3, .e_shstrndx = 1};
	Elf64_Shdr sections[3] = {
	    {0},
	    {.sh_name = 1, .sh_type = SHT_STRTAB, .sh_offset = 400, .sh_size = sizeof(names)},
	    {.sh_name = 8, .sh_type = SHT_PROGBITS, .sh_offset = ATTRIBUTES_AT},
	};

	memset(made, 0, sizeof(*made));
	memcpy(head.e_ident, ELFMAG, SELFMAG);
	head.e_ident[EI_CLASS] = ELFCLASS64;
	head.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(made->bytes, &head, sizeof(head));
	memcpy(made->bytes + 64, sections, sizeof(sections));
	memcpy(made->bytes + 400, names, sizeof(names));
	made->length = ATTRIBUTES_AT;
}

static void made_add(struct made *made, const void *bytes, size_t count)
{
	uint64_t size;

	memcpy(made->bytes + made->length, bytes, count);
	made->length += count;
	size = made->length - ATTRIBUTES_AT;
	memcpy(made->bytes + 64 + 2 * 64 + offsetof(Elf64_Shdr, sh_size), &size, sizeof(size));
}

/* A parameter as attribute 0x17 tells it. */
static void made_param(struct made *made, uint16_t ordinal, uint16_t offset, uint32_t bytes)
{
	unsigned char attribute[16] = {4, 0x17, 12, 0};
	uint32_t size = bytes << 18;

	memcpy(attribute + 8, &ordinal, 2);
	memcpy(attribute + 10, &offset, 2);
	memcpy(attribute + 12, &size, 4);
	made_add(made, attribute, sizeof(attribute));
}

static void made_total(struct made *made, uint16_t bytes)
{
	unsigned char attribute[4] = {3, 0x19};

	memcpy(attribute + 2, &bytes, 2);
	made_add(made, attribute, sizeof(attribute));
}

static void expect(const struct made *made, size_t length, size_t kernels, size_t params)
{
	struct told told = {0};
	struct image_sink sink = {note, &told, 0};

	image_read(made->bytes, length, &sink);
	cr_assert(eq(sz, told.kernels, kernels));
	cr_assert(eq(sz, told.params, params));
	cr_assert(eq(sz, sink.unread, 1 - kernels));
}

Test(made, image_is_read_where_all_of_it_adds_up)
{
	struct made made;

	made_begin(&made);
	made_total(&made, 20);
	made_param(&made, 1, 8, 12);
	made_param(&made, 0, 0, 8);
	expect(&made, made.length, 1, 2);
}

Test(made, parameters_that_overlap_are_not_believed)
{
	struct made made;

	made_begin(&made);
	made_param(&made, 0, 0, 12);
	made_param(&made, 1, 8, 8);
	expect(&made, made.length, 0, 0);
}

Test(made, parameters_with_one_missing_are_not_believed)
{
	struct made made;

	made_begin(&made);
	made_param(&made, 1, 8, 8);
	expect(&made, made.length, 0, 0);
}

Test(made, parameters_told_twice_are_not_believed)
{
	struct made made;

	made_begin(&made);
	made_param(&made, 0, 0, 8);
	made_param(&made, 0, 0, 8);
	expect(&made, made.length, 0, 0);
}

Test(made, parameters_that_do_not_fill_their_total_are_not_believed)
{
	struct made made;

	made_begin(&made);
	made_total(&made, 24);
	made_param(&made, 0, 0, 8);
	made_param(&made, 1, 8, 8);
	expect(&made, made.length, 0, 0);
}

Test(made, attributes_that_end_past_their_section_are_not_believed)
{
	static const unsigned char longer[] = {4, 0x2f, 200, 0, 1, 2, 3, 4};
	struct made made;

	made_begin(&made);
	made_param(&made, 0, 0, 8);
	made_add(&made, longer, sizeof(longer));
	expect(&made, made.length, 0, 0);
}

/* What stands behind the image is somebody else's. */
Test(made, section_that_ends_past_the_image_is_not_read)
{
	struct made made;

	made_begin(&made);
	made_param(&made, 0, 0, 8);
	made_param(&made, 1, 8, 8);
	expect(&made, made.length - 4, 0, 0);
}

Test(lz4, that_ends_before_its_size_is_no_image)
{
	static const unsigned char four[] = {4 << 4, 'a', 'b', 'c', 'd'};
	unsigned char out[8];

	cr_assert(lz4_decode(four, sizeof(four), out, 4));
	cr_assert_not(lz4_decode(four, sizeof(four), out, 5));
	cr_assert_not(lz4_decode(four, sizeof(four), out, 3));
}
