/*
 * Cubins: ELF files in which section .nv.info.<kernel> is a list of attributes. Those of
 * parameters were read off what nvcc 13.0 makes (tests/golden/images/).
 */
#include "image/image.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX ".nv.info."

enum {
	FORMAT_NONE = 1, /* no value */
	FORMAT_BYTE = 2, /* the value stands in the attribute's own four bytes */
	FORMAT_HALF = 3,
	FORMAT_SIZED = 4, /* a u16 size, then so many bytes */
	PARAM = 0x17, /* u32 index, u16 ordinal, u16 offset, u32 with the size from bit 18 */
	PARAM_LARGE = 0x45, /* u32 index, u16 ordinal, u16 offset, u16 size, u16 attributes */
	PARAMS_BYTES = 0x19,
};

/* Section headers where the file says they are, as far as they were read. */
struct sections {
	const unsigned char *bytes;
	size_t length, start, stride, count;
};

static bool header(const struct sections *in, size_t index, Elf64_Shdr *out)
{
	size_t at;

	if (index >= in->count)
		return false;
	at = in->start + index * in->stride;
	if (at > in->length || in->length - at < sizeof(*out))
		return false;
	memcpy(out, in->bytes + at, sizeof(*out));
	return true;
}

static bool open_sections(const unsigned char *bytes, size_t length, Elf64_Ehdr *head,
			  struct sections *out)
{
	Elf64_Shdr first;

	if (length < sizeof(*head))
		return false;
	memcpy(head, bytes, sizeof(*head));
	if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB ||
	    head->e_shentsize < sizeof(Elf64_Shdr) || !head->e_shoff ||
	    head->e_shoff > SIZE_MAX / 4)
		return false;
	*out = (struct sections){bytes, length, head->e_shoff, head->e_shentsize, 1};
	/* More sections than 16 bits count are counted in the first one. */
	if (head->e_shnum)
		out->count = head->e_shnum;
	else if (header(out, 0, &first) && first.sh_size < UINT32_MAX)
		out->count = first.sh_size;
	return true;
}

size_t cubin_extent(const unsigned char *bytes, size_t length)
{
	struct sections sections;
	Elf64_Ehdr head;
	Elf64_Shdr section;
	size_t extent;

	if (length < sizeof(head))
		return sizeof(head);
	if (!open_sections(bytes, length, &head, &sections))
		return 0;
	extent = sections.start + sections.count * sections.stride;
	for (size_t i = 0; header(&sections, i, &section); i++)
		if (section.sh_type != SHT_NOBITS && section.sh_offset < SIZE_MAX / 4 &&
		    section.sh_size < SIZE_MAX / 4 &&
		    section.sh_offset + section.sh_size > extent)
			extent = section.sh_offset + section.sh_size;
	return extent;
}

static bool contents(const struct sections *in, const Elf64_Shdr *section,
		     const unsigned char **out)
{
	if (section->sh_type == SHT_NOBITS || section->sh_offset > in->length ||
	    section->sh_size > in->length - section->sh_offset)
		return false;
	*out = in->bytes + section->sh_offset;
	return true;
}

/* Too large for a small stack. */
struct layout {
	struct image_param params[IMAGE_PARAMS_MAX];
	bool seen[IMAGE_PARAMS_MAX];
	size_t count;	    /* past the highest ordinal */
	size_t total_bytes; /* of all parameters, as the image says; 0: it did not */
};

static bool add_param(struct layout *layout, uint8_t attribute, const unsigned char *value)
{
	size_t ordinal = image_u16(value + 4);
	struct image_param param = {image_u16(value + 6), attribute == PARAM
							      ? image_u32(value + 8) >> 18
							      : image_u16(value + 8)};

	if (ordinal >= IMAGE_PARAMS_MAX || layout->seen[ordinal] || !param.bytes)
		return false;
	layout->seen[ordinal] = true;
	layout->params[ordinal] = param;
	if (ordinal >= layout->count)
		layout->count = ordinal + 1;
	return true;
}

static bool read_attributes(struct layout *layout, const unsigned char *at, size_t left)
{
	while (left >= 4) {
		uint8_t format = at[0], attribute = at[1];
		size_t value = image_u16(at + 2), bytes = 4;

		if (format == FORMAT_SIZED) {
			bytes += value;
			if (bytes > left)
				return false;
			if ((attribute == PARAM || attribute == PARAM_LARGE) &&
			    (value < 12 || !add_param(layout, attribute, at + 4)))
				return false;
		} else if (format == FORMAT_HALF && attribute == PARAMS_BYTES) {
			layout->total_bytes = value;
		} else if (format < FORMAT_NONE || format > FORMAT_HALF) {
			return false;
		}
		at += bytes;
		left -= bytes;
	}
	return left == 0;
}

/* Every ordinal is there, one lies behind the other, and all of them fill what the image says
 * they do. */
static bool adds_up(const struct layout *layout)
{
	size_t end = 0;

	for (size_t i = 0; i < layout->count; i++) {
		if (!layout->seen[i] || layout->params[i].offset < end)
			return false;
		end = layout->params[i].offset + layout->params[i].bytes;
	}
	return end <= IMAGE_PARAM_BYTES_MAX &&
	       (!layout->total_bytes || end == layout->total_bytes);
}

static void read_kernel(const struct sections *in, const Elf64_Shdr *section, const char *name,
			size_t name_length, struct image_sink *sink)
{
	struct layout *layout = calloc(1, sizeof(*layout));
	const unsigned char *attributes;

	if (layout && contents(in, section, &attributes) &&
	    read_attributes(layout, attributes, section->sh_size) && adds_up(layout))
		sink->kernel(
		    sink->context,
		    &(struct image_kernel){name, name_length, layout->params, layout->count});
	else
		sink->unread++;
	free(layout);
}

void cubin_read(const unsigned char *bytes, size_t length, struct image_sink *sink)
{
	const unsigned char *names;
	struct sections sections;
	Elf64_Shdr section, name_section;
	Elf64_Ehdr head;
	size_t names_index;

	if (!open_sections(bytes, length, &head, &sections)) {
		sink->unread++;
		return;
	}
	names_index = head.e_shstrndx;
	if (names_index == SHN_XINDEX && header(&sections, 0, &section))
		names_index = section.sh_link;
	if (!header(&sections, names_index, &name_section) ||
	    !contents(&sections, &name_section, &names)) {
		sink->unread++;
		return;
	}
	for (size_t i = 1; header(&sections, i, &section); i++) {
		const char *name = (const char *)names + section.sh_name;
		size_t room, name_length;

		if (section.sh_name >= name_section.sh_size)
			continue;
		room = name_section.sh_size - section.sh_name;
		name_length = strnlen(name, room);
		if (name_length == room || name_length <= strlen(PREFIX) ||
		    memcmp(name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		read_kernel(&sections, &section, name + strlen(PREFIX),
			    name_length - strlen(PREFIX), sink);
	}
}
