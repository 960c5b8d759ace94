#include "record.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

json_t *record_new(const char *name, const char *question)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:[], s:{}, s:[]}", "name", name, "question",
			 question, "status", "failed", "why", "", "figures", "facts", "checks");
}

void record_take(struct record *record, const char *line, size_t bytes)
{
	json_t *said = json_loadb(line, bytes, 0, NULL), *body;

	if ((body = json_object_get(said, "figure"))) {
		json_array_append(json_object_get(record->trial, "figures"), body);
	} else if ((body = json_object_get(said, "fact"))) {
		const char *name = json_string_value(json_object_get(body, "name"));

		if (name)
			json_object_set(json_object_get(record->trial, "facts"), name,
					json_object_get(body, "value"));
	} else if ((body = json_object_get(said, "check"))) {
		json_array_append(json_object_get(record->trial, "checks"), body);
		if (!json_is_true(json_object_get(body, "holds")))
			record->check_failed = true;
	} else if (json_is_string(body = json_object_get(said, "step"))) {
		snprintf(record->step, sizeof(record->step), "%s", json_string_value(body));
	} else if ((body = json_object_get(said, "end"))) {
		json_object_set(record->trial, "status", json_object_get(body, "status"));
		json_object_set(record->trial, "why", json_object_get(body, "why"));
		record->ended = true;
	}
	json_decref(said);
}

static void fail(struct record *record, const char *why)
{
	json_object_set_new(record->trial, "status", json_string("failed"));
	json_object_set_new(record->trial, "why", json_string(why));
}

void record_end(struct record *record, const struct ending *ending)
{
	const char *told = json_string_value(json_object_get(record->trial, "why"));
	const char *while_at = record->step[0] ? ", while " : "";
	char why[512];

	if (!ending) {
		fail(record, "cannot start a process");
	} else if (record->ended && record->check_failed) {
		fail(record, told && *told ? told : "a check does not hold");
	} else if (!record->ended && !ending->in_time) {
		snprintf(why, sizeof(why), "ran past %.0f s%s%s%s", ending->limit_s, while_at,
			 record->step, ending->reaped ? "" : "; its process cannot be ended");
		fail(record, why);
	} else if (!record->ended && ending->reaped && WIFSIGNALED(ending->status)) {
		snprintf(why, sizeof(why), "ended by signal %d (%s)%s%s",
			 WTERMSIG(ending->status), strsignal(WTERMSIG(ending->status)),
			 while_at, record->step);
		fail(record, why);
	} else if (!record->ended) {
		snprintf(why, sizeof(why), "ended without a word%s%s", while_at, record->step);
		fail(record, why);
	}
}
