/*
 * The settings: read from the environment once, at first use, then immutable. Any thread.
 *
 * Nothing in them points into the environment: a program may write over it (setproctitle). The
 * environment of a privileged process is not read, and the defaults hold.
 *
 * A bad value costs one line in the log, naming the variable, the value and what is accepted;
 * its default then holds and the program runs on.
 */
#ifndef LOWTIDE_SETTINGS_H
#define LOWTIDE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SETTINGS_DEVICES 64

/* A cap as the user gave it: bytes, or a share of the card where `bytes` is 0. */
struct settings_cap {
	uint64_t bytes;
	double share; /* 0..1 */
};

/* In the order of the words that settings.c accepts for each. */
enum settings_report { REPORT_PHYSICAL, REPORT_CAP, REPORT_VIRTUAL };
enum settings_cold { COLD_MAPPED, COLD_UNMAPPED };
enum settings_safety { SAFETY_STRICT, SAFETY_OVERLAP };
enum settings_dirty { DIRTY_HASH, DIRTY_ALWAYS, DIRTY_NEVER_CLEAN };

struct settings {
	struct settings_cap cap; /* for a device without one of its own */
	struct settings_cap device_cap[SETTINGS_DEVICES]; /* both members 0: none of its own */
	const char *policy;				  /* one of the accepted names */
	struct settings_cap host;      /* both members 0: from what RAM is available */
	struct settings_cap low, high; /* shares are of the cap */
	uint64_t block_bytes, min_bytes, driver_below_bytes, reserve_bytes;
	uint64_t patience_ns;
	enum settings_report report;
	enum settings_cold cold;
	enum settings_safety safety;
	bool safety_old_word; /* it was given as "graced" */
	enum settings_dirty dirty;
	bool disable, required, verify, thread, stats;
	char *stats_file; /* of the heap; NULL: the log */
	bool misread; /* a value was not understood; under `required` nothing is then allocated
		       */
};

const struct settings *settings_get(void);

/* The cap of a device with so many bytes of memory, never more than it has. */
uint64_t settings_cap_bytes(const struct settings *settings, int device, uint64_t total_bytes);

/* Parses VALUE as LOWTIDE_<NAME> would be. False: not accepted, and nothing changed; errno then
 * tells what the system had against it, and is 0 where the text itself is at fault. For tests,
 * the command and the reader of the environment. */
bool settings_parse(struct settings *settings, const char *name, const char *value);
/* The line for a value that settings_parse has just refused: the setting, the value (cut short
 * if it is long) and what is accepted. As snprintf; 0: no such setting. */
size_t settings_complaint(const char *name, const char *value, char *line, size_t room);
void settings_defaults(struct settings *settings);

/* What pinned RAM may take, in bytes: LOWTIDE_HOST, or 80 % of what is available less 2 GiB. */
uint64_t settings_host_bytes(const struct settings *settings);

/* The table, for help and documents. False past the end. */
struct settings_row {
	const char *name, *fallback, *accepted, *does;
};
bool settings_row(size_t index, struct settings_row *row);

/* NAME, without its "LOWTIDE_", is a setting, or the simulated GPU's, or the command's. */
bool settings_is_known(const char *name);

/* The known name nearest to an unknown one ("VRAMM" -> "VRAM"); NULL if none is near. */
const char *settings_nearest(const char *name);

#endif
