#include "library.h"

#include "command.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "liblowtide.so"

int library_command_folder(char *folder, size_t room)
{
	ssize_t length = readlink("/proc/self/exe", folder, room - 1);
	char *slash;

	if (length < 0)
		return -errno;
	folder[length] = '\0';
	slash = strrchr(folder, '/');
	if (!slash)
		return -ENOENT;
	slash[slash == folder] = '\0';
	return 0;
}

/* What the loader would take apart, or replace, in a list of libraries. */
static int name_for_loader(const char *path)
{
	if (!strpbrk(path, " :$"))
		return 0;
	complain("%s cannot be preloaded: the loader splits its list at spaces and colons, and "
		 "replaces what follows a '$'; copy it elsewhere and name it in "
		 "LOWTIDE_LIBRARY",
		 path);
	return -EINVAL;
}

static bool is_there(const char *candidate, char *path, size_t room)
{
	char whole[PATH_MAX];

	if (!realpath(candidate, whole) || access(whole, R_OK) != 0 || strlen(whole) >= room)
		return false;
	strcpy(path, whole);
	return true;
}

int library_find(char *path, size_t room)
{
	const char *named = getenv("LOWTIDE_LIBRARY");
	char folder[PATH_MAX / 2], candidate[PATH_MAX];

	if (named && *named) {
		if (is_there(named, path, room))
			return name_for_loader(path);
		complain("LOWTIDE_LIBRARY=%s: %s", named, strerror(errno));
		return -ENOENT;
	}
	if (library_command_folder(folder, sizeof(folder)) != 0)
		strcpy(folder, ".");
	snprintf(candidate, sizeof(candidate), "%s/" NAME, folder);
	if (is_there(candidate, path, room))
		return name_for_loader(path);
	snprintf(candidate, sizeof(candidate), "%s/../lib/" NAME, folder);
	if (is_there(candidate, path, room) || is_there(LOWTIDE_LIBDIR "/" NAME, path, room))
		return name_for_loader(path);
	complain(NAME " was not found in %s, %s/../lib or " LOWTIDE_LIBDIR
		      "; LOWTIDE_LIBRARY may name it",
		 folder, folder);
	return -ENOENT;
}

int library_preload(const char *path)
{
	const char *before = getenv("LD_PRELOAD");
	size_t length = strlen(path), room = length + 2 + (before ? strlen(before) : 0);
	char *list;
	int result = 0;

	/* A command under the command: once is enough. */
	if (before && !strncmp(before, path, length) && strchr(": ", before[length]))
		return 0;
	list = malloc(room);
	if (!list)
		return -ENOMEM;
	snprintf(list, room, "%s%s%s", path, before && *before ? ":" : "",
		 before ? before : "");
	if (setenv("LD_PRELOAD", list, 1) != 0)
		result = -errno;
	free(list);
	return result;
}
