/*
 * A function of the preloaded library by its name, though the library exports none: its symbol
 * table, which stays in the file until somebody strips it, says where it lies. For tests that
 * must look at the library's own state, so that nothing is exported for their sake.
 */
#ifndef LIBRARY_SYMBOL_H
#define LIBRARY_SYMBOL_H

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct library_symbol {
	const char *library, *name;
	uintptr_t address; /* 0: not found */
};

static inline uintptr_t library_symbol_value(const char *file, const char *name)
{
	const Elf64_Shdr *sections;
	const Elf64_Ehdr *head;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	uintptr_t value = 0;
	struct stat status;
	const char *text;

	if (fd < 0 || fstat(fd, &status))
		return 0;
	head = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (head == MAP_FAILED)
		return 0;
	text = (const char *)head;
	sections = (const Elf64_Shdr *)(text + head->e_shoff);
	for (unsigned int i = 0; i < head->e_shnum; i++) {
		const Elf64_Sym *symbols = (const Elf64_Sym *)(text + sections[i].sh_offset);
		const char *names = text + sections[sections[i].sh_link].sh_offset;

		if (sections[i].sh_type != SHT_SYMTAB)
			continue;
		for (size_t j = 0; j < sections[i].sh_size / sizeof(*symbols); j++)
			if (symbols[j].st_value && !strcmp(names + symbols[j].st_name, name))
				value = symbols[j].st_value;
	}
	munmap((void *)(uintptr_t)head, (size_t)status.st_size);
	return value;
}

static inline int library_symbol_in(struct dl_phdr_info *info, size_t size, void *data)
{
	struct library_symbol *wanted = data;
	const char *base = strrchr(info->dlpi_name, '/');
	uintptr_t value;

	(void)size;
	if (strcmp(base ? base + 1 : info->dlpi_name, wanted->library) != 0)
		return 0;
	value = library_symbol_value(info->dlpi_name, wanted->name);
	if (value)
		wanted->address = info->dlpi_addr + value;
	return 1;
}

/* 0: the library is not there, or has no symbol of that name any more. */
static inline uintptr_t library_symbol(const char *library, const char *name)
{
	struct library_symbol wanted = {library, name, 0};

	dl_iterate_phdr(library_symbol_in, &wanted);
	return wanted.address;
}

#endif
