/*
 * What our dlsym answers. The exported function is a few lines of assembly (dlsym_entry.S): it
 * asks door_dlsym_answer and, where that knows nothing, jumps to the real one with the caller's
 * return address untouched, because RTLD_NEXT is resolved by who called.
 */
#include "door/resolve.h"
#include "driver/loader.h"

#include <stdbool.h>
#include <string.h>

/* On WSL2 the driver asks dlsym for its own functions: it must get them, not ours. */
static bool caller_is_driver(const void *caller)
{
	Dl_info info;
	const char *name;

	if (!dladdr(caller, &info) || !info.dli_fname)
		return false;
	name = strrchr(info.dli_fname, '/');
	return !strncmp(name ? name + 1 : info.dli_fname, "libcuda.so", 10);
}

/* Called by dlsym_entry.S only, with the address that dlsym will return to. NULL: the real
 * dlsym answers; it has been found by then. */
void *door_dlsym_answer(void *handle, const char *name, const void *caller);
void *door_dlsym_answer(void *handle, const char *name, const void *caller)
{
	void *wrapper;

	loader_find_dlsym();
	if (!name || name[0] != 'c' || name[1] != 'u' || handle == RTLD_NEXT)
		return NULL;
	wrapper = resolve_symbol(name);
	if (!wrapper || caller_is_driver(caller))
		return NULL;
	/* What a library does not have must go on being absent from it. */
	if (handle != RTLD_DEFAULT && !loader_dlsym(handle, name))
		return NULL;
	return wrapper;
}
