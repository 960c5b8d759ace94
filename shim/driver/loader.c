#include "driver/loader.h"

#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#ifdef __aarch64__
#define OLDEST_GLIBC "GLIBC_2.17"
#else
#define OLDEST_GLIBC "GLIBC_2.2.5"
#endif

/* Atomic: any thread may be first, and all write the same value. */
_Atomic(loader_dlsym_fn) loader_real_dlsym;
_Atomic(loader_dlopen_fn) loader_real_dlopen;

static bool is_ours(const void *function)
{
	Dl_info found, ours;

	return function && dladdr(function, &found) && dladdr(&loader_real_dlsym, &ours) &&
	       found.dli_fbase == ours.dli_fbase;
}

/* Read off the symbol table of the library that has dladdr, which has dlsym and dlopen too: for
 * where there is no function left to ask. The symbols' names follow the symbol table, so the
 * table ends where they begin. */
static void *find_beside_dladdr(const char *name)
{
	const ElfW(Sym) *symbol = NULL;
	const char *names = NULL;
	struct link_map *map = NULL;
	Dl_info info;

	if (!dladdr1(__extension__(void *) dladdr, &info, (void **)&map, RTLD_DL_LINKMAP) ||
	    !map)
		return NULL;
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_SYMTAB)
			symbol = (const ElfW(Sym) *)entry->d_un.d_ptr;
		if (entry->d_tag == DT_STRTAB)
			names = (const char *)entry->d_un.d_ptr;
	}
	for (; symbol && (const char *)symbol < names; symbol++)
		if (symbol->st_shndx != SHN_UNDEF && !strcmp(names + symbol->st_name, name))
			return (char *)map->l_addr + symbol->st_value;
	return NULL;
}

/* The next library's after ours, so that other preloaded libraries like ours have their turn.
 * Where one of them answers for dlvsym, the next after that one may be ours. */
static void *find_next(const char *name)
{
	void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.34");

	if (!found)
		found = dlvsym(RTLD_NEXT, name, OLDEST_GLIBC);
	return found && !is_ours(found) ? found : find_beside_dladdr(name);
}

void loader_find_dlsym(void)
{
	if (!atomic_load_explicit(&loader_real_dlsym, memory_order_acquire))
		atomic_store_explicit(&loader_real_dlsym,
				      __extension__(loader_dlsym_fn) find_next("dlsym"),
				      memory_order_release);
}

void loader_find_dlopen(void)
{
	if (!atomic_load_explicit(&loader_real_dlopen, memory_order_acquire))
		atomic_store_explicit(&loader_real_dlopen,
				      __extension__(loader_dlopen_fn) find_next("dlopen"),
				      memory_order_release);
}

void *loader_dlsym(void *handle, const char *name)
{
	loader_find_dlsym();
	return atomic_load_explicit(&loader_real_dlsym, memory_order_relaxed)(handle, name);
}

void *loader_dlopen(const char *file, int mode)
{
	loader_find_dlopen();
	return atomic_load_explicit(&loader_real_dlopen, memory_order_relaxed)(file, mode);
}
