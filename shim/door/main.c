/*
 * What happens at load, at fork and at exit. Nothing here touches CUDA: a process that never
 * uses it pays for one registration of fork handlers and one look for a variable, no more.
 */
#include "hook/context.h"
#include "hook/graph.h"
#include "hook/launch_params.h"
#include "loaded.h"
#include "base/lock.h"
#include "account/arrays.h"
#include "pager/driver_slabs.h"
#include "account/unmanaged.h"
#include "account/ordered_free.h"
#include "pager/pager.h"
#include "account/pools.h"
#include "door/summary.h"

#include <pthread.h>

/* In the order of the locks' ranks. */
static void prepare(void)
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

static void parent(void)
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

static void child(void)
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
	/* Without these, a fork while another thread holds the lock leaves the child with it
	 * held. */
	pthread_atfork(prepare, parent, child);
	summary_at_load();
	loaded_tell();
}

__attribute__((destructor)) static void lowtide_unload(void)
{
	lock_cancel_hold();
	summary_at_exit();
	lock_cancel_let();
}
