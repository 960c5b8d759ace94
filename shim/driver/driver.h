/*
 * The real driver: its library, and the functions of it that we hook or call.
 *
 * Owns the handle of libcuda.so.1 and one typed pointer for each HOOKED and CALLED row of
 * api.def, NULL where this driver does not have the function. Written once, by driver_load;
 * immutable after. Any thread may call.
 */
#ifndef LOWTIDE_DRIVER_H
#define LOWTIDE_DRIVER_H

#include "driver/newer.h"

#include <stdbool.h>

struct driver {
#define HOOKED(base, since, stream, symbol, paging) PFN_##base##_v##since##stream symbol;
#define CALLED HOOKED
#include "driver/api.def"
};

extern struct driver lt_driver;

/* The driver's own function of that symbol, if driver_load has run. A program that is linked to
 * the driver calls a wrapper before anything else has loaded it: each first asks driver_has. */
#define real(symbol) (lt_driver.symbol)

/* CUDA_ERROR_NOT_FOUND: there is no libcuda.so.1. */
CUresult driver_load(void);
#define driver_has(symbol) (driver_load() == CUDA_SUCCESS && real(symbol))

/* Whether it has every function without which nothing is paged. After driver_load. */
bool driver_can_page(void);

#endif
