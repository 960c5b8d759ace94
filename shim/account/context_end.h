/* The account of a context that has gone. */
#ifndef LOWTIDE_CONTEXT_END_H
#define LOWTIDE_CONTEXT_END_H

#include <cuda.h>

/* What was made in it is gone with it, and charged no more. NULL: none was. Any thread, no
 * lock. */
void account_context_ended(CUcontext context);

#endif
