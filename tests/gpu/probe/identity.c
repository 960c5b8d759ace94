/*
 * What card, driver and machine this is: facts that go into the record beside every figure. A
 * process of its own, as every trial, because even asking may hang or crash.
 */
#include "nvml.h"
#include "trials.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <unistd.h>

static bool read_line(const char *path, char *line, int room)
{
	FILE *file = fopen(path, "re");
	bool read = file && fgets(line, room, file);

	if (file)
		fclose(file);
	if (read)
		line[strcspn(line, "\n")] = '\0';
	return read;
}

static bool file_has(const char *path, const char *word)
{
	char line[4096];
	bool has = false;
	FILE *file = fopen(path, "re");

	while (file && !has && fgets(line, sizeof(line), file))
		has = strstr(line, word) != NULL;
	if (file)
		fclose(file);
	return has;
}

static void say_card(const struct gpu *g)
{
	char name[128] = "", text[64];
	CUuuid uuid;
	size_t bytes = 0;
	int version = 0;

	TRY(cu(cuDeviceGetName)(name, sizeof(name), g->device));
	answer_text(name, "name");
	if (cu(cuDeviceGetUuid_v2) &&
	    cu(cuDeviceGetUuid_v2)(&uuid, g->device) == CUDA_SUCCESS) {
		const unsigned char *b = (const unsigned char *)uuid.bytes;
		int used = 0;

		for (int i = 0; i < 16; i++)
			used +=
			    snprintf(text + used, sizeof(text) - (size_t)used, "%s%02x",
				     i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
		answer_text(text, "uuid");
	}
	snprintf(text, sizeof(text), "%d.%d",
		 gpu_attribute(g, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
		 gpu_attribute(g, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
	answer_text(text, "compute_capability");
	TRY(cu(cuDeviceTotalMem_v2)(&bytes, g->device));
	answer_number((long long)bytes, "memory_bytes");
	TRY(cu(cuDriverGetVersion)(&version));
	snprintf(text, sizeof(text), "%d.%d", version / 1000, version % 1000 / 10);
	answer_text(text, "driver_api");
	if (nvml_driver_release())
		answer_text(nvml_driver_release(), "driver_release");
	answer_number(gpu_attribute(g, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
		      "multiprocessors");
	answer_number(gpu_attribute(g, CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT), "copy_engines");
	answer_yes_no(gpu_attribute(g, CU_DEVICE_ATTRIBUTE_INTEGRATED), "integrated");
	answer_yes_no(device_is_shared(g), "mps");
}

/* "16.0 GT/s PCIe" */
static int generation_of(const char *speed)
{
	static const double rates[] = {2.5, 5, 8, 16, 32, 64};
	double rate = 0;

	if (sscanf(speed, "%lf", &rate) == 1)
		for (int i = 0; i < 6; i++)
			if (rate == rates[i])
				return i + 1;
	return 0;
}

/* A link slows down when idle: the most it can do is recorded beside what it does now. */
static void say_link(const struct gpu *g)
{
	char id[32] = "", path[128], line[64];
	unsigned int generation, width;

	if (cu(cuDeviceGetPCIBusId)(id, sizeof(id), g->device) != CUDA_SUCCESS)
		return;
	answer_text(id, "pci_bus_id");
	if (g->simulated)
		return; /* this machine's file system knows nothing of a simulated card */
	for (char *c = id; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	for (int now = 0; now < 2; now++) {
		const char *which = now ? "current" : "max";
		bool known = nvml_link(&generation, &width, now);

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s_link_speed", id,
			 which);
		if (!known && read_line(path, line, sizeof(line))) {
			generation = (unsigned int)generation_of(line);
			snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s_link_width",
				 id, which);
			known = generation && read_line(path, line, sizeof(line)) &&
				sscanf(line, "%u", &width) == 1;
		}
		if (known) {
			answer_number(generation, "pcie_generation_%s", which);
			answer_number(width, "pcie_width_%s", which);
		}
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", id);
	if (read_line(path, line, sizeof(line)))
		answer_text(line, "numa_node_sysfs");
}

static const char *container(void)
{
	if (access("/.dockerenv", F_OK) == 0)
		return "docker";
	if (access("/run/.containerenv", F_OK) == 0)
		return "podman";
	if (file_has("/proc/1/cgroup", "kubepods"))
		return "kubernetes";
	if (file_has("/proc/1/cgroup", "docker"))
		return "docker";
	if (file_has("/proc/1/cgroup", "lxc"))
		return "lxc";
	return "none seen";
}

static void say_machine(const struct gpu *g)
{
	struct utsname name;
	char line[128];

	if (uname(&name) == 0) {
		answer_text(name.release, "kernel");
		answer_text(name.machine, "machine");
	}
	answer_number(sysconf(_SC_NPROCESSORS_ONLN), "processors");
	answer_number((long long)host_free_bytes(), "host_available_bytes");
	answer_text(container(), "container");
	if (file_has("/proc/cpuinfo", "hypervisor") || access("/sys/hypervisor", F_OK) == 0)
		answer_text(read_line("/sys/class/dmi/id/sys_vendor", line, sizeof(line)) &&
				    *line
				? line
				: "a hypervisor",
			    "vm");
	else
		answer_text("none seen", "vm");
	answer_yes_no(file_has("/proc/version", "icrosoft"), "wsl");
	answer_number(gpu_attribute(g, ATTRIBUTE_HOST_NUMA_ID), "numa_node");
	answer_yes_no(access("/sys/devices/system/node/node1", F_OK) == 0,
		      "numa_several_nodes");
}

bool device_is_shared(const struct gpu *g)
{
	return gpu_attribute(g, ATTRIBUTE_MPS_ENABLED);
}

void identity(int ordinal)
{
	struct gpu g = {.ordinal = ordinal, .simulated = probe_driver.simulated_ns != NULL};
	int count = 0;
	CUresult result;

	answer_step("starting the driver");
	result = cu(cuInit)(0);
	/* cuInit says so where a driver is installed and no card is. */
	if (result == CUDA_ERROR_NO_DEVICE || result == CUDA_ERROR_STUB_LIBRARY)
		answer_skipped("%s", driver_error_name(result));
	TRY(result);
	TRY(cu(cuDeviceGetCount)(&count));
	if (!count)
		answer_skipped("the driver knows no device");
	if (ordinal < 0 || ordinal >= count)
		answer_failed("no device %d: there are %d, from 0", ordinal, count);
	TRY(cu(cuDeviceGet)(&g.device, ordinal));
	nvml_start(&g);
	answer_yes_no(g.simulated, "simulated");
	say_card(&g);
	say_link(&g);
	say_machine(&g);
	answer_done();
}
