/*
 * Stands for NVML where the tests of tests/card/ watch memory: the folder FAKE_NVML holds a
 * file for each process, named by its pid and holding the bytes it is said to use, and perhaps
 * a file `device` with what nobody's process uses. With FAKE_NVML_BLIND no process is listed,
 * as in another pid namespace.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct process {
	unsigned int pid;
	unsigned long long used;
	unsigned int gpu_instance, compute_instance;
};
struct memory {
	unsigned long long total, free, used;
};

static unsigned long long number_in(const char *folder, const char *name)
{
	unsigned long long value = 0;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

/* How many there are; `out` gets the first `room`, `all` the sum of their bytes. */
static unsigned int processes(struct process *out, unsigned int room, unsigned long long *all)
{
	const char *folder = getenv("FAKE_NVML");
	DIR *open_folder = folder ? opendir(folder) : NULL;
	unsigned int count = 0;
	struct dirent *entry;

	*all = 0;
	while (open_folder && (entry = readdir(open_folder))) {
		unsigned int pid = (unsigned int)strtoul(entry->d_name, NULL, 10);
		unsigned long long used = number_in(folder, entry->d_name);

		*all += used;
		if (!pid)
			continue;
		if (count < room)
			out[count] = (struct process){pid, used, 0, 0};
		count++;
	}
	if (open_folder)
		closedir(open_folder);
	return count;
}

int nvmlInit_v2(void)
{
	return 0;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
	(void)uuid;
	*device = NULL;
	return 6; /* NOT_FOUND */
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device)
{
	static int card;

	*device = &card;
	return index == 0 ? 0 : 2;
}

int nvmlSystemGetDriverVersion(char *text, unsigned int room)
{
	snprintf(text, room, "fake");
	return 0;
}

int nvmlDeviceGetMemoryInfo(void *device, struct memory *out)
{
	unsigned long long used;

	(void)device;
	processes(NULL, 0, &used);
	*out = (struct memory){1ull << 40, (1ull << 40) - used, used};
	return 0;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned int *count,
					    struct process *out)
{
	unsigned int room = *count;
	unsigned long long all;

	(void)device;
	*count = getenv("FAKE_NVML_BLIND") ? 0 : processes(out, room, &all);
	return *count > room ? 7 : 0; /* INSUFFICIENT_SIZE */
}
