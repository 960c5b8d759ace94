/* lowtide env: what `lowtide run` would set, as lines for a shell to evaluate. */
#include "command.h"
#include "library.h"
#include "options.h"

#include <argp.h>
#include <limits.h>
#include <stdio.h>

static error_t take(int key, char *argument, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s is one argument too many", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Within single quotes a shell leaves everything alone but the single quote. */
static void print_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++)
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	putchar('\'');
}

static void print_one(const struct settings_row *row, const char *value, void *data)
{
	(void)data;
	printf("export LOWTIDE_%s=", row->name);
	print_quoted(value);
	putchar('\n');
}

static int run(int argc, char **argv)
{
	const struct argp_child children[] = {{.argp = options_argp()}, {0}};
	const struct argp argp = {
	    .parser = take,
	    .doc =
		"Print what `lowtide run` would set, for a POSIX shell: eval \"$(lowtide env "
		"--vram 8G)\".",
	    .children = children,
	};
	struct options options = {0};
	char library[PATH_MAX];

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (!options_check(&options))
		return EXIT_BAD;
	if (library_find(library, sizeof(library)) != 0)
		return EXIT_FAILED;
	options_each(&options, print_one, NULL);
	/* What is preloaded is for the shell to know that evaluates this, not for us. */
	fputs("export LD_PRELOAD=", stdout);
	print_quoted(library);
	fputs("\"${LD_PRELOAD:+:$LD_PRELOAD}\"\n", stdout);
	return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}

const struct command command_env = {"env", "[OPTION...]",
				    "print the settings as exports for a shell", run};
