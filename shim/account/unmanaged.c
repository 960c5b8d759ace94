#include "account/unmanaged.h"

#include "base/lock.h"
#include "base/table.h"
#include "account/ledger.h"
#include "account/outstanding.h"

#include <pthread.h>
#include <stdlib.h>

/* A preloaded library does not end its host: an entry that finds no memory is not added, and
 * its charge then stays on the account (too much rather than too little). */
struct linear {
	uint64_t address;
	struct unmanaged held;
	bool lost;
	UT_hash_handle hh;
};

struct physical {
	uint64_t handle, bytes;
	int device;
	unsigned int handles, mappings; /* the memory goes when both are 0 */
	bool lost;
	UT_hash_handle hh;
};

struct mapping {
	uint64_t address, bytes, handle;
	bool lost;
	UT_hash_handle hh;
};

static struct {
	struct lock lock;
	struct linear *linear;	   /* guarded by lock */
	struct physical *physical; /* guarded by lock */
	struct mapping *mappings;  /* guarded by lock */
} holdings = {.lock = LOCK(RANK_UNMANAGED)};

static bool is_small(uint64_t bytes)
{
	return bytes < LEDGER_SMALL_BYTES;
}

bool unmanaged_charge(int device, uint64_t bytes)
{
	return is_small(bytes) ? ledger_take_small(device, bytes)
			       : ledger_take(device, ledger_charge_bytes(bytes));
}

void unmanaged_uncharge(int device, uint64_t bytes)
{
	if (is_small(bytes))
		ledger_give_back_small(device);
	else
		ledger_give_back(device, ledger_charge_bytes(bytes));
}

static void remember(uint64_t address, struct unmanaged held)
{
	struct linear *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return;
	entry->address = address;
	entry->held = held;
	lock_take(&holdings.lock);
	HASH_ADD(hh, holdings.linear, address, sizeof(entry->address), entry);
	lock_give(&holdings.lock);
	if (entry->lost)
		free(entry);
}

void unmanaged_remember(uint64_t address, int device, uint64_t context, uint64_t bytes)
{
	remember(address,
		 (struct unmanaged){.device = device, .context = context, .bytes = bytes});
}

void unmanaged_remember_outstanding(uint64_t address, int device, uint64_t context,
				    struct outstanding *pool)
{
	outstanding_add(pool);
	remember(address,
		 (struct unmanaged){.device = device, .context = context, .pool = pool});
}

struct unmanaged unmanaged_detach(uint64_t address)
{
	struct unmanaged held = {.device = -1};
	struct linear *entry;

	lock_take(&holdings.lock);
	HASH_FIND(hh, holdings.linear, &address, sizeof(address), entry);
	if (entry)
		HASH_DEL(holdings.linear, entry);
	lock_give(&holdings.lock);
	if (entry) {
		held = entry->held;
		free(entry);
	}
	return held;
}

static void uncharge(struct unmanaged held)
{
	if (held.pool)
		outstanding_freed(held.pool);
	else
		unmanaged_uncharge(held.device, held.bytes);
}

void unmanaged_settle_free(struct unmanaged held, uint64_t address, bool freed)
{
	if (held.device < 0)
		return;
	if (!freed)
		remember(address, held);
	else
		uncharge(held);
}

void unmanaged_handle_created(uint64_t handle, int device, uint64_t bytes)
{
	struct physical *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return;
	entry->handle = handle;
	entry->device = device;
	entry->bytes = bytes;
	entry->handles = 1;
	lock_take(&holdings.lock);
	HASH_ADD(hh, holdings.physical, handle, sizeof(entry->handle), entry);
	lock_give(&holdings.lock);
	if (entry->lost)
		free(entry);
}

/* Caller holds the lock. */
static struct physical *physical_find(uint64_t handle)
{
	struct physical *entry;

	HASH_FIND(hh, holdings.physical, &handle, sizeof(handle), entry);
	return entry;
}

/* Caller holds the lock. */
static void physical_settle(struct physical *entry)
{
	if (entry->handles || entry->mappings)
		return;
	HASH_DEL(holdings.physical, entry);
	unmanaged_uncharge(entry->device, entry->bytes);
	free(entry);
}

void unmanaged_handle_retained(uint64_t handle)
{
	struct physical *entry;

	lock_take(&holdings.lock);
	entry = physical_find(handle);
	if (entry)
		entry->handles++;
	lock_give(&holdings.lock);
}

void unmanaged_handle_released(uint64_t handle)
{
	struct physical *entry;

	lock_take(&holdings.lock);
	entry = physical_find(handle);
	if (entry) {
		if (entry->handles)
			entry->handles--;
		physical_settle(entry);
	}
	lock_give(&holdings.lock);
}

void unmanaged_mapped(uint64_t address, uint64_t bytes, uint64_t handle)
{
	struct mapping *entry = calloc(1, sizeof(*entry));
	struct physical *physical;

	if (!entry)
		return;
	entry->address = address;
	entry->bytes = bytes;
	entry->handle = handle;
	lock_take(&holdings.lock);
	physical = physical_find(handle);
	if (physical) {
		HASH_ADD(hh, holdings.mappings, address, sizeof(entry->address), entry);
		physical->mappings++;
	} else {
		entry->lost = true;
	}
	lock_give(&holdings.lock);
	if (entry->lost)
		free(entry);
}

void unmanaged_unmapped(uint64_t address, uint64_t bytes)
{
	struct mapping *entry, *next;
	struct physical *physical;

	lock_take(&holdings.lock);
	for (entry = holdings.mappings; entry; entry = next) {
		next = entry->hh.next;
		if (entry->address - address >= bytes)
			continue;
		HASH_DEL(holdings.mappings, entry);
		physical = physical_find(entry->handle);
		if (physical) {
			physical->mappings--;
			physical_settle(physical);
		}
		free(entry);
	}
	lock_give(&holdings.lock);
}

void unmanaged_forget_context(uint64_t context)
{
	struct linear *entry, *next;

	lock_take(&holdings.lock);
	for (entry = holdings.linear; entry; entry = next) {
		next = entry->hh.next;
		if (!context || entry->held.context != context)
			continue;
		HASH_DEL(holdings.linear, entry);
		uncharge(entry->held);
		free(entry);
	}
	lock_give(&holdings.lock);
}

void unmanaged_fork_prepare(void)
{
	lock_take(&holdings.lock);
	outstanding_fork_prepare();
	ledger_fork_prepare();
}

void unmanaged_fork_done(void)
{
	ledger_fork_done();
	outstanding_fork_done();
	lock_give(&holdings.lock);
}
