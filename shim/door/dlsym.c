/*
 * The dlsym door. The exported dlsym is a few lines of assembly (dlsym_entry.S): it asks
 * door_dlsym_answer and, where that knows nothing, jumps to the real one with the caller's
 * return address untouched, because RTLD_NEXT is resolved by who called.
 */
#include "door/dlsym.h"

#include "driver/driver.h"
#include "door/resolve.h"

#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

typedef void *(*dlsym_fn)(void *, const char *);
typedef void *(*dlopen_fn)(const char *, int);

#ifdef __aarch64__
#define OLDEST_GLIBC "GLIBC_2.17"
#else
#define OLDEST_GLIBC "GLIBC_2.2.5"
#endif

/* Atomic: any thread may be first, all write the same value. Read by dlsym_entry.S. */
__attribute__((visibility("hidden"))) _Atomic(dlsym_fn) door_next_dlsym;
__attribute__((visibility("hidden"))) _Atomic(dlopen_fn) door_next_dlopen;

static bool is_ours(const void *function)
{
	Dl_info found, ours;

	return function && dladdr(function, &found) && dladdr(&door_next_dlsym, &ours) &&
	       found.dli_fbase == ours.dli_fbase;
}

/* Read off the symbols of the library that has dladdr, which has these too: there is nobody to
 * ask. Its names follow its symbols. */
static void *beside_dladdr(const char *name)
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

/* Of whoever comes after us, so that others like us have their turn. Where another library
 * answers for dlvsym, what comes after it may be us. */
static void *next(const char *name)
{
	void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.34");

	if (!found)
		found = dlvsym(RTLD_NEXT, name, OLDEST_GLIBC);
	return found && !is_ours(found) ? found : beside_dladdr(name);
}

static dlsym_fn next_dlsym(void)
{
	dlsym_fn found = atomic_load_explicit(&door_next_dlsym, memory_order_acquire);

	if (!found) {
		found = __extension__(dlsym_fn) next("dlsym");
		atomic_store_explicit(&door_next_dlsym, found, memory_order_release);
	}
	return found;
}

void *door_real_dlsym(void *handle, const char *name)
{
	return next_dlsym()(handle, name);
}

/* Called by dlsym_entry.S too. */
__attribute__((visibility("hidden"))) void door_find_dlopen(void);
void door_find_dlopen(void)
{
	atomic_store_explicit(&door_next_dlopen, __extension__(dlopen_fn) next("dlopen"),
			      memory_order_release);
}

void *door_real_dlopen(const char *file, int mode)
{
	if (!atomic_load_explicit(&door_next_dlopen, memory_order_acquire))
		door_find_dlopen();
	return atomic_load_explicit(&door_next_dlopen, memory_order_relaxed)(file, mode);
}

/* On WSL2 the driver asks dlsym for its own functions: it must get them, not ours. */
static int caller_is_driver(const void *caller)
{
	Dl_info info;
	const char *name;

	if (!dladdr(caller, &info) || !info.dli_fname)
		return 0;
	name = strrchr(info.dli_fname, '/');
	return !strncmp(name ? name + 1 : info.dli_fname, "libcuda.so", 10);
}

/* Called by dlsym_entry.S, with the address dlsym will return to. NULL: not ours to answer. */
__attribute__((visibility("hidden"))) void *door_dlsym_answer(void *handle, const char *name,
							      const void *caller);
void *door_dlsym_answer(void *handle, const char *name, const void *caller)
{
	void *wrapper;

	(void)next_dlsym();
	if (!name || name[0] != 'c' || name[1] != 'u' || handle == RTLD_NEXT)
		return NULL;
	wrapper = resolve_symbol(name);
	if (!wrapper || caller_is_driver(caller))
		return NULL;
	/* A library that has no such symbol must go on saying so. */
	if (handle != RTLD_DEFAULT && !door_real_dlsym(handle, name))
		return NULL;
	return wrapper;
}
