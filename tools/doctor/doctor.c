/* lowtide doctor: what will and will not work here, and why. */
#include "doctor/checkup.h"
#include "command.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_SECONDS 60

enum verdict {
#define VERDICT(name, value, word, does) VERDICT_##name = value,
#include "doctor/verdicts.def"
#undef VERDICT
};

struct request {
	bool json, no_probe;
	int seconds;
};

static error_t take(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'j':
		request->json = true;
		return 0;
	case 'n':
		request->no_probe = true;
		return 0;
	case 'l':
		request->seconds = atoi(argument);
		if (request->seconds < 1 || request->seconds > 3600)
			argp_error(state, "--limit %s is not understood; accepted: 1 to 3600",
				   argument);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s is one argument too many", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static enum verdict verdict_of(const struct checkup *checkup)
{
	return checkup->worst == MARK_NO      ? VERDICT_NO
	       : checkup->worst == MARK_LIMIT ? VERDICT_LIMITS
					      : VERDICT_FINE;
}

static const char *word_of(enum verdict verdict, bool sentence)
{
	switch (verdict) {
#define VERDICT(name, value, word, does)                                                       \
	case VERDICT_##name:                                                                   \
		return sentence ? (does) : (word);
#include "doctor/verdicts.def"
#undef VERDICT
	}
	return "";
}

/* No word about a simulated device may pass for one about a card. */
static bool is_simulated(const struct trial *trial)
{
	return trial->count > 0 && trial->devices[0].simulated;
}

static int conclude(struct checkup *checkup, const struct trial *trial)
{
	enum verdict verdict = verdict_of(checkup);

	if (checkup->print) {
		printf("\nverdict: %s%s\n", word_of(verdict, true),
		       is_simulated(trial) ? " (on the simulated driver)" : "");
	} else {
		json_t *all =
		    json_pack("{s:s, s:i, s:b, s:O}", "verdict", word_of(verdict, false),
			      "status", (int)verdict, "simulated", (int)is_simulated(trial),
			      "findings", checkup->findings);

		json_object_update(all, checkup->facts);
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(all);
	}
	return fflush(stdout) == 0 ? (int)verdict : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	static const struct argp_option rows[] = {
	    {"json", 'j', NULL, 0, "write JSON", 0},
	    {"no-probe", 'n', NULL, 0, "leave out the measurements (about 40 seconds)", 0},
	    {"limit", 'l', "SECONDS", 0,
	     "wait so long for the driver, and then for the probe (60)", 0},
	    {0}};
	static const struct argp argp = {
	    .options = rows,
	    .parser = take,
	    .doc =
		"Tell what will and will not work here, and why.\v"
		"The exit status is 0 where everything works, 1 where it works with limits, 2 "
		"where it will not work. No setting of any device is changed."};
	struct request request = {.seconds = USUAL_SECONDS};
	struct checkup checkup;
	struct settings settings;
	struct trial *trial;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &request);
	if (checkup_init(&checkup, !request.json) != 0) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	doctor_settings(&checkup, &settings);
	doctor_library(&checkup);
	trial = trial_run(request.seconds);
	if (!trial) {
		complain("the trial could not be begun");
		checkup_finish(&checkup);
		return EXIT_FAILED;
	}
	doctor_driver(&checkup, &settings, trial);
	doctor_memory(&checkup, &settings, trial);
	doctor_machine(&checkup, trial);
	doctor_neighbours(&checkup);
	if (!request.no_probe)
		doctor_probe(&checkup, request.seconds);
	status = conclude(&checkup, trial);
	trial_free(trial);
	checkup_finish(&checkup);
	return status;
}

const struct command command_doctor = {"doctor", "[--json] [--no-probe] [--limit SECONDS]",
				       "tell what will and will not work here, and why", run};
