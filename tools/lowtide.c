/* The command: finds the subcommand, and hands over. */
#include "command.h"

#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const struct command *const commands[] = {&command_run, &command_env, &command_doctor,
						 &command_help};

const struct command *command_at(size_t index)
{
	return index < sizeof(commands) / sizeof(commands[0]) ? commands[index] : NULL;
}

void complain(const char *format, ...)
{
	va_list arguments;

	/* In one piece, as the library's own lines: the program writes to stderr too. */
	flockfile(stderr);
	fputs("lowtide: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	funlockfile(stderr);
}

struct request {
	const struct command *command;
	char **argv;
	int argc;
};

static error_t take(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		for (size_t i = 0; command_at(i) && !request->command; i++)
			if (!strcmp(command_at(i)->name, argument))
				request->command = command_at(i);
		if (!request->command)
			argp_error(state, "%s is not a command", argument);
		request->argv = state->argv + state->next - 1;
		request->argc = state->argc - state->next + 1;
		state->next = state->argc; /* the rest is the command's own */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The list of commands, below the options. */
static char *list(int key, const char *text, void *input)
{
	char *all = NULL;
	size_t bytes;
	FILE *stream;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	stream = open_memstream(&all, &bytes);
	if (!stream)
		return NULL;
	fputs("Commands:\n", stream);
	for (size_t i = 0; command_at(i); i++)
		fprintf(stream, "  %-8s %s\n", command_at(i)->name, command_at(i)->does);
	fputs("\nlowtide COMMAND --help tells more of each.", stream);
	fclose(stream);
	return all;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {.parser = take,
					 .args_doc = "COMMAND [ARGUMENT...]",
					 .doc =
					     "Run CUDA programs under a VRAM cap.\v(commands)",
					 .help_filter = list};
	struct request request = {0};
	char name[64];

	argp_program_version = "lowtide " LOWTIDE_VERSION;
	argp_err_exit_status = EXIT_BAD;
	/* argp writes the name of what it was called as; the same everywhere reads better. */
	argv[0] = (char *)"lowtide";
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request);
	snprintf(name, sizeof(name), "lowtide %s", request.command->name);
	request.argv[0] = name;
	return request.command->run(request.argc, request.argv);
}
