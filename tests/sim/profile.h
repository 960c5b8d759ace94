/* Reading a result of the probe (tests/gpu/README.md has its form). Of what is not there, each
 * answers nothing: NULL, or 0. */
#ifndef SIM_PROFILE_H
#define SIM_PROFILE_H

#include <jansson.h>

const json_t *sim_profile_trial(const json_t *root, const char *name);
/* `what` of a figure: "median", "p99", ...; in the figure's own unit. */
double sim_profile_figure(const json_t *trial, const char *name, const char *what);
const json_t *sim_profile_fact(const json_t *trial, const char *name);

#endif
