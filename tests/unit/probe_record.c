/* What a trial tells, and what its parent makes of it. */
#include "answer.h"
#include "record.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs the trial in a process, as the runner does, and takes all it says. */
static json_t *told(void (*trial)(void))
{
	struct record record = {.trial = record_new("a", "Is it so?")};
	struct ending ending = {.in_time = true, .reaped = true, .limit_s = 5};
	char text[65536];
	size_t held = 0;
	int ends[2];
	pid_t pid;

	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		close(ends[0]);
		signal(SIGABRT, SIG_DFL);
		answer_to(ends[1]);
		trial();
		_exit(3);
	}
	close(ends[1]);
	for (ssize_t got; (got = read(ends[0], text + held, sizeof(text) - held)) > 0;)
		held += (size_t)got;
	close(ends[0]);
	for (char *line = text, *end; (end = memchr(line, '\n', held)); line = end + 1) {
		record_take(&record, line, (size_t)(end - line));
		held -= (size_t)(end + 1 - line);
	}
	cr_assert_eq(waitpid(pid, &ending.status, 0), pid);
	record_end(&record, &ending);
	return record.trial;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(none)";
}

static void is_text(const json_t *object, const char *key, const char *want)
{
	cr_assert_str_eq(text_of(object, key), want, "%s: %s", key, text_of(object, key));
}

static void everything(void)
{
	struct samples s;

	samples_init(&s);
	for (int i = 1; i <= 5; i++)
		samples_add(&s, i);
	answer_figure(&s, "us", "%dMiB/%s", 32, "map");
	answer_value(25, "GB/s", "h2d");
	answer_yes_no(true, "yes");
	answer_yes_no(false, "no");
	answer_number(-3, "node");
	answer_text("a \"quoted\"\nword", "text");
	answer_result(CUDA_SUCCESS, "fine");
	answer_check(true, "unused", "holds");
	answer_done();
}

Test(record, keeps_all_that_was_told)
{
	json_t *trial = told(everything), *facts = json_object_get(trial, "facts");
	json_t *figures = json_object_get(trial, "figures"), *first;

	is_text(trial, "name", "a");
	is_text(trial, "question", "Is it so?");
	is_text(trial, "status", "ok");
	is_text(trial, "why", "");
	cr_assert_eq(json_array_size(figures), 2);
	first = json_array_get(figures, 0);
	is_text(first, "name", "32MiB/map");
	is_text(first, "unit", "us");
	cr_assert_eq(json_real_value(json_object_get(first, "median")), 3);
	cr_assert_eq(json_real_value(json_object_get(first, "p25")), 2);
	cr_assert_eq(json_real_value(json_object_get(first, "p75")), 4);
	cr_assert_eq(json_real_value(json_object_get(first, "max")), 5);
	cr_assert_eq(json_integer_value(json_object_get(first, "n")), 5);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(figures, 1), "n")), 1);
	cr_assert(json_is_true(json_object_get(facts, "yes")));
	cr_assert(json_is_false(json_object_get(facts, "no")));
	cr_assert_eq(json_integer_value(json_object_get(facts, "node")), -3);
	is_text(facts, "text", "a \"quoted\"\nword");
	is_text(facts, "fine", "ok");
	cr_assert_eq(json_array_size(json_object_get(trial, "checks")), 1);
	json_decref(trial);
}

static void no_samples(void)
{
	struct samples s;

	samples_init(&s);
	answer_figure(&s, "us", "nothing");
	answer_text("\xff\xfe", "not_text");
	answer_done();
}

Test(record, has_no_figure_of_no_samples_and_no_broken_text)
{
	json_t *trial = told(no_samples);

	is_text(trial, "status", "ok");
	cr_assert_eq(json_array_size(json_object_get(trial, "figures")), 0);
	is_text(json_object_get(trial, "facts"), "not_text", "(not UTF-8)");
	json_decref(trial);
}

static void broken_promise(void)
{
	answer_check(true, NULL, "one");
	answer_check(false, "3 words differ", "two");
	answer_done();
}

Test(record, a_check_that_does_not_hold_fails_the_trial)
{
	json_t *trial = told(broken_promise), *two;

	is_text(trial, "status", "failed");
	is_text(trial, "why", "a check does not hold");
	two = json_array_get(json_object_get(trial, "checks"), 1);
	cr_assert(json_is_false(json_object_get(two, "holds")));
	is_text(two, "why", "3 words differ");
	json_decref(trial);
}

static void failing_call(void)
{
	answer_number(1, "before");
	TRY(CUDA_ERROR_OUT_OF_MEMORY);
}

Test(record, a_call_that_fails_says_so_and_what_came_before_is_kept)
{
	json_t *trial = told(failing_call);

	is_text(trial, "status", "failed");
	cr_assert_not_null(strstr(text_of(trial, "why"), "error 2"), "%s",
			   text_of(trial, "why"));
	cr_assert_eq(
	    json_integer_value(json_object_get(json_object_get(trial, "facts"), "before")), 1);
	json_decref(trial);
}

static void skipping(void)
{
	answer_skipped("%s: not offered", "this");
}

Test(record, a_skipped_trial_says_why)
{
	json_t *trial = told(skipping);

	is_text(trial, "status", "skipped");
	is_text(trial, "why", "this: not offered");
	json_decref(trial);
}

static void crashing(void)
{
	answer_number(1, "before");
	answer_step("touching %s", "a hole");
	raise(SIGKILL);
}

Test(record, a_crash_names_the_signal_and_the_step)
{
	json_t *trial = told(crashing);

	is_text(trial, "status", "failed");
	cr_assert_not_null(strstr(text_of(trial, "why"), "signal 9"));
	cr_assert_not_null(strstr(text_of(trial, "why"), "touching a hole"));
	cr_assert_eq(
	    json_integer_value(json_object_get(json_object_get(trial, "facts"), "before")), 1);
	json_decref(trial);
}

static void silent(void)
{
}

Test(record, an_end_without_a_word_is_a_failure)
{
	json_t *trial = told(silent);

	is_text(trial, "status", "failed");
	is_text(trial, "why", "ended without a word");
	json_decref(trial);
}

Test(record, too_late_names_the_limit)
{
	struct record record = {.trial = record_new("a", "?"), .step = "waiting"};

	record_end(&record, &(struct ending){.reaped = true, .limit_s = 7});
	is_text(record.trial, "status", "failed");
	is_text(record.trial, "why", "ran past 7 s, while waiting");
	json_decref(record.trial);
}

Test(record, passes_over_what_is_not_one_of_its_lines)
{
	static const char *const lines[] = {
	    "",		  "garbage", "{}", "[1]", "\"x\"", "{\"step\":3}", "{\"fact\":{}}",
	    "{\"fact\":1"};
	struct record record = {.trial = record_new("a", "?")};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		record_take(&record, lines[i], strlen(lines[i]));
	cr_assert_eq(json_object_size(json_object_get(record.trial, "facts")), 0);
	cr_assert_not(record.ended);
	json_decref(record.trial);
}
