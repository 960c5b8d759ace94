#include "pager/start.h"

#include "base/clock.h"
#include "base/log.h"
#include "account/ledger.h"
#include "pager/pager.h"
#include "base/settings.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB ((uint64_t)1 << 20)
#define FIRST_WAIT_NS 10000000ull      /* what is under way elsewhere may be over */
#define LONGEST_WAIT_NS 60000000000ull /* a start may cost some milliseconds */
#define EXPLAINED 640		       /* bytes */

static const char unmapped_may[] = " (LOWTIDE_COLD=unmapped may page, at a price: see README)";

bool start_may(const struct start *start)
{
	uint64_t again_ns = atomic_load_explicit(&start->again_ns, memory_order_relaxed);

	return !again_ns || (again_ns != UINT64_MAX && clock_now_ns() >= again_ns);
}

/* The smallest frame, which is what a start takes. */
static bool device_has_no_room_ever(const struct pager *pager)
{
	return ledger_cap_bytes(pager->memory.device) < frame_bytes(0);
}

static bool host_has_no_room_ever(const struct pager *pager)
{
	return pager->memory.frames.host_limit_bytes < frame_bytes(0);
}

/* What was tried will fail in the same way again. */
static bool is_final(const struct pager *pager)
{
	const struct start *start = &pager->start;

	switch (start->failure.step) {
	case START_DRIVER:
	case START_RULED_OUT:
	case START_BYTES:
		return true;
	case START_KERNELS:
		return start->failure.error != CUDA_ERROR_OUT_OF_MEMORY;
	case START_SCRATCH:
		return device_has_no_room_ever(pager);
	case START_HOST_FRAME:
		return host_has_no_room_ever(pager) ||
		       pager->memory.frames.driver_said[true] == CUDA_ERROR_NOT_SUPPORTED;
	default:
		return false;
	}
}

static void explain_scratch(const struct pager *pager, char *text, size_t room)
{
	uint64_t cap_bytes = ledger_cap_bytes(pager->memory.device);

	if (device_has_no_room_ever(pager))
		snprintf(text, room,
			 "under a cap of %" PRIu64 " KiB (LOWTIDE_VRAM less LOWTIDE_RESERVE) "
			 "there is no place for the 2 MiB of VRAM that it takes: raise "
			 "LOWTIDE_VRAM or lower LOWTIDE_RESERVE",
			 cap_bytes >> 10);
	else if (pager->memory.frames.refusal[false] == FRAME_OVER_LIMIT)
		snprintf(text, room,
			 "%" PRIu64 " of the cap's %" PRIu64 " MiB are taken by what cannot "
			 "be paged, and it takes 2 MiB more: raise LOWTIDE_VRAM",
			 ledger_taken_bytes(pager->memory.device) / MIB, cap_bytes / MIB);
	else
		snprintf(text, room,
			 "the card has no 2 MiB left (cuMemCreate, CUDA error %d): others "
			 "hold its memory",
			 (int)pager->memory.frames.driver_said[false]);
}

static void explain_host_frame(const struct pager *pager, char *text, size_t room)
{
	if (pager->memory.frames.refusal[true] == FRAME_OVER_LIMIT)
		snprintf(text, room,
			 "LOWTIDE_HOST allows %" PRIu64 " KiB of pinned RAM, and the least "
			 "that can be moved is 2 MiB: raise LOWTIDE_HOST, or free some RAM",
			 pager->memory.frames.host_limit_bytes >> 10);
	else
		snprintf(text, room,
			 "2 MiB of RAM could not be pinned for the GPU (CUDA error %d): free "
			 "some RAM, or raise what may be pinned%s",
			 (int)pager->memory.frames.driver_said[true],
			 settings_get()->cold == COLD_UNMAPPED ? "" : unmapped_may);
}

static void explain(const struct pager *pager, char *text, size_t room)
{
	const struct start *start = &pager->start;
	char why[OWN_KERNELS_EXPLAINED];
	int error = (int)start->failure.error;

	switch (start->failure.step) {
	case START_DRIVER:
		snprintf(text, room,
			 "this driver lacks functions that it takes: a newer one "
			 "(CUDA 11.2 at least) has them");
		break;
	case START_TABLES:
		snprintf(text, room,
			 "there is no address space for its tables: raise the "
			 "limit (ulimit -v)");
		break;
	case START_ADDRESSES:
		snprintf(text, room,
			 "addresses for paged memory could not be reserved "
			 "(cuMemAddressReserve, CUDA error %d): is the address space limited "
			 "(ulimit -v)?",
			 error);
		break;
	case START_STREAMS:
		snprintf(text, room, "a stream could not be made (CUDA error %d)", error);
		break;
	case START_KERNELS:
		own_kernels_explain(&pager->memory.kernels, why, sizeof(why));
		snprintf(text, room,
			 "our GPU kernels cannot be loaded: %s: whether kernels reach memory "
			 "in RAM cannot be tried%s",
			 why, unmapped_may);
		break;
	case START_PINNED:
		snprintf(text, room,
			 "no RAM could be pinned (cuMemHostAlloc, CUDA error %d): free some, "
			 "or raise what may be pinned",
			 error);
		break;
	case START_SCRATCH:
		explain_scratch(pager, text, room);
		break;
	case START_RULED_OUT:
		snprintf(text, room,
			 "the driver says that kernels cannot reach memory in RAM "
			 "on this machine%s",
			 unmapped_may);
		break;
	case START_HOST_FRAME:
		explain_host_frame(pager, text, room);
		break;
	case START_TRIAL:
		snprintf(
		    text, room, "memory in RAM could not be %s in a trial (CUDA error %d)%s",
		    pager->memory.frames.plain_host ? "copied to the GPU" : "used by a kernel",
		    error, pager->memory.frames.plain_host ? "" : unmapped_may);
		break;
	case START_BYTES:
		snprintf(text, room, "memory in RAM that was %s in a trial held other bytes%s",
			 pager->memory.frames.plain_host ? "copied to the GPU"
							 : "used by a kernel",
			 pager->memory.frames.plain_host ? "" : unmapped_may);
	}
}

void start_failed(struct pager *pager, uint64_t now_ns)
{
	struct start *start = &pager->start;
	char why[EXPLAINED];

	start->failed = true;
	start->final = is_final(pager);
	start->wait_ns = start->wait_ns ? 2 * start->wait_ns : FIRST_WAIT_NS;
	if (start->wait_ns > LONGEST_WAIT_NS)
		start->wait_ns = LONGEST_WAIT_NS;
	atomic_store(&start->again_ns, start->final ? UINT64_MAX : now_ns + start->wait_ns);
	if (start->said & 1u << start->failure.step)
		return;
	start->said |= 1u << start->failure.step;
	explain(pager, why, sizeof(why));
	log_warn("device %d: the cap is enforced but nothing is paged%s: %s",
		 pager->memory.device,
		 start->final ? ", as under LOWTIDE_POLICY=none" : ", until it can be", why);
}

void start_done(struct pager *pager)
{
	if (pager->start.failed)
		log_warn("device %d: paging is possible now", pager->memory.device);
	pager->start.failed = false;
	pager->start.wait_ns = 0;
	atomic_store(&pager->start.again_ns, 0);
}
