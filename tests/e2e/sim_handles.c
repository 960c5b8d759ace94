/* Functions that go, and handles that come again for others. */
#include "names.h"

/* --- handles that come again: an image whose kernels lie the other way round takes the handles
 * of one that is gone. Whoever still goes by the old layout reads parameters that are not
 * there. */

static void reversed(CUmodule *out)
{
	char path[4096];

	snprintf(path, sizeof(path), "%.*s/sim_image_reversed.so",
		 (int)(strrchr(getenv("SIM_IMAGE"), '/') - getenv("SIM_IMAGE")),
		 getenv("SIM_IMAGE"));
	MUST(cuModuleLoad(out, path));
}

static const char *const kernels[] = {
    "fill",	 "increment",	 "peek",      "peek_undeclared", "spin",
    "mixed",	 "by_struct",	 "by_packed", "by_large",	 "by_many",
    "by_tensor", "by_tensor_at", "nothing",
};
#define KERNELS (sizeof(kernels) / sizeof(kernels[0]))

/* Zeroes of this size that end where memory does. */
static void *guarded(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
	char *at =
	    mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || mprotect(at + room, page, PROT_NONE))
		wrong("mmap");
	return at + room - bytes;
}

/* Launches each kernel with parameters that name nothing, each of which ends where memory does:
 * who reads more of them, or more of one, faults. The driver refuses the launches (a grid of no
 * blocks), so no kernel runs. Returns how many of `old` handles are another kernel's now. */
static unsigned int launch_each(CUfunction *handles, const CUfunction *old)
{
	static const struct {
		size_t bytes[4];
	} lists[KERNELS] = {{{8, 4, 8}},    {{8, 4, 8}}, {{8, 8}},  {{8, 8}},	 {{8}},
			    {{1, 8, 2, 8}}, {{1, 24}},	 {{4, 12}}, {{4808, 4}}, {{3200, 4}},
			    {{128, 4}},	    {{8, 4}},	 {{0}}};
	unsigned int again = 0;

	for (size_t k = 0; k < KERNELS; k++) {
		void *params[5] = {(void *)8, (void *)8, (void *)8, (void *)8, (void *)8};

		for (size_t i = 0; i < 4 && lists[k].bytes[i]; i++)
			params[i] = guarded(lists[k].bytes[i]);
		handles[k] = function(kernels[k]);
		for (size_t i = 0; old && i < KERNELS; i++)
			again += old[i] == handles[k] && i != k;
		if (cuLaunchKernel(handles[k], 0, 1, 1, 1, 1, 1, 0, NULL, params, NULL) !=
		    CUDA_ERROR_INVALID_VALUE)
			wrong("a launch of no blocks");
	}
	return again;
}

static void check_again(unsigned int again)
{
	if (again < 4)
		wrong("handles did not come again: this case shows nothing");
	plain();
}

static void reloaded(void)
{
	CUfunction old[KERNELS], new[KERNELS];

	launch_each(old, NULL);
	MUST(cuModuleUnload(module));
	reversed(&module);
	check_again(launch_each(new, old));
}

/* The first of two goes; the second's functions stay known. */
static void one_of_two(void)
{
	CUfunction old[KERNELS], kept[KERNELS], new[KERNELS];
	CUmodule first = module, second;
	unsigned int again;

	launch_each(old, NULL);
	reversed(&second);
	module = second;
	launch_each(kept, NULL);
	MUST(cuModuleUnload(first));
	launch_each(kept, NULL);
	reversed(&module);
	again = launch_each(new, old);
	module = second;
	check_again(again);
}

static void library_reloaded(void)
{
	struct fat *fat = fat_binary();
	CUlibrary library = library_of(fat);
	CUfunction old[KERNELS], new[KERNELS];
	CUmodule first = module;

	MUST(cuLibraryGetModule(&module, library));
	launch_each(old, NULL);
	module = first;
	MUST(cuLibraryUnload(library));
	reversed(&module);
	check_again(launch_each(new, old));
}

/* A module goes with its context. The library's memory is the first context's. */
static void context_ended(void)
{
	CUfunction old[KERNELS], new[KERNELS];
	CUmodule first = module;
	CUcontext second;
	unsigned int again;

	MUST(cuCtxCreate(&second, NULL, 0, 0));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
	launch_each(old, NULL);
	MUST(cuCtxDestroy(second));
	MUST(cuCtxSetCurrent(context));
	reversed(&module);
	again = launch_each(new, old);
	module = first;
	check_again(again);
}

static const struct program_case cases[] = {
    CASE(reloaded),
    CASE(one_of_two),
    CASE(library_reloaded),
    CASE(context_ended),
};

int main(int argc, char **argv)
{
	return run_named(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
