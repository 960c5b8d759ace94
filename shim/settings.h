/*
 * The settings: read from the environment once, at first use, then immutable. Any thread.
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

enum settings_report { REPORT_PHYSICAL, REPORT_CAP };

struct settings {
	struct settings_cap cap; /* for a device without one of its own */
	struct settings_cap device_cap[SETTINGS_DEVICES]; /* both members 0: none of its own */
	const char *policy;				  /* one of the accepted names */
	enum settings_report report;
	bool disable;
};

const struct settings *settings_get(void);

/* The cap of a device with so many bytes of memory, never more than it has. */
uint64_t settings_cap_bytes(const struct settings *settings, int device, uint64_t total_bytes);

/* Parses VALUE as LOWTIDE_<NAME> would be. False: not accepted, and nothing changed. For tests
 * and the reader of the environment. */
bool settings_parse(struct settings *settings, const char *name, const char *value);
void settings_defaults(struct settings *settings);

/* The known name nearest to an unknown one ("VRAMM" -> "VRAM"); NULL if none is near. */
const char *settings_nearest(const char *name);

#endif
