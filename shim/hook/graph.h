/* Around a fork: what graph.c guards is not left locked in the child. */
#ifndef LOWTIDE_GRAPH_H
#define LOWTIDE_GRAPH_H

void graph_fork_prepare(void);
void graph_fork_done(void);

#endif
