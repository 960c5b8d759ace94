#include "settings.h"

#include "file.h"
#include "lock.h"
#include "log.h"
#include "ram.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

/* Decimal digits with at most one point; not strtod, which reads by the process's locale and
 * takes "nan". However many digits there are, the result is a number: past what a double holds
 * it stays at the largest, which every caller refuses. */
static bool parse_number(const char **at, double *number)
{
	const double most = 1e300;
	double place = 1;
	bool digits = false, point = false;

	for (*number = 0;; (*at)++) {
		if (**at == '.' && !point) {
			point = true;
			continue;
		}
		if (**at < '0' || **at > '9')
			return digits;
		digits = true;
		if (point)
			*number += (**at - '0') * (place /= 10);
		else if (*number < most)
			*number = *number * 10 + (**at - '0');
	}
}

/* K, M, G or T, in either case, perhaps with iB or B after it: its factor. 1: no unit. */
static double parse_unit(const char **at)
{
	static const char units[] = "kKmMgGtT";
	const char *unit = **at ? strchr(units, **at) : NULL;
	double scale = 1;

	if (!unit)
		return 1;
	for (long i = (unit - units) / 2; i >= 0; i--)
		scale *= 1024;
	(*at)++;
	if (!strncmp(*at, "iB", 2))
		*at += 2;
	else if (**at == 'B')
		(*at)++;
	return scale;
}

/* One cap, up to the end or a comma. */
static bool parse_cap(const char **at, struct settings_cap *cap)
{
	double number;

	if (!parse_number(at, &number))
		return false;
	if (**at == '%') {
		(*at)++;
		if (number <= 0 || number > 100)
			return false;
		*cap = (struct settings_cap){.share = number / 100};
		return true;
	}
	number *= parse_unit(at);
	/* 2^60: far above any card, far below where the arithmetic could wrap. */
	if (number < 1 || number > 1152921504606846976.0)
		return false;
	*cap = (struct settings_cap){.bytes = (uint64_t)number};
	return true;
}

/* "12:", the device a cap is for. Nothing is read, and true, where there is none. */
static bool parse_device(const char **at, int *device)
{
	size_t digits = strspn(*at, "0123456789");

	*device = -1;
	if (!digits || (*at)[digits] != ':')
		return true;
	for (*device = 0; digits; digits--, (*at)++) {
		*device = *device * 10 + (**at - '0');
		if (*device >= SETTINGS_DEVICES)
			return false;
	}
	(*at)++;
	return true;
}

/* A program cannot live under less, and who writes "8" means 8G. */
#define LEAST_VRAM ((uint64_t)1 << 20)

static bool parse_vram(struct settings *settings, const char *value)
{
	struct settings next = *settings;
	bool given[SETTINGS_DEVICES + 1] = {false}; /* the last: for all the others */

	for (const char *at = value;; at++) {
		struct settings_cap cap;
		int device;

		if (!parse_device(&at, &device) || !parse_cap(&at, &cap) ||
		    (cap.bytes && cap.bytes < LEAST_VRAM))
			return false;
		/* Of two caps for one device, neither is surely meant. */
		if (given[device < 0 ? SETTINGS_DEVICES : device])
			return false;
		given[device < 0 ? SETTINGS_DEVICES : device] = true;
		if (device < 0)
			next.cap = cap;
		else
			next.device_cap[device] = cap;
		if (!*at)
			break;
		if (*at != ',')
			return false;
	}
	*settings = next;
	return true;
}

static bool parse_policy(struct settings *settings, const char *value)
{
	static const char *const names[] = {
#define POLICY(name, does) #name,
#include "policies.def"
#undef POLICY
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], value)) {
			settings->policy = names[i];
			return true;
		}
	return false;
}

/* One of the words: its index; -1: none of them. */
static int word_index(const char *value, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(words[i], value))
			return i;
	return -1;
}

#define PARSE_WORDS(field, type, ...)                                                          \
	static bool parse_##field(struct settings *settings, const char *value)                \
	{                                                                                      \
		static const char *const words[] = {__VA_ARGS__};                              \
		int index = word_index(value, words, (int)(sizeof(words) / sizeof(words[0]))); \
                                                                                               \
		if (index >= 0)                                                                \
			settings->field = (type)index;                                         \
		return index >= 0;                                                             \
	}
PARSE_WORDS(report, enum settings_report, "physical", "cap", "virtual")
PARSE_WORDS(cold, enum settings_cold, "mapped", "unmapped")
PARSE_WORDS(dirty, enum settings_dirty, "hash", "always", "never-clean")
PARSE_WORDS(disable, bool, "0", "1")
PARSE_WORDS(required, bool, "0", "1")
PARSE_WORDS(verify, bool, "0", "1")
PARSE_WORDS(thread, bool, "0", "1")

/* "graced": what overlap was called before. */
static bool parse_safety(struct settings *settings, const char *value)
{
	static const char *const words[] = {"strict", "overlap", "graced"};
	int index = word_index(value, words, 3);

	settings->safety_old_word = index == 2;
	if (index >= 0)
		settings->safety = index ? SAFETY_OVERLAP : SAFETY_STRICT;
	return index >= 0;
}

static bool parse_patience(struct settings *settings, const char *value)
{
	double seconds;

	if (!parse_number(&value, &seconds) || *value || seconds < 0.001 || seconds > 3600)
		return false;
	settings->patience_ns = (uint64_t)(seconds * 1e9);
	return true;
}

static bool parse_whole_cap(const char *value, struct settings_cap *cap)
{
	struct settings_cap next;

	if (!parse_cap(&value, &next) || *value)
		return false;
	*cap = next;
	return true;
}

static bool parse_host(struct settings *settings, const char *value)
{
	if (strcmp(value, "auto"))
		return parse_whole_cap(value, &settings->host);
	settings->host = (struct settings_cap){0};
	return true;
}

static bool parse_low(struct settings *settings, const char *value)
{
	return parse_whole_cap(value, &settings->low);
}

static bool parse_high(struct settings *settings, const char *value)
{
	return parse_whole_cap(value, &settings->high);
}

/* A size alone, no share. */
static bool parse_bytes(const char *value, uint64_t *bytes)
{
	struct settings_cap cap;

	if (!strcmp(value, "0"))
		cap.bytes = 0;
	else if (!parse_whole_cap(value, &cap) || !cap.bytes)
		return false;
	*bytes = cap.bytes;
	return true;
}

static bool parse_min(struct settings *settings, const char *value)
{
	return parse_bytes(value, &settings->min_bytes);
}

static bool parse_driver_below(struct settings *settings, const char *value)
{
	return parse_bytes(value, &settings->driver_below_bytes);
}

static bool parse_reserve(struct settings *settings, const char *value)
{
	return parse_bytes(value, &settings->reserve_bytes);
}

static bool parse_block(struct settings *settings, const char *value)
{
	uint64_t bytes;

	if (!parse_bytes(value, &bytes) || bytes < (2u << 20) || bytes > (128u << 20) ||
	    (bytes & (bytes - 1)))
		return false;
	settings->block_bytes = bytes;
	return true;
}

/* A copy: the program may write over its environment before it ends. */
static bool parse_stats(struct settings *settings, const char *value)
{
	bool is_file = strcmp(value, "0") != 0 && strcmp(value, "1") != 0;
	char *copy = is_file ? strdup(value) : NULL;

	if (!*value || (is_file && !copy)) {
		free(copy);
		return false;
	}
	free(settings->stats_file);
	settings->stats_file = copy;
	settings->stats = strcmp(value, "0") != 0;
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
	const char *does;
} rows[] = {
#define SETTING(name, parser, fallback, accepted, does)                                        \
	{#name, fallback, accepted, parse_##parser, does},
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

bool settings_row(size_t index, struct settings_row *row)
{
	if (index >= ROWS)
		return false;
	*row = (struct settings_row){rows[index].name, rows[index].fallback,
				     rows[index].accepted, rows[index].does};
	return true;
}

bool settings_parse(struct settings *settings, const char *name, const char *value)
{
	const struct row *row = row_find(name, strlen(name));

	errno = 0;
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

/* Names that begin like settings and are somebody else's: the simulated GPU's, the command's.
 */
static bool is_foreign(const char *name, size_t length)
{
	static const char *const names[] = {"LIBRARY", "LOADED"};

	if (!strncmp(name, "SIM_", 4))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && !strncmp(names[i], name, length))
			return true;
	return false;
}

bool settings_is_known(const char *name)
{
	size_t length = strlen(name);

	return row_find(name, length) || is_foreign(name, length);
}

size_t settings_complaint(const char *name, const char *value, char *line, size_t room)
{
	const struct row *row = row_find(name, strlen(name));
	const int shown = 80; /* of a value: enough to know it by, and the rest still fits */
	int reason = errno, wrote;

	if (!row)
		return 0;
	wrote = snprintf(line, room, "LOWTIDE_%s=%.*s%s is not %s%s%s; accepted: %s", row->name,
			 shown, value, strlen(value) > (size_t)shown ? "..." : "",
			 reason ? "usable (" : "understood", reason ? strerror(reason) : "",
			 reason ? ")" : "", row->accepted);
	return wrote < 0 ? 0 : (size_t)wrote;
}

static void read_one(struct settings *settings, const char *variable)
{
	const char *equals = strchr(variable, '=');
	const char *name = variable + strlen("LOWTIDE_");
	const struct row *row;
	char line[400];
	const char *nearest;
	size_t length;

	if (!equals)
		return;
	length = (size_t)(equals - name);
	if (is_foreign(name, length))
		return;
	row = row_find(name, length);
	if (row) {
		if (!settings_parse(settings, row->name, equals + 1)) {
			settings->misread = true;
			settings_complaint(row->name, equals + 1, line, sizeof(line));
			log_error("%s; using %s", line, row->fallback);
		}
		return;
	}
	if (length > 63)
		length = 63;
	memcpy(line, name, length);
	line[length] = '\0';
	nearest = settings_nearest(line);
	log_warn("LOWTIDE_%s is not a setting of this version%s%s", line,
		 nearest ? "; did you mean LOWTIDE_" : "", nearest ? nearest : "");
}

static struct settings current; /* immutable after read_once */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* By overlap, mappings change beside work that may reach what is not mapped. */
static void reconcile(struct settings *settings)
{
	if (settings->safety_old_word)
		log_warn("LOWTIDE_SAFETY=graced is called overlap now; the next release will "
			 "not know the old word");
	if (settings->cold != COLD_UNMAPPED || settings->safety != SAFETY_OVERLAP)
		return;
	log_warn(
	    "LOWTIDE_SAFETY=overlap is not offered with LOWTIDE_COLD=unmapped: strict holds");
	settings->safety = SAFETY_STRICT;
}

static void read_once(void)
{
	settings_defaults(&current);
	if (file_process_is_privileged())
		return;
	for (char **variable = environ; variable && *variable; variable++)
		if (!strncmp(*variable, "LOWTIDE_LOG=", strlen("LOWTIDE_LOG=")))
			read_one(&current,
				 *variable); /* first: the others' messages go where it says */
	for (char **variable = environ; variable && *variable; variable++)
		if (!strncmp(*variable, "LOWTIDE_", strlen("LOWTIDE_")) &&
		    strncmp(*variable, "LOWTIDE_LOG=", strlen("LOWTIDE_LOG=")))
			read_one(&current, *variable);
	reconcile(&current);
}

const struct settings *settings_get(void)
{
	lock_once(&once, read_once);
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

#define HOST_SHARE 0.8
#define HOST_KEPT ((uint64_t)2 << 30) /* for the program and the machine */

uint64_t settings_host_bytes(const struct settings *settings)
{
	uint64_t ram, share;

	if (settings->host.bytes)
		return settings->host.bytes;
	ram = ram_available_bytes();
	if (settings->host.share > 0)
		return (uint64_t)((double)ram * settings->host.share);
	share = (uint64_t)((double)ram * HOST_SHARE);
	return share > 2 * HOST_KEPT ? share - HOST_KEPT : share / 2;
}
