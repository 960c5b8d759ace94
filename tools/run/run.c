/* lowtide run: a program under the library, as if it had been called by itself. */
#include "command.h"
#include "library.h"
#include "loaded_mark.h"
#include "options.h"
#include "run/program.h"
#include "run/supervise.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
	struct options options;
	char **program;
};

static error_t take(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &request->options;
		return 0;
	case ARGP_KEY_ARG:
		(void)argument;
		request->program = state->argv + state->next - 1;
		state->next = state->argc; /* what follows is the program's */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no program was named");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void set_one(const struct settings_row *row, const char *value, void *data)
{
	char name[64];

	(void)data;
	snprintf(name, sizeof(name), "LOWTIDE_%s", row->name);
	setenv(name, value, 1);
}

static int not_executed(const char *program, int error)
{
	if (error != -ENOENT) {
		complain("%s: %s", program, strerror(-error));
		return EXIT_CANNOT_RUN;
	}
	if (strchr(program, '/') && program_is_there(program)) {
		complain("%s: its interpreter was not found", program);
		return EXIT_CANNOT_RUN;
	}
	complain("%s: not found", program);
	return EXIT_NOT_FOUND;
}

static void tell_unloaded(const char *program, const char *why, const struct ending *ending)
{
	char how[64];

	if (ending->signal)
		snprintf(how, sizeof(how), "it was ended by signal %d", ending->signal);
	else
		snprintf(how, sizeof(how), "its own exit status was %d", ending->status);
	complain("liblowtide.so did not load into %s, which ran without a cap%s%s (%s)",
		 program, why ? ": " : "", why ? why : "", how);
}

static int run(int argc, char **argv)
{
	const struct argp_child children[] = {{.argp = options_argp()}, {0}};
	const struct argp argp = {
	    .parser = take,
	    .args_doc = "[--] PROGRAM [ARGUMENT...]",
	    .doc = "Run PROGRAM with the library preloaded.\v"
		   "The exit status is PROGRAM's own; `lowtide help exit` tells the others.",
	    .children = children,
	};
	struct request request = {0};
	struct ending ending;
	char library[PATH_MAX];
	const char *why;
	struct loaded_mark mark;
	int result;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request);
	if (!options_check(&request.options))
		return EXIT_BAD;
	if (library_find(library, sizeof(library)) != 0 || library_preload(library) != 0)
		return EXIT_FAILED;
	options_each(&request.options, set_one, NULL);
	why = program_against_preload(request.program[0]);
	if (why) {
		complain("liblowtide.so will not load into %s: %s%s", request.program[0], why,
			 request.options.settings.required
			     ? "; LOWTIDE_REQUIRED=1, so it was not run"
			     : "; only what it starts can be held to the cap");
		if (request.options.settings.required)
			return EXIT_FAILED;
	}
	result = loaded_mark_init(&mark);
	if (result != 0) {
		complain("no memory file could be made: %s", strerror(-result));
		return EXIT_FAILED;
	}
	setenv("LOWTIDE_LOADED", mark.text, 1);
	result = supervise(request.program, mark.file, &ending);
	if (result != 0)
		return not_executed(request.program[0], result);
	if (!loaded_mark_seen(&mark))
		tell_unloaded(request.program[0], why, &ending);
	if (ending.signal)
		supervise_die_by(ending.signal);
	return loaded_mark_seen(&mark) ? ending.status : EXIT_UNLOADED;
}

const struct command command_run = {"run", "[OPTION...] [--] PROGRAM [ARGUMENT...]",
				    "run a program under a cap", run};
