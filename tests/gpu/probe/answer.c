#include "answer.h"

#include "driver.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int out = -1; /* immutable after answer_to */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void answer_to(int file)
{
	out = file;
}

/* A parent that is gone is no reason to go on. */
static void write_all(const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t wrote = write(out, text, bytes);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			_exit(1);
		text += wrote;
		bytes -= (size_t)wrote;
	}
}

/* Takes the object over. */
static void send(const char *kind, json_t *body)
{
	json_t *line = json_pack("{s:o}", kind, body);
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;

	if (!text)
		_exit(1);
	pthread_mutex_lock(&mutex);
	write_all(text, strlen(text));
	write_all("\n", 1);
	pthread_mutex_unlock(&mutex);
	free(text);
	json_decref(line);
}

#define NAMED(name)                                                                            \
	char named[256];                                                                       \
	do {                                                                                   \
		va_list rest;                                                                  \
		va_start(rest, name);                                                          \
		vsnprintf(named, sizeof(named), name, rest);                                   \
		va_end(rest);                                                                  \
	} while (0)

void answer_figure(struct samples *s, const char *unit, const char *name, ...)
{
	struct summary sum = samples_summarise(s);

	NAMED(name);
	if (sum.n)
		send("figure", json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:I}", "name",
					 named, "unit", unit, "median", sum.median, "p25",
					 sum.p25, "p75", sum.p75, "p99", sum.p99, "max",
					 sum.max, "n", (json_int_t)sum.n));
}

void answer_value(double value, const char *unit, const char *name, ...)
{
	struct samples s;

	NAMED(name);
	samples_init(&s);
	samples_add(&s, value);
	answer_figure(&s, unit, "%s", named);
	samples_finish(&s);
}

static void send_fact(const char *name, json_t *value)
{
	send("fact", json_pack("{s:s, s:o}", "name", name, "value", value));
}

void answer_yes_no(bool yes, const char *name, ...)
{
	NAMED(name);
	send_fact(named, json_boolean(yes));
}

void answer_number(long long number, const char *name, ...)
{
	NAMED(name);
	send_fact(named, json_integer(number));
}

void answer_text(const char *text, const char *name, ...)
{
	json_t *string = json_string(text);

	NAMED(name);
	send_fact(named, string ? string : json_string("(not UTF-8)"));
}

void answer_result(CUresult result, const char *name, ...)
{
	NAMED(name);
	answer_text(result == CUDA_SUCCESS ? "ok" : driver_error_name(result), "%s", named);
}

void answer_check(bool holds, const char *why, const char *name, ...)
{
	NAMED(name);
	send("check", json_pack("{s:s, s:b, s:s}", "name", named, "holds", holds, "why",
				!holds && why ? why : ""));
}

void answer_step(const char *what, ...)
{
	NAMED(what);
	send("step", json_string(named));
}

static _Noreturn void end(const char *status, const char *why)
{
	send("end", json_pack("{s:s, s:s}", "status", status, "why", why));
	/* Not exit(): a driver with a lost context, or with a kernel that never ends, may hang
	 * in its own clean-up. */
	_exit(0);
}

void answer_failed(const char *why, ...)
{
	NAMED(why);
	end("failed", named);
}

void answer_skipped(const char *why, ...)
{
	NAMED(why);
	end("skipped", named);
}

void answer_done(void)
{
	end("ok", "");
}

void answer_try(CUresult result, const char *call)
{
	const char *from = strchr(call, '('), *end_of_name = from ? strchr(from, ')') : NULL;

	if (result == CUDA_SUCCESS)
		return;
	/* "cu(cuMemMap)(at, ...)" */
	if (!strncmp(call, "cu(", 3) && end_of_name)
		answer_failed("%.*s: %s", (int)(end_of_name - from - 1), from + 1,
			      driver_error_name(result));
	answer_failed("%.*s: %s", (int)strcspn(call, "("), call, driver_error_name(result));
}
