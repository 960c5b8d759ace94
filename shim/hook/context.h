/* Around a fork: what context.c guards is not left locked in the child. */
#ifndef LOWTIDE_CONTEXT_H
#define LOWTIDE_CONTEXT_H

void context_fork_prepare(void);
void context_fork_done(void);

#endif
