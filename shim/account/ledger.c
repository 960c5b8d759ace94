#include "account/ledger.h"

#include "base/lock.h"

#include <pthread.h>
#include <stdatomic.h>

struct account {
	atomic_bool open;
	_Atomic uint64_t cap_bytes; /* written once, before `open` */
	_Atomic uint64_t
	    taken_bytes; /* atomic: a compare-and-swap keeps it at or under the cap */
	_Atomic uint64_t peak_bytes; /* atomic, only ever grows */
	atomic_flag opening;
	/* Of small allocations that the driver packs: how many live, what was handed out since
	 * none did, and the pages charged for them; guarded by small_lock. */
	uint64_t small_live, small_handed_out_bytes, small_pages;
};

static struct account accounts[LEDGER_DEVICES];
static struct lock small_lock = LOCK(RANK_LEDGER);

static struct account *ledger_account(int device)
{
	return device >= 0 && device < LEDGER_DEVICES ? &accounts[device] : NULL;
}

void ledger_open(int device, uint64_t cap_bytes)
{
	struct account *account = ledger_account(device);

	if (!account || atomic_flag_test_and_set(&account->opening))
		return;
	atomic_store(&account->cap_bytes, cap_bytes);
	/* Release: whoever sees the account open sees its cap. */
	atomic_store_explicit(&account->open, true, memory_order_release);
}

bool ledger_is_open(int device)
{
	struct account *account = ledger_account(device);

	return account && atomic_load_explicit(&account->open, memory_order_acquire);
}

uint64_t ledger_cap_bytes(int device)
{
	return ledger_is_open(device) ? atomic_load(&accounts[device].cap_bytes) : UINT64_MAX;
}

uint64_t ledger_taken_bytes(int device)
{
	struct account *account = ledger_account(device);

	return account ? atomic_load(&account->taken_bytes) : 0;
}

uint64_t ledger_peak_bytes(int device)
{
	struct account *account = ledger_account(device);

	return account ? atomic_load(&account->peak_bytes) : 0;
}

bool ledger_take(int device, uint64_t bytes)
{
	struct account *account = ledger_account(device);
	uint64_t cap_bytes = ledger_cap_bytes(device);
	uint64_t taken, peak;

	if (!account)
		return true;
	taken = atomic_load(&account->taken_bytes);
	do {
		/* Two comparisons, because the sum of two large sizes can wrap. */
		if (bytes > cap_bytes || taken > cap_bytes - bytes)
			return false;
	} while (!atomic_compare_exchange_weak(&account->taken_bytes, &taken, taken + bytes));

	peak = atomic_load(&account->peak_bytes);
	while (peak < taken + bytes &&
	       !atomic_compare_exchange_weak(&account->peak_bytes, &peak, taken + bytes))
		;
	return true;
}

void ledger_give_back(int device, uint64_t bytes)
{
	struct account *account = ledger_account(device);
	uint64_t taken;

	if (!account)
		return;
	taken = atomic_load(&account->taken_bytes);
	while (!atomic_compare_exchange_weak(&account->taken_bytes, &taken,
					     taken > bytes ? taken - bytes : 0))
		;
}

uint64_t ledger_charge_bytes(uint64_t bytes)
{
	if (bytes > UINT64_MAX - LEDGER_PAGE_BYTES)
		return UINT64_MAX;
	return (bytes + LEDGER_PAGE_BYTES - 1) / LEDGER_PAGE_BYTES * LEDGER_PAGE_BYTES;
}

/* Each of them may lie in a page of its own. But a page is only begun where the last one has no
 * room, and so at least half of every other page was handed out since none lived; contexts may
 * have pages of their own. The driver hands out in steps of 512 bytes. */
#define SMALL_STEP_BYTES 512
#define SMALL_CONTEXTS 4

static uint64_t small_pages(uint64_t live, uint64_t handed_out_bytes)
{
	uint64_t begun = handed_out_bytes / (LEDGER_PAGE_BYTES / 2) + SMALL_CONTEXTS;

	return live < begun ? live : begun;
}

bool ledger_take_small(int device, uint64_t bytes)
{
	struct account *account = ledger_account(device);
	uint64_t handed_out, pages;
	bool fits = true;

	if (!account)
		return true;
	bytes = (bytes + SMALL_STEP_BYTES - 1) / SMALL_STEP_BYTES * SMALL_STEP_BYTES;
	lock_take(&small_lock);
	handed_out = account->small_handed_out_bytes + bytes;
	pages = small_pages(account->small_live + 1, handed_out);
	if (pages > account->small_pages)
		fits = ledger_take(device, (pages - account->small_pages) * LEDGER_PAGE_BYTES);
	if (fits) {
		account->small_live++;
		account->small_handed_out_bytes = handed_out;
		account->small_pages = pages;
	}
	lock_give(&small_lock);
	return fits;
}

void ledger_give_back_small(int device)
{
	struct account *account = ledger_account(device);
	uint64_t pages;

	if (!account)
		return;
	lock_take(&small_lock);
	if (account->small_live)
		account->small_live--;
	if (!account->small_live)
		account->small_handed_out_bytes = 0;
	pages = small_pages(account->small_live, account->small_handed_out_bytes);
	ledger_give_back(device, (account->small_pages - pages) * LEDGER_PAGE_BYTES);
	account->small_pages = pages;
	lock_give(&small_lock);
}

void ledger_fork_prepare(void)
{
	lock_take(&small_lock);
}

void ledger_fork_done(void)
{
	lock_give(&small_lock);
}
