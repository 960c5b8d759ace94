/*
 * What the driver's calls cost of host time, and what else of a card's manners can be planted.
 * The presets are medians of an RTX 4050, driver 580. LOWTIDE_SIM_PROFILE names a result of the
 * probe (tests/gpu/README.md has its form): what it measured takes the presets' place.
 *
 * Written once, by sim_prices_read, with the lock; immutable after.
 */
#ifndef SIM_PRICE_H
#define SIM_PRICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_priced { SIM_CREATE, SIM_MAP, SIM_SET_ACCESS, SIM_UNMAP, SIM_RELEASE, SIM_PRICED };

#define SIM_CURVE_POINTS 16

/* Measured at a few sizes, in rising order: straight between two, and on from the last two.
 * Without points: fixed_ns + bytes * per_byte_ns. */
struct sim_curve {
	double fixed_ns, per_byte_ns;
	size_t points;
	double bytes[SIM_CURVE_POINTS], ns[SIM_CURVE_POINTS];
};

struct sim_prices {
	struct sim_curve mapping[SIM_PRICED][2]; /* of the whole call; [1]: host frames */
	double call_ns, launch_ns;		 /* of any call; of a whole launch */
	double pin_byte_ns;			 /* cuMemHostAlloc */
	double launch_stall_ns;			 /* more, after another thread's mapping call */
	bool waits_for_kernels[SIM_PRICED];	 /* the call returns when running work has */
	bool not_ready_under_load;		 /* cuMemSetAccess answers 600 meanwhile */
	bool hints_ignored;			 /* by cuMemAddressReserve */
	bool host_frames_by_copy_only;		 /* a kernel that touches one faults */
};
extern struct sim_prices sim_prices;

/* What is in the file, over the presets; rates go to sim_config. NULL or empty: no file. A file
 * that cannot be read, or is no probe result, is said so on stderr and changes nothing. */
void sim_prices_read(const char *path);

/* LOWTIDE_SIM_PRICE, LOWTIDE_SIM_CALL_NS and LOWTIDE_SIM_LAUNCH_NS: what they name, over the
 * presets and the profile. */
void sim_prices_from_environment(void);

/* Of host time, beside that of any call. SIM_SET_ACCESS: of one call over so many mappings, of
 * `bytes` in all; the others: of one frame. */
double sim_price_ns(enum sim_priced call, bool host, uint64_t bytes, size_t mappings);

/* A mapping call of this thread; what a launch of this thread must wait for since then, once.
 * With the lock. */
void sim_mapping_called(void);
double sim_launch_stall_ns(void);

#endif
