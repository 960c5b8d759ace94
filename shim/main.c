/*
 * What happens at load, at fork and at exit. Nothing here touches CUDA: a process that never
 * uses it pays for one registration of fork handlers and no more.
 */
#include "pager/holding.h"

#include <pthread.h>

__attribute__((constructor)) static void lowtide_load(void)
{
	/* Without these, a fork while another thread holds the lock leaves the child with it
	 * held. */
	pthread_atfork(holding_fork_prepare, holding_fork_done, holding_fork_done);
}
