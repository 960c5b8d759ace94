/* The driver's functions that are simulated. */
#ifndef SIM_FUNCTIONS_H
#define SIM_FUNCTIONS_H

#include <stdbool.h>

/* One form of a function, as cuGetProcAddress knows it. */
struct sim_function {
	const char *base;
	int since; /* the first version that has it */
	bool per_thread;
	const void *address;
};

/* The rows of shim/driver/api.def, in its order; base NULL: the end. */
extern const struct sim_function sim_functions[];
bool sim_function_is_simulated(const struct sim_function *function);

#endif
