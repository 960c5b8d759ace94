#include "image.h"

#include "sim.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

#define WRAPPER_MAGIC 0x466243B1u
#define FATBIN_MAGIC 0xBA55ED50u
#define MACHINE_CUDA 190
#define SECTION_OF_CODE ".text."

/* As nvcc writes them. */
struct wrapper {
	unsigned int magic, version;
	const void *fatbin;
};
struct fatbin {
	unsigned int magic;
	unsigned short version, header_bytes;
	unsigned long long bytes;
};
struct entry {
	unsigned short kind, version;
	unsigned int header_bytes;
	unsigned long long bytes;
	unsigned int packed_bytes, options_offset;
	unsigned short minor, major; /* of the form that the payload has */
	unsigned int arch;	     /* 86 */
	unsigned int name_offset, name_bytes;
	unsigned long long flags;
};
enum {
	KIND_TEXT = 1,
	KIND_ELF = 2,
	FLAGS_PACKED = 0xa000, /* LZ4 or zstd: not undone here */
};

/* --- cubins
 * -------------------------------------------------------------------------------------------
 */

static bool is_cubin(const Elf64_Ehdr *head)
{
	return head->e_machine == MACHINE_CUDA;
}

/* Cubins of ABI 7 (ptxas up to 12, except for cards from 10.0 on) and 8 keep it in different
 * places. */
static unsigned int arch_of(const Elf64_Ehdr *head)
{
	return head->e_ident[EI_ABIVERSION] < 8 ? head->e_flags & 0xff
						: head->e_flags >> 8 & 0xff;
}

/* Machine code runs on cards of the same major version, and of its own minor or a higher one.
 */
static bool suits(unsigned int arch, unsigned int capability)
{
	return arch / 10 == capability / 10 && arch <= capability;
}

/* A driver reads the cubins of its own time and of all before. Up to ABI 7 a cubin names the
 * toolkit that made it (118: 11.8), and one of a later major version is refused. */
static bool is_readable(const Elf64_Ehdr *head)
{
	unsigned int abi = head->e_ident[EI_ABIVERSION];

	return (int)abi <= sim_config.cubin_abi &&
	       (abi > 7 || (int)(head->e_version / 10) <= sim_config.driver_version / 1000);
}

static CUresult take_cubin(const Elf64_Ehdr *head, struct sim_picked *out)
{
	const char *bytes = (const char *)head;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(bytes + head->e_shoff);
	const char *names = bytes + sections[head->e_shstrndx].sh_offset;

	if (!is_readable(head))
		return CUDA_ERROR_INVALID_IMAGE;
	out->form = SIM_PICKED_CUBIN;
	out->bytes = head;
	for (size_t i = 0; i < head->e_shnum; i++) {
		const char *name = names + sections[i].sh_name;

		if (strncmp(name, SECTION_OF_CODE, strlen(SECTION_OF_CODE)) != 0)
			continue;
		name += strlen(SECTION_OF_CODE);
		if (out->kernel_count == SIM_PICKED_KERNELS || strlen(name) >= SIM_PICKED_NAME)
			return CUDA_ERROR_INVALID_IMAGE;
		strcpy(out->kernels[out->kernel_count++], name);
	}
	return CUDA_SUCCESS;
}

static CUresult take_object(const Elf64_Ehdr *head, struct sim_picked *out)
{
	out->form = SIM_PICKED_OBJECT;
	out->bytes = head;
	return CUDA_SUCCESS;
}

static CUresult take_elf(const Elf64_Ehdr *head, unsigned int capability,
			 struct sim_picked *out)
{
	if (!is_cubin(head))
		return take_object(head, out);
	/* Whether it may run here can only be told of what can be read. */
	if (is_readable(head) && !suits(arch_of(head), capability))
		return CUDA_ERROR_NO_BINARY_FOR_GPU;
	return take_cubin(head, out);
}

/* --- text
 * ---------------------------------------------------------------------------------------------
 */

static CUresult take_text(const char *text, struct sim_picked *out)
{
	out->form = SIM_PICKED_TEXT;
	out->bytes = text;
	for (const char *at = text; (at = strstr(at, ".entry")) != NULL;) {
		at += strlen(".entry");
		if (out->kernel_count == SIM_PICKED_KERNELS ||
		    sscanf(at, " %127[A-Za-z0-9_$]", out->kernels[out->kernel_count]) != 1)
			return CUDA_ERROR_INVALID_PTX;
		out->kernel_count++;
	}
	return CUDA_SUCCESS;
}

/* --- fat binaries
 * -------------------------------------------------------------------------------------
 */

/* The first shared object in it, which is for every card; else the cubin nearest to the card;
 * else the text for the highest architecture that the card has. A cubin that suits but is of
 * too late a form is refused, whatever else is there: so drivers are thought to do. */
static CUresult pick(const struct fatbin *fatbin, unsigned int capability,
		     struct sim_picked *out)
{
	const char *at = (const char *)fatbin + fatbin->header_bytes;
	const char *end = at + fatbin->bytes, *payload, *best = NULL, *text = NULL;
	unsigned int best_arch = 0, text_arch = 0;

	for (; at < end; at = payload + ((const struct entry *)at)->bytes) {
		const struct entry *entry = (const struct entry *)at;
		bool whole = entry->header_bytes >= sizeof(*entry);

		payload = at + entry->header_bytes;
		if (whole && entry->flags & FLAGS_PACKED)
			continue;
		if (entry->kind == KIND_TEXT && whole && entry->arch <= capability &&
		    entry->arch >= text_arch) {
			text = payload;
			text_arch = entry->arch;
		}
		if (entry->kind != KIND_ELF || memcmp(payload, ELFMAG, SELFMAG) != 0)
			continue;
		if (!is_cubin((const Elf64_Ehdr *)payload))
			return take_object((const Elf64_Ehdr *)payload, out);
		if (whole && suits(entry->arch, capability) && entry->arch >= best_arch) {
			best = payload;
			best_arch = entry->arch;
		}
	}
	if (best)
		return take_cubin((const Elf64_Ehdr *)best, out);
	return text ? take_text(text, out) : CUDA_ERROR_NO_BINARY_FOR_GPU;
}

CUresult sim_image_pick(const void *image, int device, struct sim_picked *out)
{
	const struct wrapper *wrapper = image;
	unsigned int capability = sim_compute_capability(device), magic;

	out->kernel_count = 0;
	memcpy(&magic, image, sizeof(magic));
	if (magic == WRAPPER_MAGIC) {
		image = wrapper->fatbin;
		memcpy(&magic, image, sizeof(magic));
	}
	if (magic == FATBIN_MAGIC)
		return pick(image, capability, out);
	if (!memcmp(image, ELFMAG, SELFMAG))
		return take_elf(image, capability, out);
	return strstr(image, ".version") ? take_text(image, out) : CUDA_ERROR_INVALID_IMAGE;
}
