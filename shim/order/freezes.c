#include "order/freezes.h"

#include <stdatomic.h>

static atomic_int freezes;

void freezes_add(int difference)
{
	atomic_fetch_add(&freezes, difference);
}

bool freezes_any(void)
{
	return atomic_load(&freezes) != 0;
}
