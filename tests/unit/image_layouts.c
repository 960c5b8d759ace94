/*
 * What is read off real images (tests/golden/images, or the folder that IMAGES names), and off
 * damaged ones. Each image is handed over in a heap block of just its length, so that
 * AddressSanitizer sees one byte too many.
 */
#include "image/image.h"

#include <criterion/criterion.h>

#include <stdbool.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct expected {
	const char *name;
	size_t count;
	struct image_param params[3];
};

/* By hand, from images.cu and the rules of C++ for how structs lie in memory. */
static const struct expected kernels[] = {
    {"none", 0, {{0, 0}}},
    {"scale", 3, {{0, 8}, {8, 8}, {16, 8}}},
    {"by_value", 3, {{0, 24}, {24, 1}, {32, 8}}},
    {"packed_struct", 2, {{0, 1}, {1, 12}}},
    {"past_4k", 2, {{0, 4808}, {4808, 8}}},
    /* In PTX; a cubin counts so that the address in its constant bank is a multiple of 64:
     * behind 0x160 for sm_80, 0x210 for sm_90. */
    {"described", 3, {{0, 4}, {64, 128}, {192, 8}}},
    {"described", 3, {{0, 4}, {32, 128}, {160, 8}}},
    {"described", 3, {{0, 4}, {48, 128}, {176, 8}}},
    {"_Z5typedIdEvPT_S0_", 2, {{0, 8}, {8, 8}}},
};
#define ROWS (sizeof(kernels) / sizeof(kernels[0]))

/* Right ones by row: the first of a kernel's rows counts for all of them. */
struct found {
	size_t right[ROWS], wrong, other;
};

static void check(void *context, const struct image_kernel *kernel)
{
	struct found *found = context;
	size_t first = ROWS;

	for (size_t i = 0; i < ROWS; i++) {
		if (strlen(kernels[i].name) != kernel->name_length ||
		    memcmp(kernels[i].name, kernel->name, kernel->name_length) != 0)
			continue;
		if (first == ROWS)
			first = i;
		if (kernel->param_count == kernels[i].count &&
		    !memcmp(kernel->params, kernels[i].params,
			    kernel->param_count * sizeof(kernel->params[0]))) {
			found->right[first]++;
			return;
		}
	}
	if (first < ROWS)
		found->wrong++;
	else
		found->other++;
}

static bool is_first_row(size_t row)
{
	return row == 0 || strcmp(kernels[row - 1].name, kernels[row].name) != 0;
}

static void expect_right(const struct found *found, size_t times, const char *what)
{
	for (size_t i = 0; i < ROWS; i++)
		cr_expect(!is_first_row(i) || found->right[i] == times,
			  "%s: %s was right %zu times, not %zu", what, kernels[i].name,
			  found->right[i], times);
}

struct file {
	unsigned char *bytes;
	size_t length;
};

static struct file load(const char *name)
{
	const char *folder = getenv("IMAGES");
	struct file file = {NULL, 0};
	char path[512];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", folder ? folder : "tests/golden/images", name);
	in = fopen(path, "rb");
	cr_assert(in, "%s cannot be read", path);
	fseek(in, 0, SEEK_END);
	file.length = (size_t)ftell(in);
	rewind(in);
	file.bytes = malloc(file.length);
	cr_assert(fread(file.bytes, 1, file.length, in) == file.length);
	fclose(in);
	return file;
}

static size_t read_exactly(const unsigned char *bytes, size_t length, struct found *found)
{
	struct image_sink sink = {check, found, 0};
	unsigned char *copy = malloc(length ? length : 1);

	*found = (struct found){{0}, 0, 0};
	memcpy(copy, bytes, length);
	image_read(copy, length, &sink);
	free(copy);
	return sink.unread;
}

static void expect_all(const char *name, size_t times)
{
	struct file file = load(name);
	struct found found;
	size_t unread = read_exactly(file.bytes, file.length, &found);

	cr_expect(unread == 0, "%s: %zu parts unread", name, unread);
	expect_right(&found, times, name);
	cr_expect(found.wrong == 0 && found.other == 0, "%s: %zu wrong, %zu unknown names",
		  name, found.wrong, found.other);
	free(file.bytes);
}

Test(image, cubins_tell_every_kernels_parameters)
{
	expect_all("sm_80.cubin", 1);
	expect_all("sm_90.cubin", 1);
}

Test(image, ptx_text_tells_them)
{
	expect_all("images.ptx", 1);
}

Test(image, fat_binaries_tell_them_once_for_each_entry)
{
	expect_all("plain.fatbin", 2);
}

Test(image, lz4_is_undone)
{
	expect_all("lz4.fatbin", 2);
}

Test(image, zstd_is_left_alone_and_counted)
{
	struct file file = load("zstd.fatbin");
	struct found found;

	cr_expect(read_exactly(file.bytes, file.length, &found) == 2);
	expect_right(&found, 0, "zstd.fatbin");
	cr_expect(found.wrong == 0 && found.other == 0);
	free(file.bytes);
}

static const char *const images[] = {"sm_80.cubin",  "sm_90.cubin", "images.ptx",
				     "plain.fatbin", "lz4.fatbin",  "zstd.fatbin"};
#define IMAGES (sizeof(images) / sizeof(images[0]))

/* Whatever is cut off: what is still told is right, and what is missing is not told. */
Test(image, a_cut_image_never_tells_a_wrong_layout, .timeout = 240)
{
	for (size_t i = 0; i < IMAGES; i++) {
		struct file file = load(images[i]);
		struct found found;

		for (size_t length = 0; length < file.length; length++) {
			read_exactly(file.bytes, length, &found);
			cr_assert(found.wrong == 0, "%s cut to %zu bytes: a wrong layout",
				  images[i], length);
			cr_assert(found.other == 0, "%s cut to %zu bytes: a wrong name",
				  images[i], length);
		}
		free(file.bytes);
	}
}

Test(image, a_cut_image_given_without_a_length_ends_where_memory_does)
{
	struct file file = load("sm_80.cubin");

	for (size_t length = 0; length <= file.length; length += 997) {
		struct image_sink sink = {check, &(struct found){{0}, 0, 0}, 0};
		unsigned char *copy = malloc(length ? length : 1);

		memcpy(copy, file.bytes, length);
		cr_expect(image_extent(copy, length) <= 2 * file.length);
		image_read(copy, length, &sink);
		free(copy);
	}
	free(file.bytes);
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

Test(image, flipped_bits_are_survived, .timeout = 240)
{
	uint64_t state = 0x9E3779B97F4A7C15ull;

	for (size_t i = 0; i < IMAGES; i++) {
		struct file file = load(images[i]);
		struct found found;

		for (int round = 0; round < 4000; round++) {
			unsigned char *copy = malloc(file.length);
			size_t flips = random_next(&state) % 8 + 1;

			memcpy(copy, file.bytes, file.length);
			for (size_t f = 0; f < flips; f++) {
				uint64_t bit = random_next(&state) % (8 * file.length);

				/* Every other round in the headers, where offsets and sizes
				 * are. */
				if (round & 1)
					bit %= 8 * 256;
				copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
			}
			read_exactly(copy, file.length, &found);
			free(copy);
		}
		free(file.bytes);
	}
}

Test(image, a_cut_fat_binary_is_counted_as_unread)
{
	struct file file = load("plain.fatbin");
	struct found found;

	cr_expect(read_exactly(file.bytes, file.length - 100, &found) > 0, "cut in an entry");
	/* Cut where an entry begins: what is there is whole. */
	cr_expect(read_exactly(file.bytes, 16, &found) > 0, "cut behind the header");
	free(file.bytes);
}

/* Where the image says how many bytes the parameters take, they take as many. */
Test(image, parameters_that_do_not_add_up_are_not_told)
{
	static const unsigned char params_bytes[] = {3, 0x19};
	struct file file = load("sm_80.cubin");
	size_t changed = 0;
	struct found found;

	for (size_t at = 0; at + 4 <= file.length; at += 4) {
		if (memcmp(file.bytes + at, params_bytes, 2) != 0)
			continue;
		file.bytes[at + 2] ^= 1;
		changed++;
	}
	cr_assert(changed > 0);
	cr_expect(read_exactly(file.bytes, file.length, &found) == changed);
	free(file.bytes);
}

/* Of every kernel's attributes, those of the parameter with this ordinal. */
static void each_param(const struct file *file, unsigned int ordinal,
		       void (*change)(unsigned char *attribute))
{
	static const unsigned char param[] = {4, 0x17, 12, 0};

	for (size_t at = 0; at + 16 <= file->length; at += 4)
		if (!memcmp(file->bytes + at, param, 4) &&
		    image_u16(file->bytes + at + 8) == ordinal)
			change(file->bytes + at);
}

static void hide(unsigned char *attribute)
{
	attribute[1] = 0x18;
}

static void move_to_the_start(unsigned char *attribute)
{
	attribute[10] = attribute[11] = 0;
}

Test(image, a_kernel_of_which_a_parameter_is_lacking_is_not_told)
{
	struct file file = load("sm_80.cubin");
	struct found found;

	each_param(&file, 0, hide);
	cr_expect(read_exactly(file.bytes, file.length, &found) > 0);
	cr_expect(found.wrong == 0, "%zu are told wrong", found.wrong);
	free(file.bytes);
}

Test(image, a_kernel_whose_parameters_overlap_is_not_told)
{
	struct file file = load("sm_80.cubin");
	struct found found;

	each_param(&file, 1, move_to_the_start);
	cr_expect(read_exactly(file.bytes, file.length, &found) > 0);
	cr_expect(found.wrong == 0, "%zu are told wrong", found.wrong);
	free(file.bytes);
}

Test(image, lz4_that_fills_too_little_is_not_believed)
{
	/* Three literals, and nothing more. */
	static const unsigned char packed[] = {0x30, 'a', 'b', 'c'};
	unsigned char out[8];

	cr_expect(lz4_decode(packed, sizeof(packed), out, 3));
	cr_expect(!lz4_decode(packed, sizeof(packed), out, 4));
	cr_expect(!lz4_decode(packed, sizeof(packed), out, 2));
}

/* --- images in memory, without a length */

static void expect_in_memory(const void *image, size_t times, const char *what)
{
	struct found found = {{0}, 0, 0};
	struct image_sink sink = {check, &found, 0};

	image_read_memory(image, &sink);
	expect_right(&found, times, what);
	cr_expect(found.wrong == 0, "%s", what);
}

Test(image, memory_without_a_length_is_read_as_far_as_it_says)
{
	for (size_t i = 0; i < 5; i++) {
		struct file file = load(images[i]);
		/* PTX ends with a NUL. */
		unsigned char *text = calloc(1, file.length + 1);

		memcpy(text, file.bytes, file.length);
		expect_in_memory(text, i < 3 ? 1 : 2, images[i]);
		free(text);
		free(file.bytes);
	}
}

Test(image, a_wrapper_leads_to_its_fat_binary)
{
	struct file file = load("plain.fatbin");
	struct {
		uint32_t magic, version;
		const void *data, *more;
	} wrapper = {0x466243B1, 1, file.bytes, NULL};

	expect_in_memory(&wrapper, 2, "a wrapper");
	wrapper.data = (const void *)8; /* nothing is mapped there */
	expect_in_memory(&wrapper, 0, "a wrapper that leads nowhere");
	free(file.bytes);
}

Test(image, long_text_is_read_to_its_end)
{
	struct file file = load("images.ptx");
	size_t blank = 300000;
	char *text = malloc(blank + file.length + 1);

	memset(text, '\n', blank);
	memcpy(text + blank, file.bytes, file.length);
	text[blank + file.length] = '\0';
	expect_in_memory(text, 1, "text of 300,000 bytes");
	free(text);
	free(file.bytes);
}

/* The file again, its section table in front of all sections. */
static unsigned char *table_first(const struct file *file, size_t *length)
{
	Elf64_Ehdr head;
	Elf64_Shdr section;
	size_t table, moved_by;
	unsigned char *bytes;

	memcpy(&head, file->bytes, sizeof(head));
	table = (size_t)head.e_shnum * sizeof(section);
	moved_by = sizeof(head) + table;
	*length = moved_by + file->length;
	bytes = calloc(1, *length);
	memcpy(bytes + moved_by, file->bytes, file->length);
	for (size_t i = 0; i < head.e_shnum; i++) {
		memcpy(&section, file->bytes + head.e_shoff + i * sizeof(section),
		       sizeof(section));
		section.sh_offset += moved_by;
		memcpy(bytes + sizeof(head) + i * sizeof(section), &section, sizeof(section));
	}
	head.e_shoff = sizeof(head);
	memcpy(bytes, &head, sizeof(head));
	return bytes;
}

Test(image, sections_behind_their_table_are_read)
{
	struct file file = load("sm_80.cubin");
	size_t length;
	unsigned char *bytes = table_first(&file, &length);

	expect_in_memory(bytes, 1, "a cubin with its section table first");
	free(bytes);
	free(file.bytes);
}

/* A section table that lies far past the end of mapped memory. */
Test(image, a_header_that_leads_out_of_memory_is_survived)
{
	struct file file = load("sm_80.cubin");
	static const uint64_t far[] = {1u << 30, (uint64_t)1 << 40, UINT64_MAX - 8, 4096};

	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		memcpy(file.bytes + 40, &far[i], 8); /* e_shoff */
		expect_in_memory(file.bytes, 0, "a section table elsewhere");
	}
	free(file.bytes);
}

Test(image, a_file_is_read)
{
	const char *folder = getenv("IMAGES");
	struct found found = {{0}, 0, 0};
	struct image_sink sink = {check, &found, 0};
	char path[512];

	snprintf(path, sizeof(path), "%s/images.ptx", folder ? folder : "tests/golden/images");
	image_read_file(path, &sink);
	expect_right(&found, 1, "a file");
	image_read_file("/no/such/file", &sink);
	cr_expect(sink.unread == 1);
}
