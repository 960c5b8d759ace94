/*
 * A program on a machine without a driver: opening it must fail as it does without the preload,
 * and a wrapper found by name must answer with an error. Exit status 0 if so.
 */
#include <dlfcn.h>
#include <stddef.h>

int main(void)
{
	int (*alloc)(unsigned long long *, size_t) =
	    __extension__(int (*)(unsigned long long *, size_t))
		dlsym(RTLD_DEFAULT, "cuMemAlloc_v2");
	unsigned long long pointer = 42;

	if (dlopen("libcuda.so.1", RTLD_NOW))
		return 0; /* there is one: nothing to see here */
	return alloc && (alloc(&pointer, 4096) == 0 || pointer != 42);
}
