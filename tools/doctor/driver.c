/* The driver, its devices, and how their trial went. */
#include "doctor/checkup.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GIB ((double)(1ull << 30))
#define PARAMS_VERSION 12040 /* the first with cuFuncGetParamInfo */
#define STUB_LIBRARY 34	     /* CUDA_ERROR_STUB_LIBRARY */
#define NO_DEVICE 100
#define COMPUTE_PROHIBITED 2

static bool has_kernel_module(void)
{
	return access("/proc/driver/nvidia/version", F_OK) == 0;
}

/* What may be behind a driver that does not start, as far as this machine's files tell. */
static const char *reason(const struct trial *trial)
{
	if (trial->init == STUB_LIBRARY)
		return "; this is the toolkit's stub, to link against: the driver's own must "
		       "come first on LD_LIBRARY_PATH";
	if (access("/dev/dxg", F_OK) == 0)
		return "";
	if (!has_kernel_module())
		return "; the kernel has no NVIDIA module loaded";
	if (access("/dev/nvidiactl", F_OK) != 0)
		return "; /dev/nvidiactl is not here: a container needs its GPUs given to it "
		       "(--gpus all)";
	if (access("/dev/nvidiactl", R_OK | W_OK) != 0)
		return "; this user may not open /dev/nvidiactl";
	if (trial->init == NO_DEVICE)
		return "; CUDA_VISIBLE_DEVICES may hide them all";
	return "";
}

/* False: there is no driver to go on with. */
static bool tell_driver(struct checkup *checkup, const struct trial *trial)
{
	if (trial->open_error[0]) {
		checkup_find(checkup, MARK_NO, "driver", "none: %s%s", trial->open_error,
			     has_kernel_module()
				 ? "; the kernel's module is loaded: a container needs the "
				   "driver's libraries given to it (--gpus all)"
				 : "");
		return false;
	}
	json_object_set_new(
	    checkup->facts, "driver",
	    json_pack("{s:s, s:i}", "file", trial->path, "version", trial->version));
	if (trial->init != 0) {
		checkup_find(checkup, MARK_NO, "driver", "%s does not start: %s%s", trial->path,
			     trial->error_names[TRIAL_DEVICES], reason(trial));
		return false;
	}
	if (!trial->version && !trial->finished)
		return true; /* what happened is told below */
	checkup_find(checkup, MARK_FINE, "driver", "CUDA %d.%d, %s", trial->version / 1000,
		     trial->version % 1000 / 10, trial->path);
	return true;
}

static void tell_ending(struct checkup *checkup, const struct trial *trial)
{
	if (trial->timed_out)
		checkup_find(checkup, MARK_NO, "driver", "did not come back in time from: %s",
			     trial->doing);
	else if (trial->killed_by)
		checkup_find(checkup, MARK_NO, "driver", "crashed (%s) in: %s",
			     strsignal(trial->killed_by), trial->doing);
	else if (!trial->finished)
		checkup_find(checkup, MARK_NO, "driver", "ended the process in: %s",
			     trial->doing);
}

static void tell_device(struct checkup *checkup, const char *topic,
			const struct trial_device *device, const struct settings *settings,
			int index)
{
	uint64_t cap = settings_cap_bytes(settings, index, device->total_bytes);

	checkup_find(checkup, MARK_FINE, topic,
		     "%s, %.1f GiB (%.1f free), compute %d.%d, PCI %s%s", device->name,
		     (double)device->total_bytes / GIB, (double)device->free_bytes / GIB,
		     device->major, device->minor, device->bus,
		     device->integrated ? ", shares the machine's RAM" : "");
	if (device->simulated)
		checkup_find(checkup, MARK_NOTE, topic,
			     "this is the simulated driver: nothing here tells of a card");
	if (device->integrated)
		checkup_find(checkup, MARK_LIMIT, topic,
			     "its memory is the machine's RAM: moving cold memory there frees "
			     "nothing");
	if (device->compute_mode == COMPUTE_PROHIBITED)
		checkup_find(checkup, MARK_NO, topic, "its compute mode allows no process");
	if (settings->reserve_bytes && settings->reserve_bytes >= cap)
		checkup_find(checkup, MARK_LIMIT, topic,
			     "LOWTIDE_RESERVE leaves nothing of the cap of %.1f GiB: every "
			     "allocation is refused",
			     (double)cap / GIB);
	if (device->step <= TRIAL_CONTEXT)
		return;
	if (cap > device->free_bytes)
		checkup_find(checkup, MARK_NOTE, topic,
			     "the cap is %.1f GiB, of which others hold a part now",
			     (double)cap / GIB);
	else
		checkup_find(checkup, MARK_NOTE, topic, "the cap is %.1f GiB",
			     (double)cap / GIB);
}

/* Device memory can be mapped anew: all that unmapped cold memory asks for, besides copies. It
 * does without kernels of ours too. */
static bool maps(const struct trial_device *device)
{
	return device->step >= TRIAL_HOST_FRAME || device->step == TRIAL_MODULE;
}

static void tell_kernels(struct checkup *checkup, const char *topic,
			 const struct trial_device *device)
{
	char took[32] = "";

	/* The simulated driver's compiler takes simulated time. */
	if (!device->simulated)
		snprintf(took, sizeof(took), " in %.1f ms",
			 (double)device->kernels_load_us / 1000);
	if (!strcmp(device->kernels, "cubin"))
		checkup_find(checkup, MARK_NOTE, topic,
			     "our kernels: machine code for sm_%d, loaded%s",
			     device->kernels_arch, took);
	else if (!strcmp(device->kernels, "ptx"))
		checkup_find(checkup, MARK_NOTE, topic,
			     "our kernels: PTX, which the driver compiled and loaded%s: %s",
			     took, device->kernels_why);
	else if (device->jit_needed)
		checkup_find(checkup, MARK_LIMIT, topic, "our kernels cannot be loaded: %s; %s",
			     device->kernels_why,
			     device->jit_error[0]
				 ? device->jit_error
				 : "a library of that name is here, but the driver does not "
				   "use it: is it of the same version?");
	else if (device->kernels[0])
		checkup_find(checkup, MARK_LIMIT, topic, "our kernels cannot be loaded: %s",
			     device->kernels_why);
}

static bool can_page(const struct trial_device *device, const struct settings *settings)
{
	return settings->cold == COLD_UNMAPPED ? maps(device) : device->step == TRIAL_DONE;
}

/* True: the device can page. */
static bool tell_trial(struct checkup *checkup, const char *topic,
		       const struct trial_device *device, const char *error,
		       const struct settings *settings)
{
	const char *claim = device->claims_host_numa
				? "though the driver claims to support it"
				: "and the driver does not claim to support it";

	if (can_page(device, settings)) {
		if (settings->cold == COLD_UNMAPPED)
			checkup_find(
			    checkup, MARK_FINE, topic,
			    "memory can be mapped anew: LOWTIDE_COLD=unmapped can page, "
			    "and refuses what one launch names over the cap%s",
			    device->step == TRIAL_DONE
				? " (mapped would work here, and refuses nothing)"
			    : device->step == TRIAL_MODULE
				? "; without our kernels, what leaves VRAM is always copied"
				: "");
		else
			checkup_find(
			    checkup, MARK_FINE, topic,
			    "kernels read and write host frames: cold memory can be paged");
		if (!device->high_addresses)
			checkup_find(
			    checkup, MARK_NOTE, topic,
			    "addresses are reserved low: pairs of small numbers may be "
			    "taken for pointers, which costs time only");
		return true;
	}
	if (device->step <= TRIAL_CONTEXT)
		checkup_find(checkup, MARK_NO, topic, "%s: %s", trial_step_name(device->step),
			     error);
	else if (device->step == TRIAL_FUNCTIONS)
		checkup_find(checkup, MARK_LIMIT, topic,
			     "the driver lacks virtual memory management (CUDA 10.2 and newer "
			     "have it): the cap is held, nothing is paged");
	else if (device->step == TRIAL_MODULE)
		checkup_find(checkup, MARK_LIMIT, topic,
			     "without our kernels, whether kernels reach host memory cannot be "
			     "tried: the cap is held, nothing is paged");
	else if (device->step == TRIAL_HOST_BYTES)
		checkup_find(checkup, MARK_LIMIT, topic,
			     "a kernel read or wrote host memory wrongly, %s: the cap is held, "
			     "nothing is paged",
			     claim);
	else
		checkup_find(checkup, MARK_LIMIT, topic,
			     "%s fails with %s%s%s: the cap is held, nothing is paged",
			     trial_step_name(device->step), error, maps(device) ? ", " : "",
			     maps(device) ? claim : "");
	if (maps(device))
		checkup_find(
		    checkup, MARK_NOTE, topic,
		    "LOWTIDE_COLD=unmapped may page here: each launch then waits until "
		    "all it names is in VRAM (the manual and README tell its limits)");
	return false;
}

static json_t *device_facts(const struct trial_device *device, const char *error,
			    const struct settings *settings)
{
	return json_pack(
	    "{s:s, s:s, s:I, s:I, s:[i,i], s:i, s:b, s:b, s:b, s:b, s:s?, s:I, s:s, s:s}",
	    "name", device->name, "bus", device->bus, "total_bytes",
	    (json_int_t)device->total_bytes, "free_bytes", (json_int_t)device->free_bytes,
	    "compute", device->major, device->minor, "numa_node", device->numa_node,
	    "simulated", (int)device->simulated, "can_page", (int)can_page(device, settings),
	    "claims_host_numa", (int)device->claims_host_numa, "tells_params",
	    (int)device->tells_params, "kernels", device->kernels[0] ? device->kernels : NULL,
	    "kernels_load_us", (json_int_t)device->kernels_load_us, "failed_at",
	    trial_step_name(device->step), "error", error);
}

/* A cap for a device that is not there is a slip: the others then have the default. */
static void tell_stray_caps(struct checkup *checkup, const struct trial *trial,
			    const struct settings *settings)
{
	for (int i = trial->count; i < SETTINGS_DEVICES; i++)
		if (settings->device_cap[i].bytes || settings->device_cap[i].share > 0)
			checkup_find(checkup, MARK_LIMIT, "settings",
				     "LOWTIDE_VRAM has a cap for device %d, and there are %d",
				     i, trial->count);
}

void doctor_driver(struct checkup *checkup, const struct settings *settings,
		   const struct trial *trial)
{
	json_t *devices = json_array();
	bool blind = false;
	char topic[24];

	json_object_set_new(checkup->facts, "devices", devices);
	if (!tell_driver(checkup, trial))
		return;
	tell_ending(checkup, trial);
	if (trial->count <= 0 && trial->finished)
		checkup_find(checkup, MARK_NO, "devices", "the driver knows of none%s",
			     reason(trial));
	for (int i = 0; i < trial->count && i < TRIAL_DEVICES; i++) {
		const struct trial_device *device = &trial->devices[i];
		const char *error = trial->error_names[i];

		if (!device->name[0])
			continue; /* the trial ended before it */
		snprintf(topic, sizeof(topic), "device %d", i);
		tell_device(checkup, topic, device, settings, i);
		tell_kernels(checkup, topic, device);
		/* Nobody was asked for parameters where no kernel could be loaded. */
		if (error[0] && tell_trial(checkup, topic, device, error, settings) &&
		    device->step > TRIAL_MODULE && !device->tells_params)
			blind = true;
		json_array_append_new(devices, device_facts(device, error, settings));
	}
	if (trial->finished && trial->count > 0)
		tell_stray_caps(checkup, trial, settings);
	if (trial->count > TRIAL_DEVICES)
		checkup_find(checkup, MARK_NOTE, "devices", "%d more were not tried",
			     trial->count - TRIAL_DEVICES);
	if (blind)
		checkup_find(checkup, MARK_LIMIT, "driver",
			     "it does not tell kernels' parameters (CUDA %d.%d and newer do): "
			     "cold memory is used in place, and seldom comes back",
			     PARAMS_VERSION / 1000, PARAMS_VERSION % 1000 / 10);
}
