/*
 * The pager of a device: its arena, its blocks and frames, and the moves between VRAM and RAM.
 *
 * One pager a device, made at the first allocation there; it belongs to the context that made
 * it. Allocations of other contexts go to the driver. Everything here may be called from any
 * thread; one lock a pager guards its state.
 */
#ifndef LOWTIDE_PAGER_H
#define LOWTIDE_PAGER_H

#include "memory/block_set.h"
#include "memory/memory.h"
#include "move/mover.h"
#include "pager/start.h"
#include "policy.h"

#include <pthread.h>

#define PAGER_DEVICES MEMORY_DEVICES

/* Counts since the pager began; guarded by its lock. */
struct pager_stats {
	uint64_t waits, wait_ns;    /* launches that waited for what was coming to VRAM */
	uint64_t launches_in_place; /* launches that named a cold block */
	uint64_t fallbacks;	    /* calls handed to the driver whole, see one_home.h */
};

/* All but what says atomic is guarded by memory.lock. */
struct pager {
	struct memory memory;
	struct mover mover;
	struct start start;
	pid_t process;	     /* that made it: in a forked child it is another's */
	atomic_bool pressed; /* the policy wants to know of every use; atomic */
	struct policy *policy;
	uint64_t policy_cap_bytes;
	uint32_t owed,
	    owed_limit; /* uses since the last window that wanted what only a window moves */
	struct block_set named;	       /* by the last operation */
	struct policy_action *actions; /* room for PAGER_ACTIONS */
	uint32_t *moving;	       /* room for PAGER_ACTIONS leaving, then as many coming */
	uint32_t parked; /* freed but not gone (free.h): index + 1 of the first; 0: none */
	_Atomic uint32_t parked_count; /* with pieces of slabs; atomic */
	uint32_t group;		       /* of what is being uploaded */
	atomic_bool worked;	       /* a launch came since the last upload; atomic */
	struct pager_stats stats;
	struct policy_report last_report; /* of a policy that went with its context */
	struct {
		uint64_t at_ns; /* when the state of paging was last told; 0: never */
		uint64_t bytes_in, bytes_out, launches_in_place; /* as they were then */
		bool still[2];					 /* by reason */
		uint64_t refused_bytes[3]; /* by reason: the smallest; 0: none */
	} told;
	struct {
		uint32_t block, named_at, used_at; /* NO_BLOCK: none is looked at */
		uint64_t component, hash[2];
		uint32_t next;
	} audit;	 /* audit.c's */
	uint32_t quiets; /* since spare frames were last looked at */
};

#define PAGER_ACTIONS 8192

/* NULL: no pager lives there, now. */
struct pager *pager_on(int device);

/* --- for the hooks
 * ---------------------------------------------------------------------------------- */

/* Bounds of all arenas together: the one comparison of the launch path. Atomic; empty until a
 * pager exists. */
extern _Atomic uint64_t pager_low, pager_span;

static inline bool pager_may_hold(uint64_t address)
{
	return address - atomic_load_explicit(&pager_low, memory_order_relaxed) <
	       atomic_load_explicit(&pager_span, memory_order_relaxed);
}

/* NULL: no pager's arena holds the address. */
struct pager *pager_of(uint64_t address);

enum pager_answer {
	PAGER_DECLINED, /* not this one's business: ask the driver */
	PAGER_DONE,
	PAGER_REFUSED, /* neither VRAM under the cap nor RAM within the budget: out of memory */
};
enum pager_answer pager_alloc(uint64_t bytes, CUdeviceptr *out);
/* DECLINED: the address is no component's. *result is what the program is told. */
enum pager_answer pager_free(CUdeviceptr address, CUresult *result);
/* The same in the order of `stream` (NULL made plain, not captured), without waiting. The
 * address is in an arena. */
void pager_free_after(CUdeviceptr address, CUstream stream, CUresult *result);
/* Makes `bytes` of VRAM free under the cap for what cannot page. False: not so many can be. */
bool pager_make_room(int device, uint64_t bytes);

/* The allocation that holds the address, as it is now: a component, or a piece of one. False:
 * none. */
struct pager_component {
	uint64_t start, bytes, id;
	CUcontext context;
	int device;
	bool sync_memops;
	bool in_driver; /* in memory that the driver made: it answers the rest */
};
bool pager_component_at(CUdeviceptr address, struct pager_component *out);
/* What to ask the driver about instead of the address: of what was freed and is still mapped,
 * the gap behind it, where there is nothing. */
CUdeviceptr pager_shown(CUdeviceptr address);
/* What to give the driver as the start of a copy or a fill of so many bytes. One that goes past
 * what the program allocated would land in the rest of the last block, which is mapped: it
 * starts so near to the end of that as to go past it too, and the driver refuses it as it would
 * any other. No lock. */
CUdeviceptr pager_shown_range(CUdeviceptr start, uint64_t bytes);

/* An operation is about to name what these addresses point into; count is 0 for one that names
 * nothing. May move blocks. Not success: the pager is lost, and the operation must not run. */
struct pager_use {
	unsigned int
	    count; /* of pagers that have something to do afterwards; all zeros: none */
	struct {
		struct pager *pager;
		uint64_t fence;
	} of[PAGER_DEVICES];
};
CUresult pager_use(const uint64_t *addresses, size_t count, struct pager_use *use);
/* The same for a copy or a fill of ranges; it moves nothing, and only keeps what it names where
 * it is meanwhile. */
struct pager_range {
	uint64_t start, bytes;
};
void pager_use_ranges(const struct pager_range *ranges, size_t count, struct pager_use *use);
/* The operation went into `stream` (NULL made plain), inside the gate; `over`: it has ended, or
 * was refused. */
void pager_used(const struct pager_use *use, CUstream stream, bool over);
/* These may be used without being named: what they point into moves in windows only. */
void pager_bar(const uint64_t *addresses, size_t count);
/* Any words of host memory that look like pointers into managed memory, as pager_bar. */
void pager_scan_table(const void *bytes, size_t count);
/* Work whose memory cannot be known; `call` says which it was. */
void pager_unknown_work(const char *call);
/* An upload wrote [start, start + bytes); the source's address, 0 if unknown. */
void pager_uploaded(CUdeviceptr start, uint64_t bytes, uint64_t source);
/* One step of everything on its way, on every device; any thread. False: nothing is left on its
 * way that a further step could bring on. */
bool pager_step(void);
/* Should a thread that waits for the GPU step meanwhile? */
bool pager_wants_steps(void);
/* The program waited for its work: a good moment for moves. */
void pager_quiet(void);
/* From `start`, how many bytes (at most `bytes`) have the same home. *cold: whether that is
 * RAM. */
uint64_t pager_same_home(CUdeviceptr start, uint64_t bytes, bool *cold);
/* Where the GPU reaches what the program names there: the same address, except for cold memory
 * that has no mapping. As pager_same_home, inside the gate. */
CUdeviceptr pager_reach(CUdeviceptr address);
/* Pins or unpins the blocks of a range: they keep their home. */
void pager_pin(CUdeviceptr start, uint64_t bytes, bool pin);

/* Work on `accessor` may from now on reach memory of `owner` without our seeing when: there
 * nothing moves any more, and what is mapped there is open to both. */
void pager_peer_enabled(int owner, int accessor);
/* Around a call that may end a context, so that no step of ours is inside it meanwhile. */
void pager_context_ending(void);
void pager_context_may_have_ended(void);
/* It did. */
void pager_context_ended(CUcontext context);
/* Bytes in components that are managed, and how many of them are cold; for reports. */
void pager_residency(int device, uint64_t *managed_bytes, uint64_t *cold_bytes);
/* VRAM in frames, in use or spare. */
uint64_t pager_frame_bytes(int device);

/* For the summary at exit: of the pager that is or was on the device. False: there was none, or
 * its lock is held. */
struct pager_summary {
	struct pager_stats stats;
	struct mover_stats moved;
	struct policy_report report;
	uint64_t host_peak_bytes, frames_resized, frames_made, frames_made_ns;
	const char *kernels; /* how ours were loaded: "cubin", "ptx" or "none" */
	uint64_t kernels_load_us;
};
bool pager_any_made(void);
bool pager_summary_at_exit(int device, struct pager_summary *summary);

void pager_fork_prepare(void);
void pager_fork_parent(void);
void pager_fork_child(void);

#endif
