/* RAM for cold memory: what there is, and what may keep it from being taken. */
#include "doctor/checkup.h"
#include "base/ram.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define GIB ((double)(1ull << 30))
#define LITTLE ((uint64_t)1 << 30)  /* of RAM for cold memory */
#define ADDRESSES ((rlim_t)8 << 40) /* the library's reservations, for one device */

static void tell_ram(struct checkup *checkup, const struct settings *settings)
{
	uint64_t machine = ram_machine_bytes(), group = ram_group_bytes("");
	uint64_t budget = settings_host_bytes(settings);
	char limit[96] = "no control group limits it";

	if (group != UINT64_MAX)
		snprintf(limit, sizeof(limit), "the control group leaves %.1f GiB",
			 (double)group / GIB);
	checkup_find(checkup, budget < LITTLE ? MARK_LIMIT : MARK_FINE, "RAM",
		     "%.1f GiB available, %s; cold memory may take %.1f GiB%s",
		     (double)machine / GIB, limit, (double)budget / GIB,
		     budget < LITTLE ? ": little can be paged" : "");
	if (settings->host.bytes > ram_available_bytes())
		checkup_find(checkup, MARK_LIMIT, "RAM",
			     "LOWTIDE_HOST is more than is available: pinned memory is never "
			     "swapped out, and the machine may run out");
	json_object_set_new(checkup->facts, "ram",
			    json_pack("{s:I, s:I, s:I}", "available_bytes", (json_int_t)machine,
				      "group_bytes",
				      group == UINT64_MAX ? (json_int_t)-1 : (json_int_t)group,
				      "budget_bytes", (json_int_t)budget));
}

/* Host frames of 34 MiB were made in the trial: a smaller limit then does not bind. */
#define TRIED ((rlim_t)34 << 20)

static void tell_locked(struct checkup *checkup, const struct trial *trial)
{
	bool pages = trial->count > 0 && trial->devices[0].step == TRIAL_DONE;
	bool failed = trial->count > 0 && trial->devices[0].step >= TRIAL_HOST_FRAME && !pages;
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		checkup_find(checkup, MARK_FINE, "locked", "no limit on locked memory");
	else if (pages && limit.rlim_cur < TRIED)
		checkup_find(checkup, MARK_FINE, "locked",
			     "limit %.1f MiB, which does not bind the driver: it took more",
			     (double)limit.rlim_cur / (1 << 20));
	else if (failed)
		checkup_find(checkup, MARK_NOTE, "locked",
			     "limit %.1f MiB: host frames failed, and this may be why; try "
			     "ulimit -l unlimited",
			     (double)limit.rlim_cur / (1 << 20));
	else
		checkup_find(checkup, MARK_NOTE, "locked", "limit %.1f MiB; not tried past it",
			     (double)limit.rlim_cur / (1 << 20));
}

static void tell_addresses(struct checkup *checkup)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < ADDRESSES)
		checkup_find(checkup, MARK_LIMIT, "addresses",
			     "limit %.1f GiB (ulimit -v): terabytes are reserved, though never "
			     "filled; without them nothing is paged",
			     (double)limit.rlim_cur / GIB);
}

void doctor_memory(struct checkup *checkup, const struct settings *settings,
		   const struct trial *trial)
{
	tell_ram(checkup, settings);
	tell_locked(checkup, trial);
	tell_addresses(checkup);
}
