#include "pager/ledger.h"

#include "lock.h"

#include <pthread.h>
#include <stdatomic.h>

struct account {
	atomic_bool open;
	_Atomic uint64_t cap_bytes; /* written once, before `open` */
	_Atomic uint64_t
	    taken_bytes; /* atomic: a compare-and-swap keeps it at or under the cap */
	_Atomic uint64_t peak_bytes; /* atomic, only ever grows */
	atomic_flag opening;
	uint64_t small_bytes;	    /* sum of live small allocations; guarded by small_lock */
	uint64_t small_peak_bytes;  /* its largest value; guarded by small_lock */
	uint64_t small_taken_bytes; /* pages taken for them; guarded by small_lock */
};

static struct account accounts[LEDGER_DEVICES];
static pthread_mutex_t small_lock = PTHREAD_MUTEX_INITIALIZER;

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

/* The driver hands out small allocations in steps; 512 bytes is what its pointers are aligned
 * to. */
static uint64_t small_size(uint64_t bytes)
{
	return (bytes + 511) / 512 * 512;
}

bool ledger_take_small(int device, uint64_t bytes)
{
	struct account *account = ledger_account(device);
	uint64_t sum, need;
	bool fits = true;

	if (!account)
		return true;
	lock_take(&small_lock);
	sum = account->small_bytes + small_size(bytes);
	if (sum > account->small_peak_bytes) {
		need = ledger_charge_bytes(sum) + LEDGER_PAGE_BYTES;
		if (need > account->small_taken_bytes) {
			fits = ledger_take(device, need - account->small_taken_bytes);
			if (fits)
				account->small_taken_bytes = need;
		}
	}
	if (fits) {
		account->small_bytes = sum;
		if (sum > account->small_peak_bytes)
			account->small_peak_bytes = sum;
	}
	lock_give(&small_lock);
	return fits;
}

void ledger_give_back_small(int device, uint64_t bytes)
{
	struct account *account = ledger_account(device);
	uint64_t size = small_size(bytes);

	if (!account)
		return;
	lock_take(&small_lock);
	account->small_bytes -= size < account->small_bytes ? size : account->small_bytes;
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
