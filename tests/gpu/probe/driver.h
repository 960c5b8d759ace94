/*
 * The driver under test, opened by name and never linked.
 *
 * Owns the library's handle and one typed pointer for each row of driver.def, NULL where
 * this driver does not offer it (none that is NEEDED). Written once by driver_open; immutable
 * after.
 */
#ifndef PROBE_DRIVER_H
#define PROBE_DRIVER_H

#include <cuda.h>
#include <stdbool.h>

struct driver {
#define NEEDED(symbol) __typeof__(&symbol) symbol;
#define OPTIONAL NEEDED
#include "driver.def"
	void *library;
	const char *path;	      /* as it was named */
	double (*simulated_ns)(void); /* NULL: a real driver */
};

/* cu(cuMemMap)(...): as the driver's headers declare it. */
extern struct driver probe_driver;
#define cu(symbol) (probe_driver.symbol)

/* False: *why says why, for a person to read, and is valid for the life of the process;
 * *absent: there is no such library (else there is, and it cannot be used). */
bool driver_open(const char *path, const char **why, bool *absent);
bool driver_has_vmm(void); /* every call that virtual memory management needs */

/* Never NULL. */
const char *driver_error_name(CUresult result);

#endif
