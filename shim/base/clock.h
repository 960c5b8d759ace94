/* The one place where time comes in: monotonic nanoseconds. */
#ifndef LOWTIDE_CLOCK_H
#define LOWTIDE_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ns(void);

#endif
