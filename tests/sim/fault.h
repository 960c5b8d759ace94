/* Where a bad address in a kernel or a copy becomes an error of its context instead of the
 * process's end. */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include "sim.h"

/* Runs one step of an operation. False: it touched what is not accessible; *over is then
 * untouched. */
bool sim_fault_guard(struct sim_op *op, bool *over);
/* The step gives up on its own account (a touch of a range that is not accessible). Does not
 * return. */
_Noreturn void sim_fault_raise(void);
void sim_fault_install(void);

#endif
