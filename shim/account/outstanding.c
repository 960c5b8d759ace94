#include "account/outstanding.h"

#include "base/lock.h"
#include "account/ledger.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct outstanding {
	int device;		/* immutable after init */
	uint64_t count;		/* guarded by lock */
	bool destroyed;		/* guarded by lock */
	uint64_t charged_bytes; /* guarded by lock; once it is destroyed */
};

static struct lock lock = LOCK(RANK_OUTSTANDING);

struct outstanding *outstanding_open(int device)
{
	struct outstanding *pool = calloc(1, sizeof(*pool));

	if (pool)
		pool->device = device;
	return pool;
}

void outstanding_add(struct outstanding *pool)
{
	lock_take(&lock);
	pool->count++;
	lock_give(&lock);
}

/* The lock is held. */
static void settle(struct outstanding *pool)
{
	if (!pool->destroyed || pool->count)
		return;
	ledger_give_back(pool->device, pool->charged_bytes);
	free(pool);
}

void outstanding_freed(struct outstanding *pool)
{
	lock_take(&lock);
	pool->count--;
	settle(pool);
	lock_give(&lock);
}

void outstanding_pool_destroyed(struct outstanding *pool, uint64_t charged_bytes)
{
	lock_take(&lock);
	pool->destroyed = true;
	pool->charged_bytes = charged_bytes;
	settle(pool);
	lock_give(&lock);
}

void outstanding_fork_prepare(void)
{
	lock_take(&lock);
}

void outstanding_fork_done(void)
{
	lock_give(&lock);
}
