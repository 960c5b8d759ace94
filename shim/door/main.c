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
#include "pager/driver_slabs.h"
#include "pager/pager.h"

#include <pthread.h>

/* A fork while another thread holds a lock would leave the child with it held: each lock is
 * taken before a fork, in the order of their ranks, and given back in both processes after. */
static void fork_prepare(void)
{
	context_fork_prepare();
	graph_fork_prepare();
	launch_params_fork_prepare();
	pools_fork_prepare();
	driver_slabs_fork_prepare();
	pager_fork_prepare();
	arrays_fork_prepare();
	ordered_free_fork_prepare();
	unmanaged_fork_prepare();
}

static void fork_parent(void)
{
	unmanaged_fork_done();
	ordered_free_fork_done();
	arrays_fork_done();
	pager_fork_parent();
	driver_slabs_fork_parent();
	pools_fork_done();
	launch_params_fork_done();
	graph_fork_done();
	context_fork_done();
}

static void fork_child(void)
{
	unmanaged_fork_done();
	ordered_free_fork_done();
	arrays_fork_done();
	pager_fork_child();
	driver_slabs_fork_child();
	pools_fork_done();
	launch_params_fork_done();
	graph_fork_done();
	context_fork_done();
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
