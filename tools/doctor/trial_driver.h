/* The trial itself, in the child process: fills in what it learns as it learns it. */
#ifndef LOWTIDE_TRIAL_DRIVER_H
#define LOWTIDE_TRIAL_DRIVER_H

#include "doctor/trial.h"

void trial_driver(struct trial *trial);

#endif
