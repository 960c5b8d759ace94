/* The settings as the environment has them, and the library they are for. */
#include "doctor/checkup.h"
#include "library.h"
#include "loaded_mark.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void doctor_settings(struct checkup *checkup, struct settings *settings)
{
	static const char prefix[] = "LOWTIDE_";
	char name[64], line[400];
	bool all_good = true;

	settings_defaults(settings);
	for (char **variable = environ; *variable; variable++) {
		const char *equals = strchr(*variable, '=');
		size_t length;

		if (!equals || strncmp(*variable, prefix, strlen(prefix)))
			continue;
		length = (size_t)(equals - *variable) - strlen(prefix);
		snprintf(name, sizeof(name), "%.*s", (int)length, *variable + strlen(prefix));
		if (!settings_is_known(name)) {
			const char *nearest = settings_nearest(name);

			checkup_find(checkup, MARK_LIMIT, "settings",
				     "LOWTIDE_%s is not a setting of this version%s%s", name,
				     nearest ? "; did you mean LOWTIDE_" : "",
				     nearest ? nearest : "");
			all_good = false;
		} else if (settings_complaint(name, "", line, sizeof(line)) &&
			   !settings_parse(settings, name, equals + 1)) {
			settings_complaint(name, equals + 1, line, sizeof(line));
			checkup_find(checkup, MARK_LIMIT, "settings", "%s; its default holds",
				     line);
			all_good = false;
		}
	}
	if (all_good)
		checkup_find(checkup, MARK_FINE, "settings",
			     "every LOWTIDE_ variable is understood");
	if (settings->disable)
		checkup_find(checkup, MARK_LIMIT, "settings",
			     "LOWTIDE_DISABLE=1: every call passes straight to the driver");
}

/* Whether the loader takes it: this very command is run with it, and asked for its version. */
static bool loads(const char *path)
{
	char *const argv[] = {(char *)"lowtide", (char *)"--version", NULL};
	posix_spawn_file_actions_t actions;
	struct loaded_mark mark;
	bool loaded = false;
	int status;
	pid_t child;

	if (loaded_mark_init(&mark) != 0)
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	/* Onto itself: the child inherits it whatever its flags. */
	posix_spawn_file_actions_adddup2(&actions, mark.file, mark.file);
	setenv("LOWTIDE_LOADED", mark.text, 1);
	setenv("LD_PRELOAD", path, 1);
	if (posix_spawn(&child, "/proc/self/exe", &actions, NULL, argv, environ) == 0 &&
	    waitpid(child, &status, 0) == child)
		loaded = loaded_mark_seen(&mark);
	unsetenv("LOWTIDE_LOADED");
	posix_spawn_file_actions_destroy(&actions);
	loaded_mark_finish(&mark);
	return loaded;
}

void doctor_library(struct checkup *checkup)
{
	const char *before = getenv("LD_PRELOAD");
	char path[PATH_MAX], *saved = before ? strdup(before) : NULL;

	if (library_find(path, sizeof(path)) != 0)
		checkup_find(checkup, MARK_NO, "library",
			     "liblowtide.so was not found (see above)");
	else if (!loads(path))
		checkup_find(checkup, MARK_NO, "library", "%s does not load into a program",
			     path);
	else
		checkup_find(checkup, MARK_FINE, "library", "%s loads into a program", path);
	if (saved)
		setenv("LD_PRELOAD", saved, 1);
	else
		unsetenv("LD_PRELOAD");
	free(saved);
}
