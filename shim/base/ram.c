#include "ram.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_ROOM 1024 /* the paths of groups are short, and stacks may be */

/* The value after `key` (with its separator) at the start of a line. False: not there, or
 * "max".
 */
static bool read_value(const char *path, const char *key, uint64_t *value)
{
	char line[256];
	size_t length = strlen(key);
	unsigned long long number;
	bool got = false;
	FILE *file = fopen(path, "re");

	while (file && !got && fgets(line, sizeof(line), file))
		got =
		    !strncmp(line, key, length) && sscanf(line + length, "%llu", &number) == 1;
	if (file)
		fclose(file);
	if (got)
		*value = number;
	return got;
}

uint64_t ram_machine_bytes(void)
{
	uint64_t kib = 0;

	read_value("/proc/meminfo", "MemAvailable:", &kib);
	return kib << 10;
}

/* The first version writes "no limit" as the largest number of pages. */
#define UNLIMITED ((uint64_t)1 << 60)

/* The files of one version of control groups, and where it is usually mounted. */
struct hierarchy {
	const char *mount, *limit, *used, *reclaimable;
};
static const struct hierarchy unified = {"/sys/fs/cgroup", "memory.max", "memory.current",
					 "inactive_file "};
static const struct hierarchy legacy = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
					"memory.usage_in_bytes", "total_inactive_file "};

/* What one group leaves. File pages it has read and no longer uses count as used, though they
 * go when room is needed: a program that has just read its model would else seem to have none.
 */
static uint64_t left_in(const struct hierarchy *h, const char *folder)
{
	char path[PATH_ROOM + 64];
	uint64_t limit, used = 0, reclaimable = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, h->limit);
	if (!read_value(path, "", &limit) || limit > UNLIMITED)
		return UINT64_MAX;
	snprintf(path, sizeof(path), "%s/%s", folder, h->used);
	read_value(path, "", &used);
	snprintf(path, sizeof(path), "%s/memory.stat", folder);
	read_value(path, h->reclaimable, &reclaimable);
	used -= reclaimable < used ? reclaimable : used;
	return limit > used ? limit - used : 0;
}

/* The tightest group from `group` ("/a/b") up to the mount itself. Inside a container the
 * group's path may be the host's and not be there; the mount is then the container's own. */
static uint64_t left_along(const struct hierarchy *h, const char *root, const char *group)
{
	char folder[PATH_ROOM];
	uint64_t least = UINT64_MAX, left;
	size_t mount;
	char *slash;

	mount = (size_t)snprintf(folder, sizeof(folder), "%s%s", root, h->mount);
	if (mount >= sizeof(folder) || (size_t)snprintf(folder + mount, sizeof(folder) - mount,
							"%s", group) >= sizeof(folder) - mount)
		return UINT64_MAX;
	for (;;) {
		left = left_in(h, folder);
		least = left < least ? left : least;
		if (!folder[mount])
			return least;
		slash = strrchr(folder + mount, '/');
		if (slash)
			*slash = '\0';
		else
			folder[mount] = '\0';
	}
}

/* A line of /proc/self/cgroup: "0::/path" (unified) or "4:memory,cpu:/path". */
static const struct hierarchy *hierarchy_of(char *line, char **group)
{
	char *controllers = strchr(line, ':'), *path;
	bool is_memory = false;

	if (!controllers)
		return NULL;
	path = strchr(++controllers, ':');
	if (!path)
		return NULL;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	*group = path;
	if (!*controllers)
		return &unified;
	for (char *word = controllers; word && !is_memory; word = strchr(word, ',')) {
		word += *word == ',';
		is_memory = !strncmp(word, "memory", 6) && (!word[6] || word[6] == ',');
	}
	return is_memory ? &legacy : NULL;
}

uint64_t ram_group_bytes(const char *root)
{
	char path[PATH_ROOM], line[PATH_ROOM + 64];
	uint64_t least = UINT64_MAX;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	file = fopen(path, "re");
	if (!file) {
		uint64_t left = left_along(&legacy, root, "");

		least = left_along(&unified, root, "");
		return left < least ? left : least;
	}
	while (fgets(line, sizeof(line), file)) {
		char *group;
		const struct hierarchy *h = hierarchy_of(line, &group);
		uint64_t left = h ? left_along(h, root, group) : UINT64_MAX;

		least = left < least ? left : least;
	}
	fclose(file);
	return least;
}

uint64_t ram_available_bytes(void)
{
	uint64_t machine = ram_machine_bytes(), group = ram_group_bytes("");

	return group < machine ? group : machine;
}
