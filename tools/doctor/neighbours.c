/* Others that stand between a program and the driver, or that change how it takes memory. */
#include "doctor/checkup.h"

#include <glob.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Part of a file's name, who that is, and what it does to us. */
static const struct hooker {
	const char *file, *name, *does;
	enum mark mark;
} hookers[] = {
    {"libvgpu.so", "HAMi", "caps device memory with its own accounts: two caps are held",
     MARK_LIMIT},
    {"libnvshare.so", "nvshare",
     "turns allocations into managed memory, which is not paged here", MARK_LIMIT},
    {"libcuda-control.so", "vCUDA",
     "caps device memory with its own accounts: two caps are held", MARK_LIMIT},
    {"libgreenboost", "GreenBoost", "moves allocations to RAM itself", MARK_LIMIT},
    {"torch_memory_saver", "torch_memory_saver",
     "maps device memory itself, which is counted and not paged", MARK_LIMIT},
    {"aimdo", "comfy-aimdo", "patches functions inside the driver, underneath or over ours",
     MARK_LIMIT},
    {"libtcmalloc", "tcmalloc", "gets on with the library", MARK_NOTE},
    {"libjemalloc", "jemalloc", "gets on with the library", MARK_NOTE},
    {"liblowtide.so", "this library", "is preloaded already", MARK_NOTE},
};

static const struct hooker *hooker_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < sizeof(hookers) / sizeof(hookers[0]); i++)
		if (strstr(slash ? slash + 1 : path, hookers[i].file))
			return &hookers[i];
	return NULL;
}

/* One entry of a list of preloads; `where` is the list. True: somebody we know. */
static void tell_preload(struct checkup *checkup, const char *where, const char *path)
{
	const struct hooker *hooker = hooker_of(path);

	if (hooker)
		checkup_find(checkup, hooker->mark, "preload", "%s: %s (%s) %s", where, path,
			     hooker->name, hooker->does);
	else
		checkup_find(checkup, MARK_NOTE, "preload",
			     "%s: %s, of which nothing is known here", where, path);
}

static void tell_list(struct checkup *checkup, const char *where, char *list)
{
	char *place;

	for (char *path = strtok_r(list, ": \t\n", &place); path;
	     path = strtok_r(NULL, ": \t\n", &place))
		tell_preload(checkup, where, path);
}

static void tell_preloads(struct checkup *checkup)
{
	const char *value = getenv("LD_PRELOAD");
	char *list = value ? strdup(value) : NULL, line[1024];
	FILE *file = fopen("/etc/ld.so.preload", "re");

	if (list)
		tell_list(checkup, "LD_PRELOAD", list);
	free(list);
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "#")] = '\0';
		tell_list(checkup, "/etc/ld.so.preload", line);
	}
	if (file)
		fclose(file);
}

/* What is in this very process is in others too, by whatever road it came. */
static int tell_loaded(struct dl_phdr_info *info, size_t bytes, void *data)
{
	struct checkup *checkup = data;
	const struct hooker *hooker = hooker_of(info->dlpi_name);

	(void)bytes;
	if (hooker && hooker->mark == MARK_LIMIT)
		checkup_find(checkup, MARK_LIMIT, "loaded", "%s (%s) is in this process",
			     info->dlpi_name, hooker->name);
	return 0;
}

/* comfy-aimdo comes as a Python package, and is loaded by ComfyUI itself. */
static void tell_aimdo(struct checkup *checkup)
{
	static const char *const roots[] = {"VIRTUAL_ENV", "CONDA_PREFIX", "HOME", NULL};
	static const char *const below[] = {"/lib/python*/site-packages",
					    "/lib/python*/site-packages",
					    "/.local/lib/python*/site-packages"};
	static const char *const fixed[] = {
	    "/usr/lib/python3*/site-packages", "/usr/lib/python3/dist-packages",
	    "/usr/local/lib/python3*/site-packages", "/usr/local/lib/python3*/dist-packages"};
	char pattern[1024];
	glob_t found = {0};
	int flags = 0;

	for (size_t i = 0; roots[i]; i++) {
		const char *root = getenv(roots[i]);

		if (!root || !*root)
			continue;
		snprintf(pattern, sizeof(pattern), "%s%s/comfy_aimdo", root, below[i]);
		glob(pattern, flags, NULL, &found);
		flags = GLOB_APPEND;
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		snprintf(pattern, sizeof(pattern), "%s/comfy_aimdo", fixed[i]);
		glob(pattern, flags, NULL, &found);
		flags = GLOB_APPEND;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		checkup_find(
		    checkup, MARK_LIMIT, "comfy-aimdo",
		    "%s: ComfyUI loads it and it patches the driver's functions; start "
		    "ComfyUI without it (--disable-dynamic-vram) under a cap",
		    found.gl_pathv[i]);
	if (!found.gl_pathc)
		checkup_find(checkup, MARK_FINE, "comfy-aimdo",
			     "not installed in the Python environments of this shell");
	globfree(&found);
}

static void tell_variables(struct checkup *checkup)
{
	static const char *const allocators[] = {"PYTORCH_ALLOC_CONF",
						 "PYTORCH_CUDA_ALLOC_CONF"};
	const char *value = getenv("CUDA_INJECTION64_PATH");

	if (value && *value)
		checkup_find(
		    checkup, MARK_NOTE, "profiler",
		    "CUDA_INJECTION64_PATH=%s: the driver loads it, beneath this library",
		    value);
	for (size_t i = 0; i < 2; i++) {
		value = getenv(allocators[i]);
		if (value && strstr(value, "cudaMallocAsync"))
			checkup_find(checkup, MARK_LIMIT, "PyTorch",
				     "%s=%s: stream-ordered memory is counted and not paged; "
				     "backend:native is",
				     allocators[i], value);
		if (value && (strstr(value, "expandable_segments:True") ||
			      strstr(value, "expandable_segments:true")))
			checkup_find(
			    checkup, MARK_LIMIT, "PyTorch",
			    "%s=%s: memory that PyTorch maps itself is counted and not "
			    "paged; expandable_segments:False is",
			    allocators[i], value);
	}
	value = getenv("CUDA_VISIBLE_DEVICES");
	if (value)
		checkup_find(checkup, MARK_NOTE, "devices",
			     "CUDA_VISIBLE_DEVICES=%s: devices are numbered among these",
			     value);
}

void doctor_neighbours(struct checkup *checkup)
{
	tell_preloads(checkup);
	dl_iterate_phdr(tell_loaded, checkup);
	tell_aimdo(checkup);
	tell_variables(checkup);
}
