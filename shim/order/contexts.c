#include "order/contexts.h"

#include <stdatomic.h>

#define DEVICES 16

static atomic_int contexts[DEVICES];
static atomic_int devices_in_use; /* with a context that lives */

static void count_device(int before, int difference)
{
	if (before <= 0 && before + difference > 0)
		atomic_fetch_add(&devices_in_use, 1);
	else if (before > 0 && before + difference <= 0)
		atomic_fetch_sub(&devices_in_use, 1);
}

void contexts_made(int device, int difference)
{
	if (device >= 0 && device < DEVICES)
		count_device(atomic_fetch_add(&contexts[device], difference), difference);
}

bool contexts_on_many_devices(void)
{
	return atomic_load_explicit(&devices_in_use, memory_order_relaxed) > 1;
}

bool contexts_only_one(int device)
{
	return device >= 0 && device < DEVICES && atomic_load(&contexts[device]) <= 1;
}
