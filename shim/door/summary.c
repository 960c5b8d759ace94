#include "door/summary.h"

#include "account/ledger.h"
#include "base/file.h"
#include "base/log.h"
#include "base/settings.h"
#include "hook/launch_params.h"
#include "pager/pager.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static pid_t loaded_into; /* immutable after load */

void summary_at_load(void)
{
	loaded_into = getpid();
}

static void log_summary(int device, const struct pager_summary *s)
{
	struct launch_params_unknown unknown = launch_params_unknown();

	log_warn("device %d: peak %" PRIu64 " of %" PRIu64 " MiB VRAM, %" PRIu64
		 " MiB pinned RAM; %" PRIu64 " blocks in (%" PRIu64 " MiB), %" PRIu64
		 " out (%" PRIu64 " MiB copied, %" PRIu64 " unchanged); %" PRIu64
		 " launches used cold memory in place; %" PRIu64 " windows, %" PRIu64
		 " refused, %" PRIu64 " late; %" PRIu64 " fallbacks; policy %s: %s",
		 device, ledger_peak_bytes(device) / MIB, ledger_cap_bytes(device) / MIB,
		 s->host_peak_bytes / MIB, s->moved.page_ins, s->moved.bytes_in / MIB,
		 s->moved.evictions, s->moved.bytes_out / MIB, s->moved.clean_evictions,
		 s->stats.launches_in_place, s->moved.windows, s->moved.windows_refused,
		 s->moved.windows_late, s->stats.fallbacks, s->report.name, s->report.reason);
	if (unknown.launches)
		log_warn("%" PRIu64 " launches, of %" PRIu64 " kernels, named nothing that "
			 "could be known: neither the driver nor their images told",
			 unknown.launches, unknown.kernels);
}

static void write_json(FILE *file, int device, const struct pager_summary *s)
{
	struct launch_params_unknown unknown = launch_params_unknown();

	fprintf(file,
		"{\"device\": %d, \"cap_bytes\": %" PRIu64 ", \"peak_bytes\": %" PRIu64
		", \"host_peak_bytes\": %" PRIu64 ", \"page_ins\": %" PRIu64
		", \"evictions\": %" PRIu64 ", \"clean_evictions\": %" PRIu64
		", \"bytes_in\": %" PRIu64 ", \"bytes_out\": %" PRIu64
		", \"bytes_out_again\": %" PRIu64 ", \"launches_in_place\": %" PRIu64
		", \"windows\": %" PRIu64 ", \"windows_refused\": %" PRIu64
		", \"windows_late\": %" PRIu64 ", \"window_ns\": %" PRIu64
		", \"waits\": %" PRIu64 ", \"wait_ns\": %" PRIu64 ", \"frames_made\": %" PRIu64
		", \"frames_made_ns\": %" PRIu64 ", \"failed_moves\": %" PRIu64
		", \"fallbacks\": %" PRIu64
		", \"kernels\": \"%s\", \"kernels_load_us\": %" PRIu64
		", \"unknown_kernels\": %" PRIu64 ", \"unknown_launches\": %" PRIu64
		", \"frames_resized\": %" PRIu64 ", \"verified\": %" PRIu64
		", \"not_verified\": %" PRIu64 ", \"policy\": \"%s\"}\n",
		device, ledger_cap_bytes(device), ledger_peak_bytes(device), s->host_peak_bytes,
		s->moved.page_ins, s->moved.evictions, s->moved.clean_evictions,
		s->moved.bytes_in, s->moved.bytes_out, s->moved.bytes_out_again,
		s->stats.launches_in_place, s->moved.windows, s->moved.windows_refused,
		s->moved.windows_late, s->moved.window_ns, s->stats.waits, s->stats.wait_ns,
		s->frames_made, s->frames_made_ns, s->moved.failed_moves, s->stats.fallbacks,
		s->kernels, s->kernels_load_us, unknown.kernels, unknown.launches,
		s->frames_resized, s->moved.verified, s->moved.not_verified, s->report.name);
}

/* A forked child writes a file of its own, not over or into its parent's. */
static FILE *json_open(const char *name)
{
	char *own = NULL;
	int file;

	if (getpid() != loaded_into && asprintf(&own, "%s.%d", name, (int)getpid()) < 0)
		return NULL;
	file = file_open(own ? own : name, true);
	free(own);
	return file < 0 ? NULL : fdopen(file, "a");
}

static void log_unwritten(const char *name)
{
	log_error("LOWTIDE_STATS=%s cannot be written (%s); accepted: 0, 1 or a regular file",
		  name, strerror(errno));
}

void summary_at_exit(void)
{
	struct pager_summary summary;
	const char *name;
	FILE *file = NULL;

	/* A process that has not used CUDA has nothing to report. pager_any_made comes first,
	 * so that its settings are not even read. */
	if (!pager_any_made() || !settings_get()->stats)
		return;
	name = settings_get()->stats_file; /* NULL: the log */
	for (int device = 0; device < PAGER_DEVICES; device++) {
		if (!pager_summary_at_exit(device, &summary))
			continue;
		if (name && !file && !(file = json_open(name))) {
			log_unwritten(name);
			name = NULL;
		}
		if (file)
			write_json(file, device, &summary);
		else
			log_summary(device, &summary);
	}
	if (file && fclose(file) != 0)
		log_unwritten(name);
}
