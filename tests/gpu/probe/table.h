/* A trial's result, for a person. One thread. */
#ifndef PROBE_TABLE_H
#define PROBE_TABLE_H

#include <jansson.h>
#include <stdio.h>

void table_device(FILE *out, json_t *device, const char *kind);
void table_trial(FILE *out, json_t *trial);

#endif
