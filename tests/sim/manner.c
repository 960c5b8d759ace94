#include "manner.h"

#include "profile.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* That kernels fault for tens of microseconds and that a prefetch keeps its caller about as
 * long for each 2 MiB is what others publish of several cards: guesses, until one is measured.
 */
struct sim_manners sim_manners = {
    .fault_ns = 30e3,
    .prefetch_page_ns = 10e3,
};

/* By enum sim_way. */
static const char *const ways[] = {
    "read_only",      "vectors",	"async_copy",	"bulk_copy",  "tma",
    "system_atomics", "vector_atomics", "wide_vectors", "bulk_store", "tma_store"};

/* --- a profile ---------------------------------------------------------------------------- */

static double median(const json_t *trial, const char *name)
{
	return sim_profile_figure(trial, name, "median");
}

static void read_events(const json_t *trial)
{
	double none_us = median(trial, "gap/none"), event_us = median(trial, "gap/event");
	double cross_us = median(trial, "gap/cross_stream");

	if (event_us > none_us)
		sim_manners.event_ns = (event_us - none_us) * 1000;
	/* Such a link is a record and a wait. */
	if (cross_us > none_us + sim_manners.event_ns / 1000)
		sim_manners.wait_ns = (cross_us - none_us) * 1000 - sim_manners.event_ns;
	sim_manners.dependent_past_event =
	    json_is_true(sim_profile_fact(trial, "dependent/overlaps_past_event"));
}

static void read_polling(const json_t *trial)
{
	double more_us = sim_profile_figure(trial, "event_query_tight/launch", "p99") -
			 sim_profile_figure(trial, "alone/launch", "p99");

	if (more_us > 0)
		sim_manners.poll_stall_ns = more_us * 1000;
}

static void read_tables(const json_t *trial)
{
	double share = median(trial, "of_each_MiB");

	if (share > 0)
		sim_manners.table_bytes = share;
	sim_manners.tables_kept = json_is_true(sim_profile_fact(trial, "kept_after_release"));
}

static void read_managed(const json_t *trial)
{
	double call_us = median(trial, "prefetch/to_device/call_of_2MiB");
	double in = median(trial, "prefetch/to_device"), out = median(trial, "prefetch/to_cpu");

	if (call_us > 0)
		sim_manners.prefetch_page_ns = call_us * 1000;
	sim_manners.prefetch_in_rate = in;
	sim_manners.prefetch_out_rate = out;
	sim_manners.managed_migrates = json_is_false(sim_profile_fact(trial, "in_place/stays"));
	sim_manners.managed_copies_back =
	    json_is_true(sim_profile_fact(trial, "drop/unset/bytes_cross"));
}

/* Asked, and another answer than "ok". */
static bool is_refused(const json_t *trial, const char *fact)
{
	const char *answer = json_string_value(sim_profile_fact(trial, fact));

	return answer && strcmp(answer, "ok") != 0;
}

/* By enum sim_way: what asks for it. A way that fails on device memory too is no way of this
 * card, which its compute capability says. */
static const struct {
	const char *trial, *fact;
} way_facts[] = {{"host_read_only", "host/read"},
		 {"host_vectors", "host/read"},
		 {"host_async_copy", "host/read"},
		 {"host_bulk_copy", "host/read"},
		 {"host_tma", "host/read"},
		 {"host_system_atomics", "host/atomics"},
		 {"host_vector_atomics", "host/atomics"},
		 {"host_wide_vectors", "host/read"},
		 {"host_bulk_copy", "host/write"},
		 {"host_tma", "host/write"}};
_Static_assert(sizeof(way_facts) / sizeof(way_facts[0]) == sizeof(ways) / sizeof(ways[0]),
	       "a row for each way");

static void read_ways(const json_t *root)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (is_refused(sim_profile_trial(root, way_facts[i].trial), way_facts[i].fact))
			sim_manners.host_faults |= 1u << i;
}

static void read_homes(const json_t *pageable, const json_t *map)
{
	const json_t *host = sim_profile_fact(pageable, "async/in/host");

	sim_manners.host_refuses_pageable = is_refused(pageable, "async/in/4KiB");
	sim_manners.host_blocks_as_device =
	    host && json_equal(host, sim_profile_fact(pageable, "async/in/device")) &&
	    !json_equal(host, sim_profile_fact(pageable, "async/in/pinned"));
	sim_manners.map_tells_home = json_is_false(sim_profile_fact(map, "cold_as_resident"));
	sim_manners.map_needs_memory = is_refused(map, "encode/unmapped");
}

void sim_manners_of_profile(const json_t *root)
{
	read_ways(root);
	read_homes(sim_profile_trial(root, "host_pageable"),
		   sim_profile_trial(root, "tensor_map"));
	read_events(sim_profile_trial(root, "event_between"));
	read_polling(sim_profile_trial(root, "launch_jitter"));
	read_tables(sim_profile_trial(root, "page_tables"));
	read_managed(sim_profile_trial(root, "managed_home"));
}

/* --- the environment ---------------------------------------------------------------------- */

static void read_host_faults(const char *text)
{
	size_t length;

	for (; text && *text; text += length + (text[length] == ',')) {
		bool found = false;

		length = strcspn(text, ",");
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
			if (strlen(ways[i]) == length && !strncmp(text, ways[i], length)) {
				sim_manners.host_faults |= 1u << i;
				found = true;
			}
		if (length == strlen("pageable") && !strncmp(text, "pageable", length))
			found = sim_manners.host_refuses_pageable = true;
		if (!found) {
			fprintf(
			    stderr,
			    "simulated GPU: LOWTIDE_SIM_HOST_FAULTS: not read_only, vectors, "
			    "async_copy, bulk_copy, tma, system_atomics, vector_atomics, "
			    "wide_vectors, bulk_store, tma_store or pageable: %s\n",
			    text);
			return;
		}
	}
}

struct word {
	const char *name;
	bool *manner;
};

/* Comma by comma; `all` says which there are. */
static void read_words(const char *setting, const struct word *known, size_t count,
		       const char *all)
{
	const char *text = getenv(setting);
	size_t length;

	for (; text && *text; text += length + (text[length] == ',')) {
		bool found = false;

		length = strcspn(text, ",");
		for (size_t i = 0; i < count; i++)
			if (strlen(known[i].name) == length &&
			    !strncmp(text, known[i].name, length))
				found = *known[i].manner = true;
		if (!found) {
			fprintf(stderr, "simulated GPU: %s: not %s: %s\n", setting, all, text);
			return;
		}
	}
}

static void read_all_words(struct sim_manners *m)
{
	const struct word managed[] = {{"migrates", &m->managed_migrates},
				       {"faults", &m->managed_faults},
				       {"tears", &m->managed_tears},
				       {"copies_back", &m->managed_copies_back}};
	const struct word homes[] = {{"blocks_as_device", &m->host_blocks_as_device},
				     {"map_tells_home", &m->map_tells_home},
				     {"map_needs_memory", &m->map_needs_memory}};

	read_words("LOWTIDE_SIM_MANAGED", managed, sizeof(managed) / sizeof(managed[0]),
		   "migrates, faults, tears or copies_back");
	read_words("LOWTIDE_SIM_HOMES", homes, sizeof(homes) / sizeof(homes[0]),
		   "blocks_as_device, map_tells_home or map_needs_memory");
}

void sim_manners_from_environment(void)
{
	struct sim_manners *m = &sim_manners;
	const struct {
		const char *name;
		double *value;
	} numbers[] = {{"LOWTIDE_SIM_EVENT_NS", &m->event_ns},
		       {"LOWTIDE_SIM_WAIT_NS", &m->wait_ns},
		       {"LOWTIDE_SIM_POLL_STALL_NS", &m->poll_stall_ns},
		       {"LOWTIDE_SIM_TABLES", &m->table_bytes},
		       {"LOWTIDE_SIM_RESERVE_NS", &m->reserve_ns},
		       {"LOWTIDE_SIM_RESERVE_VRAM", &m->reserve_vram_bytes},
		       {"LOWTIDE_SIM_ADDRESSES", &m->address_bytes},
		       {"LOWTIDE_SIM_FAULT_NS", &m->fault_ns},
		       {"LOWTIDE_SIM_PREFETCH_NS", &m->prefetch_page_ns}};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		*numbers[i].value = sim_setting_number(numbers[i].name, *numbers[i].value);
	m->dependent_past_event = sim_setting_number("LOWTIDE_SIM_DEPENDENT_PAST_EVENT",
						     m->dependent_past_event) != 0;
	m->tables_kept = sim_setting_number("LOWTIDE_SIM_TABLES_KEPT", m->tables_kept) != 0;
	read_all_words(m);
	read_host_faults(getenv("LOWTIDE_SIM_HOST_FAULTS"));
}

/* --- polling ------------------------------------------------------------------------------ */

static const char *poller; /* names the thread of the last query; NULL: paid for */
static _Thread_local char this_thread;

void sim_polled(void)
{
	poller = &this_thread;
}

double sim_poll_stall_ns(void)
{
	if (!poller || poller == &this_thread)
		return 0;
	poller = NULL;
	return sim_manners.poll_stall_ns;
}
