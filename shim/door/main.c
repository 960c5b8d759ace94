/*
 * What happens at load, at fork and at exit. Nothing here touches CUDA: a process that never
 * uses it pays for the registration of fork handlers and one look at its environment.
 */
#include "account/arrays.h"
#include "account/ordered_free.h"
#include "account/pools.h"
#include "account/unmanaged.h"
#include "base/lock.h"
#include "door/loaded.h"
#include "door/summary.h"
#include "hook/context.h"
#include "hook/graph.h"
#include "hook/launch_params.h"
#include "order/streams.h"
#include "order/worker.h"
#include "pager/driver_slabs.h"
#include "pager/pager.h"

#include <pthread.h>

/* A fork while another thread holds a lock would leave the child with it held: each lock is
 * taken before a fork, in the order of their ranks (base/ranks.def), and given back in both
 * processes after. */
static const struct {
	void (*prepare)(void), (*parent)(void), (*child)(void);
} fork_handlers[] = {
    {context_fork_prepare, context_fork_done, context_fork_done},
    {graph_fork_prepare, graph_fork_done, graph_fork_done},
    {launch_params_fork_prepare, launch_params_fork_done, launch_params_fork_done},
    {pools_fork_prepare, pools_fork_done, pools_fork_done},
    {driver_slabs_fork_prepare, driver_slabs_fork_parent, driver_slabs_fork_child},
    {pager_fork_prepare, pager_fork_parent, pager_fork_child},
    {arrays_fork_prepare, arrays_fork_done, arrays_fork_done},
    {ordered_free_fork_prepare, ordered_free_fork_done, ordered_free_fork_done},
    {unmanaged_fork_prepare, unmanaged_fork_done, unmanaged_fork_done},
    {worker_fork_prepare, worker_fork_parent, worker_fork_child},
    {streams_fork_prepare, streams_fork_done, streams_fork_done},
};
#define FORK_HANDLERS (sizeof(fork_handlers) / sizeof(fork_handlers[0]))

static void fork_prepare(void)
{
	for (size_t i = 0; i < FORK_HANDLERS; i++)
		fork_handlers[i].prepare();
	ranks_all_held(__FILE__, __LINE__);
}

static void fork_parent(void)
{
	for (size_t i = FORK_HANDLERS; i-- > 0;)
		fork_handlers[i].parent();
}

static void fork_child(void)
{
	for (size_t i = FORK_HANDLERS; i-- > 0;)
		fork_handlers[i].child();
}

__attribute__((constructor)) static void lowtide_load(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	summary_at_load();
	loaded_tell();
}

__attribute__((destructor)) static void lowtide_unload(void)
{
	lock_cancel_hold();
	summary_at_exit();
	lock_cancel_let();
}
