#include "settings.h"

#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static bool parse_number(const char **at, double *number)
{
	char *end;

	/* strtod also takes "inf", "nan", signs and hexadecimal, none of which is a size. */
	if (!strchr("0123456789.", **at) || !**at ||
	    (at[0][0] == '0' && (at[0][1] | 32) == 'x'))
		return false;
	errno = 0;
	*number = strtod(*at, &end);
	if (end == *at || errno)
		return false;
	*at = end;
	return true;
}

/* One cap, up to the end or a comma. */
static bool parse_cap(const char **at, struct settings_cap *cap)
{
	static const char units[] = "KMGT";
	double number, scale = 1;
	const char *unit;

	if (!parse_number(at, &number))
		return false;
	if (**at == '%') {
		(*at)++;
		if (number <= 0 || number > 100)
			return false;
		*cap = (struct settings_cap){.share = number / 100};
		return true;
	}
	unit = **at ? strchr(units, **at & ~32) : NULL;
	if (unit) {
		for (long i = unit - units; i >= 0; i--)
			scale *= 1024;
		(*at)++;
		if (!strncmp(*at, "iB", 2))
			*at += 2;
		else if (**at == 'B')
			(*at)++;
	}
	/* 2^60: far above any card, far below where the arithmetic could wrap. */
	if (number * scale < 1 || number * scale > 1152921504606846976.0)
		return false;
	*cap = (struct settings_cap){.bytes = (uint64_t)(number * scale)};
	return true;
}

static bool parse_vram(struct settings *settings, const char *value)
{
	struct settings next = *settings;
	const char *at = value;

	for (;;) {
		struct settings_cap cap;
		char *colon;
		unsigned long device = strtoul(at, &colon, 10);

		if (*at >= '0' && *at <= '9' && *colon == ':') {
			at = colon + 1;
			if (device >= SETTINGS_DEVICES || !parse_cap(&at, &cap))
				return false;
			next.device_cap[device] = cap;
		} else {
			if (!parse_cap(&at, &cap))
				return false;
			next.cap = cap;
		}
		if (!*at)
			break;
		if (*at++ != ',')
			return false;
	}
	*settings = next;
	return true;
}

static bool parse_policy(struct settings *settings, const char *value)
{
	static const char *const names[] = {"none",  "balanced", "sequential",
					    "group", "auto",	 "lru"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], value)) {
			settings->policy = names[i];
			return true;
		}
	return false;
}

static bool parse_report(struct settings *settings, const char *value)
{
	if (!strcmp(value, "physical"))
		settings->report = REPORT_PHYSICAL;
	else if (!strcmp(value, "cap"))
		settings->report = REPORT_CAP;
	else
		return false;
	return true;
}

static bool parse_disable(struct settings *settings, const char *value)
{
	if (strcmp(value, "0") && strcmp(value, "1"))
		return false;
	settings->disable = *value == '1';
	return true;
}

static bool parse_log(struct settings *settings, const char *value)
{
	(void)settings; /* the log keeps its own level and file */
	return log_configure(value);
}

static const struct row {
	const char *name, *fallback, *accepted;
	bool (*parse)(struct settings *settings, const char *value);
} rows[] = {
#define SETTING(name, parser, fallback, accepted, does)                                        \
	{#name, fallback, accepted, parse_##parser},
#include "settings.def"
#undef SETTING
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *row_find(const char *name, size_t length)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strlen(rows[i].name) == length && !strncmp(rows[i].name, name, length))
			return &rows[i];
	return NULL;
}

bool settings_parse(struct settings *settings, const char *name, const char *value)
{
	const struct row *row = row_find(name, strlen(name));

	return row && row->parse(settings, value);
}

void settings_defaults(struct settings *settings)
{
	memset(settings, 0, sizeof(*settings));
	for (size_t i = 0; i < ROWS; i++)
		rows[i].parse(settings, rows[i].fallback);
}

/* Levenshtein's distance, for names of up to 31 characters. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], columns = strlen(b);

	for (size_t j = 0; j <= columns; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= columns; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[columns];
}

const char *settings_nearest(const char *name)
{
	const char *nearest = NULL;
	size_t best = 4; /* further than three edits away is another word */

	for (size_t i = 0; i < ROWS; i++) {
		size_t d = distance(name, rows[i].name);

		if (d < best && d < strlen(rows[i].name)) {
			best = d;
			nearest = rows[i].name;
		}
	}
	return nearest;
}

static void read_one(struct settings *settings, const char *variable)
{
	const char *equals = strchr(variable, '=');
	const char *name = variable + strlen("LOWTIDE_");
	const struct row *row;
	char unknown[64];
	const char *nearest;
	size_t length;

	if (!equals || !strncmp(name, "SIM_", 4)) /* the simulated GPU's own */
		return;
	length = (size_t)(equals - name);
	row = row_find(name, length);
	if (row) {
		if (!row->parse(settings, equals + 1))
			log_error("LOWTIDE_%s=%s is not understood; accepted: %s; using %s",
				  row->name, equals + 1, row->accepted, row->fallback);
		return;
	}
	if (length >= sizeof(unknown))
		length = sizeof(unknown) - 1;
	memcpy(unknown, name, length);
	unknown[length] = '\0';
	nearest = settings_nearest(unknown);
	log_warn("LOWTIDE_%s is not a setting of this version%s%s", unknown,
		 nearest ? "; did you mean LOWTIDE_" : "", nearest ? nearest : "");
}

static struct settings current; /* immutable after read_once */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_once(void)
{
	settings_defaults(&current);
	for (char **variable = environ; variable && *variable; variable++)
		if (!strncmp(*variable, "LOWTIDE_LOG=", strlen("LOWTIDE_LOG=")))
			read_one(&current,
				 *variable); /* first: the others' messages go where it says */
	for (char **variable = environ; variable && *variable; variable++)
		if (!strncmp(*variable, "LOWTIDE_", strlen("LOWTIDE_")) &&
		    strncmp(*variable, "LOWTIDE_LOG=", strlen("LOWTIDE_LOG=")))
			read_one(&current, *variable);
}

const struct settings *settings_get(void)
{
	pthread_once(&once, read_once);
	return &current;
}

uint64_t settings_cap_bytes(const struct settings *settings, int device, uint64_t total_bytes)
{
	const struct settings_cap *cap = &settings->cap;
	uint64_t bytes;

	if (device >= 0 && device < SETTINGS_DEVICES &&
	    (settings->device_cap[device].bytes || settings->device_cap[device].share > 0))
		cap = &settings->device_cap[device];
	bytes = cap->bytes ? cap->bytes : (uint64_t)((double)total_bytes * cap->share);
	return bytes < total_bytes ? bytes : total_bytes;
}
