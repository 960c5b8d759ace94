#include "options.h"

#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS_MOST (sizeof(((struct options *)NULL)->given) / sizeof(const char *))
#define KEY_OF_ROW 0x1000 /* above every character: no short options */

/* "VRAM", "vram" and "LOWTIDE_VRAM" are one. -1: no such setting. */
static int row_index(const char *name, size_t length)
{
	static const char prefix[] = "LOWTIDE_";
	struct settings_row row;

	if (length > strlen(prefix) && !strncasecmp(name, prefix, strlen(prefix))) {
		name += strlen(prefix);
		length -= strlen(prefix);
	}
	for (size_t i = 0; settings_row(i, &row); i++)
		if (strlen(row.name) == length && !strncasecmp(row.name, name, length))
			return (int)i;
	return -1;
}

static void take_pair(struct options *options, const char *pair)
{
	size_t length = strcspn(pair, "=");
	int index = row_index(pair, length);
	char name[64];

	if (!pair[length]) {
		complain("--setting %s has no value; accepted: NAME=VALUE", pair);
		options->bad = true;
		return;
	}
	if (index >= 0) {
		options->given[index] = pair + length + 1;
		return;
	}
	options->bad = true;
	length = length < sizeof(name) - 1 ? length : sizeof(name) - 1;
	for (size_t i = 0; i < length; i++)
		name[i] = (char)toupper((unsigned char)pair[i]);
	name[length] = '\0';
	complain("%s is not a setting%s%s; `lowtide help env` lists them", name,
		 settings_nearest(name) ? "; did you mean " : "",
		 settings_nearest(name) ? settings_nearest(name) : "");
}

static error_t take(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	if (key == 's') {
		take_pair(options, argument);
		return 0;
	}
	if (key < KEY_OF_ROW || (size_t)(key - KEY_OF_ROW) >= ROWS_MOST)
		return ARGP_ERR_UNKNOWN;
	options->given[key - KEY_OF_ROW] = argument;
	return 0;
}

const struct argp *options_argp(void)
{
	static struct argp_option rows[ROWS_MOST + 2];
	static char names[ROWS_MOST][32];
	static const struct argp argp = {.options = rows, .parser = take};
	struct settings_row row;
	size_t count;

	for (count = 0; count < ROWS_MOST && settings_row(count, &row); count++) {
		for (size_t i = 0; i < sizeof(names[0]) - 1 && row.name[i]; i++)
			names[count][i] = row.name[i] == '_'
					      ? '-'
					      : (char)tolower((unsigned char)row.name[i]);
		rows[count] = (struct argp_option){.name = names[count],
						   .key = KEY_OF_ROW + (int)count,
						   .arg = "VALUE",
						   .doc = row.does};
	}
	rows[count] =
	    (struct argp_option){.name = "setting",
				 .key = 's',
				 .arg = "NAME=VALUE",
				 .doc = "any of them by name; `lowtide help env` tells what is "
					"accepted",
				 .group = 1};
	return &argp;
}

/* The library writes its summary when the program ends, and a bad path would only show then. It
 * writes regular files, and follows no links. */
static bool can_be_written(const char *path)
{
	char folder[PATH_MAX];
	struct stat status;
	char *slash;

	if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
		errno = S_ISLNK(status.st_mode) ? ELOOP : EINVAL;
		return false;
	}
	if (access(path, W_OK) == 0)
		return true;
	if (errno != ENOENT || strlen(path) >= sizeof(folder))
		return false;
	strcpy(folder, path);
	slash = strrchr(folder, '/');
	if (slash)
		slash[1] = '\0';
	return access(slash ? folder : ".", W_OK | X_OK) == 0;
}

static bool is_good(struct settings *settings, const char *name, const char *value)
{
	return settings_parse(settings, name, value) &&
	       (strcmp(name, "STATS") != 0 || !settings->stats_file ||
		can_be_written(settings->stats_file));
}

static void check_one(struct options *options, const char *name, const char *value)
{
	char line[400];

	if (is_good(&options->settings, name, value))
		return;
	settings_complaint(name, value, line, sizeof(line));
	for (char *at = line; *at; at++)
		if (iscntrl((unsigned char)*at))
			*at = '?';
	complain("%s", line);
	options->bad = true;
}

bool options_check(struct options *options)
{
	struct settings_row row;

	settings_defaults(&options->settings);
	for (size_t i = 0; settings_row(i, &row); i++) {
		char variable[64] = "LOWTIDE_";
		const char *value = options->given[i];

		strncat(variable, row.name, sizeof(variable) - sizeof("LOWTIDE_"));
		value = value ? value : getenv(variable);
		if (value)
			check_one(options, row.name, value);
	}
	return !options->bad;
}

void options_each(const struct options *options,
		  void (*each)(const struct settings_row *row, const char *value, void *data),
		  void *data)
{
	struct settings_row row;

	for (size_t i = 0; i < ROWS_MOST && settings_row(i, &row); i++)
		if (options->given[i])
			each(&row, options->given[i], data);
}
