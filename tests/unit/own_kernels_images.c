/* What is kept of our own kernels is what the library passes parameters to, for every card. */
#include "image/image.h"
#include "memory/own_kernels.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

extern const unsigned char lowtide_kernels_fatbin[], lowtide_kernels_fatbin_end[];
extern const char lowtide_kernels_ptx[];

#define FIRST_OF_ABI_8 100 /* of the architectures that no driver before 12.8 knows */

static const unsigned int architectures[] = {75, 80, 86, 89, 90, 100, 120};
#define ARCHITECTURES (sizeof(architectures) / sizeof(architectures[0]))

struct part {
	unsigned int kind, arch;
	const unsigned char *bytes;
	size_t length;
	uint64_t flags;
};

/* False: there are not so many. */
static bool part_at(size_t index, struct part *out)
{
	const unsigned char *at = lowtide_kernels_fatbin, *payload;

	for (at += image_u16(at + 6); at < lowtide_kernels_fatbin_end;
	     at = payload + image_u64(at + 8)) {
		payload = at + image_u32(at + 4);
		if (index-- == 0) {
			*out = (struct part){image_u16(at), image_u32(at + 28), payload,
					     image_u64(at + 8), image_u64(at + 40)};
			return true;
		}
	}
	cr_assert_eq(at, lowtide_kernels_fatbin_end);
	return false;
}

struct seen {
	int hashes, copies, others;
};

static void look(void *context, const struct image_kernel *kernel)
{
	static const char hash[] = "lowtide_content_hash", copy[] = "lowtide_copy";
	struct seen *seen = context;
	size_t want = 0;

	if (kernel->name_length == strlen(hash) && !memcmp(kernel->name, hash, strlen(hash))) {
		seen->hashes++;
		want = 2;
	} else if (kernel->name_length == strlen(copy) &&
		   !memcmp(kernel->name, copy, strlen(copy))) {
		seen->copies++;
		want = 6;
	} else {
		seen->others++;
	}
	cr_assert_eq(kernel->param_count, want);
	for (size_t i = 0; i < want; i++) {
		cr_assert_eq(kernel->params[i].offset, 8 * i);
		cr_assert_eq(kernel->params[i].bytes, 8);
	}
}

static struct seen seen_in(const void *bytes, size_t length)
{
	struct seen seen = {0};
	struct image_sink sink = {.kernel = look, .context = &seen};

	image_read(bytes, length, &sink);
	cr_assert_eq(sink.unread, 0);
	return seen;
}

Test(own_kernels_images, the_fat_binary_holds_each_architecture_once_and_the_text_last)
{
	struct part part;

	for (size_t i = 0; i < ARCHITECTURES; i++) {
		cr_assert(part_at(i, &part));
		cr_assert_eq(part.kind, 2);
		cr_assert_eq(part.arch, architectures[i]);
	}
	cr_assert(part_at(ARCHITECTURES, &part));
	cr_assert_eq(part.kind, 1);
	cr_assert_eq(part.arch, 60);
	cr_assert_not(part_at(ARCHITECTURES + 1, &part));
}

Test(own_kernels_images, each_part_has_both_kernels_with_the_parameters_that_are_passed)
{
	size_t whole = (size_t)(lowtide_kernels_fatbin_end - lowtide_kernels_fatbin);
	struct part part;
	struct seen seen;

	for (size_t i = 0; part_at(i, &part); i++) {
		seen = seen_in(part.bytes, part.length);
		cr_assert(seen.hashes == 1 && seen.copies == 1 && !seen.others,
			  "part %zu, for %u: %d, %d and %d others", i, part.arch, seen.hashes,
			  seen.copies, seen.others);
	}
	seen = seen_in(lowtide_kernels_ptx, strlen(lowtide_kernels_ptx));
	cr_assert(seen.hashes == 1 && seen.copies == 1 && !seen.others);
	seen = seen_in(lowtide_kernels_fatbin, whole);
	cr_assert(seen.hashes == ARCHITECTURES + 1 && seen.copies == ARCHITECTURES + 1);
}

Test(own_kernels_images, code_is_filed_under_its_own_architecture_for_drivers_as_old_as_can_be)
{
	struct part part;
	Elf64_Ehdr head;

	for (size_t i = 0; part_at(i, &part) && part.kind == 2; i++) {
		bool later = part.arch >= FIRST_OF_ABI_8;

		memcpy(&head, part.bytes, sizeof(head));
		cr_assert_eq(head.e_ident[EI_ABIVERSION], later ? 8 : 7, "sm_%u", part.arch);
		cr_assert_eq(head.e_flags >> (later ? 8 : 0) & 0xff, part.arch);
		if (!later)
			cr_assert_eq(head.e_version, 118, "sm_%u is not by ptxas 11.8",
				     part.arch);
		cr_assert_eq((uintptr_t)part.bytes % 8, 0);
	}
}

Test(own_kernels_images, nothing_is_compressed)
{
	struct part part;

	for (size_t i = 0; part_at(i, &part); i++)
		cr_assert_eq(part.flags & 0xa000, 0);
}

/* The next character that counts: fatbinary leaves out comments, and white space where it can.
 */
static char next(const char **at)
{
	for (;;) {
		if (!strncmp(*at, "//", 2))
			*at += strcspn(*at, "\n");
		else if (**at && strchr(" \t\r\n", **at))
			(*at)++;
		else
			return **at ? *(*at)++ : '\0';
	}
}

Test(own_kernels_images, the_text_in_the_fat_binary_is_the_kept_one)
{
	const char *kept = lowtide_kernels_ptx, *packed;
	size_t compared = 0;
	struct part part;
	char c;

	cr_assert(part_at(ARCHITECTURES, &part));
	cr_assert_eq(part.bytes[part.length - 1], 0);
	packed = (const char *)part.bytes;
	do {
		c = next(&kept);
		cr_assert_eq(c, next(&packed), "after %zu characters", compared);
		compared++;
	} while (c);
	cr_assert_gt(compared, 3000);
}

Test(own_kernels_images, the_text_is_for_the_oldest_drivers_and_cards)
{
	cr_assert(strstr(lowtide_kernels_ptx, ".version 6.0\n"));
	cr_assert(strstr(lowtide_kernels_ptx, ".target sm_60\n"));
}

Test(own_kernels_images, a_card_gets_the_nearest_code_of_its_own_generation)
{
	static const struct {
		int major, minor, arch;
	} rows[] = {
	    {7, 5, 75}, {8, 0, 80},   {8, 6, 86},   {8, 7, 86},	  {8, 8, 86},	{8, 9, 89},
	    {9, 0, 90}, {10, 0, 100}, {10, 3, 100}, {12, 0, 120}, {12, 1, 120}, {7, 0, 0},
	    {7, 2, 0},	{6, 1, 0},    {11, 0, 0},   {13, 0, 0},	  {0, 0, 0},
	};
	const Elf64_Ehdr *head;
	int arch;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		head = own_kernels_cubin(rows[i].major, rows[i].minor, &arch);
		cr_assert_eq(arch, rows[i].arch, "%d.%d: sm_%d", rows[i].major, rows[i].minor,
			     arch);
		cr_assert_eq(head != NULL, arch != 0);
		if (head)
			cr_assert(!memcmp(head, ELFMAG, SELFMAG));
	}
}
