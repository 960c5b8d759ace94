#include "nvml.h"

#include <dlfcn.h>

/* As NVML has documented them since its first version. */
struct nvml_memory {
	unsigned long long total, free, used;
};
typedef void *nvml_device;

static nvml_device device; /* NULL: not to be had; immutable after nvml_start */
static int (*memory_info)(nvml_device, struct nvml_memory *);
static int (*driver_version)(char *, unsigned int);
static int (*link_number[2][2])(nvml_device, unsigned int *); /* [now][width] */

bool nvml_start(const struct gpu *g)
{
	void *library =
	    g->simulated ? NULL : dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	int (*init)(void), (*by_bus_id)(const char *, nvml_device *);
	char id[32];

	if (!library)
		return false;
#define FIND(what, name) what = __extension__(__typeof__(what)) dlsym(library, name)
	FIND(init, "nvmlInit_v2");
	FIND(by_bus_id, "nvmlDeviceGetHandleByPciBusId_v2");
	FIND(memory_info, "nvmlDeviceGetMemoryInfo");
	FIND(driver_version, "nvmlSystemGetDriverVersion");
	FIND(link_number[0][0], "nvmlDeviceGetMaxPcieLinkGeneration");
	FIND(link_number[0][1], "nvmlDeviceGetMaxPcieLinkWidth");
	FIND(link_number[1][0], "nvmlDeviceGetCurrPcieLinkGeneration");
	FIND(link_number[1][1], "nvmlDeviceGetCurrPcieLinkWidth");
#undef FIND
	if (!init || !by_bus_id || init())
		return false;
	if (cu(cuDeviceGetPCIBusId)(id, sizeof(id), g->device) != CUDA_SUCCESS ||
	    by_bus_id(id, &device))
		device = NULL;
	return device != NULL;
}

bool nvml_used_bytes(uint64_t *out)
{
	struct nvml_memory memory;

	if (!device || !memory_info || memory_info(device, &memory))
		return false;
	*out = memory.used;
	return true;
}

const char *nvml_driver_release(void)
{
	static char release[96];

	if (!device || !driver_version || driver_version(release, sizeof(release)))
		return NULL;
	return release;
}

bool nvml_link(unsigned int *generation, unsigned int *width, bool of_now)
{
	return device && link_number[of_now][0] && link_number[of_now][1] &&
	       !link_number[of_now][0](device, generation) &&
	       !link_number[of_now][1](device, width);
}
