/*
 * Any text as any setting's value. What is refused changes nothing and is told in one line that
 * fits; what is accepted is within the bounds that the library counts on.
 */
#include "base/settings.h"

#include "input.h"

#include <string.h>

static void hold_cap(const struct settings_cap *cap)
{
	FUZZ_HOLD(cap->share >= 0 && cap->share <= 1, "a share of %g", cap->share);
	FUZZ_HOLD(cap->bytes <= 1ull << 60, "a cap of %llu", (unsigned long long)cap->bytes);
	FUZZ_HOLD(!cap->bytes || !(cap->share > 0), "a cap of bytes and of a share");
}

static void hold(const struct settings *settings)
{
	uint64_t block = settings->block_bytes;

	hold_cap(&settings->cap);
	FUZZ_HOLD(settings->cap.bytes || settings->cap.share > 0, "no cap at all");
	hold_cap(&settings->host);
	hold_cap(&settings->low);
	hold_cap(&settings->high);
	for (int i = 0; i < SETTINGS_DEVICES; i++) {
		uint64_t bytes = settings_cap_bytes(settings, i, 24ull << 30);

		hold_cap(&settings->device_cap[i]);
		FUZZ_HOLD(bytes <= 24ull << 30, "device %d: more than the card has", i);
	}
	FUZZ_HOLD(block >= 2u << 20 && block <= 128u << 20 && !(block & (block - 1)),
		  "blocks of %llu", (unsigned long long)block);
	FUZZ_HOLD(settings->min_bytes <= 1ull << 60 && settings->reserve_bytes <= 1ull << 60,
		  "a size that sums could wrap");
	FUZZ_HOLD(settings->patience_ns >= 1000000 &&
		      settings->patience_ns <= 3600ull * 1000000000,
		  "patience of %llu ns", (unsigned long long)settings->patience_ns);
	FUZZ_HOLD(settings->policy && strlen(settings->policy), "no policy");
	FUZZ_HOLD((unsigned)settings->report <= REPORT_VIRTUAL &&
		      (unsigned)settings->cold <= COLD_UNMAPPED &&
		      (unsigned)settings->safety <= SAFETY_OVERLAP &&
		      (unsigned)settings->dirty <= DIRTY_NEVER_CLEAN,
		  "a word that there is not");
}

/* What the log is told of it. */
static void hold_complaint(const char *name, const char *value)
{
	char line[400];
	size_t length = settings_complaint(name, value, line, sizeof(line));

	FUZZ_HOLD(length > 0 && length < sizeof(line), "%s: a complaint of %zu bytes", name,
		  length);
	FUZZ_HOLD(strstr(line, name) && strstr(line, "accepted: "), "%s: %s", name, line);
}

/* The log's file would be made. */
static bool makes_a_file(const char *name, const char *value)
{
	return !strcmp(name, "LOG") && strchr(value, ',');
}

static void try(const char *name, const char *value)
{
	struct settings settings, before;

	if (makes_a_file(name, value))
		return;
	settings_defaults(&settings);
	before = settings;
	if (settings_parse(&settings, name, value)) {
		hold(&settings);
	} else {
		FUZZ_HOLD(!memcmp(&settings, &before, sizeof(before)),
			  "%s=%s is refused, and changes something", name, value);
		hold_complaint(name, value);
	}
	free(settings.stats_file);
	settings_parse(&settings, "LOG", "off");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct input input = {bytes, length};
	struct settings_row row;
	char *value = malloc(length + 1), name[64] = {0};
	size_t which = input_byte(&input), count = 0;

	while (input.left)
		value[count++] = (char)input_byte(&input);
	value[count] = '\0';
	if (settings_row(which, &row)) {
		try(row.name, value);
	} else {
		/* A name that nobody knows. */
		memcpy(name, value, count < 63 ? count : 63);
		settings_nearest(name);
		if (!settings_is_known(name))
			try("VRAM", value);
	}
	free(value);
	return 0;
}
