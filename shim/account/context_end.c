#include "account/context_end.h"

#include "account/ordered_free.h"
#include "account/pools.h"
#include "account/unmanaged.h"

#include <stdint.h>

void account_context_ended(CUcontext context)
{
	if (!context)
		return;
	unmanaged_forget_context((uintptr_t)context);
	ordered_free_context_ended(context);
	pools_refresh();
}
