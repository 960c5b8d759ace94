/* Stream-ordered memory's seam to the rest of the simulator. */
#ifndef SIM_POOL_H
#define SIM_POOL_H

/* Gives back what was freed in stream order and has been reached; call after each
 * synchronization. */
void sim_pool_reap(void);

#endif
