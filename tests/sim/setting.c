/* The simulated cards' settings, from the environment; README.md here lists them. */
#include "sim.h"

#include "manner.h"
#include "price.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_config sim_config;

/* False: not a number, or one below `least`. */
static bool read_number(const char *text, double least, double *out)
{
	char *end;

	*out = strtod(text, &end);
	switch (*end) {
	case 'G':
		*out *= 1024; /* fall through */
	case 'M':
		*out *= 1024; /* fall through */
	case 'K':
		*out *= 1024;
		end++;
		break;
	default:
		break;
	}
	return end != text && !*end && *out >= least;
}

static double refused(const char *name, const char *text, double fallback)
{
	fprintf(stderr, "simulated GPU: %s=%s is not a number; using %g\n", name, text,
		fallback);
	return fallback;
}

double sim_setting_number(const char *name, double fallback)
{
	const char *text = getenv(name);
	double value;

	if (!text || !*text)
		return fallback;
	return read_number(text, 0, &value) ? value : refused(name, text, fallback);
}

/* The only one that may be below zero: -1 says that there is no NUMA. */
static int node(const char *name)
{
	const char *text = getenv(name);
	double value;

	if (!text || !*text)
		return 0;
	return (int)(read_number(text, -1, &value) ? value : refused(name, text, 0));
}

bool sim_setting_of(const char *name, int device, char *out, size_t room)
{
	const char *at = getenv(name), *comma;
	size_t length;

	if (!at || !*at)
		return false;
	while (device-- > 0 && (comma = strchr(at, ',')) != NULL)
		at = comma + 1;
	length = strcspn(at, ",");
	if (!length || length >= room)
		return false;
	memcpy(out, at, length);
	out[length] = '\0';
	return true;
}

static void read_capacities(void)
{
	const double fallback = 8.0 * (1 << 30);

	for (int i = 0; i < SIM_DEVICES; i++) {
		char text[32];
		double bytes = fallback;

		if (sim_setting_of("LOWTIDE_SIM_VRAM", i, text, sizeof(text)) &&
		    !read_number(text, 0, &bytes))
			bytes = refused("LOWTIDE_SIM_VRAM", text, fallback);
		sim_config.vram_bytes[i] = (uint64_t)bytes;
		/* Beneath what contexts take there is nothing left to count. */
		if (sim_config.vram_bytes[i] < sim_config.context_bytes)
			sim_config.vram_bytes[i] = sim_config.context_bytes;
	}
}

/* What the environment says wins over a profile, and that over the presets. */
static void read_rates(void)
{
	sim_config.h2d_rate = sim_config.d2h_rate = 25;
	sim_config.vram_rate = 1000;
	sim_config.zero_copy_share = sim_config.zero_copy_write_share = 0.6;
	sim_config.host_numa = true;
	sim_prices_read(getenv("LOWTIDE_SIM_PROFILE"));
	sim_config.h2d_rate = sim_setting_number("LOWTIDE_SIM_H2D_GBPS", sim_config.h2d_rate);
	sim_config.d2h_rate = sim_setting_number("LOWTIDE_SIM_D2H_GBPS", sim_config.d2h_rate);
	sim_config.vram_rate =
	    sim_setting_number("LOWTIDE_SIM_VRAM_GBPS", sim_config.vram_rate);
	sim_config.zero_copy_write_share =
	    sim_setting_number("LOWTIDE_SIM_ZEROCOPY", sim_config.zero_copy_write_share);
	sim_config.zero_copy_share =
	    sim_setting_number("LOWTIDE_SIM_ZEROCOPY", sim_config.zero_copy_share);
	sim_prices_from_environment();
	sim_manners_from_environment();
}

/* The first toolkit whose cubins are of the later form (and those for cards from 10.0 on only)
 * is 12.8: read off what ptxas 11.8, 12.8 and 13.0 write. */
#define LATER_CUBINS 12080

static void read_images(void)
{
	int abi = sim_config.driver_version < LATER_CUBINS ? 7 : 8;

	sim_config.jit = sim_setting_number("LOWTIDE_SIM_JIT", 1) != 0;
	sim_config.jit_ns = sim_setting_number("LOWTIDE_SIM_JIT_NS", SIM_JIT_NS);
	sim_config.cubin_abi = (int)sim_setting_number("LOWTIDE_SIM_CUBIN_ABI", abi);
}

void sim_config_read(void)
{
	const char *scheduler = getenv("LOWTIDE_SIM_SCHED");

	sim_config.context_bytes = (uint64_t)sim_setting_number("LOWTIDE_SIM_CONTEXT", 0);
	read_capacities();
	sim_config.host_bytes =
	    (uint64_t)sim_setting_number("LOWTIDE_SIM_HOST", 16.0 * (1 << 30));
	sim_config.devices = (int)sim_setting_number("LOWTIDE_SIM_DEVICES", 1);
	if (sim_config.devices < 1 || sim_config.devices > SIM_DEVICES)
		sim_config.devices = 1;
	sim_config.peers = sim_setting_number("LOWTIDE_SIM_PEERS", 0) != 0;
	sim_config.driver_version = (int)sim_setting_number("LOWTIDE_SIM_DRIVER", 13000);
	read_images();
	read_rates();
	sim_config.host_numa =
	    sim_setting_number("LOWTIDE_SIM_HOST_NUMA", sim_config.host_numa) != 0;
	sim_config.numa_claimed = node("LOWTIDE_SIM_NUMA_CLAIMED");
	sim_config.numa_node = (int)sim_setting_number("LOWTIDE_SIM_NUMA_NODE", 0);
	sim_config.seed = (uint64_t)sim_setting_number("LOWTIDE_SIM_SEED", 1);
	sim_config.scheduler = SIM_VIRTUAL;
	if (scheduler && !strcmp(scheduler, "seeded"))
		sim_config.scheduler = SIM_SEEDED;
	else if (scheduler && !strcmp(scheduler, "threads"))
		sim_config.scheduler = SIM_THREADS;
	else if (scheduler && *scheduler && strcmp(scheduler, "virtual") != 0)
		fprintf(
		    stderr,
		    "simulated GPU: LOWTIDE_SIM_SCHED=%s is not virtual, seeded or threads; "
		    "using virtual\n",
		    scheduler);
}
