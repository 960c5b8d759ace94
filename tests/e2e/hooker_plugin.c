/*
 * Another preloaded library that answers for dlsym: it finds the C library's own by version, as
 * such libraries do, and hands on what it is asked. Preloaded before ours or after.
 */
#include <dlfcn.h>
#include <stdio.h>

typedef void *(*dlsym_fn)(void *, const char *);
typedef void *(*dlopen_fn)(const char *, int);

static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};

static void *next(const char *name)
{
	void *found = NULL;

	/* The oldest first: the other half of those who do this. */
	for (int i = 2; i >= 0 && !found; i--)
		found = dlvsym(RTLD_NEXT, name, versions[i]);
	if (!found)
		fprintf(stderr, "hooker: no %s\n", name);
	return found;
}

void *dlsym(void *handle, const char *name)
{
	static dlsym_fn real;

	if (!real)
		real = __extension__(dlsym_fn) next("dlsym");
	return real(handle, name);
}

void *dlopen(const char *file, int mode)
{
	static dlopen_fn real;

	if (!real)
		real = __extension__(dlopen_fn) next("dlopen");
	return real(file, mode);
}
