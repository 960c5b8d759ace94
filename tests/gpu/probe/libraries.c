#include "libraries.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *open_in(const char *folders, const char *name)
{
	void *library = NULL;

	while (!library && folders && *folders) {
		size_t length = strcspn(folders, ":");
		char path[4096];

		if (length && snprintf(path, sizeof(path), "%.*s/%s", (int)length, folders,
				       name) < (int)sizeof(path))
			library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		folders += length + (folders[length] == ':');
	}
	return library;
}

void *library_open(const struct gpu *g, const char *const *names, const char **why)
{
	const char *folders = getenv("LOWTIDE_PROBE_LIBRARIES");
	void *library = NULL;

	*why = "not tried: it speaks to NVIDIA's driver in private";
	if (g->simulated && !folders)
		return NULL;
	for (; !library && *names; names++) {
		if (!g->simulated)
			library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
		if (!library)
			library = open_in(folders, *names);
	}
	/* A test's own says that it is. */
	if (library && g->simulated && !dlsym(library, "lowtide_test_library"))
		return NULL;
	*why = library ? NULL : "not here";
	return library;
}
