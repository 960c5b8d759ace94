#include "fault.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>

static _Thread_local sigjmp_buf *landing; /* NULL: no operation runs on this thread */
static struct sigaction previous[2];	  /* SIGSEGV, SIGBUS; written once */

static void on_fault(int number, siginfo_t *info, void *context)
{
	struct sigaction *before = &previous[number == SIGBUS];

	if (landing)
		siglongjmp(*landing, 1);
	/* Not ours: the program's own handler, or the end it would have met without us. */
	if (before->sa_flags & SA_SIGINFO) {
		before->sa_sigaction(number, info, context);
	} else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
		before->sa_handler(number);
	} else {
		signal(number, SIG_DFL);
		raise(number);
	}
}

void sim_fault_install(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_fault;
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, &previous[0]);
	sigaction(SIGBUS, &action, &previous[1]);
}

bool sim_fault_guard(struct sim_op *op, bool *over)
{
	sigjmp_buf here, *before = landing;

	if (sigsetjmp(here, 0)) {
		landing = before;
		return false;
	}
	landing = &here;
	*over = op->step(op);
	landing = before;
	return true;
}

_Noreturn void sim_fault_raise(void)
{
	siglongjmp(*landing, 1);
}
