#include "price.h"

#include "manner.h"
#include "profile.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1048576.0

/* Map + access of a device frame near 0.1 ms at any size, a host frame's access 33 ns for each
 * 4 KiB, its creation 90 us a MiB, as pinning. */
struct sim_prices sim_prices = {
    .mapping = {[SIM_CREATE] = {{.fixed_ns = 60e3},
				{.fixed_ns = 150e3, .per_byte_ns = 90e3 / MIB}},
		[SIM_MAP] = {{.fixed_ns = 3e3}, {.fixed_ns = 3e3}},
		[SIM_SET_ACCESS] = {{.fixed_ns = 95e3},
				    {.fixed_ns = 90e3, .per_byte_ns = 33.0 / 4096}},
		[SIM_UNMAP] = {{.fixed_ns = 33e3}, {.fixed_ns = 33e3}},
		[SIM_RELEASE] = {{.fixed_ns = 30e3}, {.per_byte_ns = 14e3 / MIB}}},
    .call_ns = SIM_CALL_NS,
    .launch_ns = SIM_LAUNCH_NS,
    .pin_byte_ns = 90e3 / MIB,
};

static double on_curve(const struct sim_curve *curve, double bytes)
{
	size_t high = 1;
	double low_bytes, share;

	if (bytes <= curve->bytes[0] || curve->points == 1)
		return curve->ns[0];
	while (high + 1 < curve->points && curve->bytes[high] < bytes)
		high++;
	low_bytes = curve->bytes[high - 1];
	share = (bytes - low_bytes) / (curve->bytes[high] - low_bytes);
	return curve->ns[high - 1] + share * (curve->ns[high] - curve->ns[high - 1]);
}

double sim_price_ns(enum sim_priced call, bool host, uint64_t bytes, size_t mappings)
{
	const struct sim_curve *curve = &sim_prices.mapping[call][host];
	double ns;

	if (curve->points) {
		ns = on_curve(curve, (double)bytes) - sim_prices.call_ns;
		return ns > 0 ? ns : 0;
	}
	/* The preset for a device frame's access holds for any range, a host frame's for each.
	 */
	ns = curve->fixed_ns * (call == SIM_SET_ACCESS && host ? (double)mappings : 1);
	return ns + curve->per_byte_ns * (double)bytes;
}

static const char *caller; /* names the thread of the last mapping call; NULL: paid for */
static _Thread_local char this_thread;

void sim_mapping_called(void)
{
	caller = &this_thread;
}

double sim_launch_stall_ns(void)
{
	if (!caller || caller == &this_thread)
		return 0;
	caller = NULL;
	return sim_prices.launch_stall_ns;
}

/* --- a profile ---------------------------------------------------------------------------- */

static double figure(const json_t *trial, const char *name)
{
	return sim_profile_figure(trial, name, "median");
}

static void read_mapping(const json_t *trial)
{
	static const char *const calls[SIM_PRICED] = {"create", "map", "set_access", "unmap",
						      "release"};
	static const char *const homes[2] = {"device", "host"};

	for (int call = 0; call < SIM_PRICED; call++)
		for (int home = 0; home < 2; home++) {
			struct sim_curve *curve = &sim_prices.mapping[call][home];

			for (unsigned int mib = 1; mib <= 4096; mib *= 2) {
				char name[64];
				double us;

				snprintf(name, sizeof(name), "%s/%uMiB/%s", homes[home], mib,
					 calls[call]);
				us = figure(trial, name);
				if (us <= 0 || curve->points == SIM_CURVE_POINTS)
					continue;
				curve->bytes[curve->points] = mib * MIB;
				curve->ns[curve->points++] = us * 1000;
			}
		}
}

static void read_manners(const json_t *stalls, const json_t *hints, const json_t *host)
{
	static const char *const waits[SIM_PRICED] = {
	    "create/waits_for_kernels", "map/waits_for_kernels", "set_access/waits_for_kernels",
	    "unmap/waits_for_kernels", "release/waits_for_kernels"};
	double stall_us = sim_profile_figure(stalls, "beside/launch", "p99") -
			  sim_profile_figure(stalls, "alone/launch", "p99");
	const char *kernel_reads = json_string_value(sim_profile_fact(host, "kernel_read"));

	for (int call = 0; call < SIM_PRICED; call++)
		sim_prices.waits_for_kernels[call] =
		    json_is_true(sim_profile_fact(stalls, waits[call]));
	if (stall_us > 0)
		sim_prices.launch_stall_ns = stall_us * 1000;
	sim_prices.not_ready_under_load =
	    json_integer_value(sim_profile_fact(stalls, "set_access/not_ready")) > 0;
	sim_prices.hints_ignored = json_is_false(sim_profile_fact(hints, "hint_honoured"));
	sim_prices.host_frames_by_copy_only = kernel_reads && strcmp(kernel_reads, "ok") != 0;
}

static void read_rates(const json_t *copies, const json_t *host)
{
	double in = figure(copies, "h2d"), out = figure(copies, "d2h");
	double vram = figure(host, "device/read"), read = figure(host, "host/read");
	double write = figure(host, "host/write");
	const char *created = json_string_value(sim_profile_fact(host, "create"));

	if (in > 0)
		sim_config.h2d_rate = in;
	if (out > 0)
		sim_config.d2h_rate = out;
	if (vram > 0)
		sim_config.vram_rate = vram;
	if (read > 0)
		sim_config.zero_copy_share = read / sim_config.h2d_rate;
	sim_config.zero_copy_write_share =
	    write > 0 ? write / sim_config.d2h_rate : sim_config.zero_copy_share;
	if (created)
		sim_config.host_numa = !strcmp(created, "ok");
}

void sim_prices_read(const char *path)
{
	json_error_t error;
	json_t *root;
	double launch_us, pin_rate;

	if (!path || !*path)
		return;
	root = json_load_file(path, 0, &error);
	if (!root || !json_is_array(json_object_get(root, "trials"))) {
		fprintf(stderr, "simulated GPU: LOWTIDE_SIM_PROFILE=%s: %s\n", path,
			root ? "not a result of the probe" : error.text);
		json_decref(root);
		return;
	}
	launch_us = figure(sim_profile_trial(root, "launch"), "params_1");
	pin_rate = figure(sim_profile_trial(root, "memory"), "pin/1_thread");
	if (launch_us > 0)
		sim_prices.launch_ns = launch_us * 1000;
	if (pin_rate > 0)
		sim_prices.pin_byte_ns = 1 / pin_rate;
	read_mapping(sim_profile_trial(root, "switch_price"));
	read_rates(sim_profile_trial(root, "copies"), sim_profile_trial(root, "host_numa"));
	read_manners(sim_profile_trial(root, "stalls"), sim_profile_trial(root, "hints"),
		     sim_profile_trial(root, "host_numa"));
	sim_manners_of_profile(root);
	json_decref(root);
}

/* --- the environment -----------------------------------------------------------------------
 */

/* LOWTIDE_SIM_PRICE=home.call:us[+us/MiB][,...]: device.map:3, host.create:150+90. The line
 * takes the place of what the presets or a profile say of that call. */
static bool read_price(const char *text, size_t *used)
{
	static const char *const calls[SIM_PRICED] = {"create", "map", "set_access", "unmap",
						      "release"};
	double fixed_us, mib_us = 0;
	char home[8], name[16];
	int end = 0, more = 0;

	if (sscanf(text, "%7[a-z].%15[a-z_]:%lf%n", home, name, &fixed_us, &end) != 3 ||
	    fixed_us < 0 || (strcmp(home, "device") != 0 && strcmp(home, "host") != 0))
		return false;
	if (text[end] == '+') {
		if (sscanf(text + end, "+%lf%n", &mib_us, &more) != 1 || mib_us < 0)
			return false;
		end += more;
	}
	if (text[end] && text[end] != ',')
		return false;
	*used = (size_t)end;
	for (int call = 0; call < SIM_PRICED; call++) {
		if (strcmp(calls[call], name) != 0)
			continue;
		sim_prices.mapping[call][!strcmp(home, "host")] = (struct sim_curve){
		    .fixed_ns = fixed_us * 1000, .per_byte_ns = mib_us * 1000 / MIB};
		return true;
	}
	return false;
}

void sim_prices_from_environment(void)
{
	const char *at = getenv("LOWTIDE_SIM_PRICE");
	size_t used;

	sim_prices.call_ns = sim_setting_number("LOWTIDE_SIM_CALL_NS", sim_prices.call_ns);
	sim_prices.launch_ns =
	    sim_setting_number("LOWTIDE_SIM_LAUNCH_NS", sim_prices.launch_ns);
	for (; at && *at; at += used + (at[used] == ','))
		if (!read_price(at, &used)) {
			fprintf(stderr,
				"simulated GPU: LOWTIDE_SIM_PRICE: not home.call:us[+us/MiB], "
				"as in host.create:150+90: %s\n",
				at);
			return;
		}
}
