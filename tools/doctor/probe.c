/* The quick form of the probe (tests/gpu/probe), where it is installed: what the card does,
 * measured. */
#include "doctor/checkup.h"

#include "doctor/capture.h"
#include "library.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_DEVICE 77  /* its exit status where there is none */
#define SOME_FAILED 1 /* some questions had no answer; the record is whole */

static bool find(char *path, size_t room)
{
	static const char *const places[] = {"gpu/probe", "../libexec/lowtide/probe",
					     "lowtide-probe"};
	char folder[PATH_MAX / 2];

	if (library_command_folder(folder, sizeof(folder)) != 0)
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, room, "%s/%s", folder, places[i]);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* The rates of one trial, in one line: "read 13.4, write 12.9 GB/s". */
static void tell_rates(struct checkup *checkup, const json_t *trial)
{
	const json_t *figures = json_object_get(trial, "figures"), *figure;
	char line[600] = "";
	size_t i, used = 0;

	for (i = 0; (figure = json_array_get(figures, i)) != NULL; i++) {
		int wrote;

		if (strcmp(text_of(figure, "unit"), "GB/s") || used > sizeof(line) - 100)
			continue;
		wrote = snprintf(line + used, sizeof(line) - used, "%s%.60s %.1f",
				 used ? ", " : "", text_of(figure, "name"),
				 json_number_value(json_object_get(figure, "median")));
		used += wrote > 0 ? (size_t)wrote : 0;
	}
	if (used)
		checkup_find(checkup, MARK_NOTE, "probe", "%s: %s GB/s", text_of(trial, "name"),
			     line);
}

static void tell_trial(struct checkup *checkup, const json_t *trial)
{
	const json_t *checks = json_object_get(trial, "checks"), *check;
	size_t i;

	if (!strcmp(text_of(trial, "status"), "failed"))
		checkup_find(checkup, MARK_NOTE, "probe", "%s: no answer: %s",
			     text_of(trial, "name"), text_of(trial, "why"));
	for (i = 0; (check = json_array_get(checks, i)) != NULL; i++) {
		if (json_is_true(json_object_get(check, "holds")))
			continue;
		checkup_find(checkup, MARK_LIMIT, "probe", "%s: %s does not hold: %s",
			     text_of(trial, "name"), text_of(check, "name"),
			     text_of(check, "why"));
	}
	tell_rates(checkup, trial);
}

static void tell_record(struct checkup *checkup, json_t *record, int status)
{
	const json_t *trials = json_object_get(record, "trials"), *trial;
	bool simulated = !strcmp(text_of(record, "kind"), "simulated");
	size_t i, answered = 0, failed = 0;

	for (i = 0; (trial = json_array_get(trials, i)) != NULL; i++) {
		answered += !strcmp(text_of(trial, "status"), "ok");
		failed += !strcmp(text_of(trial, "status"), "failed");
	}
	if (simulated)
		checkup_find(checkup, MARK_NOTE, "probe",
			     "SIMULATED: what follows is the simulated driver's own answer, of "
			     "no card");
	checkup_find(checkup, status == 0 || status == SOME_FAILED ? MARK_FINE : MARK_LIMIT,
		     "probe", "%zu of %zu questions answered, %zu failed, the rest skipped",
		     answered, json_array_size(trials), failed);
	for (i = 0; (trial = json_array_get(trials, i)) != NULL; i++)
		tell_trial(checkup, trial);
	json_object_set(checkup->facts, "probe", record);
}

void doctor_probe(struct checkup *checkup, int seconds)
{
	char path[PATH_MAX], *text;
	char *argv[] = {path, (char *)"--quick", (char *)"--json", (char *)"-", NULL};
	int status, result;
	json_t *record;

	if (!find(path, sizeof(path))) {
		checkup_find(checkup, MARK_NOTE, "probe",
			     "not installed: nothing was measured");
		return;
	}
	result = capture(argv, seconds, &text, &status);
	if (result == -ETIMEDOUT) {
		checkup_find(checkup, MARK_LIMIT, "probe", "%s did not end within %d s", path,
			     seconds);
		return;
	}
	if (result != 0) {
		checkup_find(checkup, MARK_NOTE, "probe", "%s could not be run: %s", path,
			     strerror(-result));
		return;
	}
	record = json_loads(text, 0, NULL);
	free(text);
	if (status == NO_DEVICE)
		checkup_find(checkup, MARK_NOTE, "probe", "no device to measure");
	else if (!json_is_array(json_object_get(record, "trials")))
		checkup_find(checkup, MARK_NOTE, "probe", "%s ended with %d and left no record",
			     path, status);
	else
		tell_record(checkup, record, status);
	json_decref(record);
}
