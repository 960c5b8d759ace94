/*
 * The probe: what this card and its driver do, measured. See tests/gpu/README.md.
 * main -> runner_run (a process for each row of trials.def) -> trial_*; the record is gathered
 * here, printed as a table, and written as JSON.
 */
#include "record.h"
#include "runner.h"
#include "table.h"
#include "trials.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_ANSWERED = 0, EXIT_SOME_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DEVICE = 77 };
enum { KEY_TRIAL = 256, KEY_ANSWERS, KEY_ONLY, KEY_DRIVER, KEY_LIST, KEY_LIMIT, KEY_VARIANT };
#define WHOLE_S 355.0 /* of a full run: under 6 minutes, and of a quick one under 40 s */
#define WHOLE_QUICK_S 38.0
/* The simulated driver spends the machine's own time on what a card would do beside it. */
#define SLACK_OF_SIMULATED 3.0
#define ONLY 64

static const struct argp_option options[] = {
    {"quick", 'q', NULL, 0, "Fewer repetitions and sizes: under 40 s instead of under 6 min",
     0},
    {"json", 'j', "FILE", 0, "Write the record there; -: to stdout, in place of the table", 0},
    {"list", KEY_LIST, NULL, 0, "List the trials and what they ask", 0},
    {"only", KEY_ONLY, "TRIAL", 0, "Run this trial only; may be given several times", 0},
    {"limit", KEY_LIMIT, "SECONDS", 0,
     "Take no longer: what is not asked by then is skipped, what runs is cut short", 0},
    {"device", 'd', "N", 0, "The device, as the driver counts them (0)", 0},
    {"driver", KEY_DRIVER, "PATH", 0, "The driver's library (libcuda.so.1)", 0},
    {"trial", KEY_TRIAL, "NAME", OPTION_HIDDEN, NULL, 0},
    {"answers", KEY_ANSWERS, "FD", OPTION_HIDDEN, NULL, 0},
    {"variant", KEY_VARIANT, "NAME", OPTION_HIDDEN, NULL, 0},
    {0},
};

struct arguments {
	struct run run;
	const char *json, *trial, *variant, *only[ONLY];
	size_t only_count;
	int answers;
	int limit_s; /* 0: none was given */
	bool list;
};

static int number(const char *text, const char *what, struct argp_state *state)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || !*text || *end || value < 0 || value > 1 << 20)
		argp_error(state, "%s: not a number: %s", what, text);
	return (int)value;
}

static error_t take(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'q':
		a->run.quick = true;
		return 0;
	case 'j':
		a->json = text;
		return 0;
	case 'd':
		a->run.device = number(text, "--device", state);
		return 0;
	case KEY_LIST:
		a->list = true;
		return 0;
	case KEY_ONLY:
		if (!trial_named(text))
			argp_error(state, "--only: no such trial: %s (--list names them)",
				   text);
		if (a->only_count < ONLY)
			a->only[a->only_count++] = text;
		return 0;
	case KEY_LIMIT:
		a->limit_s = number(text, "--limit", state);
		return 0;
	case KEY_DRIVER:
		a->run.driver = text;
		return 0;
	case KEY_TRIAL:
		a->trial = text;
		return 0;
	case KEY_VARIANT:
		a->variant = text;
		return 0;
	case KEY_ANSWERS:
		a->answers = number(text, "--answers", state);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "not an option: %s", text);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- a trial's own process ---------------------------------------------------------------- */

/* Returns only in a process that a trial has started to see how it ends. */
static void run_trial(const struct arguments *a)
{
	const struct trial *trial = trial_named(a->trial);
	const char *why;
	bool absent;
	struct gpu g;

	answer_to(a->answers);
	answer_step("opening the driver");
	if (!driver_open(a->run.driver, &why, &absent)) {
		if (absent)
			answer_skipped("%s", why);
		answer_failed("%s", why);
	}
	if (!strcmp(a->trial, "device"))
		identity(a->run.device);
	if (!trial)
		answer_failed("no such trial");
	gpu_open(&g, a->run.device, a->run.quick);
	g.limit_s = a->limit_s;
	if (trial->run == trial_memory)
		memory_note_before(&g);
	gpu_start(&g);
	g.variant = a->variant;
	trial->run(&g);
	if (!g.variant)
		answer_done();
}

/* --- the whole ---------------------------------------------------------------------------- */

static bool wanted(const struct arguments *a, const char *name)
{
	for (size_t i = 0; i < a->only_count; i++)
		if (!strcmp(a->only[i], name))
			return true;
	return !a->only_count;
}

static const char *status_of(const json_t *trial)
{
	const char *status = json_string_value(json_object_get(trial, "status"));

	return status ? status : "failed";
}

static bool broke_a_promise(const json_t *trial)
{
	const json_t *check;
	size_t i;

	json_array_foreach(
	    json_object_get(trial, "checks"), i,
	    check) if (!json_is_true(json_object_get(check, "holds"))) return true;
	return false;
}

static void set_late(json_t *trial, const char *why)
{
	json_object_set_new(trial, "status", json_string("skipped"));
	json_object_set_new(trial, "why",
			    json_sprintf("no time was left for it%s%s", *why ? ": " : "", why));
}

/* A trial that is cut short by the end of the whole, not by its own limit, has not failed: what
 * it had found is kept. */
static json_t *run_one(const struct arguments *a, const struct trial *t, double slack,
		       double left_s)
{
	double limit_s = slack * (a->run.quick ? t->quick_limit_s : t->limit_s);
	json_t *done;
	const char *why;

	if (left_s < 1) {
		done = record_new(t->name, t->question);
		set_late(done, "");
		return done;
	}
	done = runner_run(&a->run, t->name, t->question, limit_s < left_s ? limit_s : left_s);
	why = json_string_value(json_object_get(done, "why"));
	if (left_s < limit_s && why && !strncmp(why, "ran past", 8) && !broke_a_promise(done))
		set_late(done, why);
	return done;
}

/* 0, or what the process should end with. */
static int write_record(const char *path, const json_t *record)
{
	bool to_stdout = !strcmp(path, "-");
	FILE *out = to_stdout ? stdout : fopen(path, "we");
	int wrong = !out || json_dumpf(record, out, JSON_INDENT(1)) || fputc('\n', out) == EOF;

	if (out && (to_stdout ? fflush(out) : fclose(out)))
		wrong = 1;
	if (wrong)
		fprintf(stderr, "probe: %s: %s\n", path, strerror(errno));
	return wrong;
}

static int run_all(const struct arguments *a, json_t *device, double began_ms)
{
	bool simulated = json_is_true(json_object_get(device, "simulated"));
	const char *kind = simulated ? "simulated" : "measured";
	double slack = simulated ? SLACK_OF_SIMULATED : 1;
	double whole_s = slack * (a->run.quick ? WHOLE_QUICK_S : WHOLE_S);
	double until_ms = began_ms + 1e3 * (a->limit_s ? a->limit_s : whole_s);
	FILE *table = a->json && !strcmp(a->json, "-") ? NULL : stdout;
	bool progress = isatty(STDERR_FILENO);
	time_t now = time(NULL);
	char date[32] = "";
	json_t *record, *trials = json_array();
	int failed = 0, result;

	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	if (table)
		table_device(table, device, kind);
	for (size_t i = 0; i < probe_trial_count; i++) {
		const struct trial *t = &probe_trials[i];
		json_t *done;

		if (!wanted(a, t->name))
			continue;
		if (progress)
			fprintf(stderr, "\r\033[Kprobe: %s", t->name);
		if (table)
			fflush(table);
		done = run_one(a, t, slack, (until_ms - rounds_now_ms()) / 1e3);
		if (progress)
			fputs("\r\033[K", stderr);
		failed += !strcmp(status_of(done), "failed");
		if (table)
			table_trial(table, done);
		json_array_append_new(trials, done);
	}
	record =
	    json_pack("{s:i, s:s, s:s, s:b, s:O, s:o}", "lowtide_probe", 1, "kind", kind,
		      "date", date, "quick", a->run.quick, "device", device, "trials", trials);
	result = failed ? EXIT_SOME_FAILED : EXIT_ANSWERED;
	if (!record || (a->json && write_record(a->json, record)))
		result = EXIT_SOME_FAILED;
	json_decref(record);
	return result;
}

static int run(const struct arguments *a)
{
	double began_ms = rounds_now_ms();
	json_t *first = runner_run(&a->run, "device", "", 30);
	const char *status = status_of(first), *why;
	int result;

	why = json_string_value(json_object_get(first, "why"));
	if (!strcmp(status, "skipped")) {
		puts("skipped: no CUDA device");
		fprintf(stderr, "probe: %s\n", why);
		result = EXIT_NO_DEVICE;
	} else if (strcmp(status, "ok") != 0) {
		fprintf(stderr, "probe: %s\n", why ? why : "out of memory");
		result = EXIT_SOME_FAILED;
	} else {
		result = run_all(a, json_object_get(first, "facts"), began_ms);
	}
	json_decref(first);
	return result;
}

/* The probe asks the driver, not Lowtide: under the preload it starts again without. */
static void leave_preload(char **argv)
{
	const char *preload = getenv("LD_PRELOAD");

	if (!preload || !strstr(preload, "liblowtide"))
		return;
	unsetenv("LD_PRELOAD");
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	static const struct argp parser = {
	    options,
	    take,
	    NULL,
	    "Measures what this GPU and its driver do of what Lowtide rests on.\v"
	    "Exit status: 0 all was answered, 1 something failed, 2 usage, 77 no CUDA device.\n"
	    "No setting of the card is changed.",
	    NULL,
	    NULL,
	    NULL};
	struct arguments a = {.run = {.driver = "libcuda.so.1"}, .answers = -1};

	argp_err_exit_status = EXIT_USAGE;
	leave_preload(argv);
	argp_parse(&parser, argc, argv, 0, NULL, &a);
	if (a.trial) {
		run_trial(&a);
		return 0;
	}
	if (a.list) {
		for (size_t i = 0; i < probe_trial_count; i++)
			printf("%-14s %s\n", probe_trials[i].name, probe_trials[i].question);
		return 0;
	}
	return run(&a);
}
