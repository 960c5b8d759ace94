/* Never silently slow: when paging begins, and at most once a minute after, one line. */
#include "pager/pager_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "account/ledger.h"
#include "order/streams.h"
#include "order/freezes.h"
#include "order/contexts.h"
#include "base/settings.h"

#include <inttypes.h>

#define MIB ((uint64_t)1 << 20)

enum { OTHERS_MAY_REACH, UNREADABLE_GRAPH };

static const char *const still_reasons[] = {
    [OTHERS_MAY_REACH] = "it has more than one context, or another device reaches its memory",
    [UNREADABLE_GRAPH] = "a graph lives that this driver does not let be read",
};

/* -1: nothing keeps blocks where they are. */
static int still_reason(const struct pager *pager)
{
	if (!contexts_only_one(pager->memory.device))
		return OTHERS_MAY_REACH;
	return freezes_any() ? UNREADABLE_GRAPH : -1;
}

void tell_if_still(struct pager *pager)
{
	int reason = still_reason(pager);

	if (reason < 0 || pager->told.still[reason])
		return;
	pager->told.still[reason] = true;
	log_warn("device %d: nothing moves between VRAM and RAM while %s: what is in RAM is "
		 "used there, over the bus",
		 pager->memory.device, still_reasons[reason]);
}

void begin_paging(struct pager *pager)
{
	atomic_store(&pager->pressed, true);
	if (pager->told.at_ns)
		return;
	log_warn("device %d: the cap of %" PRIu64 " MiB is reached: %s (policy %s)",
		 pager->memory.device, ledger_cap_bytes(pager->memory.device) / MIB,
		 still_reason(pager) < 0 ? "paging begins" : "what does not fit stays in RAM",
		 settings_get()->policy);
	tell_if_still(pager);
	pager->told.at_ns = clock_now_ns();
	pager->memory.prepares_frames = pager->mover.overlap != NULL;
}

/* A program may ask for far too much just to see: that is told, but must not be all that is. */
static bool is_news(uint64_t *told_bytes, uint64_t bytes)
{
	if (*told_bytes && bytes > *told_bytes / 2)
		return false;
	*told_bytes = bytes;
	return true;
}

enum { NO_ADDRESSES, NO_BUDGET, NO_RAM };

void tell_refused(struct pager *pager, uint64_t bytes, bool addresses)
{
	const struct frame_pool *frames = &pager->memory.frames;
	const struct settings *settings = settings_get();
	bool preset = !settings->host.bytes && settings->host.share == 0;
	int why = !addresses				      ? NO_ADDRESSES
		  : frames->refusal[true] == FRAME_OVER_LIMIT ? NO_BUDGET
							      : NO_RAM;

	if (!is_news(&pager->told.refused_bytes[why], bytes))
		return;
	switch (why) {
	case NO_ADDRESSES:
		log_warn("device %d: %" PRIu64 " bytes refused as out of memory: there is no "
			 "range of addresses left that is so large",
			 pager->memory.device, bytes);
		break;
	case NO_BUDGET:
		log_warn("device %d: %" PRIu64 " bytes refused as out of memory: the cap of "
			 "%" PRIu64 " MiB is full, and of the %" PRIu64
			 " MiB of RAM for what does not fit (LOWTIDE_HOST%s) %" PRIu64
			 " are taken: raise LOWTIDE_HOST%s or LOWTIDE_VRAM",
			 pager->memory.device, bytes,
			 ledger_cap_bytes(pager->memory.device) / MIB,
			 frames->host_limit_bytes / MIB,
			 preset ? ", by what was available at start" : "",
			 frames->host_bytes / MIB, preset ? ", free some RAM" : "");
		break;
	default:
		log_warn("device %d: %" PRIu64 " bytes refused as out of memory: the cap of "
			 "%" PRIu64 " MiB is full, and the driver pins no more RAM for what "
			 "does not fit (CUDA error %d), with %" PRIu64 " of the %" PRIu64
			 " MiB taken that LOWTIDE_HOST allows: free some RAM, or raise what "
			 "may be pinned or LOWTIDE_VRAM",
			 pager->memory.device, bytes,
			 ledger_cap_bytes(pager->memory.device) / MIB,
			 (int)frames->driver_said[true], frames->host_bytes / MIB,
			 frames->host_limit_bytes / MIB);
	}
}

/* The program has nothing there. */
static bool is_empty_slab(const struct pager *pager, const struct block *block)
{
	const struct slab *slab = pager->memory.table.components[block->component].slab;

	return slab && !slab->taken;
}

uint64_t cold_bytes_of(const struct pager *pager, uint64_t *managed_bytes)
{
	uint64_t cold_bytes = 0;

	*managed_bytes = 0;
	for (uint32_t i = 0; i < pager->memory.table.block_end; i++) {
		const struct block *block = &pager->memory.table.blocks[i];

		if (block->component == NO_BLOCK || is_empty_slab(pager, block))
			continue;
		*managed_bytes += block_bytes(block);
		if (atomic_load(&block->home) != HOME_DEVICE)
			cold_bytes += block_bytes(block);
	}
	return cold_bytes;
}

#define TELL_EVERY_NS 60000000000ull

/* Never silently slow: at most once a minute, what paging costs and what to try. */
void tell_sometimes(struct pager *pager, uint64_t now_ns)
{
	uint64_t managed_bytes, cold_bytes, cap_bytes = ledger_cap_bytes(pager->memory.device);
	struct policy_report report;
	double seconds;

	if (!pager->told.at_ns || now_ns - pager->told.at_ns < TELL_EVERY_NS)
		return;
	cold_bytes = cold_bytes_of(pager, &managed_bytes);
	policy_report(pager->policy, &report);
	seconds = (double)(now_ns - pager->told.at_ns) / 1e9;
	log_warn("device %d: %" PRIu64 " of %" PRIu64
		 " MiB are in RAM; in the last %.0f s %" PRIu64 " MiB came in, %" PRIu64
		 " MiB went out and %" PRIu64
		 " launches read cold memory in place (policy %s). "
		 "With LOWTIDE_VRAM=%" PRIu64 "M nothing would have to move",
		 pager->memory.device, cold_bytes / MIB, managed_bytes / MIB, seconds,
		 (pager->mover.stats.bytes_in - pager->told.bytes_in) / MIB,
		 (pager->mover.stats.bytes_out - pager->told.bytes_out) / MIB,
		 pager->stats.launches_in_place - pager->told.launches_in_place, report.name,
		 (cap_bytes + cold_bytes) / MIB + 1);
	pager->told.bytes_in = pager->mover.stats.bytes_in;
	pager->told.bytes_out = pager->mover.stats.bytes_out;
	pager->told.launches_in_place = pager->stats.launches_in_place;
	pager->told.at_ns = now_ns;
}
