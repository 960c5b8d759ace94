/*
 * The settings as options of a command: one option for each row of shim/base/settings.def
 * (--vram,
 * --policy, ...), and --setting NAME=VALUE. Owns what was given, in the caller's struct; the
 * strings stay those of the command line.
 */
#ifndef LOWTIDE_OPTIONS_H
#define LOWTIDE_OPTIONS_H

#include "base/settings.h"

#include <argp.h>

struct options {
	struct settings settings; /* what the library will read */
	const char *given[32];	  /* by row of the table; NULL: left as it is */
	bool bad;		  /* something was refused, and a line said so */
};

/* A parser to be a child of the command's own. Its input is a struct options, zeroed. */
const struct argp *options_argp(void);

/* Once the command line has been read: reads the LOWTIDE_ variables of the environment that no
 * option overrides, then what was given. Says one line for each value refused. False: some
 * were.
 */
bool options_check(struct options *options);

/* Calls back with each setting that was given, by its row. */
void options_each(const struct options *options,
		  void (*each)(const struct settings_row *row, const char *value, void *data),
		  void *data);

#endif
