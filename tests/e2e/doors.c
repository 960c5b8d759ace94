/*
 * An ordinary program that reaches the driver through every door, and prints what it was
 * answered. usage: doors PLUGIN     PLUGIN: doors_plugin.so, opened with RTLD_DEEPBIND
 */
#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef CUresult (*alloc_fn)(CUdeviceptr *, size_t);
typedef CUresult (*resolve_fn)(const char *, void **, int, cuuint64_t, void *);

/* Which loaded file a function belongs to. */
static void show(const char *door, void *function)
{
	Dl_info info;
	const char *name = "nothing";

	if (function && dladdr(function, &info) && info.dli_fname) {
		name = strrchr(info.dli_fname, '/');
		name = name ? name + 1 : info.dli_fname;
	}
	printf("%s %s\n", door, name);
}

/* By version, of which every C library has one. */
static void *dlvsym_any(const char *name)
{
	static const char *const versions[] = {"GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.34"};
	void *found = NULL;

	for (int i = 0; i < 3 && !found; i++)
		found = dlvsym(RTLD_DEFAULT, name, versions[i]);
	return found;
}

int main(int argc, char **argv)
{
	void *library = dlopen("libcuda.so.1", RTLD_NOW), *plugin, *found = NULL;
	resolve_fn resolve = __extension__(resolve_fn) dlsym(library, "cuGetProcAddress_v2");
	resolve_fn again;
	void *(*ask)(void);

	if (argc < 2 || !library || !resolve)
		return 2;
	show("linked", __extension__(void *) cuMemAlloc);
	show("dlsym", dlsym(library, "cuMemAlloc_v2"));
	show("default", dlsym(RTLD_DEFAULT, "cuMemAlloc_v2"));
	show("next", dlsym(RTLD_NEXT, "cuMemAlloc_v2"));
	show("versioned", dlvsym_any("dlsym"));
	show("versioned_open", dlvsym_any("dlopen"));
	show("unhooked", dlsym(library, "cuInit"));
	show("absent", dlsym(library, "cuNoSuchFunction"));
	show("lacking", dlsym(library, "cuMemAllocManaged"));
	show("resolver", __extension__(void *) resolve);
	if (resolve("cuGetProcAddress", &found, 12000, 0, NULL))
		return 3;
	show("itself", found);
	again = __extension__(resolve_fn) found;
	again("cuMemAlloc", &found, 3020, 0, NULL);
	show("again", found);
	again("cuMemAllocAsync", &found, 11020, 2, NULL);
	printf("per_thread %s\n", found == dlsym(library, "cuMemAllocAsync_ptsz")
				      ? "own flavour"
				      : "another flavour");
	again("cuMemAllocAsync", &found, 11020, 0, NULL);
	printf("plain %s\n",
	       found == dlsym(library, "cuMemAllocAsync") ? "own flavour" : "another flavour");
	found = &found;
	printf("refused %d\n", again("cuNoSuchFunction", &found, 12000, 0, NULL));
	again("cuInit", &found, 12000, 0, NULL);
	show("passed", found);

	again("cuMemAlloc", &found, 98000, 0, NULL);
	show("later", found);
	again("cuMemAlloc", &found, 99000, 0, NULL);
	show("to_come", found);

	plugin = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
	if (!plugin)
		return 4;
	ask = __extension__(void *(*)(void)) dlsym(plugin, "plugin_alloc");
	show("deepbind", ask());
	return 0;
}
