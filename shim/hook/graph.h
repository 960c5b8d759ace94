/* Around a fork: what graph.c guards is not left locked in the child. Ranked before
 * launch_params.c's.
 */
#ifndef LOWTIDE_GRAPH_H
#define LOWTIDE_GRAPH_H

void graph_fork_prepare(void);
void graph_fork_done(void);

#endif
