#include "account/pools.h"

#include "driver/driver.h"
#include "base/lock.h"
#include "account/admission.h"
#include "order/captures.h"
#include "account/unmanaged.h"
#include "account/ledger.h"
#include "account/outstanding.h"

#include <pthread.h>
#include <stdatomic.h>

#define POOLS 64
/* Not all headers that this is built with have them. */
#define ATTRIBUTE_LOCATION_ID ((CUmemPool_attribute)11)
#define ATTRIBUTE_LOCATION_TYPE ((CUmemPool_attribute)12)

static struct account {
	CUmemoryPool pool; /* NULL: free */
	int device;
	uint64_t charged_bytes;
	struct outstanding
	    *outstanding; /* NULL: it is never destroyed, or no memory was left */
} accounts[POOLS];	  /* guarded by lock */
static struct lock lock = LOCK(RANK_POOLS);
static atomic_bool any;

static bool asked(CUmemoryPool pool, CUmemPool_attribute attribute, uint64_t *bytes)
{
	cuuint64_t answer = 0;

	if (!real(cuMemPoolGetAttribute) ||
	    real(cuMemPoolGetAttribute)(pool, attribute, &answer) != CUDA_SUCCESS)
		return false;
	*bytes = answer;
	return true;
}

/* `held_bytes` were charged for the time of a call besides; what the pool has now is charged.
 * False: that does not fit, and the account tells too little. */
static bool balance(struct account *account, uint64_t held_bytes)
{
	uint64_t have = account->charged_bytes + held_bytes, now;

	if (!asked(account->pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &now))
		now = have;
	account->charged_bytes = now;
	if (now <= have)
		ledger_give_back(account->device, have - now);
	else if (!admission_ask_pages(account->device, now - have))
		account->charged_bytes = have;
	return account->charged_bytes == now;
}

/* Newer drivers tell where a pool lies; with older ones it is taken to be the current device.
 */
static int device_of(CUmemoryPool pool, int current)
{
	CUmemLocationType type = CU_MEM_LOCATION_TYPE_INVALID;
	int id = -1;

	if (real(cuMemPoolGetAttribute)(pool, ATTRIBUTE_LOCATION_TYPE, &type) != CUDA_SUCCESS ||
	    real(cuMemPoolGetAttribute)(pool, ATTRIBUTE_LOCATION_ID, &id) != CUDA_SUCCESS ||
	    type != CU_MEM_LOCATION_TYPE_DEVICE || id < 0 || id >= LEDGER_DEVICES)
		return current;
	return id;
}

/* A device's default pool cannot be destroyed, and most programs know no other: of what is
 * taken from it nothing is counted. */
static bool is_default(CUmemoryPool pool, int device)
{
	CUmemoryPool ours;

	return real(cuDeviceGetDefaultMemPool) &&
	       real(cuDeviceGetDefaultMemPool)(&ours, device) == CUDA_SUCCESS && ours == pool;
}

static struct account *account_of(CUmemoryPool pool, int current)
{
	struct account *unused = NULL;
	uint64_t bytes;

	for (int i = 0; i < POOLS; i++) {
		if (accounts[i].pool == pool)
			return &accounts[i];
		if (!accounts[i].pool && !unused)
			unused = &accounts[i];
	}
	if (!unused || !asked(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &bytes))
		return NULL;
	*unused = (struct account){.pool = pool, .device = device_of(pool, current)};
	if (!is_default(pool, unused->device))
		unused->outstanding = outstanding_open(unused->device);
	atomic_store(&any, true);
	return unused;
}

CUresult pools_ask(struct pool_request *request, CUmemoryPool pool, size_t bytes)
{
	uint64_t pages = ledger_charge_bytes(bytes);
	struct account *account;
	CUresult result;

	*request = (struct pool_request){.device = -1, .bytes = bytes};
	result = admission_current_device(bytes, &request->device);
	if (request->device < 0)
		return result;
	admission_open_account(request->device);
	if (!pool && (!real(cuDeviceGetMemPool) ||
		      real(cuDeviceGetMemPool)(&pool, request->device) != CUDA_SUCCESS))
		pool = NULL;
	lock_take(&lock);
	account = pool ? account_of(pool, request->device) : NULL;
	if (!account) {
		lock_give(&lock);
		return admission_ask_pooled(bytes, &request->device);
	}
	request->pool = pool;
	request->device = account->device;
	admission_open_account(account->device);
	balance(account, 0);
	if (admission_ask_pages(account->device, pages))
		return CUDA_SUCCESS;
	if (real(cuMemPoolTrimTo) && real(cuMemPoolTrimTo)(pool, 0) == CUDA_SUCCESS) {
		balance(account, 0);
		if (admission_ask_pages(account->device, pages))
			return CUDA_SUCCESS;
	}
	admission_say_refused(account->device, bytes);
	lock_give(&lock);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

/* What is captured is an allocation of the graph's, not of the pool. */
static void remember(const struct account *account, CUdeviceptr address, CUstream stream)
{
	CUcontext context = NULL;

	if (!account->outstanding || captures_include(stream))
		return;
	if (!real(cuCtxGetCurrent) || real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS)
		context = NULL;
	unmanaged_remember_outstanding(address, account->device, (uintptr_t)context,
				       account->outstanding);
}

CUresult pools_settle(const struct pool_request *request, CUresult result, CUdeviceptr address,
		      CUstream stream)
{
	struct account *account;

	if (request->device < 0)
		return result;
	if (!request->pool)
		return admission_settle_pooled(result, request->device, request->bytes,
					       address);
	account = account_of(request->pool, request->device);
	if (!balance(account, ledger_charge_bytes(request->bytes)) && result == CUDA_SUCCESS) {
		/* It took more than it was asked for, and more than there is. */
		real(cuMemFreeAsync)(address, stream);
		real(cuStreamSynchronize)(stream);
		real(cuMemPoolTrimTo)(request->pool, 0);
		balance(account, 0);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (result == CUDA_SUCCESS)
		remember(account, address, stream);
	lock_give(&lock);
	return result;
}

void pools_refresh(void)
{
	/* Whoever allocates meanwhile sees to it by himself. */
	if (!atomic_load_explicit(&any, memory_order_relaxed) || !lock_try(&lock))
		return;
	for (int i = 0; i < POOLS; i++)
		if (accounts[i].pool)
			balance(&accounts[i], 0);
	lock_give(&lock);
}

/* What it had until then goes from the account with what is outstanding of it. Where that could
 * not be counted it stays there: too much rather than too little. */
static void close_account(struct account *account, uint64_t reserved_bytes)
{
	if (reserved_bytes < account->charged_bytes) {
		ledger_give_back(account->device, account->charged_bytes - reserved_bytes);
		account->charged_bytes = reserved_bytes;
	}
	if (account->outstanding)
		outstanding_pool_destroyed(account->outstanding, account->charged_bytes);
	*account = (struct account){0};
}

CUresult pools_destroy(CUmemoryPool pool, CUresult (*driver_destroy)(CUmemoryPool))
{
	struct account *account = NULL;
	uint64_t reserved_bytes = UINT64_MAX;
	CUresult result;

	/* Held meanwhile: its handle may come again at once. */
	lock_take(&lock);
	for (int i = 0; i < POOLS && pool; i++)
		if (accounts[i].pool == pool)
			account = &accounts[i];
	if (account && !asked(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved_bytes))
		reserved_bytes = UINT64_MAX;
	result = driver_destroy(pool);
	if (account && result == CUDA_SUCCESS)
		close_account(account, reserved_bytes);
	lock_give(&lock);
	return result;
}

void pools_fork_prepare(void)
{
	lock_take(&lock);
}

void pools_fork_done(void)
{
	lock_give(&lock);
}
