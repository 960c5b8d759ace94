/* The kind of machine: privilege, containers, WSL2, several processes on one device (MPS). */
#include "doctor/checkup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static bool file_says(const char *path, const char *word)
{
	char line[512];
	bool found = false;
	FILE *file = fopen(path, "re");

	while (file && !found && fgets(line, sizeof(line), file))
		found = strcasestr(line, word) != NULL;
	if (file)
		fclose(file);
	return found;
}

static void tell_container(struct checkup *checkup, const struct trial *trial)
{
	bool inside = access("/.dockerenv", F_OK) == 0 ||
		      access("/run/.containerenv", F_OK) == 0 || getenv("container");
	bool filtered = file_says("/proc/self/status", "Seccomp:\t2");
	bool failed = trial->count > 0 && trial->devices[0].step >= TRIAL_HOST_FRAME &&
		      trial->devices[0].step < TRIAL_DONE;

	if (filtered && failed)
		checkup_find(
		    checkup, MARK_NOTE, "container",
		    "system calls are filtered (seccomp), and host frames failed: a "
		    "filter that refuses mbind may be why; try with --cap-add SYS_NICE");
	else if (inside)
		checkup_find(checkup, MARK_NOTE, "container", "inside one%s",
			     filtered ? ", with system calls filtered (seccomp)" : "");
}

static void tell_mps(struct checkup *checkup)
{
	const char *folder = getenv("CUDA_MPS_PIPE_DIRECTORY");
	char control[512];

	snprintf(control, sizeof(control), "%s/control", folder ? folder : "/tmp/nvidia-mps");
	if (access(control, F_OK) == 0)
		checkup_find(
		    checkup, MARK_LIMIT, "MPS",
		    "%s is there: programs share the device through MPS, where a fault "
		    "in one ends them all; this was never tried",
		    control);
	else
		checkup_find(checkup, MARK_FINE, "MPS", "not in use");
}

void doctor_machine(struct checkup *checkup, const struct trial *trial)
{
	if (getauxval(AT_SECURE))
		checkup_find(checkup, MARK_NO, "privilege",
			     "this process is privileged (AT_SECURE): the loader preloads "
			     "nothing into such");
	else
		checkup_find(checkup, MARK_FINE, "privilege",
			     "none in the way (set-uid programs are never preloaded)");
	if (file_says("/proc/sys/kernel/osrelease", "microsoft") ||
	    access("/dev/dxg", F_OK) == 0)
		checkup_find(
		    checkup, MARK_LIMIT, "WSL2",
		    "Windows holds the device: pinned memory is limited there, Windows "
		    "moves VRAM out on its own, and none of this was tried");
	tell_container(checkup, trial);
	tell_mps(checkup);
}
