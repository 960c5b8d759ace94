/*
 * A subcommand: one file, one const entry; lowtide.c gathers them in one table.
 *
 * Functions of tools/ answer 0 or -errno unless they say otherwise; a command answers the exit
 * status of the process (exits.def).
 */
#ifndef LOWTIDE_COMMAND_H
#define LOWTIDE_COMMAND_H

#include <stddef.h>

struct command {
	const char *name, *arguments, *does;
	/* argv[0] is "lowtide NAME". */
	int (*run)(int argc, char **argv);
};

extern const struct command command_run, command_env, command_doctor, command_help;

/* NULL past the end. */
const struct command *command_at(size_t index);

/* The exit statuses that are the command's own. */
enum exit_status {
#define EXIT_STATUS(name, value, does) EXIT_##name = value,
#include "exits.def"
#undef EXIT_STATUS
};

/* One line on stderr, after "lowtide: ". */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

#endif
