/*
 * Another preloaded library that answers for dlvsym itself, by a call of its own: what asks for
 * the next library's symbol through it is answered as if it had asked.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

typedef void *(*dlvsym_fn)(void *, const char *, const char *);

/* The C library's own, read off its table of symbols: nothing that is called could be asked. */
static dlvsym_fn of_c_library(void)
{
	const ElfW(Sym) *symbol = NULL;
	const char *names = NULL;
	struct link_map *map;
	Dl_info info;

	if (!dladdr1(__extension__(void *) getpid, &info, (void **)&map, RTLD_DL_LINKMAP))
		return NULL;
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_SYMTAB)
			symbol = (const ElfW(Sym) *)entry->d_un.d_ptr;
		if (entry->d_tag == DT_STRTAB)
			names = (const char *)entry->d_un.d_ptr;
	}
	for (; symbol && names && (const char *)symbol < names; symbol++)
		if (symbol->st_shndx && !strcmp(names + symbol->st_name, "dlvsym"))
			return __extension__(dlvsym_fn)(map->l_addr + symbol->st_value);
	return NULL;
}

void *dlvsym(void *handle, const char *name, const char *version)
{
	static dlvsym_fn real;
	void *found;

	if (!real)
		real = of_c_library();
	found = real ? real(handle, name, version) : NULL;
	/* Not a jump: the caller is this library. */
	__asm__ volatile("" : "+r"(found));
	return found;
}
