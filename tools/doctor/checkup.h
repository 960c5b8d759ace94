/*
 * What `lowtide doctor` finds: each finding is one line for a person, and an entry of a list
 * for a program; the worst of them is the verdict. Owns the list. The checks are one file each
 * (the other files here), and know nothing of each other.
 */
#ifndef LOWTIDE_CHECKUP_H
#define LOWTIDE_CHECKUP_H

#include "base/settings.h"
#include "doctor/trial.h"

#include <jansson.h>
#include <stdbool.h>

/* How a finding bears on the verdict. A note bears on nothing. */
enum mark {
	MARK_NOTE,
	MARK_FINE,
	MARK_LIMIT, /* it works, with this limit */
	MARK_NO,    /* it does not work */
};

struct checkup {
	json_t *findings; /* {"topic", "mark", "text"} */
	json_t *facts; /* what a program may want beside: "driver", "devices", "probe", ... */
	enum mark worst;
	bool print; /* lines on stdout, as they are found */
};

int checkup_init(struct checkup *checkup, bool print);
void checkup_finish(struct checkup *checkup);

__attribute__((format(printf, 4, 5))) void checkup_find(struct checkup *checkup, enum mark mark,
							const char *topic, const char *format,
							...);

/* The checks. */
void doctor_settings(struct checkup *checkup, struct settings *settings);
void doctor_library(struct checkup *checkup);
void doctor_driver(struct checkup *checkup, const struct settings *settings,
		   const struct trial *trial);
void doctor_memory(struct checkup *checkup, const struct settings *settings,
		   const struct trial *trial);
void doctor_machine(struct checkup *checkup, const struct trial *trial);
void doctor_neighbours(struct checkup *checkup);
void doctor_probe(struct checkup *checkup, int seconds);

#endif
