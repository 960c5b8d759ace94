/* lowtide help: what the tables say, for a terminal. */
#include "command.h"
#include "base/settings.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static size_t columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col
										 : 80;
}

/* A term, and what it means in a block of its own beside it. */
static void print_entry(const char *term, const char *text, size_t indent)
{
	size_t width = columns() - indent - 1, left = strlen(text);

	printf("  %-*s", (int)indent - 2, term);
	if (strlen(term) + 3 > indent)
		printf("\n%*s", (int)indent, "");
	while (left > width) {
		size_t length = width;

		while (length && text[length] != ' ')
			length--;
		length = length ? length : width;
		printf("%.*s\n%*s", (int)length, text, (int)indent, "");
		text += length;
		text += strspn(text, " ");
		left = strlen(text);
	}
	puts(text);
}

static void help_env(void)
{
	struct settings_row row;

	puts("Settings. Each is a variable LOWTIDE_NAME, and an option --name of run and "
	     "env\n(LOWTIDE_DRIVER_BELOW: --driver-below).\n");
	for (size_t i = 0; settings_row(i, &row); i++) {
		char term[64], text[512];

		snprintf(term, sizeof(term), "LOWTIDE_%s", row.name);
		snprintf(text, sizeof(text), "%s. Accepted: %s. Default: %s.", row.does,
			 row.accepted, row.fallback);
		print_entry(term, text, 23);
	}
	puts("\nThe command's own:");
	print_entry("LOWTIDE_LIBRARY",
		    "where liblowtide.so is, if not beside the command, in "
		    "../lib or " LOWTIDE_LIBDIR ".",
		    23);
}

static void help_policies(void)
{
	puts("Policies (--policy):\n");
#define POLICY(name, does) print_entry(#name, does, 14);
#include "policies.def"
#undef POLICY
}

static void help_exit(void)
{
	char number[16];

	puts("Exit status of `lowtide run`:\n");
	print_entry("0-255", "the program's own, whatever it is", 10);
	print_entry("signal",
		    "the program was ended by a signal, and so is lowtide (a shell "
		    "says 128 and its number)",
		    10);
#define EXIT_STATUS(name, value, does)                                                         \
	snprintf(number, sizeof(number), "%d", value);                                         \
	print_entry(number, does, 10);
#include "exits.def"
#undef EXIT_STATUS
	puts(
	    "\nWith each of the last five comes a line on stderr that begins with \"lowtide:\" "
	    "(with 2,\nperhaps a usage).\n\nExit status of `lowtide doctor`:\n");
#define VERDICT(name, value, word, does)                                                       \
	snprintf(number, sizeof(number), "%d", value);                                         \
	print_entry(number, does, 10);
#include "doctor/verdicts.def"
#undef VERDICT
}

static void help_commands(void)
{
	char term[128];

	puts("Commands:\n");
	for (size_t i = 0; command_at(i); i++) {
		snprintf(term, sizeof(term), "%s %s", command_at(i)->name,
			 command_at(i)->arguments);
		print_entry(term, command_at(i)->does, 12);
	}
	puts("\nTopics of help: commands, env, policies, exit. The manual: man lowtide.");
}

static const struct topic {
	const char *name;
	void (*print)(void);
} topics[] = {
    {"commands", help_commands},
    {"env", help_env},
    {"policies", help_policies},
    {"exit", help_exit},
};

static error_t take(int key, char *argument, struct argp_state *state)
{
	const struct topic **topic = state->input;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (*topic)
		argp_error(state, "one topic at a time");
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
		if (!strcmp(topics[i].name, argument))
			*topic = &topics[i];
	if (!*topic)
		argp_error(state, "%s is not a topic; there are commands, env, policies, exit",
			   argument);
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {.parser = take,
					 .args_doc = "[commands|env|policies|exit]",
					 .doc =
					     "Tell of settings, policies and exit statuses."};
	const struct topic *topic = NULL;

	argp_parse(&argp, argc, argv, 0, NULL, &topic);
	(topic ? topic : &topics[0])->print();
	return 0;
}

const struct command command_help = {"help", "[TOPIC]",
				     "tell of settings, policies and exit statuses", run};
