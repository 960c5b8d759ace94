/* In the place of shim/order/gate.c: a gate that keeps nobody out. */
#include "order/gate.h"

void gate_enter(void)
{
}

void gate_leave(void)
{
}

bool gate_shut(uint64_t patience_ns)
{
	(void)patience_ns;
	return true;
}

void gate_open(void)
{
}

void gate_forget_threads(void)
{
}
